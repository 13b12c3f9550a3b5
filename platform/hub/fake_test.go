package hub_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/hub"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeStore is a store made of functions; those that are nil answer nothing.
type fakeStore struct {
	NowFunc    func() time.Time
	ClaimFunc  func(ci.Claim) (ci.Claimed, ci.Moved, error)
	BeatFunc   func(ci.Heartbeat) ([]ci.RunStatus, error)
	HearFunc   func(node string, gap time.Duration) error
	HeardFunc  func() (time.Duration, error)
	PingFunc   func(context.Context) error
	ReapFunc   func(lease time.Duration, maxTries int) ([]ci.Lost, error)
	AdoptFunc  func(ci.ForeignRun) (ci.Adopted, error)
	ReportFunc func(ci.StateReport, int) (ci.Moved, error)
	AppendFunc func([]ci.LogPart) ([]ci.LogStored, error)
	LogFunc    func(jobID int64, attempt int) (ci.Log, error)
	CloseFunc  func(quiet time.Duration) ([]ci.LogStored, error)
	AddFunc    func(ci.DeadLetter) error
	SendFunc   func() []ci.DeadLetter
	SentFunc   func(id int64)

	SecretsFunc func(jobID int64) ([]ci.EnvVar, error)
}

func (s *fakeStore) AddDeadLetter(_ context.Context, d ci.DeadLetter) error {
	if s.AddFunc == nil {
		return nil
	}
	return s.AddFunc(d)
}

func (s *fakeStore) DeadLettersToSend(context.Context, int) ([]ci.DeadLetter, error) {
	if s.SendFunc == nil {
		return nil, nil
	}
	return s.SendFunc(), nil
}

func (s *fakeStore) DeadLetterSent(_ context.Context, id int64) error {
	s.SentFunc(id)
	return nil
}

func (s *fakeStore) Log(_ context.Context, jobID int64, attempt int) (ci.Log, error) {
	if s.LogFunc == nil {
		return ci.Log{JobID: jobID, Attempt: attempt, Closed: true}, nil
	}
	return s.LogFunc(jobID, attempt)
}

func (s *fakeStore) Now() time.Time {
	if s.NowFunc == nil {
		return time.Now()
	}
	return s.NowFunc()
}

func (s *fakeStore) ClaimAttempt(_ context.Context, c ci.Claim) (ci.Claimed, ci.Moved, error) {
	return s.ClaimFunc(c)
}

func (s *fakeStore) Beat(_ context.Context, b ci.Heartbeat) ([]ci.RunStatus, error) {
	return s.BeatFunc(b)
}

func (s *fakeStore) Hear(_ context.Context, node string, gap time.Duration) error {
	if s.HearFunc == nil {
		return nil
	}
	return s.HearFunc(node, gap)
}

// Heard is, if nothing else is said, time as it passes.
func (s *fakeStore) Heard(context.Context) (time.Duration, error) {
	if s.HeardFunc == nil {
		return time.Duration(time.Now().UnixNano()), nil
	}
	return s.HeardFunc()
}

func (s *fakeStore) Ping(ctx context.Context) error {
	if s.PingFunc == nil {
		return nil
	}
	return s.PingFunc(ctx)
}

func (s *fakeStore) ReapLost(_ context.Context, lease time.Duration, maxTries int) ([]ci.Lost, error) {
	if s.ReapFunc == nil {
		return nil, nil
	}
	return s.ReapFunc(lease, maxTries)
}

func (s *fakeStore) AdoptRun(_ context.Context, r ci.ForeignRun, _ int) (ci.Adopted, error) {
	return s.AdoptFunc(r)
}

func (s *fakeStore) Report(_ context.Context, r ci.StateReport, maxTries int) (ci.Moved, error) {
	return s.ReportFunc(r, maxTries)
}

func (s *fakeStore) AppendLog(_ context.Context, parts []ci.LogPart) ([]ci.LogStored, error) {
	return s.AppendFunc(parts)
}

func (s *fakeStore) CloseLogs(_ context.Context, quiet time.Duration) ([]ci.LogStored, error) {
	if s.CloseFunc == nil {
		return nil, nil
	}
	return s.CloseFunc(quiet)
}

// delivery is a message that a test put into a queue; settled is closed when it is acknowledged.
type delivery struct {
	message broker.Message
	once    sync.Once
	settled chan struct{}
}

func (d *delivery) Message() broker.Message { return d.message }
func (d *delivery) Redelivered() bool       { return false }
func (d *delivery) Ack(context.Context) error {
	d.once.Do(func() { close(d.settled) })
	return nil
}
func (d *delivery) Requeue(context.Context) error { return nil }

func (d *delivery) acked() bool {
	select {
	case <-d.settled:
		return true
	default:
		return false
	}
}

// fakeCarrier has a channel per queue, and one for who listens. Probes come back; all the rest that is published goes to the
// test.
type fakeCarrier struct {
	mu        sync.Mutex
	queues    map[string]chan *delivery
	published chan broker.Message
	deaf      bool          // probes do not come back
	delay     time.Duration // of probes
	refuse    error         // of all but probes
}

func newFakeCarrier() *fakeCarrier {
	return &fakeCarrier{queues: map[string]chan *delivery{}, published: make(chan broker.Message, 10_000), deaf: true}
}

func (c *fakeCarrier) queue(name string) chan *delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queues[name] == nil {
		c.queues[name] = make(chan *delivery, 10_000)
	}
	return c.queues[name]
}

func (c *fakeCarrier) put(queue string, m broker.Message) *delivery {
	d := &delivery{message: m, settled: make(chan struct{})}
	c.queue(queue) <- d
	return d
}

func (c *fakeCarrier) Publish(_ context.Context, m broker.Message) error {
	c.mu.Lock()
	deaf := c.deaf
	c.mu.Unlock()
	switch {
	case m.Type != broker.TypeProbe && c.refuse != nil:
		return c.refuse
	case m.Type != broker.TypeProbe:
		c.published <- m
	case !deaf:
		time.AfterFunc(c.delay, func() { c.put(m.Exchange, m) })
	}
	return nil
}

func (c *fakeCarrier) Consume(ctx context.Context, queue string, _ int, handle func(context.Context, broker.Delivery)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case d := <-c.queue(queue):
			handle(ctx, d)
		}
	}
}

func (c *fakeCarrier) Listen(ctx context.Context, exchange string, prefetch int, handle func(context.Context, broker.Delivery)) error {
	return c.Consume(ctx, exchange, prefetch, handle)
}

// heard collects what was announced.
type heard chan ci.Change

func (h heard) Announce(_ context.Context, changes ...ci.Change) {
	for _, c := range changes {
		h <- c
	}
}

// start runs a hub until the test ends.
func start(t *testing.T, s *fakeStore, c *fakeCarrier, config hub.Config) (*hub.Hub, heard) {
	t.Helper()
	h := make(heard, 10_000)
	if config.Node == "" {
		config.Node = "a"
	}
	x := hub.New(s, c, h, config)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	return x, h
}

// encode makes the message of a value.
func encode(t *testing.T, kind string, v any) broker.Message {
	t.Helper()
	m, err := broker.Encode("", "", kind, v)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// reportMessage makes the message of a state report.
func reportMessage(t *testing.T, r broker.StateReport) broker.Message {
	t.Helper()
	m, err := r.Message()
	if err != nil {
		t.Fatal(err)
	}
	return m
}
