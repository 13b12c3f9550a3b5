package storetest

import (
	"errors"
	"testing"

	"github.com/headrace/headrace/platform/ci"
)

var supersedeTests = map[string]func(*testing.T, *node){
	"a newer build of a branch takes the place of those that wait": testSupersede,
	"a newer build of a pull request does so too":                  testSupersedePull,
	"what has begun goes on":                                       testSupersedeBegun,
	"without the setting all are built":                            testSupersedeNot,
}

func testSupersede(t *testing.T, n *node) {
	r := n.repository("acme/app")
	n.setting(r.ID, ci.SettingCancelPushes, true)
	old := n.build(r.ID, plan{jobs: []ci.NewJob{job(-1), job(-1)}})
	others := []ci.Build{
		n.build(r.ID, plan{branch: "dev"}), n.build(r.ID, plan{event: ci.EventAPI}), n.build(r.ID, plan{event: ci.EventCron}), n.build(r.ID, plan{tag: "v1"}),
		n.build(n.repository("acme/other").ID, plan{}),
	}
	n.worker("w", 1)
	n.queueAll() // both of the old one
	next := n.build(r.ID, plan{})
	equal(t, "superseded", 2, len(next.Superseded))
	equal(t, "build", old.ID, next.Superseded[0].Job.BuildID)
	equal(t, "build ended", true, next.Superseded[1].BuildEnded)
	equal(t, "states", "canceled canceled", n.states(old.ID))
	equal(t, "reason", ci.ReasonSuperseded, n.job(old.Jobs[0].ID).Reason)
	equal(t, "state", ci.Canceled, n.state(old.ID))
	for _, b := range append(others, next) {
		equal(t, "state of another", false, n.state(b.ID).Final())
	}
	_, _, err := n.ClaimAttempt(n.ctx(), ci.Claim{JobID: old.Jobs[0].ID, Attempt: 1, Run: "a", WorkerID: "w"})
	equal(t, "claim of what was superseded is refused", true, errors.Is(err, ci.ErrNotQueued))
	equal(t, "a tag supersedes", 0, len(n.build(r.ID, plan{tag: "v2"}).Superseded))
}

func testSupersedePull(t *testing.T, n *node) {
	r := n.repository("acme/app")
	n.setting(r.ID, ci.SettingCancelPullRequests, true)
	one, two := n.build(r.ID, plan{event: ci.EventPullRequest, pull: 1}), n.build(r.ID, plan{event: ci.EventPullRequest, pull: 2})
	push := n.build(r.ID, plan{})
	next := n.build(r.ID, plan{event: ci.EventPullRequest, pull: 1})
	equal(t, "superseded", 1, len(next.Superseded))
	equal(t, "state of the older one", ci.Canceled, n.state(one.ID))
	equal(t, "state of another", ci.Created, n.state(two.ID))
	equal(t, "state of a push", ci.Created, n.state(push.ID))
}

func testSupersedeBegun(t *testing.T, n *node) {
	r := n.repository("acme/app")
	n.setting(r.ID, ci.SettingCancelPushes, true)
	old := n.build(r.ID, plan{jobs: []ci.NewJob{job(-1), job(-1)}})
	run := n.hand(old.Jobs[0].ID, "a")
	equal(t, "superseded", 0, len(n.build(r.ID, plan{}).Superseded))
	n.report(run, ci.Passed)
	equal(t, "states", "passed queued", n.states(old.ID))
}

func testSupersedeNot(t *testing.T, n *node) {
	r := n.repository("acme/app")
	old := n.build(r.ID, plan{})
	n.build(r.ID, plan{})
	equal(t, "state", ci.Created, n.state(old.ID))
}
