package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

var hubTests = map[string]func(*testing.T, *node){
	"a claim asked again is granted again":           testClaimAgain,
	"a claim is refused where it must be":            testClaimRefused,
	"a report counts once":                           testReportTwice,
	"a report of another run or attempt is stale":    testReportStale,
	"a finish without a start counts":                testFinishOnly,
	"nothing changes a canceled job":                 testCanceledStays,
	"a job given back goes on with the next attempt": testReset,
	"a job given back too often is errored":          testResetTooOften,
	"a heartbeat says what is owned":                 testBeat,
	"workers are listed":                             testWorkers,
}

func testClaimAgain(t *testing.T, n *node) {
	id := n.jobs("acme/app", 1)[0].ID
	n.worker("w", 1)
	n.queueAll()
	claim := ci.Claim{JobID: id, Attempt: 1, Run: "r", WorkerID: "w", Worker: "mill"}
	first, moved, err := n.ClaimAttempt(n.ctx(), claim)
	n.ok(err)
	equal(t, "state", ci.Received, first.Job.State)
	equal(t, "config", `{"os":"linux"}`, string(first.Job.Config))
	equal(t, "worker", "mill", first.Job.WorkerName)
	equal(t, "build", ci.Received, moved.BuildState)
	n.append(ci.RunRef{JobID: id, Attempt: 1, Run: "r"}, part(0, "x"), part(1, "y"))
	n.clock.pass(time.Second)
	again, _, err := n.ClaimAttempt(n.ctx(), claim)
	n.ok(err)
	want := first
	want.Next = 2
	if diff := cmp.Diff(want, again); diff != "" {
		t.Fatal(diff)
	}
	n.report(ci.RunRef{JobID: id, Attempt: 1, Run: "r"}, ci.Started)
	again, _, err = n.ClaimAttempt(n.ctx(), claim)
	n.ok(err)
	equal(t, "state when asked after the start", ci.Started, again.Job.State)
}

func testClaimRefused(t *testing.T, n *node) {
	jobs := n.jobs("acme/app", 3)
	refused := func(want error, c ci.Claim) {
		t.Helper()
		_, _, err := n.ClaimAttempt(n.ctx(), c)
		if !errors.Is(err, want) {
			t.Fatalf("want %v, got %v", want, err)
		}
	}
	refused(ci.ErrNotQueued, ci.Claim{JobID: jobs[0].ID, Attempt: 1, Run: "r"})
	n.hand(jobs[0].ID, "r")
	refused(ci.ErrOwned, ci.Claim{JobID: jobs[0].ID, Attempt: 1, Run: "other"})
	refused(ci.ErrStale, ci.Claim{JobID: jobs[0].ID, Attempt: 2, Run: "r"})
	refused(ci.ErrStale, ci.Claim{JobID: 99, Attempt: 1, Run: "r"})
	_, _, err := n.CancelJob(n.ctx(), jobs[1].ID, "ines")
	n.ok(err)
	refused(ci.ErrNotQueued, ci.Claim{JobID: jobs[1].ID, Attempt: 1, Run: "r"})
	_, err = n.RestartJob(n.ctx(), jobs[1].ID, "ines")
	n.ok(err)
	refused(ci.ErrStale, ci.Claim{JobID: jobs[1].ID, Attempt: 1, Run: "r"})
	_, _, err = n.ClaimAttempt(n.ctx(), ci.Claim{JobID: jobs[2].ID, Attempt: 1})
	equal(t, "code of a claim without a run", fault.Invalid, fault.CodeOf(err))
	equal(t, "attempts spent", 1, n.job(jobs[0].ID).Attempt)
}

