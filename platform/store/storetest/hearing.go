package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/ci"
)

var hearingTests = map[string]func(*testing.T, *node){
	"a silent worker's attempt is lost":                testLost,
	"a heartbeat keeps an attempt":                     testKept,
	"a claim counts as heard":                          testClaimHeard,
	"nobody is lost while nobody can hear":             testNobodyHears,
	"two nodes do not count twice":                     testTwoHear,
	"after a gap time counts when things have settled": testSettle,
	"lost too often is errored":                        testLostTooOften,
	"a lost worker that comes back is told":            testBack,
	"a worker started again in its home is lost":       testHome,
	"of two in a home the later one lives":             testGenerations,
	"an attempt that is asked for is renewed":          testAsking,
	"a clock that is set changes nothing":              testClockSet,
	"a node that was away counts nothing twice":        testAway,
	"of nodes that hear a heartbeat one stores it":     testOneStores,
	"what had ended before a worker died is still its": testHomeKept,
}

// hear lets time pass in which workers can be heard.
func (n *node) hear(d time.Duration) {
	n.t.Helper()
	if !n.hears {
		n.hears = true
		n.ok(n.Hear(n.ctx(), "node", 0))
	}
	for ; d > 0; d -= time.Second {
		n.clock.pass(min(d, time.Second))
		n.ok(n.Hear(n.ctx(), "node", min(d, time.Second)))
	}
}

const lease = 15 * time.Second

func (n *node) reap() []ci.Lost {
	n.t.Helper()
	lost, err := n.ReapLost(n.ctx(), lease, 3)
	n.ok(err)
	return lost
}

func testLost(t *testing.T, n *node) {
	n.hear(time.Second)
	jobs := n.jobs("acme/app", 2)
	run := n.hand(jobs[0].ID, "r")
	n.report(run, ci.Started)
	n.append(run, part(0, "half"))
	n.hear(lease)
	equal(t, "lost in time", 0, len(n.reap()))
	n.hear(time.Second)
	lost := n.reap()
	equal(t, "lost", 1, len(lost))
	equal(t, "worker", "name of w", lost[0].WorkerName)
	equal(t, "silence", 16*time.Second, lost[0].Silence)
	equal(t, "state", ci.Created, lost[0].Job.State)
	equal(t, "attempt", 2, lost[0].Job.Attempt)
	equal(t, "lost again", 0, len(n.reap()))
	all, err := n.Attempts(n.ctx(), run.JobID)
	n.ok(err)
	equal(t, "the first", ci.Errored, all[0].State)
	equal(t, "its reason", ci.ReasonWorkerLost, all[0].Reason)
	equal(t, "its note", "Worker name of w was lost at 12:00 UTC, after 16s of silence.", all[0].Note)
	equal(t, "its end", n.clock.now(), all[0].FinishedAt)
	equal(t, "its log", "half\n"+all[0].Note+"\n", n.read(run.JobID, 1))
	equal(t, "the next log", all[0].Note+" This is attempt 2 of 3.\n", n.read(run.JobID, 2))
	log, err := n.Log(n.ctx(), run.JobID, 1)
	n.ok(err)
	equal(t, "its log is closed", true, log.Closed)
	n.worker("v", 5)
	equal(t, "queued", 1, len(n.queueAll()))
}

func testKept(t *testing.T, n *node) {
	run := n.hand(n.jobs("acme/app", 1)[0].ID, "r")
	for range 4 {
		n.hear(10 * time.Second)
		n.worker("w", 1, run)
		equal(t, "lost", 0, len(n.reap()))
	}
	n.hear(10 * time.Second)
	other := run
	other.Run = "other"
	n.worker("w", 1, other)
	n.hear(6 * time.Second)
	equal(t, "lost after heartbeats without it", 1, len(n.reap()))
}

func testClaimHeard(t *testing.T, n *node) {
	n.hear(time.Minute)
	n.hand(n.jobs("acme/app", 1)[0].ID, "r")
	equal(t, "lost", 0, len(n.reap()))
	n.hear(16 * time.Second)
	equal(t, "lost later", 1, len(n.reap()))
}

