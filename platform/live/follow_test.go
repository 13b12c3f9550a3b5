package live_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/live"
)

// logStore holds one log.
type logStore struct {
	mu      sync.Mutex
	parts   []ci.LogPart
	closed  bool
	err     error
	reads   int
	looks   int
	largest int
	onLook  func()
}

func (s *logStore) Log(_ context.Context, job int64, attempt int) (ci.Log, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looks++; s.onLook != nil {
		s.onLook()
	}
	if job != 1 {
		return ci.Log{}, fault.New(fault.NotFound, "no such job")
	}
	return ci.Log{JobID: job, Attempt: 3, Closed: s.closed}, s.err
}

func (s *logStore) LogParts(_ context.Context, job int64, attempt int, from ci.LogPos, most int) ([]ci.LogPart, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if job != 1 || attempt != 3 {
		return nil, fault.New(fault.NotFound, "no such job")
	}
	var out []ci.LogPart
	size := 0
	for _, p := range s.parts {
		if p.Source < from.Source || (p.Source == from.Source && p.Number < from.Number) {
			continue
		}
		if size += len(p.Content); size > most && len(out) > 0 {
			break
		}
		out = append(out, p)
	}
	s.largest = max(s.largest, size)
	return out, s.err
}

func (s *logStore) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *logStore) write(source ci.LogSource, number int, text string) {
	s.set(func() { s.parts = append(s.parts, ci.LogPart{Source: source, Number: number, Content: []byte(text)}) })
}

// viewer follows a log.
type viewer struct {
	mu   sync.Mutex
	text bytes.Buffer
	done chan error
}

func (v *viewer) read() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.text.String()
}

func follow(t *testing.T, l *live.Live, attempt int, from ci.LogPos) *viewer {
	t.Helper()
	v := &viewer{done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() {
		v.done <- l.Follow(ctx, 1, attempt, from, func(parts []ci.LogPart) error {
			v.mu.Lock()
			defer v.mu.Unlock()
			for _, p := range parts {
				v.text.Write(p.Content)
			}
			return nil
		})
	}()
	return v
}

func TestFollow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &logStore{}
		l := live.New(s, live.Config{})
		s.write(ci.LogPreface, 0, "attempt 3\n")
		v := follow(t, l, 0, ci.LogPos{})
		<-time.After(time.Second)
		if got := v.read(); got != "attempt 3\n" {
			t.Errorf("read %q", got)
		}
		begin := time.Now()
		s.write(ci.LogWorker, 0, "one\n")
		l.Deliver([]ci.Change{logTo(1, 1)})
		synctest.Wait()
		if got := v.read(); got != "attempt 3\none\n" || time.Since(begin) != 0 {
			t.Errorf("after a hint, %s later: read %q", time.Since(begin), got)
		}
		s.write(ci.LogWorker, 1, "two\n") // its hint was lost
		<-time.After(2100 * time.Millisecond)
		if got := v.read(); got != "attempt 3\none\ntwo\n" {
			t.Errorf("without a hint: read %q", got)
		}
		s.write(ci.LogEpilogue, 0, "the end\n")
		s.set(func() { s.closed = true })
		l.Deliver([]ci.Change{job(1, ci.Passed)})
		if err := <-v.done; err != nil || v.read() != "attempt 3\none\ntwo\nthe end\n" {
			t.Errorf("Follow = %v, read %q", err, v.read())
		}
	})
}

// What is stored between the last read and the look whether the log is closed is sent, too.
func TestFollowReadsOnceMoreAfterTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &logStore{}
		s.onLook = func() {
			if !s.closed {
				s.parts = append(s.parts, ci.LogPart{Source: 1, Content: []byte("late")})
				s.closed = true
			}
		}
		v := follow(t, live.New(s, live.Config{}), 3, ci.LogPos{})
		if err := <-v.done; err != nil || v.read() != "late" {
			t.Errorf("Follow = %v, read %q", err, v.read())
		}
	})
}

