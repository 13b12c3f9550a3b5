package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("database/sql.(*DB).connectionOpener"))
}

// bundle is an API over a store of its own, as the user ines.
type bundle struct {
	*API
	store *store.Store
	now   time.Time // of the store
	user  ci.User
	live  *fakeLive
	work  *fakeIntake
	ready Readiness
	stop  context.CancelFunc // shuts the server down
	repo  ci.Repository
}

type userKey struct{}

// setup returns an API over an empty SQLite database with the users ines and acme and the repository acme/app.
func setup(t *testing.T, change ...func(*Deps, *Config)) *bundle {
	t.Helper()
	return setupOn(t, store.Config{Path: filepath.Join(t.TempDir(), "test.db")}, change...)
}

// onBoth runs a test on SQLite and, where it is there, on PostgreSQL.
func onBoth(t *testing.T, test func(*testing.T, *bundle)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, setup(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, setupOn(t, store.Config{PostgresURL: testkit.Postgres(t), MaxConns: 3}))
	})
}

func setupOn(t *testing.T, where store.Config, change ...func(*Deps, *Config)) *bundle {
	t.Helper()
	b := &bundle{now: time.Date(2026, 11, 20, 5, 46, 0, 0, time.UTC), ready: Readiness{Ready: true}}
	where.Now, where.Settle = func() time.Time { return b.now }, -1
	s, err := store.Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	b.store, b.live, b.work = s, &fakeLive{store: s, wake: make(chan struct{}, 1)}, &fakeIntake{store: s}
	b.user = must(s.CreateUser(t.Context(), ci.NewUser{Login: "ines", Name: "Ines Mill", Email: "ines@mill.example"}))(t)
	must(s.CreateUser(t.Context(), ci.NewUser{Login: "uma", Email: "uma@mill.example", Admin: true}))(t)
	b.repo = b.addRepository(t, "acme/app")
	closing, stop := context.WithCancel(context.Background())
	b.stop = stop
	t.Cleanup(stop)
	deps := Deps{
		Store: s, Intake: b.work, Dispatcher: dispatcher{s}, Crons: crons{s}, Live: b.live, Who: who,
		Ready: func(context.Context) Readiness { return b.ready },
		Lint: func(_ context.Context, text []byte, as ci.ExpandAs) ci.Expansion {
			if string(text) == "[]" {
				return ci.Expansion{Problem: "It is a list."}
			}
			return ci.Expansion{
				Messages: []ci.ConfigMessage{{Level: "warn", Key: "language", Text: fmt.Sprintf("%d bytes", len(text)), Line: 1}, {Level: "info", Text: "not a warning"}},
				Stages:   []string{"test"}, Skip: "On " + as.Branch + " there is a reason to skip " + string(as.Event) + ".",
				Jobs: []ci.NewJob{{Name: "unit", Queue: "builds.linux", Config: ci.Config(`{"language":"ruby","os":"linux"}`)}, {Stage: -1, AllowFailure: true, Config: ci.Config(`{}`)}},
			}
		},
	}
	config := Config{Version: "1.2.3", Node: "mill-a", Closing: closing.Done()}
	for _, c := range change {
		c(&deps, &config)
	}
	if b.API, err = New(deps, config); err != nil {
		t.Fatal(err)
	}
	return b
}

