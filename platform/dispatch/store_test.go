package dispatch_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/broker/inproc"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/dispatch"
	"github.com/headrace/headrace/platform/store"
)

var (
	_ dispatch.Store   = (*store.Store)(nil)
	_ dispatch.Carrier = broker.Carrier(nil)
)

const queue = "builds.linux"

func openStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "headrace.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// makeBuild stores a build with so many jobs.
func makeBuild(t *testing.T, s *store.Store, jobs int) ci.Build {
	t.Helper()
	r, err := s.AddRepository(t.Context(), ci.NewRepository{Slug: "acme/app", SourceURL: "https://u:s3cret@git.example.org/app.git", DefaultBranch: "main"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.CreateRequest(t.Context(), ci.NewRequest{RepositoryID: r.ID, Event: ci.EventPush, Branch: "main"}); err != nil {
		t.Fatal(err)
	}
	q, ok, err := s.ClaimRequest(t.Context(), "a", time.Minute)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	n := ci.NewBuild{RequestID: q.ID, RepositoryID: r.ID, Event: ci.EventPush, Branch: "main", Commit: ci.Commit{SHA: "abc", Ref: "refs/heads/main"}}
	for range jobs {
		n.Jobs = append(n.Jobs, ci.NewJob{Stage: -1, Queue: queue, Config: ci.Config(`{"script":["make"]}`)})
	}
	b, err := s.CreateBuild(t.Context(), n, q.Tries)
	if err != nil {
		t.Fatal(err)
	}
	b, err = s.Build(t.Context(), b.ID)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func beat(t *testing.T, s *store.Store, slots int) {
	t.Helper()
	if _, err := s.Beat(t.Context(), ci.Heartbeat{WorkerID: "w1", Name: "mill-07", Queue: queue, Slots: slots}); err != nil {
		t.Fatal(err)
	}
}

// away is a carrier that takes nothing until it is back.
type away struct {
	*inproc.Carrier
	back  chan struct{}
	tried chan struct{}
	once  sync.Once
}

func (a *away) Publish(ctx context.Context, m broker.Message) error {
	select {
	case <-a.back:
		return a.Carrier.Publish(ctx, m)
	default:
		a.once.Do(func() { close(a.tried) })
		return broker.ErrUnavailable
	}
}

func startReal(t *testing.T, s *store.Store, c dispatch.Carrier) (*dispatch.Dispatch, heard) {
	t.Helper()
	h := make(heard, 10_000)
	d := dispatch.New(s, c, h, dispatch.Config{Poll: 20 * time.Millisecond, Retry: run.Backoff{First: time.Millisecond, Most: 10 * time.Millisecond}})
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

func receive(t *testing.T, c *inproc.Carrier) broker.Job {
	t.Helper()
	d, err := c.Receive(t.Context(), queue)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	j, err := broker.DecodeJob(d.Message())
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// A broker that was away gets every job, and no more of them than the workers can take soon.
func TestOnARealStore(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	b := makeBuild(t, s, 5)
	c := &away{Carrier: inproc.New(), back: make(chan struct{}), tried: make(chan struct{})}
	beat(t, s, 2)
	d, h := startReal(t, s, c)
	<-c.tried
	close(c.back)
	got := map[int64]bool{}
	for range 3 { // two slots, and one to come
		j := receive(t, c.Carrier)
		if got[j.Job.ID] || j.Meta.StateUpdateCount != 1000 || j.Repository.SourceURL != "https://git.example.org/app.git" {
			t.Errorf("job %+v", j)
		}
		got[j.Job.ID] = true
	}
	list, _, err := s.Jobs(t.Context(), ci.JobFilter{BuildID: b.ID, States: []ci.State{ci.Created}})
	if err != nil || len(list) != 2 {
		t.Errorf("%d jobs are left for later, want 2: %v", len(list), err)
	}
	for range 3 {
		if change := <-h; change.State != "queued" || !got[change.Job] {
			t.Errorf("announced %+v", change)
		}
	}

	claimed := b.Jobs[0].ID
	if _, _, err := s.ClaimAttempt(t.Context(), ci.Claim{JobID: claimed, Attempt: 1, Run: "r", WorkerID: "w1", Worker: "mill-07"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Bind(t.Context(), broker.WorkerQueue("w1")); err != nil {
		t.Fatal(err)
	}
	if err := d.CancelBuild(t.Context(), b.ID, "ines"); err != nil {
		t.Fatal(err)
	}
	told, err := c.Receive(t.Context(), broker.WorkerQueue("w1"))
	if err != nil {
		t.Fatal(err)
	}
	var cancel broker.Cancel
	if err := broker.Decode(told.Message(), &cancel); err != nil || cancel.JobID != claimed || cancel.Run != "r" {
		t.Errorf("the worker was told %+v, %v", cancel, err)
	}
	if _, err := s.AppendLog(t.Context(), []ci.LogPart{{JobID: claimed, Attempt: 1, Run: "r", Source: ci.LogWorker, Content: []byte("stopped\n"), Final: true}}); err != nil {
		t.Fatal(err)
	}
	parts, err := s.LogParts(t.Context(), claimed, 1, ci.LogPos{}, 0)
	if err != nil || len(parts) != 2 || string(parts[1].Content) != "\nCanceled by ines.\n" {
		t.Errorf("log %+v, %v", parts, err)
	}
	if err := d.RestartJob(t.Context(), claimed, "ines"); err != nil {
		t.Fatal(err)
	}
	for {
		if j := receive(t, c.Carrier); j.Job.ID == claimed {
			if j.Headrace.Attempt != 2 || j.Meta.StateUpdateCount != 2000 || j.Job.RestartedBy != "ines" {
				t.Errorf("restarted job %+v", j)
			}
			break
		}
	}
}
