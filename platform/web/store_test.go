package web_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/platform/auth"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/dispatch"
	"github.com/headrace/headrace/platform/intake"
	"github.com/headrace/headrace/platform/store"
	"github.com/headrace/headrace/platform/web"
	"github.com/headrace/headrace/platform/web/webtest"
)

// The rooms are what the pages ask for.
var (
	_ web.Store      = (*store.Store)(nil)
	_ web.Auth       = (*auth.Auth)(nil)
	_ web.Intake     = (*intake.Intake)(nil)
	_ web.Dispatcher = (*dispatch.Dispatch)(nil)
)

// house is the pages over a real store, with a job that a worker has.
func house(t *testing.T) (site, *store.Store, ci.Job) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "headrace.db")})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	d := webtest.Empty(noon)
	u, err := s.CreateUser(t.Context(), ci.NewUser{Login: "lena", Admin: true})
	check(t, err)
	h, err := web.New(web.Deps{Store: s, Intake: d, Dispatch: d, Crons: d.CronRoom(), Auth: d, Who: func(context.Context) (ci.User, error) { return u, nil },
		ClientIP: func(context.Context) netip.Addr { return netip.Addr{} }, Changes: d.Changes, Expand: webtest.Expand, Now: s.Now,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	check(t, err)
	return site{t: t, demo: d, h: h}, s, claimedJob(t, s, u)
}

func claimedJob(t *testing.T, s *store.Store, u ci.User) ci.Job {
	t.Helper()
	r, err := s.AddRepository(t.Context(), ci.NewRepository{Slug: "acme/app", SourceURL: "https://git.example.org/app.git", DefaultBranch: "main"})
	check(t, err)
	_, _, err = s.CreateRequest(t.Context(), ci.NewRequest{RepositoryID: r.ID, Event: ci.EventAPI, Branch: "main", CreatedBy: u.ID})
	check(t, err)
	q, _, err := s.ClaimRequest(t.Context(), "a", time.Minute)
	check(t, err)
	_, err = s.CreateBuild(t.Context(), ci.NewBuild{RequestID: q.ID, RepositoryID: r.ID, Event: ci.EventAPI, Branch: "main", Commit: ci.Commit{SHA: "abcdef0123", Message: "A <b>title</b>\n\nbody", Ref: "refs/heads/main"},
		Stages: []string{"test", "deploy"}, ConfigText: "script: make\n", Jobs: []ci.NewJob{{Stage: 0, Queue: "q", Config: ci.Config(`{"language":"go"}`)}, {Stage: 1, Queue: "q", Config: ci.Config(`{}`)}}, CreatedBy: u.ID}, q.Tries)
	check(t, err)
	_, err = s.Beat(t.Context(), ci.Heartbeat{WorkerID: "w1", Name: "mill-01", Queue: "q", Slots: 1})
	check(t, err)
	jobs, _, err := s.QueueJobs(t.Context(), 1, func(ci.QueuedJob) ([]byte, error) { return []byte("{}"), nil })
	check(t, err)
	_, _, err = s.ClaimAttempt(t.Context(), ci.Claim{JobID: jobs[0].ID, Attempt: 1, Run: "r", WorkerID: "w1", Worker: "mill-01"})
	check(t, err)
	return jobs[0]
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPagesOnARealStore(t *testing.T) {
	t.Parallel()
	s, db, job := house(t)
	write := func(n int, text string, final bool) {
		t.Helper()
		_, err := db.AppendLog(t.Context(), []ci.LogPart{{JobID: job.ID, Attempt: 1, Run: "r", Source: ci.LogWorker, Number: n, Content: []byte(text), Final: final}})
		check(t, err)
	}
	for path, want := range map[string]string{
		"/": "acme/</span>app", "/r/acme/app": "A &lt;b&gt;title&lt;/b&gt;", "/r/acme/app/branches": "main", "/r/acme/app/requests": "Build #1", "/r/acme/app/settings": "1 build", "/r/acme/app/variables": "No variable yet",
		"/r/acme/app/builds/1": "Its turn comes after stage test, which has 1 job to go.", "/r/acme/app/builds/1/config": "script: make", "/r/acme/app/jobs/1.1": "mill-01", "/r/acme/app/jobs/1.2": "The log begins when a worker has the job.",
		"/search?q=app+1": "acme/app #1", "/account/tokens": "No token yet",
	} {
		if status, body := s.get(path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("GET %s: %d, does not say %q", path, status, want)
		}
	}
	_, body := s.get("/r/acme/app/jobs/1.1")
	cursor := strings.Split(strings.Split(body, `data-cursor="`)[1], `"`)[0]
	write(0, "one\ntw", false)
	a := s.log(t, cursor)
	if len(a.Ops) != 1 || !strings.Contains(a.Ops[0].HTML, "one") || !strings.Contains(a.Open, ">tw<") || a.Closed {
		t.Errorf("after the first part: %+v", a)
	}
	write(1, "o\nthree\n", true)
	a = s.log(t, a.Cursor)
	if len(a.Ops) != 2 || !strings.Contains(a.Ops[0].HTML, ">two<") || a.Open != "" || a.More {
		t.Errorf("after the second part: %+v", a)
	}
	if a = s.log(t, a.Cursor); len(a.Ops) != 0 {
		t.Errorf("nothing has come, and yet: %+v", a)
	}
	code := 0
	for _, st := range []ci.State{ci.Started, ci.Passed} {
		_, err := db.Report(t.Context(), ci.StateReport{RunRef: ci.RunRef{JobID: job.ID, Attempt: 1, Run: "r"}, State: st, ExitCode: &code}, 3)
		check(t, err)
	}
	if a = s.log(t, a.Cursor); !a.Closed || len(a.Ops) != 0 {
		t.Errorf("after the end: %+v", a)
	}
	if _, raw := s.get("/r/acme/app/jobs/1.1/log.txt"); raw != "one\ntwo\nthree\n" {
		t.Errorf("the raw log is %q", raw)
	}
}

type answer struct {
	Ops []struct {
		Do   string
		HTML string
	}
	Open, Cursor string
	More, Closed bool
}

func (s site) log(t *testing.T, cursor string) answer {
	t.Helper()
	_, body := s.get("/r/acme/app/jobs/1.1/log?cursor=" + url.QueryEscape(cursor))
	var a answer
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		t.Fatalf("%v: %.200s", err, body)
	}
	return a
}

func TestEventsAreGatheredAndEndWithTheRequest(t *testing.T) {
	t.Parallel()
	d := webtest.Sample(noon)
	h, err := d.Handler()
	check(t, err)
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	ctx, stop := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/events", nil)
	check(t, err)
	res, err := srv.Client().Do(r)
	check(t, err)
	defer res.Body.Close()
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" || res.Header.Get("X-Accel-Buffering") != "no" {
		t.Errorf("content type %q", got)
	}
	hello := make([]byte, len("event: hello\ndata: {}\n\n"))
	if _, err := io.ReadFull(res.Body, hello); err != nil || !strings.HasPrefix(string(hello), "event: hello") {
		t.Fatalf("%q, %v", hello, err)
	}
	for part := range 30 {
		d.Announce(ci.Change{Kind: ci.ChangeLog, Job: 7, Attempt: 1, Part: part})
	}
	d.Announce(ci.Change{Kind: ci.ChangeJob, Job: 7, State: "passed"})
	var all string
	for buf := make([]byte, 4096); !strings.Contains(all, "passed"); {
		n, err := res.Body.Read(buf)
		all += string(buf[:n])
		if err != nil {
			t.Fatalf("%v after %q", err, all)
		}
	}
	if n := strings.Count(all, `"kind":"log"`); n > 5 || !strings.Contains(all, `"part":29`) {
		t.Errorf("%d hints for one log, in %q", n, all)
	}
	stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for d.Readers() > 0 {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the subscription outlives its request")
		}
	}
}
