package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

var lifeTests = map[string]func(*testing.T, *node){
	"what SQL holds follows the rules step by step": testLife,
}

func contextWithCancel(n *node) (context.Context, context.CancelFunc) {
	return context.WithCancel(n.ctx())
}

// model is a build as the pure rules have it.
type model struct {
	made  ci.Build
	list  []ci.Job
	ended int // how often the build ended
}

// after lets an event happen to a job, and drops what its stage does not let run.
func (m *model) after(i int, e ci.JobEvent) error {
	next, changed, err := m.list[i].After(e)
	if err != nil || !changed {
		return err
	}
	m.list[i] = next
	m.settle(e.At)
	return nil
}

func (m *model) settle(now time.Time) {
	_, dropped := ci.StageGate(m.list)
	for _, i := range dropped {
		m.list[i], _, _ = m.list[i].After(ci.JobEvent{Kind: ci.JobCancel, Reason: ci.ReasonStage, At: now})
	}
}

// life is a random life of a build in SQL and in the model.
type life struct {
	*node
	*model
	random *rand.Rand
	runs   int
}

func testLife(t *testing.T, n *node) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	n.worker("w", 1000)
	for round := range 3 {
		l := &life{node: n, random: random, model: newModel(n, random, round)}
		for step := range 50 {
			n.clock.pass(time.Duration(1+random.IntN(1000)) * time.Millisecond)
			what := l.step()
			l.compare(fmt.Sprintf("round %d, step %d, %s", round, step, what))
		}
		_, _, err := n.CancelBuild(n.ctx(), l.made.ID, "end")
		if err != nil && !fault.Is(err, fault.Conflict) {
			t.Fatal(err)
		}
	}
}

func newModel(n *node, random *rand.Rand, round int) *model {
	stages := []string{"a", "b", "c"}[:random.IntN(4)]
	var jobs []ci.NewJob
	for range 1 + random.IntN(6) {
		j := job(-1)
		if len(stages) > 0 {
			j = job(random.IntN(len(stages)))
		}
		j.AllowFailure = random.IntN(4) == 0
		jobs = append(jobs, j)
	}
	b := n.build(n.repository(fmt.Sprintf("acme/life%d", round)).ID, plan{stages: stages, jobs: jobs, fastFinish: random.IntN(2) == 0})
	return &model{made: b, list: slices.Clone(b.Jobs)}
}

// step does one thing to SQL and the same to the model, and says what; it fails when only one of them refuses.
func (l *life) step() string {
	i := l.random.IntN(len(l.list))
	j, now := l.list[i], l.clock.now()
	switch l.random.IntN(10) {
	case 0, 1:
		l.queueAll()
		open, _ := ci.StageGate(l.list)
		for k, job := range l.list {
			if job.State == ci.Created && job.StageNumber == open {
				l.ok(l.after(k, ci.JobEvent{Kind: ci.JobQueue, At: now}))
			}
		}
		return "queue"
	case 2, 3, 4:
		l.runs++
		run := fmt.Sprint("run ", l.runs)
		_, _, err := l.ClaimAttempt(l.ctx(), ci.Claim{JobID: j.ID, Attempt: j.Attempt, Run: run, WorkerID: "w", Worker: "w"})
		return l.same("claim", err, l.after(i, ci.JobEvent{Kind: ci.JobClaim, Attempt: j.Attempt, Run: run, Worker: "w", At: now}))
	case 5:
		return l.reported("start", i, ci.StateReport{State: ci.Started}, ci.JobEvent{Kind: ci.JobStart})
	case 6, 7:
		results := []ci.State{ci.Passed, ci.Passed, ci.Failed, ci.Errored, ci.Canceled}
		result := results[l.random.IntN(len(results))]
		return l.reported("finish "+string(result), i, ci.StateReport{State: result}, ci.JobEvent{Kind: ci.JobFinish, Result: result})
	case 8:
		if l.random.IntN(2) == 0 {
			return l.reported("reset", i, ci.StateReport{Reset: true}, ci.JobEvent{Kind: ci.JobReset})
		}
		_, _, err := l.CancelJob(l.ctx(), j.ID, "ines")
		return l.same("cancel", err, l.after(i, ci.JobEvent{Kind: ci.JobCancel, Reason: ci.ReasonUser, By: "ines", At: now}))
	default:
		return l.restart(i, now)
	}
}

