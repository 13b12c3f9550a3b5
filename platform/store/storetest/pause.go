package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

var pauseTests = map[string]func(*testing.T, *node){
	"a paused queue hands out nothing":              testPause,
	"a claim on a paused queue costs no attempt":    testPausedClaim,
	"each reason for waiting is said":               testWhyWaiting,
	"the limit that holds a job is said":            testWhyLimit,
	"what has begun or ended does not wait":         testWhyNot,
	"jobs of the repository that come first counts": testWhyAhead,
}

// pause pauses the queue of the tests, or resumes it.
func (n *node) pause(paused bool) []ci.Moved {
	n.t.Helper()
	moved, err := n.PauseQueue(n.ctx(), queue, paused, "ines")
	n.ok(err)
	return moved
}

func testPause(t *testing.T, n *node) {
	other := job(-1)
	other.Queue = "builds.mac"
	b := n.build(n.repository("acme/app").ID, plan{jobs: []ci.NewJob{job(-1), job(-1), job(-1), job(-1), other}})
	n.worker("w", 1)
	n.beat(ci.Heartbeat{WorkerID: "m", Queue: "builds.mac", Slots: 1})
	n.queueAll()
	run := n.claim(b.Jobs[0].ID, "w", "a")
	moved := n.pause(true)
	equal(t, "taken back", 1, len(moved))
	equal(t, "which", b.Jobs[1].ID, moved[0].Job.ID)
	equal(t, "states", "received created created created queued", n.states(b.ID))
	out, err := n.Outbox(n.ctx(), 10)
	n.ok(err)
	equal(t, "messages", 1, len(out))
	equal(t, "message", "builds.mac", out[0].Queue)
	n.report(run, ci.Passed)
	n.worker("v", 5)
	equal(t, "queued while paused", 0, len(n.queueAll()))
	since := n.clock.now()
	n.clock.pass(time.Minute)
	_, err = n.PauseQueue(n.ctx(), queue, true, "uma")
	n.ok(err)
	all, err := n.Queues(n.ctx())
	n.ok(err)
	want := ci.QueueStatus{Queue: queue, Created: 3, Workers: 2, Slots: 6, FreeSlots: 6, Paused: true, PausedBy: "ines", PausedAt: since}
	if diff := cmp.Diff(want, all[0]); diff != "" {
		t.Fatal(diff)
	}
	equal(t, "moved by the end of the pause", 0, len(n.pause(false)))
	equal(t, "queued after the pause", 3, len(n.queueAll()))
	equal(t, "attempt", 1, n.job(b.Jobs[1].ID).Attempt)
	all, err = n.Queues(n.ctx())
	n.ok(err)
	equal(t, "left of the pause", ci.QueueStatus{Queue: queue, Queued: 3, Workers: 2, Slots: 6, FreeSlots: 6}, all[0])
	equal(t, "code", fault.NotFound, fault.CodeOf(second(n.PauseQueue(n.ctx(), "nothing", true, ""))))
}

func testPausedClaim(t *testing.T, n *node) {
	jobs := n.jobs("acme/app", 2)
	n.worker("w", 1)
	n.ok(n.NoteForeign(n.ctx(), queue, 1)) // whose deliveries cannot be taken back
	n.queueAll()
	equal(t, "taken back", 0, len(n.pause(true)))
	ask := ci.Claim{JobID: jobs[0].ID, Attempt: 1, Run: "a", WorkerID: "w"}
	_, moved, err := n.ClaimAttempt(n.ctx(), ask)
	equal(t, "refused", true, errors.Is(err, ci.ErrPaused))
	equal(t, "state", ci.Created, moved.Job.State)
	_, _, err = n.ClaimAttempt(n.ctx(), ask)
	equal(t, "refused again", true, errors.Is(err, ci.ErrNotQueued))
	equal(t, "queued while paused", 0, len(n.queueAll()))
	n.pause(false)
	equal(t, "queued after the pause", jobs[0].ID, n.queueAll()[0].ID)
	n.claim(jobs[0].ID, "w", "b")
	j := n.job(jobs[0].ID)
	equal(t, "attempt", 1, j.Attempt)
	equal(t, "tries", 1, j.Tries)
}

// why is why a job waits.
func (n *node) why(jobID int64) ci.Wait {
	n.t.Helper()
	all, err := n.WhyWaiting(n.ctx(), jobID)
	n.ok(err)
	return all[jobID]
}

