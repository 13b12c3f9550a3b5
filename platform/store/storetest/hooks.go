package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/ci"
)

var hookTests = map[string]func(*testing.T, *node){
	"a request holds what its hook said":                    testRequestOfHook,
	"a build of a pull request is trusted where it says so": testBuildOfPullRequest,
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// pull is a pull request from a fork, as a hook tells of it.
func pull() *ci.PullRequest {
	return &ci.PullRequest{
		Number: 12, Title: "Faster \"wheels\" é", Draft: true, HeadSHA: "def", HeadRef: "fix", HeadSlug: "ines/app", HeadRepoID: "99",
		BaseSHA: "abc", BuildRef: "refs/pull/12/merge", URL: "https://git.example/acme/app/pull/12",
	}
}

func testRequestOfHook(t *testing.T, n *node) {
	r := n.repository("acme/app")
	want := ci.NewRequest{
		RepositoryID: r.ID, Key: "github 1", Event: ci.EventPullRequest, Branch: "main", PullRequest: pull(),
		Hook: ci.Hook{Forge: "github", Delivery: "1", Sender: "ines", Before: "abc", CompareURL: "https://git.example/compare"},
	}
	made, _, err := n.CreateRequest(n.ctx(), want)
	n.ok(err)
	same(t, "the hook", want.Hook, made.Hook)
	same(t, "the pull request", want.PullRequest, made.PullRequest)
	q, ok, err := n.ClaimRequest(n.ctx(), "test", time.Minute)
	n.ok(err)
	equal(t, "claimed", true, ok)
	same(t, "what was claimed", made.PullRequest, q.PullRequest)
}

func testBuildOfPullRequest(t *testing.T, n *node) {
	r := n.repository("acme/app")
	n.envVar(ci.NewEnvVar{RepositoryID: r.ID, Name: "A", Value: "hunter2"})
	for _, own := range []bool{false, true} {
		q := n.request(r.ID)
		b := plan{event: ci.EventPullRequest}.of(q)
		b.PullRequest, b.Sender, b.Trusted, b.Commit.Range = pull(), "ines", own, "abc...def"
		b.PullRequest.Own = own
		made, err := n.CreateBuild(n.ctx(), b, q.Tries)
		n.ok(err)
		got, err := n.Build(n.ctx(), made.ID)
		n.ok(err)
		same(t, "the pull request", b.PullRequest, got.PullRequest)
		equal(t, "its number", int64(12), got.PullNumber)
		equal(t, "its title", b.PullRequest.Title, got.PullTitle)
		equal(t, "trusted", own, got.Trusted)
		equal(t, "sender", "ines", got.Sender)
		equal(t, "range", "abc...def", got.Commit.Range)
		secrets := map[bool]string{true: "A=hunter2", false: ""}[own]
		equal(t, "secrets", secrets, n.secrets(got.Jobs[0].ID))
	}
}
