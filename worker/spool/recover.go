package spool

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/headrace/headrace/broker"
)

// Recovered is a run of an earlier process: it had ended, and not all that it said was stored.
type Recovered struct {
	Run   broker.Run
	State string // its last
	Tape  *Tape
}

// Recover takes up what an earlier process left on disk, before anything is opened. Runs whose end is there are given back
// with their tapes; what is left of others is removed: nobody knows how they would have gone on.
func (s *Spool) Recover() (all []Recovered) {
	if s.cfg.Dir == "" {
		return nil
	}
	old, err := os.ReadDir(s.cfg.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.cfg.Log.Warn("what an earlier worker left in the spool cannot be read", "dir", s.cfg.Dir, "err", err)
	}
	for _, d := range old {
		dir := filepath.Join(s.cfg.Dir, d.Name())
		r, err := s.recoverRun(dir)
		if err == nil {
			s.cfg.Log.Info("a job had ended before this worker was started again; what the platform has not stored of it is sent",
				"job_id", r.Run.JobID, "attempt", r.Run.Attempt, "state", r.State)
			all = append(all, r)
			continue
		}
		s.cfg.Log.Warn("what an earlier worker left of a job cannot be used; it is removed, and the platform begins the job again", "dir", dir, "reason", err)
		if err := os.RemoveAll(dir); err != nil {
			s.cfg.Log.Warn("what an earlier worker left of a job cannot be removed", "dir", dir, "err", err)
		}
	}
	return all
}

// recoverRun reads the directory of a run. An error says why it is of no use.
func (s *Spool) recoverRun(dir string) (r Recovered, err error) {
	text, err := os.ReadFile(filepath.Join(dir, runFile)) //nolint:gosec // below the worker's directory
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r.Run); err != nil {
		return r, fmt.Errorf("read %s: %w", runFile, err)
	}
	if r.Run.Run != filepath.Base(dir) || r.Run.JobID <= 0 || r.Run.Attempt <= 0 {
		return r, fmt.Errorf("%s does not name a run of this directory, or one of another platform", runFile)
	}
	r.Tape = s.Open(r.Run, Headrace)
	items, err := r.Tape.journal.load()
	if err != nil {
		return r, err
	}
	if len(items) == 0 || rank(items[len(items)-1].state) != lastRank {
		return r, errors.New("the job had not ended")
	}
	r.State = items[len(items)-1].state
	r.Tape.resume(items)
	return r, nil
}

// resume makes a tape of a run that has ended.
func (t *Tape) resume(items []item) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.items, t.cursor, t.sent = items, items[0].seq, items[0].seq
	t.nextSeq = items[len(items)-1].seq + 1
	t.unsaved, t.ended = t.nextSeq, true
	for _, i := range items {
		t.spool.budget.force(i.cost)
	}
}

// load reads what is in the directory: all items, one after another, to the last.
func (j *journal) load() (all []item, err error) {
	names, err := filepath.Glob(filepath.Join(j.dir, "*.seg")) // in order
	if err != nil {
		return nil, err
	}
	for _, path := range names {
		number, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(path), ".seg"))
		if err != nil {
			return nil, err
		}
		j.last = max(j.last, number)
		items, err := j.loadSegment(path)
		all = append(all, items...)
		ended := len(all) > 0 && rank(all[len(all)-1].state) == lastRank
		if err != nil && !ended {
			return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
	}
	for n := 1; n < len(all); n++ {
		if all[n].seq != all[n-1].seq+1 {
			return nil, fmt.Errorf("after record %d comes %d", all[n-1].seq, all[n].seq)
		}
	}
	return all, nil
}

func (j *journal) loadSegment(path string) (items []item, err error) {
	f, err := os.Open(path) //nolint:gosec // below the worker's directory
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	s := &segment{path: path}
	in := &counter{from: bufio.NewReaderSize(f, broker.MaxPart)}
	for {
		r, body, err := readRecord(in)
		if err == nil && s.records == 0 {
			j.live = append(j.live, s)
		}
		if err != nil {
			if errors.Is(err, io.EOF) && !errors.Is(err, errTorn) {
				err = nil
			}
			return items, err
		}
		i := item{
			seq: r.Seq, part: r.Part, state: r.State, final: r.Final, elapsed: r.Elapsed, size: len(body), cost: in.read - s.size,
			at: place{segment: s, at: s.size, size: in.read - s.size},
		}
		s.size, s.records = in.read, s.records+1
		if r.Part < 0 {
			if i.said, err = saidOf(body); err != nil {
				return items, err
			}
		}
		items = append(items, i)
	}
}

// saidOf is the message of a state that was kept.
func saidOf(body []byte) (*broker.Message, error) {
	var r broker.StateReport
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, err
	}
	m, err := r.Message()
	return &m, err
}

// counter counts what is read.
type counter struct {
	from io.Reader
	read int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.read += int64(n)
	return n, err
}
