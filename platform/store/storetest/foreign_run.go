package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/ci"
)

// offer queues the job for foreign workers.
func (n *node) offer(jobID int64) ci.Job {
	n.t.Helper()
	n.ok(n.NoteForeign(n.ctx(), queue, 100))
	n.queueAll()
	return n.job(jobID)
}

func (n *node) adopt(jobID int64, offer int, run string) ci.Adopted {
	n.t.Helper()
	a, err := n.AdoptRun(n.ctx(), ci.ForeignRun{JobID: jobID, Offer: offer, Run: run}, 3)
	n.ok(err)
	return a
}

func testForeignFirstReport(t *testing.T, n *node) {
	id := n.offer(n.jobs("acme/app", 1)[0].ID).ID
	equal(t, "an attempt that was not offered", 0, n.adopt(id, 2, "r").Attempt)
	a := n.adopt(id, 1, "r")
	equal(t, "attempt", 1, a.Attempt)
	equal(t, "state", ci.Received, a.Moved.Job.State)
	equal(t, "worker", "travis-worker", a.Moved.Job.WorkerName)
	again := n.adopt(id, 1, "r")
	equal(t, "attempt when asked again", 1, again.Attempt)
	equal(t, "moved when asked again", int64(0), again.Moved.Job.ID)
	run := ci.RunRef{JobID: id, Attempt: 1, Run: "r"}
	n.report(run, ci.Started)
	equal(t, "ended", true, n.report(run, ci.Passed).BuildEnded)
	equal(t, "a redelivery after the end", ci.Adopted{Stop: true}.Stop, n.adopt(id, 1, "s").Stop)
	equal(t, "state after a redelivery", ci.Passed, n.job(id).State)
	equal(t, "its own late report", 1, n.adopt(id, 1, "r").Attempt)
	equal(t, "no such job", true, n.adopt(99, 1, "r").Stop)
}

func testForeignRedelivery(t *testing.T, n *node) {
	id := n.offer(n.jobs("acme/app", 1)[0].ID).ID
	n.adopt(id, 1, "r")
	n.report(ci.RunRef{JobID: id, Attempt: 1, Run: "r"}, ci.Started)
	a := n.adopt(id, 1, "s")
	equal(t, "attempt", 2, a.Attempt)
	equal(t, "tries", 2, a.Moved.Job.Tries)
	equal(t, "state", ci.Received, a.Moved.Job.State)
	equal(t, "stop", false, a.Stop)
	equal(t, "the first run has its attempt", 1, n.adopt(id, 1, "r").Attempt)
	equal(t, "a late finish of it", true, n.report(ci.RunRef{JobID: id, Attempt: 1, Run: "r"}, ci.Passed).Stale)
	if log := n.read(id, 2); !strings.Contains(log, "given the job to another worker") || !strings.Contains(log, "attempt 2 of 3") {
		t.Fatalf("log of attempt 2: %q", log)
	}
	equal(t, "the message of attempt 1 once more", 3, n.adopt(id, 1, "t").Attempt)
	last := n.adopt(id, 1, "u")
	equal(t, "after the last try", 0, last.Attempt)
	equal(t, "it shall stop", true, last.Stop)
	equal(t, "state", ci.Errored, n.job(id).State)
	equal(t, "ended", true, last.Moved.BuildEnded)
}

