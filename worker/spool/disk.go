package spool

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
)

// disk is how the disk of a spool stands.
type disk struct {
	mu      sync.Mutex
	trouble string
}

// probeEvery is how often a disk that failed is tried while writers wait for it.
const probeEvery = 5 * time.Second

// Trouble says why nothing can be kept on disk: then only so much output is kept as memory may hold. Empty: it can be.
func (s *Spool) Trouble() string {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	return s.disk.trouble
}

// noteDisk takes how the last write went.
func (s *Spool) noteDisk(err error) {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	switch {
	case err == nil && s.disk.trouble != "":
		s.cfg.Log.Info("output of jobs can be kept on disk again", "dir", s.cfg.Dir)
		s.disk.trouble = ""
	case err != nil && s.disk.trouble == "":
		s.cfg.Log.Error("output of jobs cannot be kept on disk; memory holds a little, then jobs that write wait until the platform has stored it",
			"dir", s.cfg.Dir, "bytes_in_memory", s.cfg.Memory, "err", err)
	}
	if err != nil {
		s.disk.trouble = err.Error()
	}
}

// probe tries whether the disk takes something again.
func (s *Spool) probe() {
	path := filepath.Join(s.cfg.Dir, "probe")
	err := os.MkdirAll(s.cfg.Dir, 0o700)
	if err == nil {
		err = errors.Join(os.WriteFile(path, make([]byte, broker.MaxPart), 0o600), os.Remove(path))
	}
	s.noteDisk(err)
}

// awaitMemory waits, while the disk takes nothing, until memory has room.
func (t *Tape) awaitMemory() {
	s := t.spool
	if s.Trouble() == "" {
		return
	}
	timer := time.NewTimer(probeEvery)
	defer timer.Stop()
	for s.Trouble() != "" {
		more, full := s.memory.full()
		if !full {
			return
		}
		select {
		case <-more:
		case <-t.unbound:
			return
		case <-timer.C:
			s.probe()
			t.retry()
			timer.Reset(probeEvery)
		}
	}
}

// retry saves what the disk did not take before, unless it takes nothing still.
func (t *Tape) retry() {
	if t.spool.Trouble() != "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.save()
}