func testWhyWaiting(t *testing.T, n *node) {
	b := n.build(n.repository("acme/app").ID, plan{stages: []string{"test", "ship"}, jobs: []ci.NewJob{job(0), job(0), job(1)}})
	one, two, three := b.Jobs[0].ID, b.Jobs[1].ID, b.Jobs[2].ID
	check := func(what string, id int64, want ci.Wait) {
		t.Helper()
		if diff := cmp.Diff(want, n.why(id)); diff != "" {
			t.Fatalf("%s: %s", what, diff)
		}
	}
	check("no worker", one, ci.Wait{Kind: ci.WaitNoWorker, Queue: queue})
	check("stage", three, ci.Wait{Kind: ci.WaitStage, Queue: queue, Name: "test", Now: 2})
	n.beat(ci.Heartbeat{WorkerID: "w", Queue: queue, Slots: 1, Draining: true})
	check("draining", one, ci.Wait{Kind: ci.WaitDraining, Queue: queue})
	n.beat(ci.Heartbeat{WorkerID: "w", Name: "mill-1", Queue: queue, Slots: 1, Draining: true, Trouble: "Its engine is away."})
	check("trouble", one, ci.Wait{Kind: ci.WaitTrouble, Queue: queue, Name: "mill-1: Its engine is away."})
	n.worker("w", 1)
	check("next", one, ci.Wait{Kind: ci.WaitNext, Queue: queue})
	check("next but one", two, ci.Wait{Kind: ci.WaitNext, Queue: queue, Ahead: 1})
	n.pause(true)
	check("paused", one, ci.Wait{Kind: ci.WaitPaused, Queue: queue, Name: "ines"})
	n.pause(false)
	n.queueAll()
	check("queued", one, ci.Wait{Kind: ci.WaitNext, Queue: queue})
	out, err := n.Outbox(n.ctx(), 10)
	n.ok(err)
	n.ok(n.OutboxFailed(n.ctx(), out[0].ID, "The broker does not answer.", time.Second))
	check("broker", one, ci.Wait{Kind: ci.WaitBroker, Queue: queue, Name: "The broker does not answer."})
	n.claim(one, "w", "a")
	check("busy", two, ci.Wait{Kind: ci.WaitBusy, Queue: queue, Most: 1, Now: 1})
	check("stage with one to go", three, ci.Wait{Kind: ci.WaitStage, Queue: queue, Name: "test", Now: 2})
	n.report(ci.RunRef{JobID: one, Attempt: 1, Run: "a"}, ci.Passed)
	check("stage with one to go", three, ci.Wait{Kind: ci.WaitStage, Queue: queue, Name: "test", Now: 1})
}

func testWhyLimit(t *testing.T, n *node) {
	jobs := n.jobs("Acme/App", 2)
	n.worker("w", 9)
	first, _, err := n.QueueJobs(n.ctx(), 1, encode)
	n.ok(err)
	equal(t, "queued", jobs[0].ID, first[0].ID)
	held := jobs[1].ID
	limited := n.limited(1, 1)
	check := func(m *node, want ci.Wait) {
		t.Helper()
		want.Queue, want.Most, want.Now = queue, 1, 1
		if diff := cmp.Diff(want, m.why(held)); diff != "" {
			t.Fatal(diff)
		}
	}
	check(n.limited(1, 0), ci.Wait{Kind: ci.WaitLimitAll})
	check(limited, ci.Wait{Kind: ci.WaitLimitOwner, Name: "Acme"})
	n.setting(jobs[0].RepositoryID, ci.SettingMaxJobs, 1)
	check(limited, ci.Wait{Kind: ci.WaitLimitRepository, Name: "Acme/App"})
	n.ok(n.LimitQueue(n.ctx(), queue, 1))
	check(limited, ci.Wait{Kind: ci.WaitLimitQueue})
	equal(t, "queued", 0, len(limited.queueAll()))
}

func testWhyNot(t *testing.T, n *node) {
	jobs := n.jobs("acme/app", 2)
	n.hand(jobs[0].ID, "a")
	n.finish(jobs[1].ID, ci.Passed)
	all, err := n.WhyWaiting(n.ctx(), jobs[0].ID, jobs[1].ID, 999)
	n.ok(err)
	equal(t, "answers", 0, len(all))
}

func testWhyAhead(t *testing.T, n *node) {
	many := n.manyJobs("many/app", ci.MostAhead+2)
	one := n.jobs("one/app", 1)
	n.worker("w", 1)
	equal(t, "first", 0, n.why(many[0].ID).Ahead)
	equal(t, "tenth", 9, n.why(many[9].ID).Ahead)
	equal(t, "last", ci.MostAhead, n.why(many[ci.MostAhead+1].ID).Ahead)
	equal(t, "of another repository", 0, n.why(one[0].ID).Ahead)
	n.ok(n.PrioritizeJob(n.ctx(), many[9].ID))
	equal(t, "put first", 0, n.why(many[9].ID).Ahead)
	equal(t, "behind it", 1, n.why(many[0].ID).Ahead)
}
