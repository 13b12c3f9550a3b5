package citest

import (
	"slices"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// What the settings of platform/store, platform/hub and platform/dispatch are by default.
const (
	lease       = 15 * time.Second
	settleTime  = 30 * time.Second
	quiet       = 30 * time.Second
	outboxLease = 30 * time.Second
	requeueIdle = 30 * time.Second
	longAgo     = -time.Duration(1 << 60)
)

// database is the store: rows, and the transactions on them. Each method is one transaction at the time now of the clock of
// the node that asks.
type database struct {
	w       *world
	up      bool
	flaky   float64       // chance that a transaction fails, half of them after the commit
	offset  time.Duration // of the database's clock
	builds  []*build
	jobs    []*job // id - 1 is the index
	outbox  []*outgoing
	nextOut int
	workers []*workerRow

	hearing ci.Hearing
	counter time.Duration // the time heard: what counts of hearing
	heard   time.Time
}

type build struct {
	ci.Build
	jobs []*job
}

type job struct {
	ci.Job
	ready    bool
	build    *build
	attempts []*attempt
}

func (j *job) attempt(number int) *attempt {
	if number < 1 || number > len(j.attempts) {
		return nil
	}
	return j.attempts[number-1]
}

type attempt struct {
	number     int
	state      ci.State
	reason     ci.Reason
	run        string
	worker     string // id
	unclaimed  bool   // its worker does not claim
	offer      int    // the attempt of the message that an unclaimed run was given
	heard      time.Duration
	finishedAt time.Time
	ended      time.Duration // when, in the time heard
	log        *logRow
}

type workerRow struct {
	id, home   string
	generation int
	slots      int
	draining   bool
	replaced   bool
	sequence   int
	heard      time.Duration
}

type outgoing struct {
	id, attempt int
	job         *job
	due, sent   time.Time // sent zero: not yet
}

// epoch is when virtual time begins.
func epoch() time.Time { return time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC) }

// tx is a build that a transaction holds, as platform/store's held is.
type tx struct {
	d      *database
	now    time.Time
	b      *build
	jobs   []ci.Job
	events []ci.JobEvent // by job; no kind: none
}

func (d *database) hold(now time.Time, b *build) *tx {
	t := &tx{d: d, now: now, b: b, jobs: make([]ci.Job, len(b.jobs)), events: make([]ci.JobEvent, len(b.jobs))}
	for i, j := range b.jobs {
		t.jobs[i] = j.Job
	}
	return t
}

func (d *database) holdJob(now time.Time, id int64) (*tx, int) {
	j := d.jobs[id-1]
	return d.hold(now, j.build), slices.Index(j.build.jobs, j)
}

func (t *tx) apply(i int, e ci.JobEvent) (changed bool, err error) {
	e.At = t.now
	next, changed, err := t.jobs[i].After(e)
	if err != nil || !changed {
		return false, err
	}
	t.jobs[i], t.events[i] = next, e
	return true, nil
}

// settle drops the jobs that may not run any more.
func (t *tx) settle() {
	_, dropped := ci.StageGate(t.jobs)
	for _, i := range dropped {
		if _, err := t.apply(i, ci.JobEvent{Kind: ci.JobCancel, Reason: ci.ReasonStage}); err != nil {
			t.d.w.check.fail("the stages drop job %d, which is %s: %v", t.jobs[i].ID, t.jobs[i].State, err)
		}
	}
}

// save commits.
func (t *tx) save() {
	t.settle()
	open, _ := ci.StageGate(t.jobs)
	for i, j := range t.b.jobs {
		was := j.Job
		j.ready = t.jobs[i].StageNumber == open
		if t.events[i].Kind == "" {
			continue
		}
		t.d.w.check.moved(was, t.jobs[i], t.events[i])
		j.Job = t.jobs[i]
		t.saveAttempts(j, was, t.events[i])
		if was.State == ci.Queued {
			t.d.outbox = slices.DeleteFunc(t.d.outbox, func(o *outgoing) bool { return o.job == j })
		}
	}
	p := ci.BuildProgress(t.jobs, t.b.FastFinish)
	t.d.w.check.build(t.b.Build, p, t.jobs)
	t.b.State, t.b.StartedAt, t.b.FinishedAt = p.State, p.StartedAt, p.FinishedAt
}

