package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/ci/citest"
)

// modelTests let the same happen to the store and to the model at random, and find them equal after each step: a test for
// each seed, with a database of its own.
func modelTests() map[string]func(*testing.T, *node) {
	seeds := 6
	if os.Getenv("HEADRACE_VERIFY") == "1" {
		seeds = 30
	}
	tests := map[string]func(*testing.T, *node){}
	for seed := range seeds {
		tests[fmt.Sprint("the store is equal to it with seed ", seed+1)] = func(t *testing.T, n *node) {
			p := newPair(t, uint64(seed+1), n, n.another())
			for range 300 {
				p.step()
			}
		}
	}
	return tests
}

// pair is a store, through two nodes, and the model of it. Whatever happens to one happens to the other.
type pair struct {
	t       *testing.T
	rng     *rand.Rand
	nodes   []*node
	model   *citest.Model
	build   int64
	first   int64 // id of the first job; the model counts from 1
	run     int   // counts runs
	jobs    int
	workers []ci.Heartbeat
	runs    []ci.RunRef // those that asked, by the ids of the model
	done    []string
}

func newPair(t *testing.T, seed uint64, nodes ...*node) *pair {
	t.Helper()
	p := &pair{t: t, rng: rand.New(rand.NewPCG(seed, 3)), nodes: nodes} //nolint:gosec // it must be the same each time
	p.jobs = 2 + p.rng.IntN(4)
	stages, stage := p.rng.IntN(3), 1
	plan := plan{fastFinish: p.rng.IntN(3) == 0}
	var numbers []int
	for range stages {
		plan.stages = append(plan.stages, fmt.Sprint("stage ", len(plan.stages)+1))
	}
	for range p.jobs {
		at := 0
		if stages > 0 {
			at = stage
			stage = min(stages, stage+p.rng.IntN(2))
		}
		numbers = append(numbers, at)
		plan.jobs = append(plan.jobs, job(at-1))
	}
	plan.stages = plan.stages[:max(0, numbers[p.jobs-1])] // no empty ones
	n := nodes[0]
	b := n.build(n.repository("acme/model").ID, plan)
	p.build, p.first = b.ID, b.Jobs[0].ID
	p.model = citest.NewModel(plan.fastFinish, numbers...)
	for i := range 2 {
		p.workers = append(p.workers, ci.Heartbeat{Home: fmt.Sprint("home ", i), Queue: queue, Slots: 2})
		p.boot(i)
	}
	return p
}

// boot begins the next process of a worker.
func (p *pair) boot(i int) {
	w := &p.workers[i]
	w.Generation++
	w.WorkerID, w.Sequence = fmt.Sprint(w.Home, ".", w.Generation), 0
}

func (p *pair) now() time.Time { return p.nodes[0].clock.now() }

// node is one of the two, at random.
func (p *pair) node() (int, *node) {
	i := p.rng.IntN(2)
	return i, p.nodes[i]
}

// stored is a run as the store knows it.
func (p *pair) stored(r ci.RunRef) ci.RunRef {
	r.JobID += p.first - 1
	return r
}

// step lets something happen, on one of the nodes, and compares.
func (p *pair) step() {
	p.t.Helper()
	steps := []func(*node) string{
		p.queueJobs, p.queueJobs, p.claim, p.claim, p.claim, p.report, p.report, p.report, p.report, p.append, p.append, p.append, p.append, p.append,
		p.beat, p.beat, p.beat, p.hear, p.hear, p.hear, p.restartWorker, p.cancel, p.restart, p.closeLogs, p.reap, p.reap,
	}
	i, n := p.node()
	n.clock.pass(time.Duration(p.rng.IntN(3000)) * time.Millisecond)
	did := fmt.Sprintf("node %d: %s", i, steps[p.rng.IntN(len(steps))](n))
	p.done = append(p.done, did)
	if diff := cmp.Diff(p.model.Text(), p.text(n)); diff != "" {
		p.t.Fatalf("after\n%s\nthe store differs (-model +store):\n%s", strings.Join(p.done, "\n"), diff)
	}
}

// same ends the test when store and model answer differently.
func (p *pair) same(what string, model, store any) {
	p.t.Helper()
	if diff := cmp.Diff(model, store); diff != "" {
		p.t.Fatalf("after\n%s\nthe answers to %s differ (-model +store):\n%s", strings.Join(p.done, "\n"), what, diff)
	}
}