// who finds the user that asUser put there.
func who(ctx context.Context) (ci.User, error) {
	switch u := ctx.Value(userKey{}).(type) {
	case ci.User:
		return u, nil
	case error:
		return ci.User{}, u
	}
	return ci.User{}, fault.New(fault.Unauthenticated, "x").Named("login_required")
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (b *bundle) addRepository(t *testing.T, slug string) ci.Repository {
	t.Helper()
	n := ci.NewRepository{Slug: slug, SourceURL: "https://bot:hunter2@git.mill.example/" + slug, DefaultBranch: "main", AddedBy: b.user.ID}
	r := must(b.store.AddRepository(t.Context(), n))(t)
	if !r.Active {
		if err := b.store.SetActive(t.Context(), r.ID, true); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// addBuild makes a request and a build of it: stage test with jobs 1 and 2, stage ship with job 3.
func (b *bundle) addBuild(t *testing.T, branch, tag string) ci.Build {
	t.Helper()
	q, _, err := b.store.CreateRequest(t.Context(), ci.NewRequest{RepositoryID: b.repo.ID, Event: ci.EventAPI, Branch: branch, Tag: tag, CreatedBy: b.user.ID})
	if err != nil {
		t.Fatal(err)
	}
	q, claimed, err := b.store.ClaimRequest(t.Context(), "test", time.Minute)
	if err != nil || !claimed {
		t.Fatalf("request not claimed: %v", err)
	}
	job := func(name string, stage int, allow bool) ci.NewJob {
		return ci.NewJob{Name: name, Stage: stage, AllowFailure: allow, Queue: "builds.linux", Config: ci.Config(`{"os":"linux","env":[{"secure":"b64"}]}`)}
	}
	return must(b.store.CreateBuild(t.Context(), ci.NewBuild{
		RequestID: q.ID, RepositoryID: b.repo.ID, Event: ci.EventAPI, Trusted: true, Branch: branch, Tag: tag,
		Commit: ci.Commit{
			SHA: "f00dfeedf00dfeedf00dfeedf00dfeedf00dfeed", Ref: "refs/heads/" + branch, Message: "Turn the wheel\n\nFaster <now>.",
			AuthorName: "Uma", AuthorEmail: "uma@mill.example", CommittedAt: time.Date(2026, 11, 19, 12, 0, 0, 0, time.UTC),
		},
		Config: ci.Config(`{}`), Stages: []string{"test", "ship"}, CreatedBy: b.user.ID,
		Messages: []ci.ConfigMessage{{Level: "info", Key: "root", Code: "default", Text: "Language is not given."}, {Level: "warn", Key: "os", Code: "alias", Line: 3}},
		Jobs:     []ci.NewJob{job("one", 0, false), job("two", 0, true), job("ship it", 1, false)},
	}, q.Tries))(t)
}

const testRun = "run-1"

// startJob makes a worker own the first job of a new build.
func (b *bundle) startJob(t *testing.T) ci.Job {
	t.Helper()
	build := b.addBuild(t, "main", "")
	ctx := t.Context()
	beat := ci.Heartbeat{WorkerID: "w1", Name: "mill-07", Queue: "builds.linux", Slots: 4, Executor: "local"}
	must(b.store.Beat(ctx, beat))(t)
	if _, _, err := b.store.QueueJobs(ctx, 10, func(ci.QueuedJob) ([]byte, error) { return []byte("{}"), nil }); err != nil {
		t.Fatal(err)
	}
	j := build.Jobs[0]
	if _, _, err := b.store.ClaimAttempt(ctx, ci.Claim{JobID: j.ID, Attempt: 1, Run: testRun, WorkerID: "w1", Worker: "mill-07"}); err != nil {
		t.Fatal(err)
	}
	must(b.store.Report(ctx, ci.StateReport{RunRef: ci.RunRef{JobID: j.ID, Attempt: 1, Run: testRun}, State: ci.Started}, 3))(t)
	return must(b.store.Job(ctx, j.ID))(t)
}

// write stores parts of the worker's log.
func (b *bundle) write(t *testing.T, j ci.Job, first int, final bool, texts ...string) {
	t.Helper()
	parts := make([]ci.LogPart, len(texts))
	for i, s := range texts {
		parts[i] = ci.LogPart{
			JobID: j.ID, Attempt: j.Attempt, Source: ci.LogWorker, Number: first + i, Content: []byte(s), Run: testRun, Final: final && i == len(texts)-1,
		}
	}
	for _, stored := range must(b.store.AppendLog(t.Context(), parts))(t) {
		if stored.Refused {
			t.Fatal("log parts were refused")
		}
	}
	select {
	case b.live.wake <- struct{}{}:
	default:
	}
}

// finish ends the job.
func (b *bundle) finish(t *testing.T, j ci.Job, result ci.State) {
	t.Helper()
	code := 0
	report := ci.StateReport{RunRef: ci.RunRef{JobID: j.ID, Attempt: j.Attempt, Run: testRun}, State: result, ExitCode: &code}
	must(b.store.Report(t.Context(), report, 3))(t)
	select {
	case b.live.wake <- struct{}{}:
	default:
	}
}

// answered is an answer of the API.
type answered struct {
	*httptest.ResponseRecorder
}

func (a answered) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(a.Body.Bytes(), &v); err != nil {
		t.Fatalf("answer %d is no JSON object: %v\n%s", a.Code, err, a.Body)
	}
	return v
}

// do sends a request as ines. headers are pairs.
func (b *bundle) do(t *testing.T, method, path, body string, headers ...string) answered {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return b.answer(r)
}

// answer answers a request of ines.
func (b *bundle) answer(r *http.Request) answered {
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, b.user)))
	return answered{w}
}

