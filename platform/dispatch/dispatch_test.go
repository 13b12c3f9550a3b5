package dispatch_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/dispatch"
)

func waiting(id int64) ci.QueuedJob {
	return ci.QueuedJob{
		Job: ci.Job{
			ID: id, RepositoryID: 7, BuildID: 5, BuildNumber: 12, Index: int(id), State: ci.Created, Queue: "builds.linux", Attempt: 2,
			Config: ci.Config(`{"language":"go"}`), StageName: "test", Name: "unit", QueuedAt: time.Date(2026, 11, 20, 4, 44, 50, 123456000, time.UTC),
		},
		Build: ci.Build{ID: 5, Number: 12, Event: ci.EventPush, Branch: "main", Trusted: true, Commit: ci.Commit{SHA: "abc", Ref: "refs/heads/main", Message: "hello"}},
		Repository: ci.Repository{
			ID: 7, Slug: "acme/app", SourceURL: "https://ines:s3cret@git.example.org/acme/app.git", DefaultBranch: "main", Private: true,
		},
	}
}

func TestJobsReachTheBroker(t *testing.T) {
	t.Parallel()
	s, c := newFakeStore(), newFakeCarrier()
	for id := range 5 {
		s.waiting = append(s.waiting, waiting(int64(id+1)))
	}
	_, h := start(t, s, c, dispatch.Config{WebURL: func() string { return "https://ci.example.org" }, JobTimeout: 50 * time.Minute, LogLimit: 100})
	first := <-c.published
	for range 4 {
		<-c.published
	}
	if first.Key != "builds.linux" || first.Exchange != "" || first.Type != broker.TypeJob || first.Transient {
		t.Errorf("published %+v", first)
	}
	want := ci.Change{Kind: ci.ChangeJob, Repository: 7, Build: 5, Job: 1, Attempt: 2, State: "queued"}
	if diff := cmp.Diff(want, <-h); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if diff := cmp.Diff([]string{"builds.linux"}, c.declared); diff != "" {
		t.Errorf("declared (-want +got):\n%s", diff)
	}
}

