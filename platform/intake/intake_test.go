package intake_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/intake"
)

const twoStages = "language: minimal\nscript: make\nenv: [A=1, A=2]\njobs:\n  include:\n  - stage: deploy\n    name: ship\n    script: make ship\n"

// work runs one claimed request to its outcome.
func work(t *testing.T, s *fakeStore, g *fakeGit, q ci.Request) (*stored, *heard) {
	t.Helper()
	h := newHeard()
	q.ID = 1
	if q.Branch == "" && q.Tag == "" {
		q.Branch = "main"
	}
	s.add(q)
	start(t, intake.New(s, g, h, intake.Config{Node: "a"}))
	<-s.settled
	if !s.result(1).rejected && s.result(1).build == nil {
		return s.result(1), h
	}
	for c := range h.news {
		if c.Kind == ci.ChangeRequest {
			break
		}
	}
	return s.result(1), h
}

func TestRequestMakesABuild(t *testing.T) {
	t.Parallel()
	s := newFakeStore()
	got, h := work(t, s, &fakeGit{text: twoStages}, ci.Request{CreatedBy: 3, Event: ci.EventPush})
	if got.build == nil {
		t.Fatalf("no build: %q", got.reason)
	}
	type job struct {
		name  string
		stage int
		queue string
	}
	var jobs []job
	for _, j := range got.build.Jobs {
		jobs = append(jobs, job{j.Name, j.Stage, j.Queue})
		if len(j.Config) == 0 || j.Config[0] != '{' {
			t.Errorf("config of a job is %q, want an object", j.Config)
		}
	}
	want := []job{{"", 0, "builds.linux"}, {"", 0, "builds.linux"}, {"ship", 1, "builds.linux"}}
	if diff := cmp.Diff(want, jobs, cmp.AllowUnexported(job{})); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	b := *got.build
	b.Jobs, b.Config, b.Messages = nil, nil, nil
	wantBuild := ci.NewBuild{
		RequestID: 1, RepositoryID: 7, Event: ci.EventPush, Branch: "main", Trusted: true, CreatedBy: 3, ConfigText: twoStages, Stages: []string{"test", "deploy"},
		Commit: ci.Commit{SHA: "abc", Ref: "refs/heads/main", Message: "from git"},
	}
	if diff := cmp.Diff(wantBuild, b); diff != "" {
		t.Errorf("build (-want +got):\n%s", diff)
	}
	for c := range h.news {
		if c.Kind == ci.ChangeBuild {
			break
		}
	}
	wantChanges := []ci.Change{
		{Kind: ci.ChangeRequest, Repository: 7, Request: 1, State: "finished"},
		{Kind: ci.ChangeBuild, Repository: 7, Build: 501, State: "created"},
	}
	if diff := cmp.Diff(wantChanges, h.all()); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
}

func TestRequestBringsConfiguration(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		git     fakeGit
		request ci.Request
		scripts []string
	}{
		"over the file":            {fakeGit{text: "script: a\n"}, ci.Request{Config: `{"script":"b"}`, MergeMode: "deep_merge"}, []string{"b"}},
		"instead of a broken file": {fakeGit{text: "a: [\n"}, ci.Request{Config: "script: b", MergeMode: "replace"}, []string{"b"}},
		"without a file":           {fakeGit{missing: true}, ci.Request{Config: "script: c"}, []string{"c"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _ := work(t, newFakeStore(), &c.git, c.request)
			if got.build == nil {
				t.Fatalf("no build: %q", got.reason)
			}
			if len(got.build.Jobs) != 1 || !strings.Contains(string(got.build.Jobs[0].Config), `"script":["`+c.scripts[0]+`"]`) {
				t.Errorf("jobs: %+v, want one with the script %q", got.build.Jobs, c.scripts)
			}
			for _, m := range got.build.Messages {
				if m.Level == "error" || m.Level == "alert" {
					t.Errorf("a message about nothing: %+v", m)
				}
			}
		})
	}
}

func TestTagAndMessage(t *testing.T) {
	t.Parallel()
	got, _ := work(t, newFakeStore(), &fakeGit{text: "script: a"}, ci.Request{Tag: "v1", Message: "by hand"})
	if got.build == nil || got.build.Branch != "v1" || got.build.Tag != "v1" || got.build.Commit.Message != "by hand" {
		t.Errorf("build = %+v", got.build)
	}
}

func TestRequestIsRejectedAtOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		git     fakeGit
		request ci.Request
		reason  string
	}{
		"no file":        {fakeGit{missing: true}, ci.Request{}, "There is no .travis.yml at this commit."},
		"broken yaml":    {fakeGit{text: "script:\n  - a\n - b: [\n"}, ci.Request{}, ".travis.yml line "},
		"not a map":      {fakeGit{text: "- a\n- b\n"}, ci.Request{}, ".travis.yml"},
		"alias bomb":     {fakeGit{text: bomb()}, ci.Request{}, ".travis.yml"},
		"too many jobs":  {fakeGit{text: manyJobs()}, ci.Request{}, "at most 200"},
		"skipped":        {fakeGit{text: "branches: {only: [release]}"}, ci.Request{Event: ci.EventPush}, "branches.only"},
		"unknown branch": {fakeGit{ResolveFunc: resolveErr(fault.New(fault.NotFound, "There is no branch x."))}, ci.Request{}, "There is no branch x."},
		"too long":       {fakeGit{fileErr: fault.New(fault.Invalid, "It is too long.")}, ci.Request{}, "It is too long."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, h := work(t, newFakeStore(), &c.git, c.request)
			if !got.rejected || !strings.Contains(got.reason, c.reason) || len(got.postponed) > 0 {
				t.Errorf("rejected %v for %q after %d pauses, want it rejected at once for %q", got.rejected, got.reason, len(got.postponed), c.reason)
			}
			if last := h.all()[0]; last.State != "finished" {
				t.Errorf("announced %+v", last)
			}
		})
	}
}

func TestSyntaxErrorShowsTheLine(t *testing.T) {
	t.Parallel()
	got, _ := work(t, newFakeStore(), &fakeGit{text: "script: make\n\tinstall: x\n"}, ci.Request{})
	if !strings.Contains(got.reason, "install: x") || !strings.Contains(got.reason, "^") {
		t.Errorf("reason %q shows neither line nor caret", got.reason)
	}
}

func resolveErr(err error) func(context.Context, ci.Repository, ci.Request) (ci.Commit, error) {
	return func(context.Context, ci.Repository, ci.Request) (ci.Commit, error) { return ci.Commit{}, err }
}

func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 9; i++ {
		p, n := string(rune('0'+i-1)), string(rune('0'+i))
		b.WriteString("a" + n + ": &a" + n + " [" + strings.Repeat("*a"+p+", ", 9) + "*a" + p + "]\n")
	}
	return b.String()
}

func manyJobs() string { return "script: a\nenv:\n" + rows(300) }

func rows(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("- A=" + strings.Repeat("x", i+1) + "\n")
	}
	return b.String()
}

func TestTroubleIsTriedAgain(t *testing.T) {
	t.Parallel()
	away := fault.New(fault.Unavailable, "git.example.org does not answer.")
	for name, c := range map[string]struct {
		err    error
		tries  int // before
		pause  time.Duration
		reason string
	}{
		"first":     {away, 0, time.Second, "git.example.org does not answer."},
		"second":    {away, 1, 5 * time.Second, "git.example.org does not answer."},
		"third":     {away, 2, 30 * time.Second, "git.example.org does not answer."},
		"fourth":    {away, 3, 2 * time.Minute, "git.example.org does not answer."},
		"fifth":     {away, 4, 0, "git.example.org does not answer."},
		"a defect":  {errors.New("nil map"), 0, time.Second, "Something inside Headrace went wrong."},
		"forgotten": {away, 9, 0, "git.example.org does not answer."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _ := work(t, newFakeStore(), &fakeGit{ResolveFunc: resolveErr(c.err)}, ci.Request{Tries: c.tries})
			if !strings.Contains(got.reason, c.reason) {
				t.Errorf("reason %q, want %q", got.reason, c.reason)
			}
			if c.pause == 0 {
				if !got.rejected {
					t.Error("it is not rejected after its last try")
				}
				return
			}
			if diff := cmp.Diff([]time.Duration{c.pause}, got.postponed); diff != "" || got.rejected {
				t.Errorf("postponed (-want +got):\n%s\nrejected %v", diff, got.rejected)
			}
		})
	}
}

func TestPanicIsTrouble(t *testing.T) {
	t.Parallel()
	g := &fakeGit{ResolveFunc: func(context.Context, ci.Repository, ci.Request) (ci.Commit, error) { panic("boom") }}
	got, _ := work(t, newFakeStore(), g, ci.Request{})
	if len(got.postponed) != 1 || strings.Contains(got.reason, "boom") {
		t.Errorf("postponed %v for %q", got.postponed, got.reason)
	}
}

func TestWorkIsBounded(t *testing.T) {
	t.Parallel()
	s := newFakeStore()
	s.add(ci.Request{ID: 1})
	g := &fakeGit{ResolveFunc: func(ctx context.Context, _ ci.Repository, _ ci.Request) (ci.Commit, error) {
		<-ctx.Done()
		return ci.Commit{}, ctx.Err()
	}}
	start(t, intake.New(s, g, newHeard(), intake.Config{Work: 45 * time.Millisecond}))
	<-s.settled
	if got := s.result(1); len(got.postponed) != 1 || !strings.Contains(got.reason, "took longer than 45ms") {
		t.Errorf("postponed %v for %q", got.postponed, got.reason)
	}
}

