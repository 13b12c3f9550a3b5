package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

var requestTests = map[string]func(*testing.T, *node){
	"a key makes it idempotent in its repository":  testRequestKey,
	"all that was asked is stored":                 testRequestStored,
	"the oldest due one is claimed by one owner":   testClaimRequest,
	"an owner that is started again lets go":       testReleaseRequests,
	"a lease that is renewed does not end":         testRenewRequest,
	"a crashed owner's request comes again":        testRequestLease,
	"a postponed one comes when it is due":         testPostpone,
	"a rejected one says why":                      testReject,
	"an owner whose lease ran out changes nothing": testStaleOwner,
	"lists are filtered":                           testFilterRequests,
}

func testRequestKey(t *testing.T, n *node) {
	r, other := n.repository("acme/app"), n.repository("acme/other")
	create := func(repo int64, key string) (int64, bool) {
		t.Helper()
		q, created, err := n.CreateRequest(n.ctx(), ci.NewRequest{RepositoryID: repo, Key: key, Branch: "main"})
		n.ok(err)
		return q.ID, created
	}
	first, created := create(r.ID, "k")
	equal(t, "created", true, created)
	n.clock.pass(25 * time.Hour)
	again, created := create(r.ID, "k")
	equal(t, "created again", false, created)
	equal(t, "the same", first, again)
	for name, get := range map[string]func() (int64, bool){
		"another key":        func() (int64, bool) { return create(r.ID, "k2") },
		"another repository": func() (int64, bool) { return create(other.ID, "k") },
		"no key":             func() (int64, bool) { return create(r.ID, "") },
		"no key again":       func() (int64, bool) { return create(r.ID, "") },
	} {
		if id, created := get(); !created || id == first {
			t.Errorf("%s gives request %d, created %v", name, id, created)
		}
	}
	for _, key := range []string{"", "k"} {
		_, _, err := n.CreateRequest(n.ctx(), ci.NewRequest{RepositoryID: 99, Key: key})
		equal(t, "code", fault.NotFound, fault.CodeOf(err))
	}
}