func (p *pair) queueJobs(n *node) string {
	p.model.QueueJobs(p.now())
	n.queueAll()
	return "queue jobs"
}

// someJob is the id of a job as the model knows it, and the number of an attempt, mostly its current one.
func (p *pair) someJob(n *node) (id int64, attempt int) {
	id = 1 + p.rng.Int64N(int64(p.jobs))
	attempt = n.job(id + p.first - 1).Attempt
	if attempt > 1 && p.rng.IntN(4) == 0 {
		attempt--
	}
	return id, attempt
}

// someRun is one that asked before, mostly one of the last.
func (p *pair) someRun() ci.RunRef {
	if len(p.runs) == 0 {
		return ci.RunRef{JobID: 1, Attempt: 1, Run: "nobody's"}
	}
	if p.rng.IntN(3) > 0 {
		return p.runs[len(p.runs)-1-p.rng.IntN(min(3, len(p.runs)))]
	}
	return p.runs[p.rng.IntN(len(p.runs))]
}

func (p *pair) claim(n *node) string {
	r := p.someRun()
	if p.rng.IntN(4) > 0 {
		p.run++
		r.Run = fmt.Sprint("run ", p.run)
		r.JobID, r.Attempt = p.someJob(n)
		p.runs = append(p.runs, r)
	}
	w := p.workers[p.rng.IntN(2)]
	c := ci.Claim{JobID: r.JobID, Attempt: r.Attempt, Run: r.Run, WorkerID: w.WorkerID, Worker: w.Home}
	model := p.model.Claim(p.now(), c)
	c.JobID = p.stored(r).JobID
	_, _, err := n.ClaimAttempt(n.ctx(), c)
	did := fmt.Sprintf("%s claims %+v", w.WorkerID, r)
	p.same(did, refusal(model), refusal(err))
	return did
}

// refusal says in which of the ways a claim or a heartbeat was refused.
func refusal(err error) string {
	for _, known := range []error{ci.ErrStale, ci.ErrOwned, ci.ErrNotQueued, ci.ErrBeatStored} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return errorText(err)
}

func (p *pair) report(n *node) string {
	r := ci.StateReport{RunRef: p.someRun()}
	results := []ci.State{ci.Started, ci.Started, ci.Passed, ci.Failed, ci.Errored, ci.Canceled, ""}
	r.State = results[p.rng.IntN(len(results))]
	r.Reset = r.State == ""
	model := p.model.Report(p.now(), r)
	did := fmt.Sprintf("report %+v as %q", r.RunRef, r.State)
	r.RunRef = p.stored(r.RunRef)
	m, err := n.Report(n.ctx(), r, 3)
	n.ok(err)
	p.same(did, model, m.Stale)
	return did
}

func (p *pair) append(n *node) string {
	r := p.someRun()
	part := ci.LogPart{JobID: r.JobID, Attempt: r.Attempt, Run: r.Run, Source: ci.LogWorker, Number: p.rng.IntN(3), Content: []byte("x\n")}
	part.Final = part.Number == 2
	p.model.Append(p.now(), part)
	did := fmt.Sprintf("part %d of %+v", part.Number, r)
	part.JobID = p.stored(r).JobID
	_, err := n.AppendLog(n.ctx(), []ci.LogPart{part})
	n.ok(err)
	return did
}

func (p *pair) beat(n *node) string {
	b := &p.workers[p.rng.IntN(2)]
	if b.Sequence == 0 || p.rng.IntN(4) > 0 {
		b.Sequence++
	}
	b.Runs, b.Asking = nil, nil
	for range p.rng.IntN(4) {
		b.Runs = append(b.Runs, p.someRun())
	}
	for range p.rng.IntN(2) {
		b.Asking = append(b.Asking, p.someRun())
	}
	in := *b
	if p.rng.IntN(8) == 0 && in.Generation > 1 { // one of the process before
		in.Generation--
		in.WorkerID, in.Sequence = fmt.Sprint(in.Home, ".", in.Generation), 1000+b.Sequence
	}
	model, modelErr := p.model.Beat(in)
	did := fmt.Sprintf("heartbeat %d of %s with %v, asking for %v", in.Sequence, in.WorkerID, in.Runs, in.Asking)
	in.Runs, in.Asking = p.allStored(in.Runs), p.allStored(in.Asking)
	answers, err := n.Beat(n.ctx(), in)
	for i := range answers {
		answers[i].JobID -= p.first - 1
	}
	p.same(did, refusal(modelErr), refusal(err))
	if len(model)+len(answers) > 0 {
		p.same(did, model, answers)
	}
	return did
}