func testNobodyHears(t *testing.T, n *node) {
	n.hear(time.Second)
	n.hand(n.jobs("acme/app", 1)[0].ID, "r")
	n.clock.pass(time.Hour)
	equal(t, "lost without hearing", 0, len(n.reap()))
	n.ok(n.Hear(n.ctx(), "node", time.Hour))
	equal(t, "lost at once after it", 0, len(n.reap()))
}

func testTwoHear(t *testing.T, n *node) {
	n.hear(time.Second)
	n.hand(n.jobs("acme/app", 1)[0].ID, "r")
	other := n.another()
	n.ok(n.Hear(n.ctx(), "a", 0))
	n.ok(other.Hear(n.ctx(), "b", 0))
	both := func(times int) {
		for range times {
			n.clock.pass(500 * time.Millisecond)
			n.ok(n.Hear(n.ctx(), "a", 500*time.Millisecond))
			n.clock.pass(500 * time.Millisecond)
			n.ok(other.Hear(n.ctx(), "b", time.Second))
			n.ok(n.Hear(n.ctx(), "a", 500*time.Millisecond))
		}
	}
	both(14)
	equal(t, "lost after 14 s", 0, len(n.reap()))
	both(2)
	equal(t, "lost after 16 s", 1, len(n.reap()))
	heard, err := other.Heard(n.ctx())
	n.ok(err)
	equal(t, "the time heard", 17*time.Second, heard)
}

func testSettle(t *testing.T, n *node) {
	n.hear(time.Second)
	n.hand(n.jobs("acme/app", 1)[0].ID, "r")
	n.clock.pass(6 * time.Second)
	n.ok(n.Hear(n.ctx(), "node", 6*time.Second)) // two of them are the first of the 30 that do not count
	n.hear(27 * time.Second)
	n.hear(lease)
	equal(t, "lost after 29 s and a lease", 0, len(n.reap()))
	n.hear(2 * time.Second)
	equal(t, "lost after 31 s and a lease", 1, len(n.reap()))
}

func testLostTooOften(t *testing.T, n *node) {
	id := n.jobs("acme/app", 1)[0].ID
	var lost []ci.Lost
	for _, name := range []string{"a", "b", "c"} {
		n.hand(id, name)
		n.hear(20 * time.Second)
		lost = n.reap()
		equal(t, "lost", 1, len(lost))
	}
	equal(t, "state", ci.Errored, lost[0].Job.State)
	equal(t, "reason", ci.ReasonWorkerLost, lost[0].Job.Reason)
	equal(t, "ended", true, lost[0].BuildEnded)
	equal(t, "its log", "\nWorker name of w was lost at 12:01 UTC, after 20s of silence. That was attempt 3 of 3.\n", n.epilogue(id, 3))
	_, err := n.RestartJob(n.ctx(), id, "ines")
	n.ok(err)
	n.hand(id, "d")
	n.hear(20 * time.Second)
	equal(t, "state after a restart", ci.Created, n.reap()[0].Job.State)
}

func testBack(t *testing.T, n *node) {
	run := n.hand(n.jobs("acme/app", 1)[0].ID, "r")
	n.append(run, part(0, "before\n"))
	n.hear(20 * time.Second)
	n.reap()
	equal(t, "owned", false, n.worker("w", 1, run)[0].Owned)
	equal(t, "its report", true, n.report(run, ci.Passed).Stale)
	equal(t, "its log", true, n.append(run, part(1, "after\n")).Refused)
	_, _, err := n.ClaimAttempt(n.ctx(), ci.Claim{JobID: run.JobID, Attempt: 1, Run: "r"})
	if diff := cmp.Diff(ci.ErrStale.Message, errorText(err)); diff != "" {
		t.Fatal(diff)
	}
	equal(t, "state", ci.Created, n.job(run.JobID).State)
}

