package cron_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/coord"
	"github.com/headrace/headrace/platform/coord/inproc"
	"github.com/headrace/headrace/platform/coord/redis"
	"github.com/headrace/headrace/platform/cron"
	"github.com/headrace/headrace/platform/scm"
	"github.com/headrace/headrace/platform/store"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("database/sql.(*DB).connectionOpener"))
}

// The rooms are what cron asks for.
var (
	_ cron.Store  = (*store.Store)(nil)
	_ cron.Git    = (*scm.Git)(nil)
	_ cron.Locker = coord.Coordinator(nil)
)

// clock is a clock that only the test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 27, 12, 0, 0, 0, time.UTC)} }

func openStore(t *testing.T, where store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), where)
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

func sqlite(t *testing.T, c *clock) *store.Store {
	t.Helper()
	return openStore(t, store.Config{Path: filepath.Join(t.TempDir(), "headrace.db"), Now: c.now})
}

// git knows one branch.
type git struct{}

func (git) Resolve(_ context.Context, _ ci.Repository, q ci.Request) (ci.Commit, error) {
	if q.Branch != "main" {
		return ci.Commit{}, fault.New(fault.NotFound, "There is no branch %q.", q.Branch)
	}
	return ci.Commit{}, nil
}

// heard are the changes that were announced.
type heard chan ci.Change

func (h heard) Announce(_ context.Context, changes ...ci.Change) {
	for _, c := range changes {
		h <- c
	}
}

// next is the next change; the test ends where none comes.
func (h heard) next(t *testing.T) ci.Change {
	t.Helper()
	select {
	case c := <-h:
		return c
	case <-time.After(time.Minute):
		t.Fatal("nothing was announced for a minute")
		return ci.Change{}
	}
}

func start(t *testing.T, k *cron.Cron) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