func TestJobMessage(t *testing.T) {
	t.Parallel()
	s, c := newFakeStore(), newFakeCarrier()
	q := waiting(1)
	s.waiting = []ci.QueuedJob{q}
	start(t, s, c, dispatch.Config{WebURL: func() string { return "https://ci.example.org:8443" }, JobTimeout: 50 * time.Minute, LogLimit: 100})
	m := <-c.published
	if strings.Contains(string(m.Body), "s3cret") {
		t.Errorf("the message holds the password: %s", m.Body)
	}
	got, err := broker.DecodeJob(m)
	if err != nil {
		t.Fatal(err)
	}
	limit := 3000
	want := broker.Job{
		Type: "test", Queue: "builds.linux",
		Job: broker.JobDetails{
			ID: 1, Number: "12.1", Commit: "abc", CommitMessage: "hello", Branch: "main", PullRequest: false, State: "queued", SecureEnvEnabled: true,
			QueuedAt: time.Date(2026, 11, 20, 4, 44, 50, 0, time.UTC), StageName: "test", Name: "unit",
		},
		Source:     broker.Source{ID: 5, Number: "12", EventType: "push"},
		Repository: broker.Repository{ID: 7, Slug: "acme/app", SourceURL: "https://git.example.org/acme/app.git", DefaultBranch: "main", Private: true},
		Config:     json.RawMessage(`{"language":"go"}`), EnvVars: []broker.EnvVar{}, Timeouts: broker.Timeouts{HardLimit: &limit},
		Meta: broker.JobMeta{StateUpdateCount: 2000}, Host: "ci.example.org:8443",
		Headrace: &broker.JobExtra{
			Attempt: 2, LogLimit: 100, WebURL: "https://ci.example.org:8443/r/acme/app/jobs/12.1",
			BuildURL: "https://ci.example.org:8443/r/acme/app/builds/12",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

func TestJobMessageVariants(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(q *ci.QueuedJob)
		want   string
	}{
		"no config":   {func(q *ci.QueuedJob) { q.Job.Config = nil }, `"config":{}`},
		"null config": {func(q *ci.QueuedJob) { q.Job.Config = ci.Config("null") }, `"config":{}`},
		"variables": {func(q *ci.QueuedJob) {
			q.EnvVars = []ci.EnvVar{{Name: "TOKEN", Value: "hunter2"}, {Name: "REGION", Value: "eu", Public: true}}
		}, `"env_vars":[{"name":"REGION","value":"eu","public":true}]`},
		"pull request": {func(q *ci.QueuedJob) { q.Build.Event, q.Build.PullNumber = ci.EventPullRequest, 9 }, `"pull_request":9`},
		"no secrets":   {func(q *ci.QueuedJob) { q.Build.Trusted = false }, `"secure_env_enabled":false`},
		"from a fork":  {func(q *ci.QueuedJob) { q.Build.Trusted = false }, `"untrusted":true`},
		"its head": {func(q *ci.QueuedJob) {
			q.Build.PullRequest = &ci.PullRequest{HeadRef: "fix", HeadSHA: "def", HeadSlug: "ines/app", Draft: true}
		}, `"pull_request_head_branch":"fix","pull_request_head_sha":"def","pull_request_head_slug":"ines/app","pull_request_is_draft":true`},
		"new commits":       {func(q *ci.QueuedJob) { q.Build.Commit.Range = "abc...def" }, `"commit_range":"abc...def"`},
		"no variables":      {func(*ci.QueuedJob) {}, `"env_vars":[]`},
		"no limits":         {func(*ci.QueuedJob) {}, `"timeouts":{"hard_limit":null,"log_silence":null}`},
		"short ssh address": {func(q *ci.QueuedJob) { q.Repository.SourceURL = "git@host:acme/app.git" }, `"source_url":"git@host:acme/app.git"`},
		"ssh address":       {func(q *ci.QueuedJob) { q.Repository.SourceURL = "ssh://git@host/acme/app.git" }, `"source_url":"ssh://git@host/acme/app.git"`},
		"file":              {func(q *ci.QueuedJob) { q.Repository.SourceURL = "file:///srv/app.git" }, `"source_url":"file:///srv/app.git"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, carrier := newFakeStore(), newFakeCarrier()
			q := waiting(1)
			c.change(&q)
			s.waiting = []ci.QueuedJob{q}
			start(t, s, carrier, dispatch.Config{})
			if m := <-carrier.published; !strings.Contains(string(m.Body), c.want) {
				t.Errorf("message %s, want it to hold %s", m.Body, c.want)
			}
		})
	}
}

func TestWhatTheBrokerDoesNotTakeIsKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		failed int // messages that are put back after one publish was refused
		reason string
		least  time.Duration // until the next try
		most   time.Duration
	}{
		"broker away":   {broker.ErrUnavailable, 3, "The message broker does not answer.", 0, 2 * time.Second},
		"no such queue": {broker.ErrUnroutable, 1, "The message broker has no queue builds.linux.", 8 * time.Second, 16 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, carrier := newFakeStore(), newFakeCarrier()
			for id := range 4 {
				s.outbox = append(s.outbox, ci.OutMessage{ID: int64(id + 1), Queue: "builds.linux", Tries: 4, Body: []byte("{}")})
			}
			carrier.PublishFunc = func(_ context.Context, m broker.Message) error {
				if m.ID == "2" {
					return c.err
				}
				return nil
			}
			start(t, s, carrier, dispatch.Config{Retry: run.Backoff{First: time.Second, Most: time.Minute}})
			for range c.failed {
				if e := <-s.events; e != "failed" {
					t.Fatalf("first came %q", e)
				}
			}
			<-s.events
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.failures) != c.failed || s.failures[0].id != 2 || s.failures[0].reason != c.reason {
				t.Errorf("failures %+v, want %d that say %q", s.failures, c.failed, c.reason)
			}
			if again := s.failures[0].again; again < c.least || again > c.most {
				t.Errorf("again after %s, want from %s to %s", again, c.least, c.most)
			}
			if len(s.sent)+len(s.failures) != 4 || s.sent[0] != 1 {
				t.Errorf("sent %v", s.sent)
			}
		})
	}
}

func TestRequeueWakesTheRelay(t *testing.T) {
	t.Parallel()
	s, c := newFakeStore(), newFakeCarrier()
	s.requeued = 1
	s.outbox = []ci.OutMessage{{ID: 1, Queue: "q", Body: []byte("{}")}}
	start(t, s, c, dispatch.Config{Poll: time.Hour})
	<-c.published
}

func TestStoreTroubleIsOutlived(t *testing.T) {
	t.Parallel()
	s, c := newFakeStore(), newFakeCarrier()
	s.err = errors.New("the database is away")
	s.waiting = []ci.QueuedJob{waiting(1)}
	start(t, s, c, dispatch.Config{})
	<-c.published
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s, c := newFakeStore(), newFakeCarrier()
	s.moved = []ci.Moved{{Job: ci.Job{ID: 1, BuildID: 5, State: ci.Canceled, Attempt: 3}, BuildState: ci.Canceled}}
	s.runs = []ci.CanceledRun{{RunRef: ci.RunRef{JobID: 1, Attempt: 3, Run: "r"}, WorkerID: "w"}}
	d, h := start(t, s, c, dispatch.Config{})
	for _, cancel := range []func() error{
		func() error { return d.CancelBuild(t.Context(), 5, "ines") },
		func() error { return d.CancelJob(t.Context(), 1, "ines") },
	} {
		if err := cancel(); err != nil {
			t.Fatal(err)
		}
		m := <-c.published
		var got broker.Cancel
		if err := broker.Decode(m, &got); err != nil {
			t.Fatal(err)
		}
		want := broker.Cancel{JobID: 1, Attempt: 3, Run: "r", Reason: "Canceled by ines."}
		if diff := cmp.Diff(want, got); diff != "" || m.Exchange != broker.CommandsExchange || m.Type != broker.TypeCancel {
			t.Errorf("published %+v (-want +got):\n%s", m, diff)
		}
		if a, b := <-h, <-h; a.Kind != ci.ChangeJob || b.Kind != ci.ChangeBuild {
			t.Errorf("announced %+v, %+v", a, b)
		}
	}
}

// Canceling answers at once, whether or not the broker does, and also before or after Run.
func TestCancelDoesNotWaitForTheBroker(t *testing.T) {
	t.Parallel()
	s := newFakeStore()
	for range 3000 {
		s.runs = append(s.runs, ci.CanceledRun{})
	}
	d := dispatch.New(s, newFakeCarrier(), make(heard, 10), dispatch.Config{})
	if err := d.CancelBuild(t.Context(), 5, "ines"); err != nil {
		t.Error(err)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	s, c := newFakeStore(), newFakeCarrier()
	s.moved = []ci.Moved{{Job: ci.Job{ID: 1, BuildID: 5, State: ci.Created, Attempt: 4}, BuildState: ci.Created}}
	d, h := start(t, s, c, dispatch.Config{Poll: time.Hour})
	for _, restart := range []func() error{
		func() error { return d.RestartBuild(t.Context(), 5, "ines", true) },
		func() error { return d.RestartJob(t.Context(), 1, "ines") },
	} {
		s.mu.Lock()
		s.waiting = []ci.QueuedJob{waiting(1)}
		s.mu.Unlock()
		if err := restart(); err != nil {
			t.Fatal(err)
		}
		<-c.published // it woke the queue
		if got := <-h; got.Kind != ci.ChangeJob || got.State != "created" {
			t.Errorf("announced %+v", got)
		}
		<-h
		<-h
	}
	s.actErr = fault.New(fault.Conflict, "It runs.")
	if err := d.RestartJob(t.Context(), 1, "ines"); !fault.Is(err, fault.Conflict) {
		t.Errorf("RestartJob = %v, want the store's refusal", err)
	}
}

func TestQueuesAndOrder(t *testing.T) {
	t.Parallel()
	s, c := newFakeStore(), newFakeCarrier()
	s.moved = []ci.Moved{{Job: ci.Job{ID: 1, BuildID: 5, State: ci.Created, Attempt: 4}, BuildState: ci.Created}}
	d, h := start(t, s, c, dispatch.Config{Poll: time.Hour})
	for name, act := range map[string]struct {
		do   func() error
		want []ci.ChangeKind
	}{
		"pause":            {func() error { return d.PauseQueue(t.Context(), "q", true, "ines") }, []ci.ChangeKind{ci.ChangeJob, ci.ChangeBuild, ci.ChangeQueue}},
		"limit":            {func() error { return d.LimitQueue(t.Context(), "q", 3) }, []ci.ChangeKind{ci.ChangeQueue}},
		"prioritize build": {func() error { return d.PrioritizeBuild(t.Context(), 5) }, []ci.ChangeKind{ci.ChangeBuild}},
		"prioritize job":   {func() error { return d.PrioritizeJob(t.Context(), 1) }, []ci.ChangeKind{ci.ChangeJob}},
	} {
		s.mu.Lock()
		s.waiting = []ci.QueuedJob{waiting(1)}
		s.mu.Unlock()
		if err := act.do(); err != nil {
			t.Fatal(err)
		}
		<-c.published // it woke the queue
		for i, want := range append(act.want, ci.ChangeJob) {
			if got := <-h; got.Kind != want {
				t.Errorf("%s: change %d is %s, want %s", name, i, got.Kind, want)
			}
		}
	}
	s.actErr = fault.New(fault.NotFound, "x")
	if err := d.PauseQueue(t.Context(), "q", true, "ines"); !fault.Is(err, fault.NotFound) || len(h) != 0 {
		t.Errorf("a pause that fails: %v, announced %d", err, len(h))
	}
}
