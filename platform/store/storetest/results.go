package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

var resultTests = map[string]func(*testing.T, *node){
	"a build follows its jobs":                      testFollows,
	"a later stage waits, and runs":                 testStagesPass,
	"a later stage is dropped when one fails":       testStagesFail,
	"a restart brings back what a stage dropped":    testRestartStage,
	"a job behind a failed stage is not restarted":  testRestartBehind,
	"fast finish ends the build before the allowed": testFastFinish,
	"a build is canceled with all its jobs":         testCancelBuild,
	"a restart keeps what passed if asked to":       testRestartNotPassed,
	"attempts keep their history":                   testAttempts,
	"an allowed failure does not count":             testAllowed,
}

func testFollows(t *testing.T, n *node) {
	b := n.build(n.repository("acme/app").ID, plan{jobs: []ci.NewJob{job(-1), job(-1)}})
	n.worker("w", 4)
	n.queueAll()
	equal(t, "queued", ci.Queued, n.state(b.ID))
	one := n.claim(b.Jobs[0].ID, "w", "1")
	equal(t, "received", ci.Received, n.state(b.ID))
	began := n.clock.now()
	n.report(one, ci.Started)
	n.clock.pass(time.Minute)
	m := n.report(one, ci.Failed)
	equal(t, "ended", false, m.BuildEnded)
	equal(t, "state", ci.Started, m.BuildState)
	two := n.claim(b.Jobs[1].ID, "w", "2")
	n.report(two, ci.Started)
	n.clock.pass(time.Minute)
	m = n.report(two, ci.Passed)
	equal(t, "ended", true, m.BuildEnded)
	equal(t, "state", ci.Failed, m.BuildState)
	b, err := n.Build(n.ctx(), b.ID)
	n.ok(err)
	equal(t, "state", ci.Failed, b.State)
	equal(t, "started", began, b.StartedAt)
	equal(t, "finished", n.clock.now(), b.FinishedAt)
	if diff := cmp.Diff(map[ci.State]int{ci.Failed: 1, ci.Passed: 1}, b.JobCounts); diff != "" {
		t.Fatal(diff)
	}
}

// staged makes a build of two stages with two jobs each.
func (n *node) staged() ci.Build {
	n.t.Helper()
	return n.build(n.repository("acme/app").ID, plan{stages: []string{"test", "deploy"}, jobs: []ci.NewJob{job(0), job(0), job(1), job(1)}})
}

func testStagesPass(t *testing.T, n *node) {
	b := n.staged()
	n.worker("w", 100)
	equal(t, "first queued", 2, len(n.queueAll()))
	n.finish(b.Jobs[0].ID, ci.Passed)
	equal(t, "states", "passed queued created created", n.states(b.ID))
	equal(t, "queued while the stage is not done", 0, len(n.queueAll()))
	n.finish(b.Jobs[1].ID, ci.Passed)
	equal(t, "queued behind it", 2, len(n.queueAll()))
	got, err := n.Build(n.ctx(), b.ID)
	n.ok(err)
	equal(t, "first stage", ci.Passed, got.Stages[0].State)
	equal(t, "second stage", ci.Queued, got.Stages[1].State)
	equal(t, "end of the first stage", n.clock.now(), got.Stages[0].FinishedAt)
	n.finish(b.Jobs[2].ID, ci.Passed)
	m := n.finish(b.Jobs[3].ID, ci.Passed)
	equal(t, "ended", true, m.BuildEnded)
	equal(t, "state", ci.Passed, n.state(b.ID))
}

func testStagesFail(t *testing.T, n *node) {
	b := n.staged()
	n.finish(b.Jobs[0].ID, ci.Failed)
	equal(t, "while the stage runs", "failed queued created created", n.states(b.ID))
	m := n.finish(b.Jobs[1].ID, ci.Passed)
	equal(t, "dropped", 2, len(m.Dropped))
	equal(t, "reason", ci.ReasonStage, m.Dropped[0].Reason)
	equal(t, "ended", true, m.BuildEnded)
	equal(t, "result", ci.Failed, m.BuildState)
	equal(t, "states", "failed passed canceled canceled", n.states(b.ID))
	got, err := n.Build(n.ctx(), b.ID)
	n.ok(err)
	equal(t, "first stage", ci.Failed, got.Stages[0].State)
	equal(t, "second stage", ci.Canceled, got.Stages[1].State)
	equal(t, "queued", 0, len(n.queueAll()))
}

func testRestartStage(t *testing.T, n *node) {
	b := n.staged()
	n.finish(b.Jobs[0].ID, ci.Failed)
	n.finish(b.Jobs[1].ID, ci.Passed)
	moved, err := n.RestartJob(n.ctx(), b.Jobs[0].ID, "ines")
	n.ok(err)
	equal(t, "moved", 3, len(moved))
	equal(t, "states", "created passed created created", n.states(b.ID))
	j := n.job(b.Jobs[0].ID)
	equal(t, "restarted by", "ines", j.RestartedBy)
	equal(t, "attempt", 2, j.Attempt)
	got, err := n.Build(n.ctx(), b.ID)
	n.ok(err)
	equal(t, "end of the build", true, got.FinishedAt.IsZero())
	n.finish(b.Jobs[0].ID, ci.Passed)
	equal(t, "queued behind it", 2, len(n.queueAll()))
	n.finish(b.Jobs[2].ID, ci.Passed)
	n.finish(b.Jobs[3].ID, ci.Passed)
	equal(t, "result", ci.Passed, n.state(b.ID))
}

