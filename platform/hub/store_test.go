package hub_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/broker/inproc"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/hub"
	"github.com/headrace/headrace/platform/store"
)

var (
	_ hub.Store   = (*store.Store)(nil)
	_ hub.Carrier = broker.Carrier(nil)
)

// flaky is a store whose database is away at every second change.
type flaky struct {
	*store.Store
	mu sync.Mutex
	n  int
}

func (f *flaky) away() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n++; f.n%2 == 1 {
		return fault.Wrap(fault.Unavailable, errors.New("connection refused"), "The database does not answer.")
	}
	return nil
}

func (f *flaky) Report(ctx context.Context, r ci.StateReport, maxTries int) (ci.Moved, error) {
	if err := f.away(); err != nil {
		return ci.Moved{}, err
	}
	return f.Store.Report(ctx, r, maxTries)
}

func (f *flaky) AppendLog(ctx context.Context, parts []ci.LogPart) ([]ci.LogStored, error) {
	if err := f.away(); err != nil {
		return nil, err
	}
	return f.Store.AppendLog(ctx, parts)
}

// bench is a hub on a real store, with a worker that has one queued job before it.
type bench struct {
	t       *testing.T
	store   *store.Store
	carrier *inproc.Carrier
	heard   heard
	job     ci.Job
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "headrace.db"), Settle: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &bench{t: t, store: s, carrier: inproc.New(), heard: make(heard, 10_000), job: queuedJob(t, s)}
	if err := b.carrier.Bind(t.Context(), broker.WorkerQueue("w1")); err != nil {
		t.Fatal(err)
	}
	return b
}

func queuedJob(t testing.TB, s *store.Store) ci.Job {
	t.Helper()
	r, err := s.AddRepository(t.Context(), ci.NewRepository{Slug: "acme/app", SourceURL: "https://git.example.org/app.git", DefaultBranch: "main"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.CreateRequest(t.Context(), ci.NewRequest{RepositoryID: r.ID, Event: ci.EventPush, Branch: "main"}); err != nil {
		t.Fatal(err)
	}
	q, _, err := s.ClaimRequest(t.Context(), "a", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.CreateBuild(t.Context(), ci.NewBuild{
		RequestID: q.ID, RepositoryID: r.ID, Event: ci.EventPush, Trusted: true, Branch: "main", Commit: ci.Commit{SHA: "abc", Ref: "refs/heads/main"},
		Jobs: []ci.NewJob{{Stage: -1, Queue: "q", Config: ci.Config(`{}`)}},
	}, q.Tries)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Beat(t.Context(), ci.Heartbeat{WorkerID: "w1", Name: "mill-07", Queue: "q", Slots: 1}); err != nil {
		t.Fatal(err)
	}
	jobs, _, err := s.QueueJobs(t.Context(), 10, func(ci.QueuedJob) ([]byte, error) { return []byte("{}"), nil })
	if err != nil || len(jobs) != 1 {
		t.Fatal(jobs, err)
	}
	return jobs[0]
}

func (b *bench) run(s hub.Store, config hub.Config) {
	b.t.Helper()
	b.runOn(b.carrier, s, config)
}

// runAs runs a hub on a carrier of its own.
func (b *bench) runAs(s hub.Store, config hub.Config) {
	b.t.Helper()
	b.runOn(b.carrier.Peer(), s, config)
}

func (b *bench) runOn(carrier hub.Carrier, s hub.Store, config hub.Config) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- hub.New(s, carrier, b.heard, config).Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("Run = %v", err)
		}
	})
}

