package local

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker/executor"
)

// runDir is the directory of one run: the script, HOME and TMPDIR are in it.
type runDir string

const runPrefix = "run-"

func (d runDir) home() string   { return filepath.Join(string(d), "home") }
func (d runDir) tmp() string    { return filepath.Join(string(d), "tmp") }
func (d runDir) script() string { return filepath.Join(string(d), "build.sh") }

// makeRunDir makes the directory of a run and writes the script into it.
func makeRunDir(base, instance string, s executor.Spec) (runDir, error) {
	name := fmt.Sprintf("%s%s-%d-%d-%s", runPrefix, instance, s.JobID, s.Attempt, safeName(s.Run))
	d := runDir(filepath.Join(base, name))
	if err := os.Mkdir(string(d), 0o700); err != nil {
		return "", dirFault(base, err)
	}
	err := d.fill(s.Script)
	if err != nil {
		return "", dirFault(base, errors.Join(err, removeTree(string(d))))
	}
	return d, nil
}

func (d runDir) fill(script []byte) error {
	for _, sub := range []string{d.home(), d.tmp()} {
		if err := os.Mkdir(sub, 0o700); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(d.script(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(script)
	return errors.Join(err, f.Close())
}

// safeName keeps of a run's name what may stand in a file name.
func safeName(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
			return r
		}
		return '_'
	}, s)
}

// dirFault puts what went wrong in the work directory into words.
func dirFault(base string, err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fault.Wrap(fault.Unavailable, err, "The work directory %s has no space left. Free some, or give the worker another directory.", base)
	case errors.Is(err, unix.EROFS):
		return fault.Wrap(fault.Unavailable, err, "The work directory %s is on a read-only file system. Give the worker another directory.", base)
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(fault.Unavailable, err, "The worker may not write to its work directory %s. Give it to the worker's user.", base)
	}
	return fault.Wrap(fault.Unavailable, err, "The work directory %s cannot be used: %s.", base, reason(err))
}

// reason is the cause without the path, which the sentence names already.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// removeTree removes a directory with all in it, also where a job took its own right to write away (Go's module cache does).
func removeTree(path string) error {
	if err := os.RemoveAll(path); err == nil {
		return nil
	}
	walk := filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return nil //nolint:nilerr // what cannot be read is reported by the removal that follows
		}
		return os.Chmod(p, 0o700) //nolint:gosec // a directory needs its x bit to be emptied
	})
	if err := os.RemoveAll(path); err != nil {
		return errors.Join(err, walk)
	}
	return nil
}

// leftovers are the directories of runs that an earlier worker could not remove.
func leftovers(base string) ([]string, error) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return nil, dirFault(base, err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), runPrefix) {
			out = append(out, filepath.Join(base, e.Name()))
		}
	}
	return out, nil
}

// homeOf names the directory: at random the first time, the same ever after.
func homeOf(base string) (string, error) {
	path := filepath.Join(base, "id")
	known, err := os.ReadFile(path)
	if id := strings.TrimSpace(string(known)); err == nil && id != "" {
		return id, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", dirFault(base, err)
	}
	id := rand.Text()
	if err := os.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
		return "", dirFault(base, err)
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
		return 0, dirFault(base, err)
	}
	n++
	temporary := path + ".new"
	if err := os.WriteFile(temporary, []byte(strconv.FormatInt(n, 10)+"\n"), 0o600); err != nil {
		return 0, dirFault(base, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return 0, dirFault(base, err)
	}
	return n, nil
}