func testForeignBesideOurs(t *testing.T, n *node) {
	jobs := n.jobs("acme/app", 2)
	n.hand(jobs[0].ID, "ours")
	a := n.adopt(jobs[0].ID, 1, "theirs")
	equal(t, "our run keeps its attempt", ci.Received, n.job(jobs[0].ID).State)
	equal(t, "theirs gets none", 0, a.Attempt)
	equal(t, "theirs may stop: ours does not hear it", true, a.Stop)

	n.offer(jobs[1].ID)
	n.adopt(jobs[1].ID, 1, "theirs")
	first := ci.Claim{JobID: jobs[1].ID, Attempt: 1, Run: "ours", WorkerID: "w", Worker: "mill"}
	_, _, err := n.ClaimAttempt(n.ctx(), first)
	if !errors.Is(err, ci.ErrOwned) || n.job(jobs[1].ID).Attempt != 1 {
		t.Fatalf("a claim by who lost the message to them: %v", err)
	}
	first.Redelivered = true
	_, moved, err := n.ClaimAttempt(n.ctx(), first)
	if !errors.Is(err, ci.ErrStale) {
		t.Fatalf("claim of a redelivered job: %v", err)
	}
	equal(t, "attempt", 2, moved.Job.Attempt)
	equal(t, "state", ci.Created, n.job(jobs[1].ID).State)
	_, _, err = n.ClaimAttempt(n.ctx(), first)
	if !errors.Is(err, ci.ErrStale) {
		t.Fatalf("the same claim again: %v", err)
	}
	equal(t, "attempt after the same claim", 2, n.job(jobs[1].ID).Attempt)
	n.queueAll()
	equal(t, "theirs, of the old message", false, n.adopt(jobs[1].ID, 1, "theirs").Stop)
	equal(t, "a third, of the old message", ci.Adopted{}.Attempt, n.adopt(jobs[1].ID, 1, "third").Attempt)
	n.claim(jobs[1].ID, "w", "ours 2")
}

func testForeignCanceled(t *testing.T, n *node) {
	jobs := n.jobs("acme/app", 2)
	n.offer(jobs[0].ID)
	n.adopt(jobs[0].ID, 1, "r")
	_, runs, err := n.CancelJob(n.ctx(), jobs[0].ID, "ines")
	n.ok(err)
	want := []ci.CanceledRun{{RunRef: ci.RunRef{JobID: jobs[0].ID, Attempt: 1, Run: "r"}, WorkerID: "foreign:" + queue, Unclaimed: true}}
	if diff := cmp.Diff(want, runs); diff != "" {
		t.Fatal(diff)
	}
	a := n.adopt(jobs[0].ID, 1, "r")
	equal(t, "its start", true, a.Stop && a.Attempt == 1)
	equal(t, "it says canceled", false, n.report(ci.RunRef{JobID: jobs[0].ID, Attempt: 1, Run: "r"}, ci.Canceled).Stale)

	_, runs, err = n.CancelJob(n.ctx(), jobs[1].ID, "ines")
	n.ok(err)
	equal(t, "runs of a job that nobody has", 0, len(runs))
	a = n.adopt(jobs[1].ID, 1, "s")
	equal(t, "begin of a canceled job", true, a.Stop && a.Attempt == 0)
	_, err = n.RestartJob(n.ctx(), jobs[1].ID, "ines")
	n.ok(err)
	n.queueAll()
	equal(t, "an old run while the next may have begun", false, n.adopt(jobs[1].ID, 1, "s").Stop)
	equal(t, "the next", 2, n.adopt(jobs[1].ID, 2, "u").Attempt)
	equal(t, "an old run while the next runs", false, n.adopt(jobs[1].ID, 1, "s").Stop)
}

func testForeignLease(t *testing.T, n *node) {
	jobs := n.jobs("acme/app", 2)
	n.offer(jobs[0].ID)
	n.adopt(jobs[0].ID, 1, "r")
	n.hear(30 * time.Minute)
	lost, err := n.ReapLost(n.ctx(), 15*time.Second, 3)
	n.ok(err)
	equal(t, "lost by silence", 0, len(lost))
	n.hear(31 * time.Minute)
	lost, err = n.ReapLost(n.ctx(), 15*time.Second, 3)
	n.ok(err)
	equal(t, "lost after the longest time", 1, len(lost))
	equal(t, "attempt", 2, n.job(jobs[0].ID).Attempt)
}

