package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

var dispatchTests = map[string]func(*testing.T, *node){
	"no more is queued than workers can take":       testRoom,
	"a worker that drains or is lost gives no room": testRoomOfTheLiving,
	"queues are apart":                              testQueuesApart,
	"repositories take turns":                       testTurns,
	"most bounds and says that there is more":       testMost,
	"a message goes out with its job":               testOutbox,
	"a message is leased, fails and is sent":        testOutboxLease,
	"a message of a job that waits no more goes":    testOutboxGoes,
	"a lost message is put out again":               testRequeue,
	"an overtaken message is put out again":         testRequeueOvertaken,
	"a job that cannot be encoded is canceled":      testEncode,
	"queues are counted":                            testQueues,
}

// builds makes a build with so many jobs.
func (n *node) jobs(slug string, count int) []ci.Job {
	n.t.Helper()
	var jobs []ci.NewJob
	for range count {
		jobs = append(jobs, job(-1))
	}
	return n.build(n.repository(slug).ID, plan{jobs: jobs}).Jobs
}

func testRoom(t *testing.T, n *node) {
	jobs := n.jobs("acme/app", 10)
	equal(t, "queued without workers", 0, len(n.queueAll()))
	n.worker("w", 2)
	equal(t, "queued for two slots and one to come", 3, len(n.queueAll()))
	equal(t, "queued again", 0, len(n.queueAll()))
	run := n.claim(jobs[0].ID, "w", "a")
	equal(t, "queued after a claim: no slot became free", 0, len(n.queueAll()))
	n.worker("v", 0)
	equal(t, "queued for a worker without slots", 1, len(n.queueAll()))
	n.report(run, ci.Passed)
	equal(t, "queued after an end", 1, len(n.queueAll()))
	queued := n.job(jobs[4].ID)
	equal(t, "state", ci.Queued, queued.State)
	equal(t, "time", n.clock.now(), queued.QueuedAt)
}

func testRoomOfTheLiving(t *testing.T, n *node) {
	jobs := n.jobs("acme/app", 12)
	n.worker("old", 5)
	n.queueAll() // six
	for i := range 5 {
		n.claim(jobs[i].ID, "old", fmt.Sprint(i))
	}
	n.beat(ci.Heartbeat{WorkerID: "old", Queue: queue, Slots: 5, Draining: true})
	n.worker("new", 1)
	// Those that the draining worker has take no room from the new one.
	equal(t, "queued for the new one", 1, len(n.queueAll()))
	n.beat(ci.Heartbeat{WorkerID: "silent", Queue: queue, Slots: 2})
	n.hear(20 * time.Second)
	n.worker("new", 1)
	equal(t, "queued for the lost one", 0, len(n.queueAll()))
	n.worker("silent", 2)
	equal(t, "queued when it is back", 3, len(n.queueAll()))
}

func testQueuesApart(t *testing.T, n *node) {
	other := job(-1)
	other.Queue = "builds.mac"
	b := n.build(n.repository("acme/app").ID, plan{jobs: []ci.NewJob{job(-1), other}})
	n.worker("w", 5)
	n.queueAll()
	equal(t, "states", "queued created", n.states(b.ID))
	n.beat(ci.Heartbeat{WorkerID: "m", Queue: "builds.mac", Slots: 1})
	equal(t, "queued", "builds.mac", n.queueAll()[0].Queue)
}

func testTurns(t *testing.T, n *node) {
	big := n.jobs("acme/big", 20)
	n.worker("w", 3)
	n.queueAll() // four of big
	for i := range 3 {
		n.claim(big[i].ID, "w", fmt.Sprint(i))
	}
	n.jobs("acme/a", 3)
	n.jobs("acme/b", 1)
	n.worker("v", 7)
	var got []string
	for _, j := range n.queueAll() {
		got = append(got, j.Slug)
	}
	want := "acme/a acme/b acme/a acme/a acme/big acme/big acme/big acme/big"
	if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
		t.Fatal(diff)
	}
}