func testHome(t *testing.T, n *node) {
	old := ci.Heartbeat{WorkerID: "old", Name: "mill-07", Home: "h1", Queue: queue, Slots: 2}
	n.beat(old)
	jobs := n.jobs("acme/app", 2)
	n.queueAll()
	run := n.claim(jobs[0].ID, "old", "r")
	n.beat(ci.Heartbeat{WorkerID: "elsewhere", Name: "mill-08", Home: "h2", Queue: queue, Slots: 2})
	equal(t, "lost to another home", 0, len(n.reap()))
	n.beat(ci.Heartbeat{WorkerID: "new", Name: "mill-07", Home: "h1", Queue: queue, Slots: 2})
	late := n.claim(jobs[1].ID, "old", "late") // it was on its way when the worker died
	lost := n.reap()
	equal(t, "lost at once", 2, len(lost))
	equal(t, "state", ci.Created, lost[0].Job.State)
	all, err := n.Attempts(n.ctx(), run.JobID)
	n.ok(err)
	equal(t, "note", "Worker name of old ended without a word and was started again by 12:00 UTC.", all[0].Note)
	old.Runs = []ci.RunRef{run, late}
	for _, answer := range n.beat(old) { // a delayed word of the dead neither revives it nor harms its successor
		equal(t, "owned", false, answer.Owned)
	}
	n.queueAll()
	n.claim(jobs[0].ID, "new", "r2")
	equal(t, "lost after the dead spoke", 0, len(n.reap()))
	workers, err := n.Workers(n.ctx())
	n.ok(err)
	var names []string
	for _, w := range workers {
		names = append(names, w.ID)
	}
	if diff := cmp.Diff([]string{"new", "elsewhere"}, names); diff != "" {
		t.Error(diff)
	}
}

// testHomeKept: a worker that is started again names, from its first heartbeat on, the runs of the process before that it
// can complete. Those are not lost; the others are.
func testHomeKept(t *testing.T, n *node) {
	n.beat(ci.Heartbeat{WorkerID: "old", Name: "mill-07", Home: "h1", Queue: queue, Slots: 3})
	jobs := n.jobs("acme/app", 3)
	n.queueAll()
	kept, dropped := n.claim(jobs[0].ID, "old", "kept"), n.claim(jobs[1].ID, "old", "dropped")
	forged := ci.RunRef{JobID: jobs[2].ID, Attempt: 1, Run: "guessed"}
	n.claim(jobs[2].ID, "old", "third")
	again := ci.Heartbeat{WorkerID: "new", Name: "mill-07", Home: "h1", Queue: queue, Slots: 3, Runs: []ci.RunRef{kept, forged}}
	answers := n.beat(again)
	equal(t, "its ended run is its own", true, answers[0].Owned)
	equal(t, "a run that nobody has is not", false, answers[1].Owned)
	lost := n.reap()
	equal(t, "lost", 2, len(lost))
	for _, l := range lost {
		equal(t, "the kept one is lost", false, l.Job.ID == kept.JobID)
	}
	equal(t, "a part of the dropped one is refused", true, n.append(dropped, part(0, "late\n")).Refused)
	equal(t, "its log goes on", false, n.append(kept, part(0, "all\n")).Refused)
	equal(t, "its end is late", false, n.report(kept, ci.Failed).Stale)
	equal(t, "state", ci.Failed, n.job(kept.JobID).State)
	equal(t, "attempt", 1, n.job(kept.JobID).Attempt)
	equal(t, "its end is stored", ci.Failed, n.beat(again)[0].State)
}

func testGenerations(t *testing.T, n *node) {
	later := ci.Heartbeat{WorkerID: "later", Name: "mill-07", Home: "h1", Generation: 2, Queue: queue, Slots: 2}
	n.beat(later)
	jobs := n.jobs("acme/app", 2)
	n.queueAll()
	run := n.claim(jobs[0].ID, "later", "r")
	n.beat(ci.Heartbeat{WorkerID: "earlier", Name: "mill-07", Home: "h1", Generation: 1, Queue: queue, Slots: 2}) // overtaken on the way
	later.Runs = []ci.RunRef{run}
	equal(t, "owned", true, n.beat(later)[0].Owned)
	equal(t, "lost", 0, len(n.reap()))
	n.claim(jobs[1].ID, "earlier", "never heard of")
	equal(t, "lost of the dead", 1, len(n.reap()))
}

