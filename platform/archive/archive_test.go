package archive_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/archive"
	"github.com/headrace/headrace/platform/store"
)

var _ archive.Store = (*store.Store)(nil)

// fakeStore has logs to compact and writes down what it was asked.
type fakeStore struct {
	mu    sync.Mutex
	logs  int
	fails bool
	asked []string
}

func (s *fakeStore) ask(what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, what)
	if s.fails {
		return errors.New("away")
	}
	return nil
}

func (s *fakeStore) CompactLogs(_ context.Context, quiet time.Duration) (int, error) {
	err := s.ask(fmt.Sprint("compact after ", quiet))
	s.mu.Lock()
	defer s.mu.Unlock()
	done := min(s.logs, 100)
	s.logs -= done
	return done, err
}

func (s *fakeStore) MakeLogDays(context.Context) error { return s.ask("make days") }

func (s *fakeStore) RemoveLogs(_ context.Context, days int) error {
	return s.ask(fmt.Sprint("remove after ", days))
}

func (s *fakeStore) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.asked = nil }()
	return s.asked
}

func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{logs: 150, fails: false}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- archive.New(s, archive.Config{LogDays: 7}).Run(ctx) }()
		<-time.After(time.Second)
		compact := "compact after 3m0s"
		if diff := cmp.Diff([]string{"make days", "remove after 7", compact, compact, compact}, s.take()); diff != "" {
			t.Errorf("at first (-want +got):\n%s", diff)
		}
		s.mu.Lock()
		s.fails = true
		s.mu.Unlock()
		<-time.After(10 * time.Second)
		if diff := cmp.Diff([]string{compact}, s.take()); diff != "" {
			t.Errorf("after 10 s (-want +got):\n%s", diff)
		}
		<-time.After(10 * time.Minute)
		count := map[string]int{}
		for _, what := range s.take() {
			count[what]++
		}
		if diff := cmp.Diff(map[string]int{compact: 60, "make days": 1, "remove after 7": 1}, count); diff != "" {
			t.Errorf("in ten minutes, though all fail (-want +got):\n%s", diff)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}