func testRequestStored(t *testing.T, n *node) {
	u, r := n.user("ines"), n.repository("acme/app")
	want := ci.Request{
		RepositoryID: r.ID, Event: ci.EventAPI, Branch: "main", Tag: "v1", SHA: "abc", Message: "Why \xff not\x00", Config: "script: make", MergeMode: "deep_merge",
		CreatedBy: u.ID, CreatedByLogin: "ines", State: ci.RequestPending, NextTry: n.clock.now(), Created: n.clock.now(),
	}
	made, _, err := n.CreateRequest(n.ctx(), ci.NewRequest{
		RepositoryID: r.ID, Event: want.Event, Branch: want.Branch, Tag: want.Tag, SHA: want.SHA, Message: want.Message, Config: want.Config,
		MergeMode: want.MergeMode, CreatedBy: u.ID,
	})
	n.ok(err)
	want.ID, want.Message = made.ID, "Why \uFFFD not\uFFFD"
	got, err := n.Request(n.ctx(), r.ID, made.ID)
	n.ok(err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	_, err = n.Request(n.ctx(), r.ID+1, made.ID)
	equal(t, "code in another repository", fault.NotFound, fault.CodeOf(err))
}

func (n *node) push(repo int64) ci.Request {
	n.t.Helper()
	q, _, err := n.CreateRequest(n.ctx(), ci.NewRequest{RepositoryID: repo, Event: ci.EventPush, Branch: "main"})
	n.ok(err)
	return q
}

// due claims the next request; 0 when none is due.
func (n *node) due() (id int64, tries int) {
	n.t.Helper()
	q, _, err := n.ClaimRequest(n.ctx(), "test", time.Minute)
	n.ok(err)
	return q.ID, q.Tries
}

func testClaimRequest(t *testing.T, n *node) {
	r := n.repository("acme/app")
	a, b := n.push(r.ID), n.push(r.ID)
	for _, want := range []int64{a.ID, b.ID, 0} {
		id, _ := n.due()
		equal(t, "claimed", want, id)
	}
}

func testRequestLease(t *testing.T, n *node) {
	q := n.push(n.repository("acme/app").ID)
	n.due()
	n.clock.pass(59 * time.Second)
	id, _ := n.due()
	equal(t, "claimed within the lease", 0, id)
	n.clock.pass(time.Second)
	id, tries := n.due()
	equal(t, "claimed after the lease", q.ID, id)
	equal(t, "tries", 2, tries)
}

func testPostpone(t *testing.T, n *node) {
	r := n.repository("acme/app")
	q := n.push(r.ID)
	n.due()
	n.ok(n.PostponeRequest(n.ctx(), q.ID, 1, time.Hour, "The server does not answer."))
	got, err := n.Request(n.ctx(), r.ID, q.ID)
	n.ok(err)
	equal(t, "reason", "The server does not answer.", got.Reason)
	equal(t, "next try", n.clock.now().Add(time.Hour), got.NextTry)
	n.clock.pass(time.Hour - 1)
	id, _ := n.due()
	equal(t, "claimed early", 0, id)
	n.clock.pass(time.Second)
	id, tries := n.due()
	equal(t, "claimed", q.ID, id)
	equal(t, "tries", 2, tries)
}

func testReject(t *testing.T, n *node) {
	r := n.repository("acme/app")
	q := n.push(r.ID)
	n.due()
	messages := []ci.ConfigMessage{{Level: "error", Code: "unknown_key", Key: "scrpt", Args: map[string]any{"near": "script\x00"}, Text: "?", Line: 3}}
	n.ok(n.RejectRequest(n.ctx(), q.ID, 1, "There is no .travis.yml.", messages))
	got, err := n.Request(n.ctx(), r.ID, q.ID)
	n.ok(err)
	equal(t, "state", ci.RequestFinished, got.State)
	equal(t, "result", ci.RequestRejected, got.Result)
	equal(t, "reason", "There is no .travis.yml.", got.Reason)
	equal(t, "finished", n.clock.now(), got.Finished)
	if diff := cmp.Diff(messages, got.Messages); diff != "" {
		t.Fatal(diff)
	}
	n.clock.pass(time.Hour)
	id, _ := n.due()
	equal(t, "claimed", 0, id)
}

func testStaleOwner(t *testing.T, n *node) {
	r := n.repository("acme/app")
	q := n.push(r.ID)
	n.due()
	n.clock.pass(time.Hour)
	n.due()
	for _, err := range []error{
		n.PostponeRequest(n.ctx(), q.ID, 1, time.Hour, "no"), n.RejectRequest(n.ctx(), q.ID, 1, "no", nil),
		second(n.CreateBuild(n.ctx(), plan{}.of(q), 1)),
	} {
		equal(t, "code", fault.Conflict, fault.CodeOf(err))
	}
	b, err := n.CreateBuild(n.ctx(), plan{}.of(q), 2)
	n.ok(err)
	equal(t, "number", 1, b.Number)
	equal(t, "code after the end", fault.Conflict, fault.CodeOf(n.RejectRequest(n.ctx(), q.ID, 2, "no", nil)))
	got, err := n.Request(n.ctx(), r.ID, q.ID)
	n.ok(err)
	equal(t, "result", ci.RequestApproved, got.Result)
	equal(t, "reason", "", got.Reason)
	if diff := cmp.Diff([]int64{b.ID}, got.BuildIDs); diff != "" {
		t.Fatal(diff)
	}
}

func testFilterRequests(t *testing.T, n *node) {
	r, other := n.repository("acme/app"), n.repository("acme/other")
	n.push(other.ID)
	n.due()
	built := n.build(r.ID, plan{})
	rejected := n.push(r.ID)
	n.due()
	n.ok(n.RejectRequest(n.ctx(), rejected.ID, 1, "no", nil))
	pending := n.push(r.ID)
	for name, c := range map[string]struct {
		filter ci.RequestFilter
		want   []int64
	}{
		"of the repository, newest first": {ci.RequestFilter{RepositoryID: r.ID}, []int64{pending.ID, rejected.ID, built.RequestID}},
		"pending":                         {ci.RequestFilter{RepositoryID: r.ID, State: ci.RequestPending}, []int64{pending.ID}},
		"rejected":                        {ci.RequestFilter{Result: ci.RequestRejected}, []int64{rejected.ID}},
		"without builds":                  {ci.RequestFilter{RepositoryID: r.ID, WithoutBuilds: true}, []int64{pending.ID, rejected.ID}},
	} {
		page, total, err := n.Requests(n.ctx(), c.filter)
		n.ok(err)
		var got []int64
		for _, q := range page {
			got = append(got, q.ID)
		}
		if diff := cmp.Diff(c.want, got); diff != "" || total != len(c.want) {
			t.Errorf("%s: total %d; %s", name, total, diff)
		}
	}
}

func testReleaseRequests(t *testing.T, n *node) {
	q := n.push(n.repository("acme/app").ID)
	n.due()
	n.ok(n.ReleaseRequests(n.ctx(), "somebody else"))
	id, _ := n.due()
	equal(t, "claimed from another", 0, id)
	n.ok(n.ReleaseRequests(n.ctx(), "test"))
	id, tries := n.due()
	equal(t, "claimed", q.ID, id)
	equal(t, "tries", 2, tries)
}

func testRenewRequest(t *testing.T, n *node) {
	q := n.push(n.repository("acme/app").ID)
	n.due()
	n.clock.pass(50 * time.Second)
	n.ok(n.RenewRequest(n.ctx(), q.ID, 1, time.Minute))
	n.clock.pass(50 * time.Second)
	id, _ := n.due()
	equal(t, "claimed while it is renewed", 0, id)
	n.clock.pass(10 * time.Second)
	n.due()
	equal(t, "renewed by the one before", true, fault.Is(n.RenewRequest(n.ctx(), q.ID, 1, time.Minute), fault.Conflict))
	n.ok(n.RejectRequest(n.ctx(), q.ID, 2, "No.", nil))
	equal(t, "renewed after the end", true, fault.Is(n.RenewRequest(n.ctx(), q.ID, 2, time.Minute), fault.Conflict))
}
