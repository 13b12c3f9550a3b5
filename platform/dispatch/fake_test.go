package dispatch_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/dispatch"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// failure is a message that the fake store was told of.
type failure struct {
	id     int64
	reason string
	again  time.Duration
}

// fakeStore holds jobs that wait, and an outbox.
type fakeStore struct {
	mu       sync.Mutex
	waiting  []ci.QueuedJob
	outbox   []ci.OutMessage
	sent     []int64
	failures []failure
	requeued int
	err      error // of the next call of QueueJobs
	moved    []ci.Moved
	runs     []ci.CanceledRun
	actErr   error
	events   chan string
	own      map[string]int // slots by queue
	noted    chan noted
}

// noted is how many foreign slots the fake store was told of.
type noted struct {
	queue string
	slots int
}

func newFakeStore() *fakeStore {
	return &fakeStore{events: make(chan string, 1000), noted: make(chan noted, 1000)}
}

func (s *fakeStore) QueueJobs(_ context.Context, limit int, encode func(ci.QueuedJob) ([]byte, error)) ([]ci.Job, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.err; err != nil {
		s.err = nil
		return nil, false, err
	}
	var queued []ci.Job
	for len(s.waiting) > 0 && len(queued) < min(limit, 2) {
		q := s.waiting[0]
		s.waiting = s.waiting[1:]
		body, err := encode(q)
		if err != nil {
			return nil, false, err
		}
		q.Job.State = ci.Queued
		s.outbox = append(s.outbox, ci.OutMessage{ID: q.Job.ID * 10, Queue: q.Job.Queue, Body: body, JobID: q.Job.ID})
		queued = append(queued, q.Job)
	}
	return queued, len(s.waiting) > 0, nil
}

func (s *fakeStore) Outbox(_ context.Context, limit int) ([]ci.OutMessage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := s.outbox[:min(limit, len(s.outbox))]
	s.outbox = s.outbox[len(due):]
	return slices.Clone(due), nil
}

func (s *fakeStore) OutboxSent(_ context.Context, ids []int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, ids...)
	s.events <- "sent"
	return nil
}

func (s *fakeStore) OutboxFailed(_ context.Context, id int64, reason string, again time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, failure{id, reason, again})
	s.events <- "failed"
	return nil
}

func (s *fakeStore) Requeue(context.Context, time.Duration) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.requeued
	s.requeued = 0
	return n, nil
}

func (s *fakeStore) PrioritizeBuild(context.Context, int64) error { return s.actErr }

func (s *fakeStore) PrioritizeJob(context.Context, int64) error { return s.actErr }

func (s *fakeStore) PauseQueue(context.Context, string, bool, string) ([]ci.Moved, error) {
	return s.moved, s.actErr
}

func (s *fakeStore) LimitQueue(context.Context, string, int) error { return s.actErr }

func (s *fakeStore) OwnSlots(context.Context) (map[string]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.own), nil
}

func (s *fakeStore) NoteForeign(_ context.Context, queue string, slots int) error {
	s.noted <- noted{queue, slots}
	return nil
}

func (s *fakeStore) CancelBuild(context.Context, int64, string) ([]ci.Moved, []ci.CanceledRun, error) {
	return s.moved, s.runs, s.actErr
}

func (s *fakeStore) CancelJob(context.Context, int64, string) ([]ci.Moved, []ci.CanceledRun, error) {
	return s.moved, s.runs, s.actErr
}

func (s *fakeStore) RestartBuild(context.Context, int64, string, bool) ([]ci.Moved, error) {
	return s.moved, s.actErr
}

func (s *fakeStore) RestartJob(context.Context, int64, string) ([]ci.Moved, error) {
	return s.moved, s.actErr
}

// fakeCarrier collects what is published.
type fakeCarrier struct {
	mu          sync.Mutex
	published   chan broker.Message
	declared    []string
	consumers   int
	inspectErr  error
	PublishFunc func(ctx context.Context, m broker.Message) error
}

func newFakeCarrier() *fakeCarrier { return &fakeCarrier{published: make(chan broker.Message, 1000)} }

func (c *fakeCarrier) Publish(ctx context.Context, m broker.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.PublishFunc != nil {
		if err := c.PublishFunc(ctx, m); err != nil {
			return err
		}
	}
	c.published <- m
	return nil
}

func (c *fakeCarrier) DeclareQueue(_ context.Context, queue string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.declared = append(c.declared, queue)
	return nil
}

func (c *fakeCarrier) Inspect(context.Context, string) (broker.QueueInfo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return broker.QueueInfo{Consumers: c.consumers}, c.inspectErr
}

func (c *fakeCarrier) set(consumers int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.consumers, c.inspectErr = consumers, err
}

// heard collects what was announced.
type heard chan ci.Change

func (h heard) Announce(_ context.Context, changes ...ci.Change) {
	for _, c := range changes {
		h <- c
	}
}

// start runs the dispatch until the test ends.
func start(t *testing.T, s *fakeStore, c *fakeCarrier, config dispatch.Config) (*dispatch.Dispatch, heard) {
	t.Helper()
	h := make(heard, 1000)
	d := dispatch.New(s, c, h, config)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	return d, h
}
