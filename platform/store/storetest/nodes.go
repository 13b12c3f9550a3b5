package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

var nodeTests = map[string]func(*testing.T, *node){
	"nodes that start at once make the tables once":   testStartAtOnce,
	"a request that comes many times is stored once":  testRequestRace,
	"build numbers have no gap":                       testNumberRace,
	"a job is queued once":                            testQueueRace,
	"one run owns an attempt":                         testClaimRace,
	"the log is whole whoever stores it":              testLogRace,
	"an end and a cancel leave one result":            testEndRace,
	"two nodes reap a lost worker once":               testReapRace,
	"everything at once gets done":                    testEverything,
	"the clock never steps back and runs like others": testClock,
	"the end of the context ends the wait":            testContext,
}

// atOnce runs f so many times at once, half of them on another node, and returns the first error.
func (n *node) atOnce(times int, f func(n *node, i int) error) {
	n.t.Helper()
	nodes := []*node{n, n.another()}
	errs := make([]error, times)
	var group sync.WaitGroup
	for i := range times {
		group.Go(func() { errs[i] = f(nodes[i%2], i) })
	}
	group.Wait()
	n.ok(errors.Join(errs...))
}

func testStartAtOnce(t *testing.T, n *node) {
	// The first handle was opened on an empty database already; here many start on one that has the tables.
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { n.open(store.Config{}) })
	}
	group.Wait()
	n.repository("acme/app")
}

func testRequestRace(t *testing.T, n *node) {
	r := n.repository("acme/app")
	var created atomic.Int64
	ids := make([]int64, 20)
	n.atOnce(20, func(n *node, i int) error {
		q, isNew, err := n.CreateRequest(n.ctx(), ci.NewRequest{RepositoryID: r.ID, Key: "delivery", Branch: "main"})
		if isNew {
			created.Add(1)
		}
		ids[i] = q.ID
		return err
	})
	equal(t, "created", 1, created.Load())
	equal(t, "different ids", 1, len(slices.Compact(ids)))
	var claimed atomic.Int64
	n.atOnce(10, func(n *node, _ int) error {
		_, ok, err := n.ClaimRequest(n.ctx(), "x", time.Minute)
		if ok {
			claimed.Add(1)
		}
		return err
	})
	equal(t, "claimed", 1, claimed.Load())
}

func testNumberRace(t *testing.T, n *node) {
	r := n.repository("acme/app")
	const count = 24
	requests := make([]ci.Request, count)
	for i := range requests {
		requests[i] = n.request(r.ID)
	}
	numbers := make([]int64, 2*count)
	n.atOnce(2*count, func(n *node, i int) error {
		q := requests[i/2] // each twice
		b, err := n.CreateBuild(n.ctx(), plan{}.of(q), q.Tries)
		numbers[i] = b.Number
		return err
	})
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	equal(t, "builds", count, len(numbers))
	equal(t, "first number", 1, numbers[0])
	equal(t, "last number", count, numbers[count-1])
}

func testQueueRace(t *testing.T, n *node) {
	for i := range 4 {
		n.jobs(fmt.Sprintf("acme/app%d", i), 10)
	}
	n.worker("w", 20)
	n.worker("v", 5)
	var mu sync.Mutex
	times := map[int64]int{}
	n.atOnce(12, func(n *node, _ int) error {
		queued, _, err := n.QueueJobs(n.ctx(), 7, encode)
		mu.Lock()
		defer mu.Unlock()
		for _, j := range queued {
			times[j.ID]++
		}
		return err
	})
	equal(t, "queued for 25 slots and two workers", 27, len(times))
	for job, count := range times {
		equal(t, fmt.Sprintf("times that job %d was queued", job), 1, count)
	}
	sent := map[int64]int{}
	n.atOnce(6, func(n *node, _ int) error {
		out, err := n.Outbox(n.ctx(), 10)
		mu.Lock()
		defer mu.Unlock()
		for _, m := range out {
			sent[m.JobID]++
		}
		return err
	})
	for _, m := range n.outbox(100) {
		sent[m] += 0 // what the six did not take
	}
	for job, count := range sent {
		if count > 1 {
			t.Errorf("the message of job %d was taken %d times", job, count)
		}
	}
}

func testClaimRace(t *testing.T, n *node) {
	id := n.jobs("acme/app", 1)[0].ID
	n.worker("w", 5)
	n.queueAll()
	var granted, refused atomic.Int64
	n.atOnce(20, func(n *node, i int) error {
		_, _, err := n.ClaimAttempt(n.ctx(), ci.Claim{JobID: id, Attempt: 1, Run: fmt.Sprint(i / 4), WorkerID: "w", Worker: "w"})
		switch {
		case err == nil:
			granted.Add(1)
		case errors.Is(err, ci.ErrOwned):
			refused.Add(1)
		default:
			return err
		}
		return nil
	})
	equal(t, "granted, all to one run", 4, granted.Load())
	equal(t, "refused", 16, refused.Load())
}

func testLogRace(t *testing.T, n *node) {
	run := n.started()
	const parts = 60
	want := ""
	for i := range parts {
		want += fmt.Sprintf("line %d\n", i)
	}
	n.atOnce(parts+1, func(n *node, i int) error {
		if i == parts {
			_, err := n.Report(n.ctx(), ci.StateReport{RunRef: run, State: ci.Passed}, 3)
			return err
		}
		var batch []ci.LogPart
		for k := range 3 { // each part in several batches
			p := part((i+k)%parts, fmt.Sprintf("line %d\n", (i+k)%parts))
			p.JobID, p.Attempt, p.Run, p.Final = run.JobID, 1, run.Run, p.Number == parts-1
			batch = append(batch, p)
		}
		_, err := n.AppendLog(n.ctx(), batch)
		return err
	})
	equal(t, "text", want, n.read(run.JobID, 1))
	equal(t, "closed", true, n.log(run).Closed)
	equal(t, "lines", parts, n.log(run).Lines)
}

