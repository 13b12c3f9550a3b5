package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

var hookTests = map[string]func(*testing.T, *node){
	"a request holds what its hook said":                    testRequestOfHook,
	"a build of a pull request is trusted where it says so": testBuildOfPullRequest,
	"of the secrets of hooks two are valid":                 testHookSecrets,
	"the newest secret cannot be removed":                   testRemoveHookSecret,
	"a delivery makes one request on any node":              testTakeHook,
	"a hook is not taken where it does not belong":          testTakeHookRefused,
	"many hooks are stored at once and in order":            testTakeManyHooks,
	"deliveries without a request are kept, a few":          testHookNotes,
	"a node without the key verifies no hooks":              testHookOtherKey,
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

func (n *node) hookSecrets(repo int64) []string {
	n.t.Helper()
	all, err := n.HookSecrets(n.ctx(), repo)
	n.ok(err)
	var texts []string
	for i, v := range all {
		equal(n.t, "newest", i == 0, v.Newest)
		texts = append(texts, v.Secret)
	}
	return texts
}

func (n *node) hookSource(repo int64) ci.HookSource {
	n.t.Helper()
	all, err := n.HookSources(n.ctx())
	n.ok(err)
	for _, s := range all {
		if s.RepositoryID == repo {
			return s
		}
	}
	n.t.Fatalf("repository %d is not among %+v", repo, all)
	return ci.HookSource{}
}

func testHookSecrets(t *testing.T, n *node) {
	r, other := n.repository("acme/app"), n.repository("acme/tool")
	first := n.hookSecrets(r.ID)
	if len(first) != 1 || len(first[0]) != 40 || first[0] == n.hookSecrets(other.ID)[0] {
		t.Fatalf("a new repository has the secrets %q", first)
	}
	version := n.hookSource(r.ID).Version
	second, err := n.RotateHookSecret(n.ctx(), r.ID)
	n.ok(err)
	equal(t, "valid secrets", 2, len(second))
	equal(t, "the one before", first[0], second[1].Secret)
	third, err := n.another().RotateHookSecret(n.ctx(), r.ID)
	n.ok(err)
	equal(t, "valid secrets", 2, len(third))
	equal(t, "the one before", second[0].Secret, third[1].Secret)
	n.ok(n.RemoveHookSecret(n.ctx(), r.ID, third[1].ID))
	same(t, "what is left", []string{third[0].Secret}, n.hookSecrets(r.ID))
	source := n.hookSource(r.ID)
	want := ci.HookSource{RepositoryID: r.ID, Slug: r.Slug, SourceURL: r.SourceURL, Active: true, Version: source.Version, Secrets: []string{third[0].Secret}}
	same(t, "the source", want, source)
	equal(t, "changes counted", version+3, source.Version)
	_, err = n.RotateHookSecret(n.ctx(), 99)
	equal(t, "code", fault.NotFound, fault.CodeOf(err))
}

func testRemoveHookSecret(t *testing.T, n *node) {
	r, other := n.repository("acme/app"), n.repository("acme/tool")
	all, err := n.RotateHookSecret(n.ctx(), r.ID)
	n.ok(err)
	equal(t, "code", fault.Conflict, fault.CodeOf(n.RemoveHookSecret(n.ctx(), r.ID, all[0].ID)))
	equal(t, "code of another's", fault.NotFound, fault.CodeOf(n.RemoveHookSecret(n.ctx(), other.ID, all[1].ID)))
	equal(t, "left", 2, len(n.hookSecrets(r.ID)))
}

// push is a hook that tells of a push to a repository.
func push(repo int64, delivery string) ci.HookRequest {
	return ci.HookRequest{
		NewRequest: ci.NewRequest{
			RepositoryID: repo, Key: "github " + delivery, Event: ci.EventPush, Branch: "main", SHA: "abc",
			Hook: ci.Hook{Forge: ci.GitHub, Delivery: delivery, Sender: "ines"},
		},
		Forge: "github git.example", ForgeID: "1001",
	}
}

func (n *node) take(hooks ...ci.HookRequest) []ci.HookTaken {
	n.t.Helper()
	taken, err := n.TakeHooks(n.ctx(), hooks)
	n.ok(err)
	equal(n.t, "answers", len(hooks), len(taken))
	return taken
}

func testTakeHook(t *testing.T, n *node) {
	r := n.repository("acme/app")
	nodes := []*node{n, n.another(), n.another()}
	answers := make([]ci.HookTaken, 12)
	var group sync.WaitGroup
	for i := range answers {
		group.Go(func() { answers[i] = nodes[i%3].take(push(r.ID, "one"))[0] })
	}
	group.Wait()
	created := 0
	for _, a := range answers {
		n.ok(a.Err)
		equal(t, "request", answers[0].RequestID, a.RequestID)
		if a.Created {
			created++
		}
	}
	equal(t, "created", 1, created)
	q, err := n.Request(n.ctx(), r.ID, answers[0].RequestID)
	n.ok(err)
	same(t, "the hook", push(r.ID, "one").Hook, q.Hook)
	equal(t, "the forge", "github git.example 1001", n.hookSource(r.ID).Forge+" "+n.hookSource(r.ID).ForgeID)
	other := push(r.ID, "two")
	other.ForgeID = "2002"
	n.take(other)
	equal(t, "what is known of the forge", "1001", n.hookSource(r.ID).ForgeID)
}

func testTakeHookRefused(t *testing.T, n *node) {
	r, off := n.repository("acme/app"), n.repository("acme/off")
	n.ok(n.SetActive(n.ctx(), off.ID, false))
	version := n.hookSource(r.ID).Version
	current, stale := push(r.ID, "current"), push(r.ID, "stale")
	current.Version, stale.Version = version, version+1
	taken := n.take(push(99, "a"), push(off.ID, "b"), stale, current)
	for i, want := range []fault.Code{fault.NotFound, fault.Conflict, fault.Conflict, ""} {
		equal(t, fmt.Sprintf("code of %d", i), want, fault.CodeOf(taken[i].Err))
	}
	equal(t, "created", true, taken[3].Created)
	stale.Key = current.Key // it came before: the answer is the same, whatever the secrets are now
	equal(t, "the request", taken[3].RequestID, n.take(stale)[0].RequestID)
}

func testTakeManyHooks(t *testing.T, n *node) {
	a, b := n.repository("acme/app"), n.repository("acme/tool")
	var hooks []ci.HookRequest
	for i := range 20 {
		hooks = append(hooks, push(a.ID, fmt.Sprint(i)), push(b.ID, fmt.Sprint(i)))
	}
	first := n.take(hooks...)
	for i, again := range n.take(hooks...) {
		equal(t, "request", first[i].RequestID, again.RequestID)
		if again.Created || i > 0 && first[i].RequestID <= first[i-1].RequestID {
			t.Fatalf("answer %d is %+v, after %+v", i, again, first[i])
		}
	}
	_, total, err := n.Requests(n.ctx(), ci.RequestFilter{})
	n.ok(err)
	equal(t, "requests", len(hooks), total)
}

func testHookNotes(t *testing.T, n *node) {
	r := n.repository("acme/app")
	for i := range 70 {
		outcome := ci.HookRefused
		if i == 0 {
			outcome = ci.HookUnused
		}
		n.clock.pass(time.Second)
		n.ok(n.NoteHook(n.ctx(), ci.HookDelivery{RepositoryID: r.ID, Forge: ci.Gitea, Event: "ping", Delivery: fmt.Sprint(i), Outcome: outcome, Reason: "why"}))
	}
	n.clock.pass(time.Second)
	n.take(push(r.ID, "last"))
	all, err := n.HookDeliveries(n.ctx(), r.ID, 100)
	n.ok(err)
	equal(t, "deliveries", 32, len(all))
	equal(t, "the newest", "last accepted", all[0].Delivery+" "+string(all[0].Outcome))
	equal(t, "its request", "main", all[0].Request.Branch)
	equal(t, "the next", "69 refused why", fmt.Sprint(all[1].Delivery, " ", all[1].Outcome, " ", all[1].Reason))
	equal(t, "the oldest", "0 unused", fmt.Sprint(all[31].Delivery, " ", all[31].Outcome))
	few, err := n.HookDeliveries(n.ctx(), r.ID, 3)
	n.ok(err)
	same(t, "a few", all[:3], few)
	n.ok(n.NoteHook(n.ctx(), ci.HookDelivery{RepositoryID: 99}))
}

func testHookOtherKey(t *testing.T, n *node) {
	r := n.repository("acme/app")
	stranger := *n
	stranger.keys = newKeys(t)
	equal(t, "secrets", 0, len(stranger.another().hookSource(r.ID).Secrets))
	_, err := stranger.another().HookSecrets(n.ctx(), r.ID)
	equal(t, "code", fault.Unavailable, fault.CodeOf(err))
}