func (b *bench) publish(m broker.Message, err error) {
	b.t.Helper()
	if err == nil {
		err = b.carrier.Publish(b.t.Context(), m)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// say publishes to all who listen, when somebody does.
func (b *bench) say(m broker.Message, err error) {
	b.t.Helper()
	for err == nil {
		if err = b.carrier.Publish(b.t.Context(), m); !errors.Is(err, broker.ErrUnroutable) {
			break
		}
		err = b.t.Context().Err()
		<-time.After(time.Millisecond)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// answer waits for the next answer of the kind to the worker.
func (b *bench) answer(kind string, v any) {
	b.t.Helper()
	for {
		d, err := b.carrier.Receive(b.t.Context(), broker.WorkerQueue("w1"))
		if err != nil {
			b.t.Fatal(err)
		}
		if d.Message().Type != kind {
			continue
		}
		if err := broker.Decode(d.Message(), v); err != nil {
			b.t.Fatal(err)
		}
		return
	}
}

// until waits for a change.
func (b *bench) until(is func(ci.Change) bool) {
	b.t.Helper()
	for c := range b.heard {
		if is(c) {
			return
		}
	}
}

func (b *bench) claim(run string) broker.ClaimAnswer {
	b.t.Helper()
	b.publish(broker.Encode("", broker.ClaimQueue, broker.TypeClaim, broker.Claim{JobID: b.job.ID, Attempt: 1, Run: run, WorkerID: "w1", Worker: "mill-07"}))
	var a broker.ClaimAnswer
	b.answer(broker.TypeClaimAnswer, &a)
	return a
}

func (b *bench) report(state string) {
	b.t.Helper()
	m, err := broker.StateReport{ID: b.job.ID, State: state, Meta: broker.ReportMeta{UUID: "r"}, Headrace: &broker.StateExtra{Attempt: 1, Worker: "w1"}}.Message()
	b.publish(m, err)
}

func TestAJobOnARealStore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.run(&flaky{Store: b.store}, hub.Config{Node: "a"})
	for range 2 {
		if a := b.claim("r"); !a.Granted || a.Next != 0 {
			t.Fatalf("claim = %+v", a)
		}
	}
	if a := b.claim("other"); a.Granted || a.Reason != "Another worker owns this attempt of the job." {
		t.Errorf("claim of another run = %+v", a)
	}
	b.report("started")
	const parts = 600
	for i := range parts {
		p := broker.LogPart{JobID: b.job.ID, Attempt: 1, Run: "r", Number: i, Content: []byte("line\n"), Final: i == parts-1}
		b.publish(p.Message(), nil)
		if i%7 == 0 {
			b.publish(p.Message(), nil) // doubles do no harm
		}
	}
	b.report("failed")
	b.report("failed")
	b.until(func(c ci.Change) bool { return c.Kind == ci.ChangeBuild && c.State == "failed" })

	// The heartbeat tells the worker when it may forget all.
	run := broker.Run{JobID: b.job.ID, Attempt: 1, Run: "r"}
	for sequence := int64(1); ; sequence++ {
		b.say(broker.Encode(broker.HeartbeatExchange, "", broker.TypeHeartbeat, broker.Heartbeat{
			WorkerID: "w1", Name: "mill-07", Queue: "q", Slots: 1, Sequence: sequence, Runs: []broker.Run{run},
		}))
		var a broker.HeartbeatAnswer
		b.answer(broker.TypeHeartbeatAnswer, &a)
		if len(a.Runs) != 1 || a.Sequence != sequence {
			t.Fatalf("answer = %+v", a)
		}
		if !a.Runs[0].Closed {
			b.until(func(c ci.Change) bool { return c.Kind == ci.ChangeLog })
			continue
		}
		want := broker.RunStatus{Run: run, Owned: true, State: "failed", Next: parts, Closed: true}
		if diff := cmp.Diff(want, a.Runs[0]); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
		break
	}
	l, err := b.store.Log(t.Context(), b.job.ID, 1)
	if err != nil || l.Lines != parts || l.Bytes != parts*5 || !l.Closed {
		t.Errorf("log = %+v, %v", l, err)
	}
}

// A worker that is heard no more loses its job, as soon as the time heard passes its lease.
func TestALostWorkerOnARealStore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.run(b.store, hub.Config{Node: "a", Probe: 20 * time.Millisecond, Lease: 300 * time.Millisecond})
	if a := b.claim("r"); !a.Granted {
		t.Fatalf("claim = %+v", a)
	}
	begin := time.Now()
	b.until(func(c ci.Change) bool { return c.Kind == ci.ChangeJob && c.State == "created" && c.Attempt == 2 })
	if took := time.Since(begin); took < 250*time.Millisecond {
		t.Errorf("the worker was lost after %s, before its lease ended", took)
	}
	b.report("passed")
	b.publish(broker.LogPart{JobID: b.job.ID, Attempt: 1, Run: "r", Content: []byte("late"), Final: true}.Message(), nil)
	if a := b.claim("r"); a.Granted {
		t.Errorf("claim of the lost attempt = %+v", a)
	}
	j, err := b.store.Job(t.Context(), b.job.ID)
	if err != nil || j.State != ci.Created || j.Attempt != 2 {
		t.Errorf("job = %+v, %v", j, err)
	}
}