func TestFollowFromTheMiddle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &logStore{closed: true}
		for i, text := range []string{"a", "b", "c"} {
			s.write(ci.LogWorker, i, text)
		}
		v := follow(t, live.New(s, live.Config{}), 3, ci.LogPos{Source: ci.LogWorker, Number: 2})
		if err := <-v.done; err != nil || v.read() != "c" {
			t.Errorf("Follow = %v, read %q", err, v.read())
		}
	})
}

// A long log is read in steps, without pauses between them; a chatty one is not read for each hint.
func TestFollowReadsAtItsPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &logStore{}
		l := live.New(s, live.Config{})
		part := strings.Repeat("x", 64<<10)
		for i := range 160 {
			s.write(ci.LogWorker, i, part)
		}
		begin := time.Now()
		v := follow(t, l, 3, ci.LogPos{})
		synctest.Wait()
		if n := len(v.read()); n != 10<<20 || time.Since(begin) != 0 {
			t.Errorf("%d bytes were read in %s", n, time.Since(begin))
		}
		if s.largest > 320<<10 {
			t.Errorf("%d bytes were read at once", s.largest)
		}
		<-time.After(100 * time.Millisecond)
		s.set(func() { s.reads = 0 })
		for i := range 1000 {
			s.write(ci.LogWorker, 160+i, "y")
			l.Deliver([]ci.Change{logTo(1, 161+i)})
			<-time.After(time.Millisecond)
		}
		s.set(func() {
			if s.reads > 50 {
				t.Errorf("%d reads in a second", s.reads)
			}
			s.closed = true
		})
		l.Deliver(nil)
		if err := <-v.done; err != nil || len(v.read()) != 10<<20+1000 {
			t.Errorf("Follow = %v, %d bytes", err, len(v.read()))
		}
	})
}

func TestFollowOutlivesTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &logStore{}
		v := follow(t, live.New(s, live.Config{}), 3, ci.LogPos{})
		<-time.After(time.Second)
		s.set(func() { s.err = fault.New(fault.Unavailable, "away") })
		<-time.After(time.Minute)
		s.write(ci.LogWorker, 0, "back")
		s.set(func() { s.err, s.closed = nil, true })
		if err := <-v.done; err != nil || v.read() != "back" {
			t.Errorf("Follow = %v, read %q", err, v.read())
		}
	})
}

func TestFollowEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &logStore{}
		l := live.New(s, live.Config{})
		none := func([]ci.LogPart) error { return nil }
		for _, attempt := range []int{0, 3} {
			if err := l.Follow(t.Context(), 99, attempt, ci.LogPos{}, none); !fault.Is(err, fault.NotFound) {
				t.Errorf("Follow of no job = %v", err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.Follow(ctx, 1, 3, ci.LogPos{}, none); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Follow = %v, want the end of its context", err)
		}
		s.write(ci.LogWorker, 0, "x")
		gone := fault.Wrap(fault.Unavailable, errors.New("broken pipe"), "The browser is gone.")
		if err := l.Follow(t.Context(), 1, 3, ci.LogPos{}, func([]ci.LogPart) error { return gone }); !errors.Is(err, gone) {
			t.Errorf("Follow = %v, want the error of send", err)
		}
	})
}

func TestEightViewers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &logStore{}
		l := live.New(s, live.Config{})
		var all []*viewer
		for range 8 {
			all = append(all, follow(t, l, 3, ci.LogPos{}))
		}
		synctest.Wait()
		s.write(ci.LogWorker, 0, "hello")
		l.Deliver([]ci.Change{logTo(1, 1)})
		synctest.Wait()
		for i, v := range all {
			if v.read() != "hello" {
				t.Errorf("viewer %d read %q", i, v.read())
			}
		}
		s.set(func() { s.closed = true })
		l.Deliver([]ci.Change{logTo(2, 1), resync})
		for _, v := range all {
			if err := <-v.done; err != nil {
				t.Error(err)
			}
		}
	})
}