// Who loses the lease stops at once and stores nothing.
func TestLostLeaseEndsTheWork(t *testing.T) {
	t.Parallel()
	s := newFakeStore()
	s.renewErr = fault.New(fault.Conflict, "elsewhere")
	s.add(ci.Request{ID: 1})
	ended := make(chan struct{})
	g := &fakeGit{ResolveFunc: func(ctx context.Context, _ ci.Repository, _ ci.Request) (ci.Commit, error) {
		<-ctx.Done()
		close(ended)
		return ci.Commit{}, ctx.Err()
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- intake.New(s, g, newHeard(), intake.Config{Lease: 30 * time.Millisecond}).Run(ctx) }()
	<-ended
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
	select {
	case <-s.settled:
		t.Errorf("stored %+v", s.result(1))
	default:
	}
}

func TestStopHandsTheRequestBack(t *testing.T) {
	t.Parallel()
	s := newFakeStore()
	s.add(ci.Request{ID: 1})
	began := make(chan struct{})
	g := &fakeGit{ResolveFunc: func(ctx context.Context, _ ci.Repository, _ ci.Request) (ci.Commit, error) {
		close(began)
		<-ctx.Done()
		return ci.Commit{}, ctx.Err()
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- intake.New(s, g, newHeard(), intake.Config{}).Run(ctx) }()
	<-began
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
	if got := s.result(1); len(got.postponed) != 1 || got.postponed[0] != 0 {
		t.Errorf("postponed %v, want once without a pause", got.postponed)
	}
}

func TestSeveralAtATime(t *testing.T) {
	t.Parallel()
	s := newFakeStore()
	for id := range 4 {
		s.add(ci.Request{ID: int64(id + 1), Branch: "main"})
	}
	together := make(chan struct{}, 4)
	all := make(chan struct{})
	g := &fakeGit{text: "script: a", ResolveFunc: func(ctx context.Context, _ ci.Repository, _ ci.Request) (ci.Commit, error) {
		together <- struct{}{}
		if len(together) == 4 {
			close(all)
		}
		select {
		case <-all:
		case <-ctx.Done():
		}
		return ci.Commit{SHA: "abc"}, ctx.Err()
	}}
	start(t, intake.New(s, g, newHeard(), intake.Config{Poll: time.Hour}))
	for range 4 {
		<-s.settled
	}
	for id := range 4 {
		if s.result(int64(id+1)).build == nil {
			t.Errorf("request %d made no build", id+1)
		}
	}
}

func TestOvertakenRequestIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newFakeStore()
	s.createErr = fault.New(fault.Conflict, "stale")
	s.add(ci.Request{ID: 1, Branch: "main"})
	asked := make(chan struct{}, 1)
	g := &fakeGit{text: "script: a", ResolveFunc: func(context.Context, ci.Repository, ci.Request) (ci.Commit, error) {
		asked <- struct{}{}
		return ci.Commit{SHA: "abc"}, nil
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- intake.New(s, g, newHeard(), intake.Config{Parallel: 1}).Run(ctx) }()
	<-asked
	s.add(ci.Request{ID: 2, Branch: "main"}) // the one worker claims it only when it is done with the first
	<-asked
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
	if got := s.result(1); got.rejected || len(got.postponed) > 0 {
		t.Errorf("the overtaken request was changed: %+v", got)
	}
}

// TestCronWithoutItsBranchIsStopped: it would fail each time. What may go better does not stop it, and neither is a push
// anything to a cron.
func TestCronWithoutItsBranchIsStopped(t *testing.T) {
	t.Parallel()
	gone := fault.New(fault.NotFound, "There is no branch %q.", "main").Named("git_ref_missing")
	for name, tt := range map[string]struct {
		event ci.Event
		err   error
		want  string
	}{
		"a cron":                   {ci.EventCron, gone, `There is no branch "main".`},
		"a push":                   {ci.EventPush, gone, ""},
		"a cron that may not read": {ci.EventCron, fault.New(fault.Forbidden, "The key is refused."), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := &fakeGit{ResolveFunc: func(context.Context, ci.Repository, ci.Request) (ci.Commit, error) { return ci.Commit{}, tt.err }}
			got, _ := work(t, newFakeStore(), g, ci.Request{Event: tt.event})
			if !got.rejected || got.stopped != tt.want {
				t.Errorf("rejected: %t, stopped: %q, want %q", got.rejected, got.stopped, tt.want)
			}
		})
	}
}
