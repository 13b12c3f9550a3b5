package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
)

// FindKey takes the cluster key from the node's file where no setting gives it, for commands beside a node. Where there is no
// file there is no key.
func (s *Settings) FindKey() error {
	return s.readKey(func(string) ([]byte, error) { return nil, nil })
}

// readKey takes the cluster key from its file where no setting gives it, and has it made where there is no file.
func (s *Settings) readKey(missing func(path string) ([]byte, error)) error {
	if s.ClusterKey != "" {
		return nil
	}
	path := s.Path("cluster.key")
	body, err := os.ReadFile(path) //nolint:gosec // in the data directory
	if errors.Is(err, fs.ErrNotExist) {
		if body, err = missing(path); body == nil && err == nil {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("cluster key: %w", err)
	}
	text := strings.TrimSpace(string(body))
	if _, err := seal.ParseKeys(text); err != nil {
		return fault.Wrap(fault.Invalid, err, "The file %s holds no cluster key. Put the key back from a backup; without it what was sealed cannot be opened.", path)
	}
	s.ClusterKey = Secret(text)
	return nil
}

// makeKey makes the file. It has its name only once it is whole and on the disk: a key that is lost cannot be made again.
func makeKey(path string) ([]byte, error) {
	body := []byte(seal.NewKey() + "\n")
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400) //nolint:gosec // in the data directory
	if err != nil {
		return nil, err
	}
	_, err = f.Write(body)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return body, os.Rename(fresh, path)
}