func testForeignLog(t *testing.T, n *node) {
	id := n.offer(n.jobs("acme/app", 1)[0].ID).ID
	foreign := ci.RunRef{JobID: id, Run: "r"}
	equal(t, "before the first report", true, n.append(foreign, part(0, "early\n")).Unknown)
	n.adopt(id, 1, "r")
	stored := n.append(foreign, part(0, "early\n"))
	equal(t, "attempt", 1, stored.Attempt)
	equal(t, "unknown", false, stored.Unknown)
	run := ci.RunRef{JobID: id, Attempt: 1, Run: "r"}
	n.report(run, ci.Passed)
	n.hear(2 * time.Minute)
	closed, err := n.CloseLogs(n.ctx(), 30*time.Second)
	n.ok(err)
	equal(t, "closed while its container may stop", 0, len(closed))
	equal(t, "closed by its final part", true, n.append(foreign, final(1, "")).Closed)
	equal(t, "text", "early\n", n.read(id, 1))

	other := n.offer(n.jobs("acme/other", 1)[0].ID).ID
	n.adopt(other, 1, "s")
	n.append(ci.RunRef{JobID: other, Run: "s"}, part(0, "one\n"), final(1, "")) // stopped with SIGTERM: final, and no end
	n.adopt(other, 1, "t")
	n.append(ci.RunRef{JobID: other, Run: "t"}, part(0, "one\n"), part(1, "two\n"))
	equal(t, "the first run says no more", true, n.append(ci.RunRef{JobID: other, Run: "s"}, part(1, "late")).Refused)
	if text := n.read(other, 2); !strings.HasSuffix(text, "one\ntwo\n") {
		t.Fatalf("log of the second attempt: %q", text)
	}
	n.report(ci.RunRef{JobID: other, Attempt: 2, Run: "t"}, ci.Failed)
	n.hear(4 * time.Minute)
	closed, err = n.CloseLogs(n.ctx(), 30*time.Second)
	n.ok(err)
	equal(t, "closed without a final part in the end", 1, len(closed))
}

func testForeignSlots(t *testing.T, n *node) {
	n.worker("w", 2)
	n.ok(n.NoteForeign(n.ctx(), queue, 3))
	own, err := n.OwnSlots(n.ctx())
	n.ok(err)
	equal(t, "our own slots", 2, own[queue])
	status := func() ci.QueueStatus {
		all, err := n.Queues(n.ctx())
		n.ok(err)
		return all[0]
	}
	equal(t, "slots", 5, status().Slots)
	id := n.jobs("acme/app", 1)[0].ID
	n.queueAll()
	n.adopt(id, 1, "r")
	equal(t, "free slots", 4, status().FreeSlots)
	n.ok(n.NoteForeign(n.ctx(), queue, 0))
	equal(t, "slots when they are gone", 2, status().Slots)
	for _, step := range []struct {
		pass time.Duration
		want int
	}{{time.Minute, 2}, {2 * time.Minute, 0}} {
		n.hear(step.pass)
		own, err = n.OwnSlots(n.ctx())
		n.ok(err)
		equal(t, "our own slots when the worker is lost", step.want, own[queue])
	}
	for _, draining := range []bool{false, true} {
		_, err := n.Beat(n.ctx(), ci.Heartbeat{WorkerID: "v", Name: "v", Queue: queue, Slots: 4, Draining: draining})
		n.ok(err)
		own, err = n.OwnSlots(n.ctx())
		n.ok(err)
		equal(t, "our own slots without those of a worker that takes no more jobs", map[bool]int{false: 4}[draining], own[queue])
	}
}

// testForeignRequeue: a foreign worker may hold a message for a while before it says so; a double would be run, too.
func testForeignRequeue(t *testing.T, n *node) {
	n.offer(n.jobs("acme/app", 1)[0].ID)
	due, err := n.Outbox(n.ctx(), 10)
	n.ok(err)
	n.ok(n.OutboxSent(n.ctx(), []int64{due[0].ID}))
	for _, step := range []struct {
		pass time.Duration
		want int
	}{{31 * time.Second, 0}, {10 * time.Minute, 1}} {
		n.clock.pass(step.pass)
		n.ok(n.NoteForeign(n.ctx(), queue, 100))
		again, err := n.Requeue(n.ctx(), 30*time.Second)
		n.ok(err)
		equal(t, "offered again after "+step.pass.String(), step.want, again)
	}
}
