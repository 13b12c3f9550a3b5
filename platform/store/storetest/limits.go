package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

var limitTests = map[string]func(*testing.T, *node){
	"limits hold, each for itself":                testLimits,
	"owners take turns, then their repositories":  testOwnersTakeTurns,
	"one job of another owner does not wait long": testOneAmongThousand,
	"what is put first goes first":                testPrioritize,
	"a restart is not put first":                  testPrioritizeEnds,
	"only what waits is put first":                testPrioritizeWhat,
	"a limit holds over nodes":                    testLimitOverNodes,
	"what is picked is what the rules say":        testPicker,
}

// limited is another node on the same database, with limits.
func (n *node) limited(all, owner int) *node {
	n.t.Helper()
	config := n.config()
	config.Concurrency, config.OwnerConcurrency = all, owner
	return &node{Store: n.open(config), t: n.t, clock: n.clock, open: n.open, keys: n.keys}
}

// setting changes a setting of a repository.
func (n *node) setting(repo int64, name string, value any) {
	n.t.Helper()
	n.ok(second(n.ChangeRepositorySettings(n.ctx(), repo, ci.Setting{Name: name, Value: value})))
}

// slugs are the repositories of jobs, in order.
func slugs(jobs []ci.Job) string {
	var all []string
	for _, j := range jobs {
		all = append(all, j.Slug)
	}
	return strings.Join(all, " ")
}

func testLimits(t *testing.T, n *node) {
	app := n.jobs("acme/app", 10)
	n.jobs("acme/lib", 10)
	n.jobs("other/x", 10)
	n.worker("w", 100)
	n.setting(app[0].RepositoryID, ci.SettingMaxJobs, 2)
	owner := n.limited(0, 3)
	equal(t, "of the owners", "acme/app other/x acme/lib other/x acme/app other/x", slugs(owner.queueAll()))
	equal(t, "again", 0, len(owner.queueAll()))
	all := n.limited(8, 0)
	equal(t, "in all", "acme/lib other/x", slugs(all.queueAll()))
	n.ok(n.LimitQueue(n.ctx(), queue, 9))
	equal(t, "of the queue", 1, len(n.queueAll()))
	n.report(n.claim(app[0].ID, "w", "a"), ci.Started)
	equal(t, "while it runs", 0, len(n.queueAll()))
	n.report(ci.RunRef{JobID: app[0].ID, Attempt: 1, Run: "a"}, ci.Passed)
	equal(t, "after its end", 1, len(n.queueAll()))
	n.ok(n.LimitQueue(n.ctx(), queue, 0))
	left := slugs(n.queueAll())
	equal(t, "of the repository", 0, strings.Count(left, "acme/app"))
	equal(t, "of the others", 30-10-strings.Count(left, "acme/app"), n.underWay("acme/lib", "other/x"))
	equal(t, "code", fault.NotFound, fault.CodeOf(n.LimitQueue(n.ctx(), "nothing", 1)))
	equal(t, "code", fault.Invalid, fault.CodeOf(n.LimitQueue(n.ctx(), queue, -1)))
}

// underWay counts the jobs of repositories that are queued or with a worker.
func (n *node) underWay(repositories ...string) int {
	n.t.Helper()
	jobs, _, err := n.Jobs(n.ctx(), ci.JobFilter{States: []ci.State{ci.Queued, ci.Received, ci.Started}, Page: ci.Page{Limit: 100}})
	n.ok(err)
	return len(slices.DeleteFunc(jobs, func(j ci.Job) bool { return !slices.Contains(repositories, j.Slug) }))
}

func testOwnersTakeTurns(t *testing.T, n *node) {
	n.jobs("big/a", 6)
	n.jobs("big/b", 6)
	n.jobs("small/c", 6)
	n.worker("w", 7)
	equal(t, "turns", "big/a small/c big/b small/c big/a small/c big/b small/c", slugs(n.queueAll()))
}

// manyJobs makes builds of 20 jobs.
func (n *node) manyJobs(slug string, count int) []ci.Job {
	n.t.Helper()
	r := n.repository(slug)
	var all []ci.Job
	for len(all) < count {
		all = append(all, n.build(r.ID, plan{jobs: slices.Repeat([]ci.NewJob{job(-1)}, min(20, count-len(all)))}).Jobs...)
	}
	return all
}

func testOneAmongThousand(t *testing.T, n *node) {
	many := n.manyJobs("many/app", 1000)
	n.worker("w", 2)
	n.queueAll()
	n.jobs("one/app", 1)
	for i, want := range []string{"", "one/app", "many/app"} {
		if i > 0 {
			equal(t, fmt.Sprintf("round %d", i), want, slugs(n.queueAll()))
		}
		n.report(n.claim(many[i].ID, "w", fmt.Sprint(i)), ci.Passed)
	}
}