func addRepository(t *testing.T, s *store.Store) ci.Repository {
	t.Helper()
	r, err := s.AddRepository(t.Context(), ci.NewRepository{Slug: "acme/app", SourceURL: "https://git.example/acme/app", DefaultBranch: "main"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func requests(t *testing.T, s *store.Store, repo int64) []ci.Request {
	t.Helper()
	list, _, err := s.Requests(t.Context(), ci.RequestFilter{RepositoryID: repo, Page: ci.Page{Limit: 100}})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestSeed_SemaphoreCronOnce: of several nodes on one database one fires each due time, and no other does.
func TestSeed_SemaphoreCronOnce(t *testing.T) {
	t.Parallel()
	t.Run("postgres and redis", func(t *testing.T) {
		t.Parallel()
		url, redisURL := testkit.Postgres(t), testkit.Redis(t)
		once(t, store.Config{PostgresURL: url, MaxConns: 4}, func() coord.Coordinator {
			c, err := redis.New(redis.Config{URL: redisURL})
			if err != nil {
				t.Fatal(err)
			}
			return c
		})
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		one := inproc.New()
		once(t, store.Config{Path: filepath.Join(t.TempDir(), "headrace.db")}, func() coord.Coordinator { return one })
	})
	t.Run("without a lock", func(t *testing.T) {
		t.Parallel()
		once(t, store.Config{PostgresURL: testkit.Postgres(t), MaxConns: 4}, func() coord.Coordinator { return inproc.New() })
	})
}

func once(t *testing.T, where store.Config, coordinator func() coord.Coordinator) {
	t.Helper()
	const nodes, branches, days = 4, 3, 5
	c, h := newClock(), make(heard, 1000)
	where.Now = c.now
	s := openStore(t, where)
	repo := addRepository(t, s)
	for i := range branches {
		if _, err := s.CreateCron(t.Context(), ci.NewCron{RepositoryID: repo.ID, Branch: fmt.Sprintf("b%d", i), Schedule: "30 2 * * *", TimeZone: "Europe/Berlin"}); err != nil {
			t.Fatal(err)
		}
	}
	for range nodes {
		locks := coordinator()
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		done := make(chan error, 1)
		if _, own := locks.(*inproc.Coordinator); !own {
			go func() { done <- locks.Run(ctx) }()
		} else {
			done <- nil
		}
		t.Cleanup(func() { cancel(); <-done })
		start(t, cron.New(openStore(t, where), git{}, locks, h, cron.Config{Poll: 2 * time.Millisecond}))
	}
	for range days { // the clocks go forward meanwhile
		c.pass(24 * time.Hour)
		for range branches {
			if got := h.next(t); got.Kind != ci.ChangeRequest || got.Repository != repo.ID || got.State != string(ci.RequestPending) {
				t.Errorf("announced: %+v", got)
			}
		}
	}
	if got := len(requests(t, s, repo.ID)); got != branches*days || len(h) != 0 {
		t.Errorf("%d requests, %d more changes; want %d and none", got, len(h), branches*days)
	}
}

func TestAdd(t *testing.T) {
	t.Parallel()
	c, h := newClock(), make(heard, 100)
	s := sqlite(t, c)
	repo := addRepository(t, s)
	k := cron.New(s, git{}, inproc.New(), h, cron.Config{})
	for name, tt := range map[string]struct {
		cron  ci.NewCron
		code  fault.Code
		field string
	}{
		"no such repository": {ci.NewCron{RepositoryID: 99, Branch: "main", Interval: "daily"}, fault.NotFound, ""},
		"no such branch":     {ci.NewCron{RepositoryID: repo.ID, Branch: "gone", Interval: "daily"}, fault.Invalid, "branch"},
		"no such interval":   {ci.NewCron{RepositoryID: repo.ID, Branch: "gone", Interval: "hourly"}, fault.Invalid, "interval"},
	} {
		_, err := k.Add(t.Context(), tt.cron)
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != tt.code || tt.field != "" && f.Fields[tt.field] == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	made, err := k.Add(t.Context(), ci.NewCron{RepositoryID: repo.ID, Branch: "main", Interval: "daily"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ci.Change{Kind: ci.ChangeRepository, Repository: repo.ID}, h.next(t)); diff != "" {
		t.Error(diff)
	}
	if got, err := s.Cron(t.Context(), made.ID); err != nil || !cmp.Equal(made, got) {
		t.Errorf("stored: %+v, %v", got, err)
	}
}

// TestRun_isWokenByWhatIsAdded: it does not wait for its next look.
func TestRun_isWokenByWhatIsAdded(t *testing.T) {
	t.Parallel()
	c, h := newClock(), make(heard, 100)
	s := sqlite(t, c)
	repo := addRepository(t, s)
	if _, err := s.CreateCron(t.Context(), ci.NewCron{RepositoryID: repo.ID, Branch: "dev", Interval: "daily"}); err != nil {
		t.Fatal(err)
	}
	k := cron.New(s, git{}, inproc.New(), h, cron.Config{Poll: time.Hour})
	start(t, k)
	c.pass(2 * time.Minute)
	if _, err := k.Add(t.Context(), ci.NewCron{RepositoryID: repo.ID, Branch: "main", Interval: "weekly"}); err != nil {
		t.Fatal(err)
	}
	for h.next(t).Kind != ci.ChangeRequest {
		continue
	}
}

// locks are what a test says.
type locks struct {
	free    bool
	err     error
	asked   chan string
	release chan string
}

func (l locks) TryLock(_ context.Context, name string, _ time.Duration) (func(context.Context) error, bool, error) {
	select {
	case l.asked <- name:
	default:
	}
	return func(context.Context) error { l.release <- name; return nil }, l.free, l.err
}

func TestRun_locks(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		locks          locks
		fires, release bool
	}{
		"free":                         {locks{free: true}, true, true},
		"held by another":              {locks{}, false, false},
		"the coordinator is away":      {locks{err: errors.New("away")}, true, false},
		"away, though it says it held": {locks{free: true, err: errors.New("away")}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.locks.asked, tt.locks.release = make(chan string, 1), make(chan string, 10)
			c, h := newClock(), make(heard, 100)
			s := sqlite(t, c)
			repo := addRepository(t, s)
			if _, err := s.CreateCron(t.Context(), ci.NewCron{RepositoryID: repo.ID, Branch: "dev", Interval: "daily"}); err != nil {
				t.Fatal(err)
			}
			c.pass(time.Hour)
			start(t, cron.New(s, git{}, tt.locks, h, cron.Config{Poll: 2 * time.Millisecond}))
			if tt.fires {
				h.next(t)
			} else {
				<-tt.locks.asked
				<-tt.locks.asked
			}
			if tt.release {
				<-tt.locks.release
			}
			if got := len(requests(t, s, repo.ID)); got != map[bool]int{true: 1}[tt.fires] || !tt.release && len(tt.locks.release) > 0 {
				t.Errorf("%d requests, %d releases", got, len(tt.locks.release))
			}
		})
	}
}

// brokenOnce fails to fire one cron.
type brokenOnce struct {
	*store.Store
	id int64
}

func (b brokenOnce) FireCron(ctx context.Context, id int64) (ci.CronRun, bool, error) {
	if id == b.id {
		return ci.CronRun{}, false, errors.New("broken")
	}
	return b.Store.FireCron(ctx, id)
}

func TestRun_oneThatFailsHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	c, h := newClock(), make(heard, 100)
	s := sqlite(t, c)
	repo := addRepository(t, s)
	first, err := s.CreateCron(t.Context(), ci.NewCron{RepositoryID: repo.ID, Branch: "a", Interval: "daily"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateCron(t.Context(), ci.NewCron{RepositoryID: repo.ID, Branch: "b", Interval: "daily"}); err != nil {
		t.Fatal(err)
	}
	c.pass(time.Hour)
	start(t, cron.New(brokenOnce{s, first.ID}, git{}, inproc.New(), h, cron.Config{}))
	h.next(t)
	if q := requests(t, s, repo.ID); len(q) != 1 || q[0].Branch != "b" {
		t.Errorf("requests: %+v", q)
	}
}
