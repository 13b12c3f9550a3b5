package intake_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/intake"
)

func TestSubmit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want ci.NewRequest }{
		"nothing said": {ci.NewRequest{}, ci.NewRequest{Branch: "main"}},
		"full refs":    {ci.NewRequest{Branch: "refs/heads/x", Tag: "refs/tags/v1"}, ci.NewRequest{Branch: "x", Tag: "v1"}},
		"a tag alone":  {ci.NewRequest{Tag: "v1"}, ci.NewRequest{Tag: "v1"}},
		"a commit":     {ci.NewRequest{SHA: " ABCDEF01 "}, ci.NewRequest{Branch: "main", SHA: "abcdef01"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, h := newFakeStore(), newHeard()
			c.in.RepositoryID = 7
			q, created, err := intake.New(s, &fakeGit{}, h, intake.Config{}).Submit(t.Context(), c.in)
			if err != nil || !created {
				t.Fatalf("Submit = %v, created %v", err, created)
			}
			got := ci.NewRequest{Branch: q.Branch, Tag: q.Tag, SHA: q.SHA}
			if diff := cmp.Diff(c.want, got); diff != "" || q.Event != ci.EventAPI {
				t.Errorf("event %s, (-want +got):\n%s", q.Event, diff)
			}
			want := []ci.Change{{Kind: ci.ChangeRequest, Repository: 7, Request: q.ID, State: "pending"}}
			if diff := cmp.Diff(want, h.all()); diff != "" {
				t.Errorf("announced (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSubmitTwiceByKey(t *testing.T) {
	t.Parallel()
	h := newHeard()
	in := intake.New(newFakeStore(), &fakeGit{}, h, intake.Config{})
	first, _, err := in.Submit(t.Context(), ci.NewRequest{RepositoryID: 7, Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	again, created, err := in.Submit(t.Context(), ci.NewRequest{RepositoryID: 7, Key: "k"})
	if err != nil || created || again.ID != first.ID || len(h.all()) != 1 {
		t.Errorf("again: request %d, created %v, %v, %d announcements; want %d, once", again.ID, created, err, len(h.all()), first.ID)
	}
}

func TestSubmitRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in    ci.NewRequest
		code  fault.Code
		field string
		words string
	}{
		"unknown repository": {ci.NewRequest{RepositoryID: 99}, fault.NotFound, "", "no such repository"},
		"branch":             {ci.NewRequest{Branch: "-x"}, fault.Invalid, "branch", "starts with a dash"},
		"tag":                {ci.NewRequest{Tag: "a b"}, fault.Invalid, "tag", "no space"},
		"sha":                {ci.NewRequest{SHA: "HEAD"}, fault.Invalid, "sha", "is not the id of a commit"},
		"long config":        {ci.NewRequest{Config: strings.Repeat("#", 1<<20+1)}, fault.Invalid, "config", "at most 1048576"},
		"broken config":      {ci.NewRequest{Config: "a: [1\nb: 2"}, fault.Invalid, "config", "line"},
		"config is no map":   {ci.NewRequest{Config: "[1]"}, fault.Invalid, "config", "the configuration of the request"},
		"merge mode":         {ci.NewRequest{Config: "a: 1", MergeMode: "mix"}, fault.Invalid, "merge_mode", `"mix" is not known`},
		"long message":       {ci.NewRequest{Message: strings.Repeat("x", 70_000)}, fault.Invalid, "message", "at most"},
		"long key":           {ci.NewRequest{Key: strings.Repeat("x", 256)}, fault.Invalid, "key", "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.in.RepositoryID == 0 {
				c.in.RepositoryID = 7
			}
			s := newFakeStore()
			_, _, err := intake.New(s, &fakeGit{}, newHeard(), intake.Config{}).Submit(t.Context(), c.in)
			wantFault(t, err, c.code, c.field, c.words)
			if len(s.pending) > 0 {
				t.Error("it was stored all the same")
			}
		})
	}
	s := newFakeStore()
	s.repository.Active = false
	_, _, err := intake.New(s, &fakeGit{}, newHeard(), intake.Config{}).Submit(t.Context(), ci.NewRequest{RepositoryID: 7})
	wantFault(t, err, fault.Conflict, "", "Builds are turned off for acme/app")
}

func wantFault(t *testing.T, err error, code fault.Code, field, words string) {
	t.Helper()
	f, ok := err.(*fault.Error) //nolint:errorlint // what callers get is the fault itself
	if !ok || f.Code != code || !strings.Contains(f.Message, words) {
		t.Fatalf("error %v, want %s that says %q", err, code, words)
	}
	if field != "" && f.Fields[field] == "" {
		t.Errorf("fields %v, want one for %s", f.Fields, field)
	}
}

func TestSubmitNamesEveryField(t *testing.T) {
	t.Parallel()
	in := intake.New(newFakeStore(), &fakeGit{}, newHeard(), intake.Config{})
	_, _, err := in.Submit(t.Context(), ci.NewRequest{RepositoryID: 7, Branch: "-x", SHA: "zz"})
	wantFault(t, err, fault.Invalid, "branch", "")
	wantFault(t, err, fault.Invalid, "sha", "")
}

func TestAddRepository(t *testing.T) {
	t.Parallel()
	h := newHeard()
	in := intake.New(newFakeStore(), &fakeGit{}, h, intake.Config{})
	r, err := in.AddRepository(t.Context(), ci.NewRepository{Slug: " acme/app/ ", SourceURL: " file:///x "})
	if err != nil || r.DefaultBranch != "trunk" || r.Slug != "acme/app" || r.SourceURL != "file:///x" {
		t.Errorf("AddRepository = %+v, %v", r, err)
	}
	if diff := cmp.Diff([]ci.Change{{Kind: ci.ChangeRepository, Repository: 8}}, h.all()); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
	r, err = in.AddRepository(t.Context(), ci.NewRepository{Slug: "acme/app", SourceURL: "file:///x", DefaultBranch: "refs/heads/dev"})
	if err != nil || r.DefaultBranch != "dev" {
		t.Errorf("AddRepository with a branch = %+v, %v", r, err)
	}
}

func TestAddRepositoryRefuses(t *testing.T) {
	t.Parallel()
	probe := func(r ci.Remote, err error) func(context.Context, string) (ci.Remote, error) {
		return func(context.Context, string) (ci.Remote, error) { return r, err }
	}
	for name, c := range map[string]struct {
		in    ci.NewRepository
		git   fakeGit
		field string
		words string
	}{
		"slug":        {ci.NewRepository{Slug: "app"}, fakeGit{}, "slug", "owner/name"},
		"branch":      {ci.NewRepository{Slug: "a/b", DefaultBranch: "-x"}, fakeGit{}, "default_branch", "dash"},
		"empty":       {ci.NewRepository{Slug: "a/b"}, fakeGit{ProbeFunc: probe(ci.Remote{Empty: true}, nil)}, "source_url", "is empty"},
		"unreachable": {ci.NewRepository{Slug: "a/b"}, fakeGit{ProbeFunc: probe(ci.Remote{}, fault.New(fault.Unavailable, "Nothing answers."))}, "source_url", "Nothing answers."},
		"not git":     {ci.NewRepository{Slug: "a/b"}, fakeGit{ProbeFunc: probe(ci.Remote{}, fault.New(fault.NotFound, "No repository."))}, "source_url", "No repository."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := intake.New(newFakeStore(), &c.git, newHeard(), intake.Config{}).AddRepository(t.Context(), c.in)
			wantFault(t, err, fault.Invalid, c.field, c.words)
		})
	}
}