func testMost(t *testing.T, n *node) {
	n.jobs("acme/app", 5)
	n.worker("w", 10)
	for _, want := range []struct {
		queued int
		more   bool
	}{{2, true}, {2, true}, {1, false}, {0, false}} {
		queued, more, err := n.QueueJobs(n.ctx(), 2, encode)
		n.ok(err)
		equal(t, "queued", want.queued, len(queued))
		equal(t, "more", want.more, more)
	}
}

func testOutbox(t *testing.T, n *node) {
	jobs := n.jobs("acme/app", 2)
	n.worker("w", 5)
	n.queueAll()
	out, err := n.Outbox(n.ctx(), 10)
	n.ok(err)
	want := []ci.OutMessage{
		{ID: out[0].ID, Queue: queue, Body: []byte(`acme/app 1.1 0123456789abcdef {"os":"linux"}`), JobID: jobs[0].ID, CreatedAt: n.clock.now()},
		{ID: out[1].ID, Queue: queue, Body: []byte(`acme/app 1.2 0123456789abcdef {"os":"linux"}`), JobID: jobs[1].ID, CreatedAt: n.clock.now()},
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Fatal(diff)
	}
}

// outbox returns the ids of the messages that are due.
func (n *node) outbox(limit int) []int64 {
	n.t.Helper()
	out, err := n.Outbox(n.ctx(), limit)
	n.ok(err)
	var found []int64
	for _, m := range out {
		found = append(found, m.ID)
	}
	return found
}

func testOutboxLease(t *testing.T, n *node) {
	n.jobs("acme/app", 3)
	n.worker("w", 5)
	n.queueAll()
	first := n.outbox(2)
	equal(t, "taken", 2, len(first))
	rest := n.outbox(10)
	equal(t, "left", 1, len(rest))
	n.ok(n.OutboxSent(n.ctx(), []int64{first[0]}))
	n.ok(n.OutboxFailed(n.ctx(), first[1], "The broker\x00 does not answer.", time.Minute))
	n.clock.pass(29 * time.Second)
	equal(t, "taken within the lease", 0, len(n.outbox(10)))
	n.clock.pass(time.Second)
	equal(t, "taken after the lease", rest[0], n.outbox(10)[0])
	n.clock.pass(30 * time.Second)
	out, err := n.Outbox(n.ctx(), 10)
	n.ok(err)
	equal(t, "taken after the failure", 2, len(out))
	equal(t, "tries", 1, out[0].Tries)
	equal(t, "reason", "The broker\uFFFD does not answer.", out[0].LastError)
}

func testOutboxGoes(t *testing.T, n *node) {
	jobs := n.jobs("acme/app", 3)
	n.worker("w", 5)
	n.queueAll()
	n.claim(jobs[0].ID, "w", "r")
	_, _, err := n.CancelJob(n.ctx(), jobs[1].ID, "ines")
	n.ok(err)
	out, err := n.Outbox(n.ctx(), 10)
	n.ok(err)
	equal(t, "messages", 1, len(out))
	equal(t, "job", jobs[2].ID, out[0].JobID)
}

func testRequeue(t *testing.T, n *node) {
	jobs := n.jobs("acme/app", 3)
	n.worker("w", 2)
	n.queueAll()
	sent := n.outbox(10)
	n.ok(n.OutboxSent(n.ctx(), sent))
	requeue := func() int {
		t.Helper()
		count, err := n.Requeue(n.ctx(), time.Minute)
		n.ok(err)
		return count
	}
	n.clock.pass(59 * time.Second)
	equal(t, "put out early", 0, requeue())
	n.claim(jobs[0].ID, "w", "a")
	n.clock.pass(time.Second)
	equal(t, "put out", 2, requeue())
	equal(t, "put out twice", 0, requeue())
	again, err := n.Outbox(n.ctx(), 10)
	n.ok(err)
	equal(t, "messages", 2, len(again))
	equal(t, "body", `acme/app 1.2 0123456789abcdef {"os":"linux"}`, string(again[0].Body))
	equal(t, "attempt", 1, n.job(jobs[1].ID).Attempt)
	n.ok(n.OutboxSent(n.ctx(), []int64{again[0].ID, again[1].ID}))
	n.claim(jobs[1].ID, "w", "b")
	n.clock.pass(time.Hour)
	equal(t, "put out while no worker is free", 0, requeue())
}