func testAsking(t *testing.T, n *node) {
	b := ci.Heartbeat{WorkerID: "w", Queue: queue, Slots: 1}
	n.beat(b)
	jobs := n.jobs("acme/app", 1)
	n.queueAll()
	run := n.claim(jobs[0].ID, "w", "r") // the answer is lost on the way
	b.Asking = []ci.RunRef{run, {JobID: run.JobID, Attempt: 1, Run: "another's"}}
	for range 3 {
		n.hear(10 * time.Second)
		equal(t, "answers", 0, len(n.beat(b)))
		equal(t, "lost", 0, len(n.reap()))
	}
	b.Asking = nil
	n.beat(b)
	n.hear(20 * time.Second)
	equal(t, "lost when nobody asks", 1, len(n.reap()))
}

// testClockSet: neither the database's clock nor a node's makes a worker lost or keeps one that is.
func testClockSet(t *testing.T, n *node) {
	for _, by := range []time.Duration{-3 * time.Hour, 5 * time.Hour, -time.Second} {
		run := n.hand(n.jobs("acme/app"+by.String(), 1)[0].ID, "r")
		n.hear(14 * time.Second)
		n.clock.pass(by)
		equal(t, "lost by the clock", 0, len(n.reap()))
		n.hear(time.Second)
		equal(t, "lost in time", 0, len(n.reap()))
		n.hear(time.Second)
		equal(t, "lost", 1, len(n.reap()))
		_, _, err := n.CancelJob(n.ctx(), run.JobID, "ines")
		n.ok(err)
	}
	n.hand(n.jobs("acme/last", 1)[0].ID, "r")
	n.clock.pass(-8 * time.Hour)
	fresh := n.another() // it cannot know for how long nobody heard
	fresh.hear(30 * time.Second)
	heard, err := fresh.Heard(n.ctx())
	n.ok(err)
	fresh.hear(16 * time.Second)
	equal(t, "lost to a node that started after the clock was set", 1, len(fresh.reap()))
	later, err := fresh.Heard(n.ctx())
	n.ok(err)
	equal(t, "counted", 16*time.Second, later-heard)
}

// testAway: a node that was paused does not count what others counted, and its pause is no gap while they heard.
func testAway(t *testing.T, n *node) {
	n.hear(time.Second)
	other := n.another()
	other.hear(time.Minute)
	n.ok(n.Hear(n.ctx(), "node", time.Minute))
	heard, err := n.Heard(n.ctx())
	n.ok(err)
	equal(t, "the time heard", 61*time.Second, heard)
	n.hear(time.Second)
	heard, err = n.Heard(n.ctx())
	n.ok(err)
	equal(t, "without a gap it runs on", 62*time.Second, heard)
}

func testOneStores(t *testing.T, n *node) {
	b := ci.Heartbeat{WorkerID: "w", Home: "h", Generation: 1, Queue: queue, Slots: 1, Sequence: 1}
	n.beat(b)
	jobs := n.jobs("acme/app", 1)
	n.queueAll()
	run := n.claim(jobs[0].ID, "w", "r")
	b.Runs = []ci.RunRef{run}
	for b.Sequence = 2; b.Sequence < 8; b.Sequence++ {
		n.hear(10 * time.Second)
		var stored atomic.Int64
		n.atOnce(6, func(n *node, _ int) error {
			answers, err := n.Beat(n.ctx(), b)
			switch {
			case errors.Is(err, ci.ErrBeatStored):
				return nil
			case err == nil && len(answers) == 1 && answers[0].Owned:
				stored.Add(1)
				return nil
			}
			return fmt.Errorf("%+v: %w", answers, err)
		})
		equal(t, "stored", 1, stored.Load())
		equal(t, "lost", 0, len(n.reap()))
	}
	n.hear(16 * time.Second)
	b.Sequence = 3 // an old one that comes late
	if _, err := n.Beat(n.ctx(), b); !errors.Is(err, ci.ErrBeatStored) {
		t.Errorf("an old heartbeat: %v", err)
	}
	equal(t, "lost although an old heartbeat came", 1, len(n.reap()))
}