func testReportTwice(t *testing.T, n *node) {
	run := n.hand(n.jobs("acme/app", 1)[0].ID, "r")
	n.report(run, ci.Started)
	n.clock.pass(time.Minute)
	m := n.report(run, ci.Started)
	equal(t, "stale", false, m.Stale)
	m = n.report(run, ci.Passed)
	equal(t, "ended", true, m.BuildEnded)
	want := n.job(run.JobID)
	n.clock.pass(time.Minute)
	m = n.report(run, ci.Passed)
	equal(t, "stale", false, m.Stale)
	equal(t, "ended again", false, m.BuildEnded)
	if diff := cmp.Diff(want, n.job(run.JobID)); diff != "" {
		t.Fatal(diff)
	}
	equal(t, "another end", true, n.report(run, ci.Failed).Stale)
	_, err := n.Report(n.ctx(), ci.StateReport{RunRef: run, State: ci.Queued}, 3)
	equal(t, "code", fault.Invalid, fault.CodeOf(err))
}

func testReportStale(t *testing.T, n *node) {
	run := n.hand(n.jobs("acme/app", 1)[0].ID, "r")
	want := n.job(run.JobID)
	other, next := run, run
	other.Run, next.Attempt = "other", 2
	for name, r := range map[string]ci.StateReport{
		"another run": {RunRef: other, State: ci.Passed}, "another attempt": {RunRef: next, State: ci.Started},
		"given back by another": {RunRef: other, Reset: true}, "no such job": {RunRef: ci.RunRef{JobID: 99, Attempt: 1, Run: "r"}, State: ci.Passed},
	} {
		m, err := n.Report(n.ctx(), r, 3)
		n.ok(err)
		equal(t, name, true, m.Stale)
		equal(t, name+": job", r.JobID, m.Job.ID)
	}
	if diff := cmp.Diff(want, n.job(run.JobID)); diff != "" {
		t.Fatal(diff)
	}
}

func testFinishOnly(t *testing.T, n *node) {
	run := n.hand(n.jobs("acme/app", 1)[0].ID, "r")
	n.report(run, ci.Passed)
	j := n.job(run.JobID)
	equal(t, "state", ci.Passed, j.State)
	equal(t, "start", j.FinishedAt, j.StartedAt)
	equal(t, "a start that comes late", true, n.report(run, ci.Started).Stale)
}

func testCanceledStays(t *testing.T, n *node) {
	run := n.hand(n.jobs("acme/app", 1)[0].ID, "r")
	n.report(run, ci.Started)
	_, _, err := n.CancelJob(n.ctx(), run.JobID, "ines")
	n.ok(err)
	want := n.job(run.JobID)
	for _, state := range []ci.State{ci.Started, ci.Passed, ci.Failed, ci.Errored} {
		equal(t, "stale", true, n.report(run, state).Stale)
	}
	equal(t, "its worker says canceled", false, n.report(run, ci.Canceled).Stale)
	m, err := n.Report(n.ctx(), ci.StateReport{RunRef: run, Reset: true}, 3)
	n.ok(err)
	equal(t, "stale", true, m.Stale)
	if diff := cmp.Diff(want, n.job(run.JobID)); diff != "" {
		t.Fatal(diff)
	}
	status := n.worker("w", 1, run)[0]
	equal(t, "status", ci.RunStatus{RunRef: run, Owned: true, Canceled: true, State: ci.Canceled}, status)
}