func testPrioritize(t *testing.T, n *node) {
	many := n.manyJobs("many/app", 1000)
	n.jobs("one/app", 1)
	n.worker("w", 1)
	n.queueAll()
	n.ok(n.PrioritizeJob(n.ctx(), many[900].ID))
	n.report(n.claim(many[0].ID, "w", "a"), ci.Passed)
	next := n.queueAll()
	equal(t, "jobs", 1, len(next))
	equal(t, "next", many[900].ID, next[0].ID)
	n.ok(n.PrioritizeBuild(n.ctx(), many[500].BuildID))
	n.report(n.claim(many[900].ID, "w", "b"), ci.Passed)
	equal(t, "next", many[500].BuildID, n.queueAll()[0].BuildID)
	equal(t, "priority", 1, n.job(many[519].ID).Priority)
	equal(t, "priority of another", 0, n.job(many[520].ID).Priority)
}

func testPrioritizeEnds(t *testing.T, n *node) {
	j := n.jobs("acme/app", 1)[0]
	n.ok(n.PrioritizeJob(n.ctx(), j.ID))
	n.finish(j.ID, ci.Failed)
	moved, err := n.RestartJob(n.ctx(), j.ID, "ines")
	n.ok(err)
	equal(t, "priority", 0, moved[0].Job.Priority)
	equal(t, "priority as stored", 0, n.job(j.ID).Priority)
}

func testPrioritizeWhat(t *testing.T, n *node) {
	j := n.jobs("acme/app", 1)[0]
	n.finish(j.ID, ci.Passed)
	equal(t, "job that ended", fault.Conflict, fault.CodeOf(n.PrioritizeJob(n.ctx(), j.ID)))
	equal(t, "build that ended", fault.Conflict, fault.CodeOf(n.PrioritizeBuild(n.ctx(), j.BuildID)))
	equal(t, "no job", fault.NotFound, fault.CodeOf(n.PrioritizeJob(n.ctx(), 999)))
	equal(t, "no build", fault.NotFound, fault.CodeOf(n.PrioritizeBuild(n.ctx(), 999)))
}

// testLimitOverNodes: two nodes hand out 500 jobs of one owner to 8 workers, three at a time. What ran beside what is read
// off the times of the attempts afterwards: a clock that moves with each look at it says exactly what came before what.
func testLimitOverNodes(t *testing.T, n *node) {
	const count, most = 500, 3
	var ticks atomic.Int64
	start := n.clock.now()
	config := store.Config{OwnerConcurrency: most, Keys: n.keys, Now: func() time.Time {
		return start.Add(time.Duration(ticks.Add(1)) * time.Microsecond)
	}}
	nodes := []*node{{Store: n.open(config), t: t}, {Store: n.open(config), t: t}}
	all := append(n.manyJobs("acme/app", count/2), n.manyJobs("acme/lib", count/2)...)
	for i := range 8 {
		n.worker(fmt.Sprint("w", i), 1)
	}
	handed, ended := make(chan ci.Job, count), make(chan struct{}, count)
	wakes := []chan struct{}{make(chan struct{}, count), make(chan struct{}, count)}
	var workers, hands sync.WaitGroup
	for i := range 8 {
		workers.Go(func() {
			for j := range handed {
				nodes[i%2].runTrivial(j, fmt.Sprint("w", i))
				ended <- struct{}{}
				wakes[0] <- struct{}{}
				wakes[1] <- struct{}{}
			}
		})
	}
	for i, m := range nodes {
		hands.Go(func() {
			for {
				jobs, _, err := m.QueueJobs(m.ctx(), 100, encode)
				if err != nil {
					t.Errorf("queue jobs: %v", err)
				}
				for _, j := range jobs {
					handed <- j
				}
				if _, more := <-wakes[i]; !more {
					return
				}
			}
		})
	}
	for range count {
		<-ended
	}
	close(handed)
	workers.Wait()
	close(wakes[0])
	close(wakes[1])
	hands.Wait()
	equal(t, "most at a time", most, n.mostAtATime(all))
}

// runTrivial claims, starts and ends a job.
func (n *node) runTrivial(j ci.Job, worker string) {
	ref := ci.RunRef{JobID: j.ID, Attempt: j.Attempt, Run: "run"}
	_, _, err := n.ClaimAttempt(n.ctx(), ci.Claim{JobID: j.ID, Attempt: j.Attempt, Run: "run", WorkerID: worker})
	if err == nil {
		_, err = n.Report(n.ctx(), ci.StateReport{RunRef: ref, State: ci.Started}, 3)
	}
	if err == nil {
		_, err = n.Report(n.ctx(), ci.StateReport{RunRef: ref, State: ci.Passed}, 3)
	}
	if err != nil {
		n.t.Errorf("run job %d: %v", j.ID, err)
	}
}

// mostAtATime is how many of the jobs were queued or with a worker at the same time.
func (n *node) mostAtATime(all []ci.Job) int {
	n.t.Helper()
	type step struct {
		at time.Time
		by int
	}
	var steps []step
	for _, j := range all {
		attempts, err := n.Attempts(n.ctx(), j.ID)
		n.ok(err)
		for _, a := range attempts {
			if a.State != ci.Passed {
				n.t.Fatalf("attempt %d of job %d is %s", a.Number, a.JobID, a.State)
			}
			steps = append(steps, step{a.QueuedAt, 1}, step{a.FinishedAt, -1})
		}
	}
	slices.SortFunc(steps, func(a, b step) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.by, b.by)) })
	now, most := 0, 0
	for _, s := range steps {
		now += s.by
		most = max(most, now)
	}
	return most
}