// saveAttempts ends the attempt that was taken from its worker, and lets the current one say what the job says.
func (t *tx) saveAttempts(j *job, was ci.Job, e ci.JobEvent) {
	if old := j.attempt(was.Attempt); j.Attempt != was.Attempt && !was.State.Final() {
		old.state, old.reason, old.finishedAt, old.ended = ci.Errored, ci.ReasonWorkerReset, t.now, t.d.counter
		if e.Kind == ci.JobLose {
			old.reason = ci.ReasonWorkerLost
		}
		old.log.end(e.Kind == ci.JobLose)
	}
	if len(j.attempts) < j.Attempt {
		j.attempts = append(j.attempts, &attempt{number: j.Attempt})
	}
	a := j.attempt(j.Attempt)
	if j.State.Final() && !a.state.Final() {
		a.ended = t.d.counter
	}
	a.state, a.reason, a.run, a.finishedAt = j.State, j.Reason, j.Run, j.FinishedAt
	if j.State.Final() {
		a.log.end(j.Run == "" || e.Kind == ci.JobLose)
	}
	t.d.w.check.owners(j)
}

// claim gives an attempt to a run.
func (d *database) claim(now time.Time, c claim) error {
	if d.takeBack(now, c) {
		return ci.ErrStale
	}
	t, i := d.holdJob(now, c.job)
	changed, err := t.apply(i, ci.JobEvent{Kind: ci.JobClaim, Attempt: c.attempt, Run: c.run, Worker: c.worker})
	if err != nil {
		d.w.check.refused(c, err)
		return err
	}
	a := d.jobs[c.job-1].attempt(c.attempt)
	if changed {
		t.save()
		a.log = newLog(now)
		a.worker, a.heard = c.worker, d.counter
		if w := d.worker(c.worker); w != nil && w.replaced {
			a.heard = w.heard
		}
	}
	return nil
}

// report stores what a worker says about an attempt.
func (d *database) report(now time.Time, r report) (stale bool) {
	t, i := d.holdJob(now, r.job)
	e := ci.JobEvent{Attempt: r.attempt, Run: r.run, Result: r.state}
	if d.w.cures.broken == noOwnerCheck {
		e.Attempt, e.Run = t.jobs[i].Attempt, t.jobs[i].Run
	}
	switch {
	case r.reset:
		e.Kind = ci.JobReset
	case r.state == ci.Started:
		e.Kind = ci.JobStart
	default:
		e.Kind = ci.JobFinish
	}
	changed, err := t.apply(i, e)
	if changed {
		t.save()
	}
	return err != nil
}

// cancel cancels jobs of a build; nil: all. It returns the runs that a worker may be at.
func (d *database) cancel(now time.Time, b *build, only *job) []runRef {
	t := d.hold(now, b)
	var runs []runRef
	changed := false
	for i, j := range b.jobs {
		if only != nil && j != only || j.State.Final() {
			continue
		}
		if _, err := t.apply(i, ci.JobEvent{Kind: ci.JobCancel, Reason: ci.ReasonUser, By: "ines"}); err == nil {
			changed = true
			if j.State.Owned() {
				runs = append(runs, runRef{j.ID, j.Attempt, j.Run})
			}
		}
	}
	if changed {
		t.save()
	}
	return runs
}

// restart begins the next attempt of a job, or of every job of a build.
func (d *database) restart(now time.Time, b *build, only *job) {
	t := d.hold(now, b)
	first := -1
	for i, j := range b.jobs {
		after := only != nil && j.StageNumber > only.StageNumber && j.State == ci.Canceled && j.Reason == ci.ReasonStage
		if only != nil && j != only && !after {
			continue
		}
		if _, err := t.apply(i, ci.JobEvent{Kind: ci.JobRestart, By: "ines"}); err != nil {
			return
		}
		if first < 0 || j == only {
			first = i
		}
	}
	if t.settle(); first < 0 || t.jobs[first].State.Final() {
		return
	}
	t.save()
}
