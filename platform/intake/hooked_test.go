package intake_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

func proposed(own bool) ci.Request {
	return ci.Request{
		Event: ci.EventPullRequest, Branch: "main", Hook: ci.Hook{Forge: "github", Sender: "ines"},
		PullRequest: &ci.PullRequest{
			Number: 5, Title: "Faster", Own: own, HeadSHA: "def", HeadRef: "fix", HeadSlug: "ines/app", BaseSHA: "abc", BuildRef: "refs/pull/5/merge", URL: "https://x/5",
		},
	}
}

func TestPullRequestBecomesABuild(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		request  ci.Request
		noBranch bool
		trusted  bool
	}{
		"of the repository itself":            {proposed(true), false, true},
		"from a fork":                         {proposed(false), false, false},
		"from a branch that is not there now": {proposed(true), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _ := work(t, newFakeStore(), &fakeGit{text: "script: make\n", noBranch: c.noBranch}, c.request)
			if got.build == nil {
				t.Fatalf("no build: %s", got.reason)
			}
			b := *got.build
			b.Jobs, b.Config, b.Messages, b.ConfigText = nil, nil, nil, ""
			pull := *c.request.PullRequest
			pull.Own = c.trusted
			want := ci.NewBuild{
				RequestID: b.RequestID, RepositoryID: 7, Event: ci.EventPullRequest, Branch: "main", Trusted: c.trusted, Sender: "ines", PullRequest: &pull,
				Commit: ci.Commit{SHA: "merged", Ref: "refs/pull/5/merge", Message: "Faster wheels", Range: "abc...def", CompareURL: "https://x/5"},
			}
			if diff := cmp.Diff(want, b); diff != "" {
				t.Errorf("build (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPushHasItsRange(t *testing.T) {
	t.Parallel()
	for before, want := range map[string]string{"": "", "0a1": "0a1...abc"} {
		got, _ := work(t, newFakeStore(), &fakeGit{text: "script: make\n"}, ci.Request{
			Event: ci.EventPush, Branch: "main", SHA: "abc", Hook: ci.Hook{Before: before, CompareURL: "https://x/compare"},
		})
		if got.build == nil || got.build.Commit.Range != want || got.build.Commit.CompareURL != "https://x/compare" {
			t.Errorf("before %q: build %+v, want the range %q", before, got.build, want)
		}
	}
}

func TestWhatIsNotBuilt(t *testing.T) {
	t.Parallel()
	off := &ci.RepositorySettings{}
	for name, c := range map[string]struct {
		settings *ci.RepositorySettings
		git      fakeGit
		request  ci.Request
		reason   string
	}{
		"pushes, where that is off":        {off, fakeGit{}, ci.Request{Event: ci.EventPush, Branch: "main"}, "build_pushes"},
		"pull requests, where that is off": {off, fakeGit{}, proposed(true), "build_pull_requests"},
		"senders the file does not want":   {nil, fakeGit{text: "script: make\nif: sender = tom\n"}, proposed(false), "condition"},
		"a pull request nobody described":  {nil, fakeGit{}, ci.Request{Event: ci.EventPullRequest, Branch: "main"}, "no pull request"},
		"forks, where the file says so":    {nil, fakeGit{text: "script: make\nif: NOT fork\n"}, proposed(false), "condition"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFakeStore()
			s.settings = c.settings
			got, _ := work(t, s, &c.git, c.request)
			if !got.rejected || !strings.Contains(got.reason, c.reason) {
				t.Errorf("rejected %v: %q, want a reason with %q", got.rejected, got.reason, c.reason)
			}
		})
	}
}

func TestUserMayBuildWherePushesAreNot(t *testing.T) {
	t.Parallel()
	s := newFakeStore()
	s.settings = &ci.RepositorySettings{}
	if got, _ := work(t, s, &fakeGit{text: "script: make\n"}, ci.Request{Event: ci.EventAPI, Branch: "main"}); got.build == nil {
		t.Errorf("no build: %s", got.reason)
	}
}

func TestLateForgeIsAskedAgain(t *testing.T) {
	t.Parallel()
	got, _ := work(t, newFakeStore(), &fakeGit{pullErr: fault.New(fault.Unavailable, "not merged yet")}, proposed(true))
	if len(got.postponed) != 1 || got.rejected {
		t.Errorf("postponed %v, rejected %v", got.postponed, got.rejected)
	}
}
