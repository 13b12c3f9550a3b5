package scm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// mirrors knows the mirrors of this process.
type mirrors struct {
	dir   string
	mu    sync.Mutex
	known map[string]*mirror
}

// mirror is a bare repository with what was fetched of one source. Whoever works in it holds its lock.
type mirror struct {
	path    string
	src     source
	lock    chan struct{} // holds one token while somebody works in it
	fetches int           // since the last tidying up
}

// tidyEvery is after how many fetches a mirror is tidied up.
const tidyEvery = 50

// get returns the mirror of a repository. Two repositories never share one, so that nobody sees through another's password.
func (ms *mirrors) get(id int64, src source) *mirror {
	sum := sha256.Sum256([]byte(strconv.FormatInt(id, 10) + " " + src.url))
	name := hex.EncodeToString(sum[:16])
	ms.mu.Lock()
	defer ms.mu.Unlock()
	m := ms.known[name]
	if m == nil {
		m = &mirror{path: filepath.Join(ms.dir, name+".git"), lock: make(chan struct{}, 1)}
		ms.known[name] = m
	}
	return m
}

// onMirror calls f while it holds the lock of the repository's mirror. A failure that nothing explains may be the mirror's
// own; then it is made again and f is called once more.
func (g *Git) onMirror(ctx context.Context, id int64, src source, f func(*mirror) error) error {
	m := g.mirrors.get(id, src)
	select {
	case m.lock <- struct{}{}:
		defer func() { <-m.lock }()
	case <-ctx.Done():
		return ctx.Err()
	}
	m.src = src
	fresh, err := g.ensure(ctx, m)
	if err != nil {
		return explain(src, err)
	}
	err = explain(src, f(m))
	if err == nil || fresh || !errors.Is(err, errUnexplained) {
		return err
	}
	g.config.Log.WarnContext(ctx, "a mirror is made again after a failure", "repository_id", id, "err", err)
	if err := os.RemoveAll(m.path); err != nil {
		return explain(src, err)
	}
	if _, err := g.ensure(ctx, m); err != nil {
		return explain(src, err)
	}
	return explain(src, f(m))
}

// ensure makes the mirror where it is missing; fresh says that it did.
func (g *Git) ensure(ctx context.Context, m *mirror) (fresh bool, err error) {
	if _, err := os.Stat(filepath.Join(m.path, "HEAD")); err == nil {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(m.path), 0o700); err != nil {
		return false, err
	}
	making := m.path + ".new"
	if err := errors.Join(os.RemoveAll(making), os.RemoveAll(m.path)); err != nil {
		return false, err
	}
	if _, err := g.runner.run(ctx, call{args: []string{"init", "--quiet", "--bare", "--template=", making}}); err != nil {
		return false, err
	}
	return true, os.Rename(making, m.path)
}

// fetch fetches what the refspecs name. shallow brings the commits alone, without their history.
func (g *Git) fetch(ctx context.Context, m *mirror, shallow bool, refspecs ...string) error {
	depth := "--depth=2147483647" // git's word for all of the history, also where there is only a part so far
	if shallow {
		depth = "--depth=1"
	}
	err := g.fetchOnce(ctx, m, depth, refspecs)
	if f, ok := errors.AsType[*failure](err); ok && strings.Contains(f.stderr, "does not support shallow") {
		err = g.fetchOnce(ctx, m, "--no-depth", refspecs)
	}
	if err == nil {
		g.tidy(ctx, m)
	}
	return err
}

func (g *Git) fetchOnce(ctx context.Context, m *mirror, depth string, refspecs []string) error {
	args := []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance", "--update-shallow"}
	if depth != "--no-depth" {
		args = append(args, depth)
	}
	args = append(args, "--end-of-options", m.src.url)
	_, err := g.runner.run(ctx, call{args: append(args, refspecs...), gitDir: m.path, src: &m.src, within: g.config.FetchTime})
	return err
}

// tidy packs the mirror from time to time. It may fail: the next fetch tells whether that matters.
func (g *Git) tidy(ctx context.Context, m *mirror) {
	if m.fetches++; m.fetches < tidyEvery {
		return
	}
	m.fetches = 0
	_, err := g.runner.run(ctx, call{args: []string{"-c", "gc.auto=500", "gc", "--auto", "--quiet"}, gitDir: m.path, within: g.config.FetchTime})
	if err != nil && ctx.Err() == nil {
		g.config.Log.WarnContext(ctx, "a mirror could not be tidied up", "err", err)
	}
}
