package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/headrace/headrace/worker/executor"
	"github.com/headrace/headrace/worker/executor/home"
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
		return "", home.Fault(base, err)
	}
	err := d.fill(s.Script)
	if err != nil {
		return "", home.Fault(base, errors.Join(err, removeTree(string(d))))
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
		return nil, home.Fault(base, err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), runPrefix) {
			out = append(out, filepath.Join(base, e.Name()))
		}
	}
	return out, nil
}