func testRestartBehind(t *testing.T, n *node) {
	b := n.staged()
	n.finish(b.Jobs[0].ID, ci.Failed)
	n.finish(b.Jobs[1].ID, ci.Passed)
	_, err := n.RestartJob(n.ctx(), b.Jobs[2].ID, "ines")
	equal(t, "code", fault.Conflict, fault.CodeOf(err))
	equal(t, "states", "failed passed canceled canceled", n.states(b.ID))
	equal(t, "attempt", 1, n.job(b.Jobs[2].ID).Attempt)
}

func testFastFinish(t *testing.T, n *node) {
	b := n.build(n.repository("acme/app").ID, plan{fastFinish: true, jobs: []ci.NewJob{job(-1), allowed(job(-1))}})
	m := n.finish(b.Jobs[0].ID, ci.Passed)
	equal(t, "ended", true, m.BuildEnded)
	equal(t, "result", ci.Passed, m.BuildState)
	equal(t, "states", "passed queued", n.states(b.ID))
	ended := n.clock.now()
	n.clock.pass(time.Minute)
	m = n.finish(b.Jobs[1].ID, ci.Failed)
	equal(t, "ended again", false, m.BuildEnded)
	got, err := n.Build(n.ctx(), b.ID)
	n.ok(err)
	equal(t, "result", ci.Passed, got.State)
	equal(t, "end", ended, got.FinishedAt)
}

func testCancelBuild(t *testing.T, n *node) {
	b := n.staged()
	n.worker("w", 1)
	n.queueAll()
	run := n.claim(b.Jobs[0].ID, "w", "r")
	moved, runs, err := n.CancelBuild(n.ctx(), b.ID, "ines")
	n.ok(err)
	equal(t, "moved", 4, len(moved))
	equal(t, "ended", true, moved[3].BuildEnded)
	equal(t, "result", ci.Canceled, moved[0].BuildState)
	if diff := cmp.Diff([]ci.CanceledRun{{RunRef: run, WorkerID: "w"}}, runs); diff != "" {
		t.Fatal(diff)
	}
	equal(t, "states", "canceled canceled canceled canceled", n.states(b.ID))
	j := n.job(b.Jobs[3].ID)
	equal(t, "reason", ci.ReasonUser, j.Reason)
	equal(t, "by", "ines", j.CanceledBy)
	out, err := n.Outbox(n.ctx(), 10)
	n.ok(err)
	equal(t, "messages that wait", 0, len(out))
	n.append(run, final(0, "half a li"))
	equal(t, "said in the log", "half a li\nCanceled by ines.\n", n.read(b.Jobs[0].ID, 1))
}

func testRestartNotPassed(t *testing.T, n *node) {
	b := n.build(n.repository("acme/app").ID, plan{jobs: []ci.NewJob{job(-1), job(-1), job(-1)}})
	n.finish(b.Jobs[0].ID, ci.Passed)
	n.finish(b.Jobs[1].ID, ci.Errored)
	_, _, err := n.CancelJob(n.ctx(), b.Jobs[2].ID, "ines")
	n.ok(err)
	moved, err := n.RestartBuild(n.ctx(), b.ID, "ines", true)
	n.ok(err)
	equal(t, "moved", 2, len(moved))
	equal(t, "states", "passed created created", n.states(b.ID))
	n.finish(b.Jobs[1].ID, ci.Passed)
	n.finish(b.Jobs[2].ID, ci.Passed)
	equal(t, "result", ci.Passed, n.state(b.ID))
	moved, err = n.RestartBuild(n.ctx(), b.ID, "omar", false)
	n.ok(err)
	equal(t, "moved", 3, len(moved))
	equal(t, "states", "created created created", n.states(b.ID))
	equal(t, "attempts", 3, n.job(b.Jobs[1].ID).Attempt)
	equal(t, "tries", 1, n.job(b.Jobs[1].ID).Tries)
}

func testAttempts(t *testing.T, n *node) {
	b := n.build(n.repository("acme/app").ID, plan{})
	id := b.Jobs[0].ID
	all, err := n.Attempts(n.ctx(), id)
	n.ok(err)
	if diff := cmp.Diff([]ci.Attempt{{JobID: id, Number: 1, State: ci.Created}}, all); diff != "" {
		t.Fatal(diff)
	}
	start := n.clock.now()
	run := n.hand(id, "first")
	n.clock.pass(time.Second)
	n.report(run, ci.Started)
	n.clock.pass(time.Second)
	code := 7
	_, err = n.Report(n.ctx(), ci.StateReport{RunRef: run, State: ci.Failed, Reason: ci.ReasonSetup, ExitCode: &code, Note: "No space left."}, 3)
	n.ok(err)
	_, err = n.RestartJob(n.ctx(), id, "ines")
	n.ok(err)
	all, err = n.Attempts(n.ctx(), id)
	n.ok(err)
	want := []ci.Attempt{
		{
			JobID: id, Number: 1, State: ci.Failed, Reason: ci.ReasonSetup, Run: "first", WorkerID: "w", WorkerName: "name of w", ExitCode: &code,
			Note: "No space left.", QueuedAt: start, ReceivedAt: start, StartedAt: start.Add(time.Second), FinishedAt: start.Add(2 * time.Second),
		},
		{JobID: id, Number: 2, State: ci.Created},
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Fatal(diff)
	}
}

func testAllowed(t *testing.T, n *node) {
	b := n.build(n.repository("acme/app").ID, plan{stages: []string{"a", "b"}, jobs: []ci.NewJob{job(0), allowed(job(0)), job(1)}})
	n.finish(b.Jobs[0].ID, ci.Passed)
	n.finish(b.Jobs[1].ID, ci.Failed)
	equal(t, "states", "passed failed created", n.states(b.ID))
	n.finish(b.Jobs[2].ID, ci.Passed)
	equal(t, "result", ci.Passed, n.state(b.ID))
}