func (b *bundle) get(t *testing.T, path string, headers ...string) answered {
	t.Helper()
	return b.do(t, http.MethodGet, path, "", headers...)
}

// at finds a value in JSON by keys and indexes.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

// fakeIntake stores what it is given.
type fakeIntake struct {
	store *store.Store
	mu    sync.Mutex
	last  ci.NewRequest
	fail  error
}

func (f *fakeIntake) AddRepository(ctx context.Context, n ci.NewRepository) (ci.Repository, error) {
	if err := ci.CheckSlug(n.Slug); err != nil {
		return ci.Repository{}, err
	}
	if n.DefaultBranch == "" {
		n.DefaultBranch = "trunk"
	}
	return f.store.AddRepository(ctx, n)
}

func (f *fakeIntake) Submit(ctx context.Context, n ci.NewRequest) (ci.Request, bool, error) {
	f.mu.Lock()
	f.last = n
	f.mu.Unlock()
	if f.fail != nil {
		return ci.Request{}, false, f.fail
	}
	return f.store.CreateRequest(ctx, n)
}

// dispatcher is the store's part of the real one.
type dispatcher struct{ *store.Store }

func (d dispatcher) CancelBuild(ctx context.Context, id int64, by string) error {
	_, _, err := d.Store.CancelBuild(ctx, id, by)
	return err
}

func (d dispatcher) CancelJob(ctx context.Context, id int64, by string) error {
	_, _, err := d.Store.CancelJob(ctx, id, by)
	return err
}

func (d dispatcher) RestartBuild(ctx context.Context, id int64, by string, only bool) error {
	_, err := d.Store.RestartBuild(ctx, id, by, only)
	return err
}

func (d dispatcher) RestartJob(ctx context.Context, id int64, by string) error {
	_, err := d.Store.RestartJob(ctx, id, by)
	return err
}

func (d dispatcher) PauseQueue(ctx context.Context, queue string, paused bool, by string) error {
	_, err := d.Store.PauseQueue(ctx, queue, paused, by)
	return err
}

// crons is the store's part of the real one, where there is one branch.
type crons struct{ *store.Store }

func (k crons) Add(ctx context.Context, n ci.NewCron) (ci.Cron, error) {
	if n.Branch == "gone" {
		return ci.Cron{}, fault.Field("branch", "There is no branch %q.", n.Branch)
	}
	return k.CreateCron(ctx, n)
}

// fakeLive reads the store whenever it is woken.
type fakeLive struct {
	store  *store.Store
	wake   chan struct{}
	events []ci.Change
	last   string // the last event id that it was given
}

func (f *fakeLive) Follow(ctx context.Context, jobID int64, attempt int, from ci.LogPos, send func([]ci.LogPart) error) error {
	for {
		l, err := f.store.Log(ctx, jobID, attempt)
		if err != nil {
			return err
		}
		parts, err := f.store.LogParts(ctx, jobID, attempt, from, 0)
		if err != nil {
			return err
		}
		if len(parts) > 0 {
			if err := send(parts); err != nil {
				return err
			}
			from = next(parts[len(parts)-1])
			continue
		}
		if l.Closed {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.wake:
		}
	}
}

func (f *fakeLive) Subscribe(ctx context.Context, last string, send func(string, []ci.Change) error) error {
	f.last = last
	for i, e := range f.events {
		if err := send(fmt.Sprintf("mill-a.%d", i+1), []ci.Change{e}); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

// readAll reads a stream until it ends.
func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	return b.String()
}