func testReset(t *testing.T, n *node) {
	run := n.hand(n.jobs("acme/app", 1)[0].ID, "r")
	n.append(run, part(0, "working\n"))
	m, err := n.Report(n.ctx(), ci.StateReport{RunRef: run, Reset: true, Note: "The worker stops."}, 3)
	n.ok(err)
	equal(t, "state", ci.Created, m.Job.State)
	equal(t, "attempt", 2, m.Job.Attempt)
	equal(t, "build", ci.Created, m.BuildState)
	all, err := n.Attempts(n.ctx(), run.JobID)
	n.ok(err)
	equal(t, "attempts", 2, len(all))
	equal(t, "the first", ci.Errored, all[0].State)
	equal(t, "its reason", ci.ReasonWorkerReset, all[0].Reason)
	equal(t, "its note", "Worker name of w gave the job back at 12:00 UTC: The worker stops.", all[0].Note)
	equal(t, "the next log", all[0].Note+" This is attempt 2 of 3.\n", n.read(run.JobID, 2))
	equal(t, "the end of its log still comes", false, n.append(run, final(1, "stopped\n")).Refused)
	equal(t, "its log", "working\nstopped\n\n"+all[0].Note+"\n", n.read(run.JobID, 1))
	equal(t, "queued", 1, len(n.queueAll()))
	second := n.claim(run.JobID, "w", "r2")
	n.report(second, ci.Passed)
	equal(t, "result", ci.Passed, n.job(run.JobID).State)
	equal(t, "the first run", true, n.report(run, ci.Failed).Stale)
}

func testResetTooOften(t *testing.T, n *node) {
	id := n.jobs("acme/app", 1)[0].ID
	var m ci.Moved
	for _, name := range []string{"a", "b"} {
		run := n.hand(id, name)
		var err error
		m, err = n.Report(n.ctx(), ci.StateReport{RunRef: run, Reset: true}, 2)
		n.ok(err)
	}
	equal(t, "state", ci.Errored, m.Job.State)
	equal(t, "reason", ci.ReasonWorkerReset, m.Job.Reason)
	equal(t, "ended", true, m.BuildEnded)
	equal(t, "attempt", 2, m.Job.Attempt)
	all, err := n.Attempts(n.ctx(), id)
	n.ok(err)
	equal(t, "attempts", 2, len(all))
	equal(t, "note of the last", "Worker name of w gave the job back at 12:00 UTC.", all[1].Note)
}

func testBeat(t *testing.T, n *node) {
	jobs := n.jobs("acme/app", 2)
	run := n.hand(jobs[0].ID, "r")
	other := run
	other.Run = "other"
	unknown := ci.RunRef{JobID: 99, Attempt: 1, Run: "r"}
	n.append(run, part(0, "x"))
	want := []ci.RunStatus{{RunRef: other}, {RunRef: run, Owned: true, State: ci.Received, Next: 1}, {RunRef: unknown}}
	if diff := cmp.Diff(want, n.worker("w", 1, other, run, unknown)); diff != "" {
		t.Fatal(diff)
	}
	n.report(run, ci.Passed)
	equal(t, "ended", ci.RunStatus{RunRef: run, Owned: true, State: ci.Passed, Next: 1}, n.worker("w", 1, run)[0])
	n.append(run, final(1, ""))
	equal(t, "complete", ci.RunStatus{RunRef: run, Owned: true, State: ci.Passed, Next: 2, Closed: true}, n.worker("w", 1, run)[0])
}

func testWorkers(t *testing.T, n *node) {
	start := n.clock.now()
	beat := ci.Heartbeat{WorkerID: "w", Name: "mill-07", Version: "1.2", Queue: queue, Slots: 4, Executor: "docker"}
	n.beat(beat)
	n.beat(ci.Heartbeat{WorkerID: "a", Name: "zulu", Queue: queue, Slots: 1})
	jobs := n.jobs("acme/app", 2)
	n.queueAll()
	n.claim(jobs[0].ID, "w", "r")
	n.claim(jobs[1].ID, "w", "s")
	n.hear(16 * time.Second)
	beat.Draining, beat.Trouble = true, "Its engine is away."
	n.beat(beat)
	all, err := n.Workers(n.ctx())
	n.ok(err)
	want := []ci.Worker{
		{ID: "w", Name: "mill-07", Version: "1.2", Queue: queue, Slots: 4, Busy: 2, Draining: true, Trouble: "Its engine is away.", Executor: "docker", FirstAt: start, SeenAt: n.clock.now()},
		{ID: "a", Name: "zulu", Queue: queue, Slots: 1, Lost: true, FirstAt: start, SeenAt: start},
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Fatal(diff)
	}
}