func testEndRace(t *testing.T, n *node) {
	for range 5 {
		run := n.started()
		results := make([]string, 4)
		n.atOnce(4, func(n *node, i int) error {
			if i == 0 {
				_, _, err := n.CancelJob(n.ctx(), run.JobID, "ines")
				if err == nil {
					results[i] = "canceled"
				} else if !fault.Is(err, fault.Conflict) {
					return err
				}
				return nil
			}
			m, err := n.Report(n.ctx(), ci.StateReport{RunRef: run, State: ci.Passed}, 3)
			if !m.Stale {
				results[i] = "passed"
			}
			return err
		})
		state := string(n.job(run.JobID).State)
		for i, result := range results {
			if result != "" && result != state {
				t.Errorf("%d was told %s, and the job is %s", i, result, state)
			}
		}
		equal(t, "the build", state, string(n.state(n.job(run.JobID).BuildID)))
	}
}

func testReapRace(t *testing.T, n *node) {
	n.hear(time.Second)
	for _, j := range n.jobs("acme/app", 3) {
		n.hand(j.ID, fmt.Sprint(j.ID))
	}
	n.hear(20 * time.Second)
	var lost atomic.Int64
	n.atOnce(6, func(n *node, _ int) error {
		found, err := n.ReapLost(n.ctx(), lease, 3)
		lost.Add(int64(len(found)))
		return err
	})
	equal(t, "lost", 3, lost.Load())
}

// testEverything lets many workers, dispatchers and people work on a few builds at once, and expects that all of it ends.
func testEverything(t *testing.T, n *node) {
	const builds, jobs, workers = 4, 6, 6
	for i := range builds {
		var list []ci.NewJob
		for k := range jobs {
			list = append(list, job(k/3))
		}
		n.build(n.repository(fmt.Sprintf("acme/app%d", i)).ID, plan{stages: []string{"a", "b"}, jobs: list})
	}
	for w := range workers {
		n.worker(fmt.Sprint("w", w), 1)
	}
	n.atOnce(workers, func(n *node, w int) error {
		id := fmt.Sprint("w", w)
		for {
			if _, _, err := n.QueueJobs(n.ctx(), 5, encode); err != nil {
				return err
			}
			open, _, err := n.Jobs(n.ctx(), ci.JobFilter{States: []ci.State{ci.Created, ci.Queued, ci.Received, ci.Started}, Page: ci.Page{Limit: 100}})
			if err != nil || len(open) == 0 {
				return err
			}
			for _, j := range open {
				if j.State != ci.Queued {
					continue
				}
				if err := n.work(id, j); err != nil {
					return err
				}
			}
			if _, err := n.Beat(n.ctx(), ci.Heartbeat{WorkerID: id, Queue: queue, Slots: 1}); err != nil {
				return err
			}
		}
	})
	all, _, err := n.Builds(n.ctx(), ci.BuildFilter{WithJobs: true})
	n.ok(err)
	for _, b := range all {
		equal(t, "state", ci.Passed, b.State)
		for _, j := range b.Jobs {
			equal(t, "log", fmt.Sprintf("job %d\n", j.ID), n.read(j.ID, 1))
		}
	}
	equal(t, "messages that wait", 0, len(n.outbox(100)))
}

// work does a job, if the worker gets it.
func (n *node) work(worker string, j ci.Job) error {
	run := ci.RunRef{JobID: j.ID, Attempt: j.Attempt, Run: fmt.Sprint(worker, " at ", j.ID)}
	_, _, err := n.ClaimAttempt(n.ctx(), ci.Claim{JobID: j.ID, Attempt: j.Attempt, Run: run.Run, WorkerID: worker, Worker: worker})
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	if err != nil {
		return err
	}
	p := final(0, fmt.Sprintf("job %d\n", j.ID))
	p.JobID, p.Attempt, p.Run = j.ID, j.Attempt, run.Run
	_, logErr := n.AppendLog(n.ctx(), []ci.LogPart{p})
	_, err = n.Report(n.ctx(), ci.StateReport{RunRef: run, State: ci.Started}, 3)
	_, endErr := n.Report(n.ctx(), ci.StateReport{RunRef: run, State: ci.Passed}, 3)
	return errors.Join(logErr, err, endErr)
}

func testClock(t *testing.T, n *node) {
	a, b := n.open(store.Config{}), n.open(store.Config{})
	var last time.Time
	for range 1000 {
		now := a.Now()
		if now.Before(last) || now.Location() != time.UTC || now.Nanosecond()%1000 != 0 {
			t.Fatalf("%v after %v", now, last)
		}
		last = now
	}
	if d := b.Now().Sub(last).Abs(); d > 500*time.Millisecond {
		t.Errorf("two nodes are %v apart", d)
	}
	if d := time.Until(last).Abs(); d > time.Minute {
		t.Errorf("the clock is %v off", d)
	}
	n.ok(a.Ping(n.ctx()))
}

func testContext(t *testing.T, n *node) {
	ctx, cancel := contextWithCancel(n)
	cancel()
	if err := n.Ping(ctx); !errors.Is(err, ctx.Err()) {
		t.Errorf("a read: %v", err)
	}
	if _, err := n.CreateUser(ctx, ci.NewUser{Login: "x"}); !errors.Is(err, ctx.Err()) {
		t.Errorf("a write: %v", err)
	}
}