func testEncode(t *testing.T, n *node) {
	bad := job(-1)
	bad.Name = "bad"
	b := n.build(n.repository("acme/app").ID, plan{jobs: []ci.NewJob{bad, job(-1)}})
	n.worker("w", 5)
	queued, _, err := n.QueueJobs(n.ctx(), 10, func(q ci.QueuedJob) ([]byte, error) {
		if q.Job.Name == "bad" {
			return nil, errors.New("no such image")
		}
		return encode(q)
	})
	n.ok(err)
	equal(t, "queued", 1, len(queued))
	equal(t, "states", "canceled queued", n.states(b.ID))
	j := n.job(b.Jobs[0].ID)
	equal(t, "reason", ci.ReasonConfig, j.Reason)
	all, err := n.Attempts(n.ctx(), j.ID)
	n.ok(err)
	equal(t, "note", "The job cannot be handed to a worker: no such image", all[0].Note)
}

func testQueues(t *testing.T, n *node) {
	jobs := n.jobs("acme/app", 6)
	n.worker("w", 2)
	n.beat(ci.Heartbeat{WorkerID: "d", Queue: queue, Slots: 9, Draining: true})
	n.beat(ci.Heartbeat{WorkerID: "m", Queue: "builds.mac", Slots: 3})
	n.queueAll()
	n.report(n.claim(jobs[0].ID, "w", "a"), ci.Started)
	all, err := n.Queues(n.ctx())
	n.ok(err)
	want := []ci.QueueStatus{
		{Queue: queue, Created: 3, Queued: 2, Running: 1, Workers: 1, Slots: 2, FreeSlots: 1, Draining: 1},
		{Queue: "builds.mac", Workers: 1, Slots: 3, FreeSlots: 3},
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Fatal(diff)
	}
	stats, err := n.Stats(n.ctx())
	n.ok(err)
	wantStats := map[string]int64{
		"jobs_created": 3, "jobs_queued": 2, "jobs_received": 0, "jobs_started": 1, "requests_pending": 0, "outbox_unsent": 2, "logs_open": 1, "workers": 3,
	}
	if diff := cmp.Diff(wantStats, stats); diff != "" {
		t.Fatal(diff)
	}
	equal(t, "code of a heartbeat of nobody", fault.Invalid, fault.CodeOf(second(n.Beat(n.ctx(), ci.Heartbeat{}))))
}

// testRequeueOvertaken: where workers are always busy, a message that was lost is known by the later ones that were taken.
func testRequeueOvertaken(t *testing.T, n *node) {
	jobs := n.jobs("acme/app", 2)
	n.worker("w", 1)
	n.queueAll()
	n.ok(n.OutboxSent(n.ctx(), n.outbox(10)))
	run := n.claim(jobs[0].ID, "w", "a")
	requeue := func() int {
		t.Helper()
		count, err := n.Requeue(n.ctx(), time.Minute)
		n.ok(err)
		return count
	}
	n.clock.pass(time.Hour)
	equal(t, "put out while it may still wait its turn", 0, requeue())
	n.report(run, ci.Passed)
	later := n.jobs("acme/app2", 1)
	n.worker("w", 1)
	n.queueAll()
	n.ok(n.OutboxSent(n.ctx(), n.outbox(10)))
	n.claim(later[0].ID, "w", "b")
	equal(t, "put out when a later one runs", 1, requeue())
	equal(t, "job", jobs[1].ID, n.lastOut().JobID)
}

// lastOut is the newest message that waits to be sent.
func (n *node) lastOut() ci.OutMessage {
	n.t.Helper()
	waiting, err := n.Outbox(n.ctx(), 10)
	n.ok(err)
	if len(waiting) == 0 {
		n.t.Fatal("no message waits")
	}
	return waiting[len(waiting)-1]
}
