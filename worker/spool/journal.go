package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/headrace/headrace/broker"
)

// runFile says, in the directory of a run, whose it is.
const runFile = "run.json"

// journal is what a tape has on disk: records in numbered segment files, in a directory of the run's own. A segment goes
// when nothing in it is needed any more, the directory with the tape. The lock of the tape guards it.
type journal struct {
	dir     string
	key     broker.Run
	most    int64 // of a segment
	file    *os.File
	current *segment // what file is; nil before the first record
	last    int      // number of the newest segment
	live    []*segment
}

type segment struct {
	path    string
	size    int64
	records int // that are still needed
}

// place is where a record is; segment is nil for what is not on disk.
type place struct {
	segment *segment
	at      int64
	size    int64
}

func newJournal(spoolDir string, key broker.Run, most int64) *journal {
	return &journal{dir: filepath.Join(spoolDir, key.Run), key: key, most: most}
}

// write adds a record. After an error the next record takes the place of what was written of this one.
func (j *journal) write(r record, body []byte) (place, error) {
	bytes, err := r.encode(body)
	if err != nil {
		return place{}, err
	}
	if j.current == nil || j.current.size >= j.most {
		if err := j.open(); err != nil {
			return place{}, err
		}
	}
	p := place{segment: j.current, at: j.current.size, size: int64(len(bytes))}
	if _, err := j.file.WriteAt(bytes, p.at); err != nil {
		return place{}, err
	}
	j.current.size += p.size
	j.current.records++
	return p, nil
}

// open begins the next segment, with the first one the directory.
func (j *journal) open() error {
	if j.last == 0 {
		if err := j.begin(); err != nil {
			return err
		}
	}
	s := &segment{path: filepath.Join(j.dir, fmt.Sprintf("%06d.seg", j.last+1))}
	file, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // below the worker's directory
	if err != nil {
		return err
	}
	j.close()
	before := j.current
	j.last++
	j.file, j.current, j.live = file, s, append(j.live, s)
	if before != nil && before.records == 0 {
		j.delete(before)
	}
	return nil
}

func (j *journal) begin() error {
	if j.key.Run == "." || !filepath.IsLocal(j.key.Run) || filepath.Base(j.key.Run) != j.key.Run {
		return fmt.Errorf("%q cannot name a directory", j.key.Run)
	}
	text, err := json.Marshal(j.key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(j.dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(j.dir, runFile), text, 0o600)
}

// forget says that a record is not needed any more.
func (j *journal) forget(p place) {
	if p.segment == nil {
		return
	}
	p.segment.records--
	if p.segment.records == 0 && p.segment != j.current {
		j.delete(p.segment)
	}
}

func (j *journal) delete(s *segment) {
	for n := range j.live {
		if j.live[n] == s {
			j.live = append(j.live[:n:n], j.live[n+1:]...)
			break
		}
	}
	_ = os.Remove(s.path) // the directory goes later, with all that is in it
}

// paths names what [syncAll] must have on disk.
func (j *journal) paths() []string {
	paths := make([]string, 0, len(j.live)+3)
	for _, s := range j.live {
		paths = append(paths, s.path)
	}
	return append(paths, filepath.Join(j.dir, runFile), j.dir, filepath.Dir(j.dir))
}

// syncAll brings files and directories safely to the disk. What is not there any more is not needed.
func syncAll(paths []string) error {
	for _, path := range paths {
		f, err := os.Open(path) //nolint:gosec // below the worker's directory
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// close lets go of the open file; what is on disk stays.
func (j *journal) close() {
	if j.file != nil {
		_ = j.file.Close() // what was not written has been said by write
		j.file = nil
	}
}

// remove deletes everything.
func (j *journal) remove() error {
	j.close()
	if j.last == 0 {
		return nil
	}
	j.current, j.live, j.last = nil, nil, 0
	return os.RemoveAll(j.dir)
}

// read gives the body of the record that is at the place.
func (p place) read() (body []byte, err error) {
	f, err := os.Open(p.segment.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	_, body, err = readRecord(io.NewSectionReader(f, p.at, p.size))
	return body, err
}
