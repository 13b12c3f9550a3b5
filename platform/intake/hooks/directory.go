package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
)

// directory holds the repositories that hooks may be about, in memory and, sealed, in a file.
type directory struct {
	list  func(context.Context) ([]ci.HookSource, error)
	keys  *seal.Keys
	path  string
	place seal.Place
	log   *slog.Logger

	loading sync.Mutex // one at a time asks the store
	loaded  time.Time  // when the last one that was answered began to ask; under loading
	failed  time.Time  // when the last one that was not began to; under loading
	err     error      // of that one; under loading
	saved   []byte     // what the file holds, unsealed; under loading

	mu  sync.RWMutex
	all []source
}

// source is a repository, with what a hook's repository is compared with.
type source struct {
	ci.HookSource
	key string // host and path of its address
}

// read takes what is in the file, for as long as the store has not been asked. No file is no error.
func (d *directory) read() error {
	sealed, err := os.ReadFile(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the directory of hooks: %w", err)
	}
	plain, err := d.keys.Open(string(sealed), d.place)
	if err != nil {
		return fmt.Errorf("open the directory of hooks %s: %w", d.path, err)
	}
	var list []ci.HookSource
	if err := json.Unmarshal(plain, &list); err != nil {
		return fmt.Errorf("read the directory of hooks %s: %w", d.path, err)
	}
	d.saved = plain
	d.set(list)
	return nil
}

func (d *directory) set(list []ci.HookSource) {
	all := make([]source, len(list))
	for i, s := range list {
		all[i] = source{HookSource: s, key: addressKey(s.SourceURL)}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = all
}

// load asks the store, unless somebody has begun to since the given moment, and keeps the answer. Who waited for one that was
// not answered asks no more.
func (d *directory) load(ctx context.Context, since time.Time) error {
	d.loading.Lock()
	defer d.loading.Unlock()
	switch {
	case d.loaded.After(since):
		return nil
	case d.failed.After(since):
		return d.err
	}
	began := time.Now()
	list, err := d.list(ctx)
	if err != nil {
		d.failed, d.err = began, err
		return err
	}
	d.set(list)
	d.loaded = began
	if err := d.save(list); err != nil { // it is in memory
		d.log.WarnContext(ctx, "a node that is started while the database is away could not prove the newest hooks", "err", err)
	}
	return nil
}

// save writes the file where its content has changed.
func (d *directory) save(list []ci.HookSource) error {
	plain, err := json.Marshal(list)
	if err != nil || bytes.Equal(plain, d.saved) || d.keys == nil {
		return err
	}
	sealed, err := d.keys.Seal(plain, d.place)
	if err != nil {
		return err
	}
	if err := replaceFile(d.path, []byte(sealed)); err != nil {
		return fmt.Errorf("keep the directory of hooks: %w", err)
	}
	d.saved = plain
	return nil
}

// find returns the repositories that a hook may be about: those that the forge's id names, and those that no id is known of
// and that the name or the address fits.
func (d *directory) find(forge string, r *repository) []source {
	id := strconv.FormatInt(r.ID, 10)
	keys := []string{addressKey(r.CloneURL), addressKey(r.SSHURL), addressKey(r.HTMLURL)}
	d.mu.RLock()
	defer d.mu.RUnlock()
	var found []source
	for _, s := range d.all {
		switch {
		case s.ForgeID != "" && r.ID > 0 && s.Forge == forge:
			if s.ForgeID == id {
				found = append(found, s)
			}
		case strings.EqualFold(s.Slug, r.FullName), s.key != "" && (s.key == keys[0] || s.key == keys[1] || s.key == keys[2]):
			found = append(found, s)
		}
		if len(found) == mostCandidates {
			break
		}
	}
	return found
}

// mostCandidates bounds how many repositories a signature is tried with.
const mostCandidates = 20

// addressKey is host and path of an address of git, by which https and ssh addresses of one repository are the same. Empty: it
// has no host.
func addressKey(raw string) string {
	if !strings.Contains(raw, "://") {
		if host, path, ok := strings.Cut(raw, ":"); ok { // user@host:path
			raw = "ssh://" + host + "/" + strings.TrimPrefix(path, "/")
		}
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	return strings.ToLower(u.Hostname() + strings.TrimSuffix(strings.TrimRight(u.Path, "/"), ".git"))
}

// replaceFile writes a file so that, whatever happens, it holds all of the old or all of the new.
func replaceFile(path string, content []byte) error {
	temporary := path + ".new"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes what was renamed or made in a folder last.
func syncDir(path string) error {
	dir, err := os.Open(path) //nolint:gosec // the node's own folder
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
