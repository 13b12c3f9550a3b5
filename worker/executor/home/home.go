// Package home owns what makes a directory the home of one worker process at a time: its lock, its name for ever and the
// count of the processes that had it. Every executor has a home. It must not know what is run there.
package home

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/headrace/headrace/internal/fault"
)

// Home is a directory that this process has for itself.
type Home struct {
	// Dir is its absolute path.
	Dir string
	// ID names it for ever.
	ID string
	// Generation counts the processes that have had it, this one included.
	Generation int64

	lock *os.File
}

// Take makes the directory if it is not there, and keeps other workers out of it until Close, or the end of this process,
// however it ends.
func Take(dir string) (*Home, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The work directory %s has no absolute path.", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, Fault(dir, err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	id, err := idOf(dir)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	generation, err := nextGeneration(dir)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &Home{Dir: dir, ID: id, Generation: generation, lock: lock}, nil
}

// Close lets others have it.
func (h *Home) Close() error { return h.lock.Close() }

// lockDir keeps a second worker out of the directory. The lock goes with this process, however it ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, Fault(dir, err)
	}
	err = flock(f)
	if err == nil {
		return f, nil
	}
	err = errors.Join(err, f.Close())
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fault.Wrap(fault.Conflict, err, "Another worker runs in the work directory %s. Give each worker a directory of its own.", dir)
	}
	return nil, Fault(dir, err)
}

// lockPatience is how long a lock may outlive the process that had it: a child between fork and exec holds a copy.
const lockPatience = 2 * time.Second

// flock tries for a moment.
func flock(f *os.File) error {
	for began := time.Now(); ; {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Since(began) > lockPatience {
			return err
		}
		<-time.After(20 * time.Millisecond)
	}
}

// idOf names the directory: at random the first time, the same ever after.
func idOf(base string) (string, error) {
	path := filepath.Join(base, "id")
	known, err := os.ReadFile(path)
	if id := strings.TrimSpace(string(known)); err == nil && id != "" {
		return id, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", Fault(base, err)
	}
	id := rand.Text()
	if err := os.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
		return "", Fault(base, err)
	}
	return id, nil
}

// nextGeneration counts up in the directory: of two processes that had it, the one with the higher number is the later. A
// number that cannot be read begins anew at the time of the day, which is higher than any count.
func nextGeneration(base string) (int64, error) {
	path := filepath.Join(base, "generation")
	known, err := os.ReadFile(path)
	n := int64(0)
	if err == nil {
		if n, err = strconv.ParseInt(strings.TrimSpace(string(known)), 10, 64); err != nil {
			n = time.Now().Unix()
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return 0, Fault(base, err)
	}
	n++
	temporary := path + ".new"
	if err := os.WriteFile(temporary, []byte(strconv.FormatInt(n, 10)+"\n"), 0o600); err != nil {
		return 0, Fault(base, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return 0, Fault(base, err)
	}
	return n, nil
}

// Fault puts what went wrong in the work directory into words.
func Fault(base string, err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fault.Wrap(fault.Unavailable, err, "The work directory %s has no space left. Free some, or give the worker another directory.", base)
	case errors.Is(err, unix.EROFS):
		return fault.Wrap(fault.Unavailable, err, "The work directory %s is on a read-only file system. Give the worker another directory.", base)
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(fault.Unavailable, err, "The worker may not write to its work directory %s. Give it to the worker's user.", base)
	}
	return fault.Wrap(fault.Unavailable, err, "The work directory %s cannot be used: %s.", base, Reason(err))
}

// Reason is the cause without the path, which the sentence names already.
func Reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}