func (l *life) reported(what string, i int, r ci.StateReport, e ci.JobEvent) string {
	l.t.Helper()
	j := l.list[i]
	r.RunRef = ci.RunRef{JobID: j.ID, Attempt: j.Attempt, Run: j.Run}
	e.Attempt, e.Run, e.At, e.MaxTries = j.Attempt, j.Run, l.clock.now(), 3
	m, err := l.Report(l.ctx(), r, 3)
	l.ok(err)
	modelErr := l.after(i, e)
	equal(l.t, what+": stale", errors.Is(modelErr, ci.ErrStale), m.Stale)
	if m.BuildEnded {
		l.ended++
	}
	return what
}

func (l *life) restart(i int, now time.Time) string {
	before := slices.Clone(l.list)
	err := l.restartModel(i, now)
	if err != nil {
		l.list = before
	}
	_, sqlErr := l.RestartJob(l.ctx(), l.list[i].ID, "omar")
	return l.same("restart", sqlErr, err)
}

func (l *life) restartModel(i int, now time.Time) error {
	again := ci.JobEvent{Kind: ci.JobRestart, By: "omar", At: now}
	for k, j := range l.list {
		behind := j.StageNumber > l.list[i].StageNumber && j.State == ci.Canceled && j.Reason == ci.ReasonStage
		if k != i && !behind {
			continue
		}
		next, _, err := j.After(again)
		if err != nil {
			return err
		}
		l.list[k] = next
	}
	l.settle(now)
	if l.list[i].State.Final() {
		return errors.New("an earlier stage did not pass")
	}
	return nil
}

func (l *life) same(what string, sql, model error) string {
	l.t.Helper()
	if (sql == nil) != (model == nil) {
		l.t.Fatalf("%s: SQL says %v, the rules say %v", what, sql, model)
	}
	return what
}

// compare checks that SQL holds what the rules say.
func (l *life) compare(when string) {
	l.t.Helper()
	got, err := l.Build(l.ctx(), l.made.ID)
	l.ok(err)
	if diff := cmp.Diff(l.list, got.Jobs); diff != "" {
		l.t.Fatalf("%s: %s", when, diff)
	}
	want := ci.BuildProgress(l.list, l.made.FastFinish)
	if diff := cmp.Diff(want, ci.Progress{State: got.State, StartedAt: got.StartedAt, FinishedAt: got.FinishedAt}); diff != "" {
		l.t.Fatalf("%s: build: %s", when, diff)
	}
	for _, stage := range got.Stages {
		own := slices.DeleteFunc(slices.Clone(l.list), func(j ci.Job) bool { return j.StageNumber != stage.Number })
		if diff := cmp.Diff(ci.StageProgress(own), ci.Progress{State: stage.State, StartedAt: stage.StartedAt, FinishedAt: stage.FinishedAt}); diff != "" {
			l.t.Fatalf("%s: stage %d: %s", when, stage.Number, diff)
		}
	}
	l.compareAttempts(when)
}

func (l *life) compareAttempts(when string) {
	l.t.Helper()
	for _, j := range l.list {
		all, err := l.Attempts(l.ctx(), j.ID)
		l.ok(err)
		equal(l.t, when+": attempts", j.Attempt, len(all))
		last := all[len(all)-1]
		equal(l.t, when+": state of the attempt", j.State, last.State)
		equal(l.t, when+": run of the attempt", j.Run, last.Run)
		for _, a := range all[:len(all)-1] {
			equal(l.t, when+": an earlier attempt has ended", true, a.State.Final() && !a.FinishedAt.IsZero())
		}
	}
}