func (p *pair) allStored(runs []ci.RunRef) []ci.RunRef {
	stored := make([]ci.RunRef, len(runs))
	for i, r := range runs {
		stored[i] = p.stored(r)
	}
	return stored
}

// hear lets both nodes hear for a while, seldom after a gap; the clock has nothing to do with it.
func (p *pair) hear(n *node) string {
	if p.rng.IntN(10) == 0 {
		n.clock.pass(time.Duration(p.rng.IntN(3600)-3000) * time.Second)
	}
	for range p.rng.IntN(20) {
		for i, node := range p.nodes {
			if p.rng.IntN(3) == 0 {
				continue
			}
			gap := time.Duration(p.rng.IntN(2000)) * time.Millisecond
			if p.rng.IntN(200) == 0 {
				gap = time.Minute
			}
			name := fmt.Sprint("node ", i)
			p.model.Hear(node.Now(), name, gap)
			node.ok(node.Hear(node.ctx(), name, gap))
		}
	}
	return "hear"
}

func (p *pair) restartWorker(*node) string {
	if p.rng.IntN(4) > 0 {
		return "nothing"
	}
	i := p.rng.IntN(2)
	p.boot(i)
	return p.workers[i].WorkerID + " begins"
}

// jobOrBuild is a job, or 0 for the build.
func (p *pair) jobOrBuild() int64 { return p.rng.Int64N(int64(p.jobs) + 1) }

func (p *pair) cancel(n *node) string {
	if p.rng.IntN(3) > 0 {
		return "nothing"
	}
	id := p.jobOrBuild()
	p.model.Cancel(p.now(), id)
	// That it has ended already both know.
	if id == 0 {
		_, _, _ = n.CancelBuild(n.ctx(), p.build, "ines")
	} else {
		_, _, _ = n.CancelJob(n.ctx(), id+p.first-1, "ines")
	}
	return fmt.Sprintf("cancel job %d", id)
}

func (p *pair) restart(n *node) string {
	if p.rng.IntN(3) > 0 {
		return "nothing"
	}
	id := p.jobOrBuild()
	p.model.Restart(p.now(), id)
	if id == 0 {
		_, _ = n.RestartBuild(n.ctx(), p.build, "ines", false)
	} else {
		_, _ = n.RestartJob(n.ctx(), id+p.first-1, "ines")
	}
	return fmt.Sprintf("restart job %d", id)
}

func (p *pair) closeLogs(n *node) string {
	p.model.CloseLogs(p.now())
	_, err := n.CloseLogs(n.ctx(), 30*time.Second)
	n.ok(err)
	return "close logs"
}

func (p *pair) reap(n *node) string {
	p.model.Reap(p.now())
	n.reap()
	return "reap"
}

// text is what the store holds, as [citest.Model.Text] says it.
func (p *pair) text(n *node) string {
	p.t.Helper()
	b, err := n.Build(n.ctx(), p.build)
	n.ok(err)
	heard, err := n.Heard(n.ctx())
	n.ok(err)
	var text strings.Builder
	_, _ = fmt.Fprintf(&text, "build %s, heard %s", b.State, heard)
	for i, j := range b.Jobs {
		_, _ = fmt.Fprintf(&text, "\njob %d %s %s attempt %d tries %d run %q:", i+1, j.State, j.Reason, j.Attempt, j.Tries, j.Run)
		attempts, err := n.Attempts(n.ctx(), j.ID)
		n.ok(err)
		for _, a := range attempts {
			l, err := n.Log(n.ctx(), j.ID, a.Number)
			n.ok(err)
			_, _ = fmt.Fprintf(&text, " [%s %s %q, log to %d closed %v]", a.State, a.Reason, a.Run, l.Next, l.Closed)
		}
	}
	return text.String()
}
