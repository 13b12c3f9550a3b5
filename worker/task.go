package worker

import (
	"context"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/worker/spool"
)

// task is one run of a job, from the claim until the platform has stored its end.
type task struct {
	key     broker.Run
	job     broker.Job
	foreign bool // the platform speaks only the original protocol
	tape    *spool.Tape
	since   time.Time
	box     *seal.Letterbox // of the question whether it may run
	secrets []broker.EnvVar // from the answer
	trouble string          // why the secrets are not there
	caches  *broker.Caches  // from the answer; nil: none

	ctx context.Context //nolint:containedctx // it is the life of the run: it ends once, with an *ending as its cause
	die context.CancelCauseFunc

	mu      sync.Mutex
	claimed bool
	last    string // the last state that was reported
	reports int
	started *time.Time
}

func (w *Worker) newTask(job broker.Job) *task {
	t := &task{job: job, foreign: job.Headrace == nil, since: time.Now(), reports: job.Meta.StateUpdateCount}
	form := spool.Headrace
	if t.foreign {
		form, t.claimed = spool.Foreign, true
	} else {
		t.key.Attempt = job.Headrace.Attempt
	}
	t.key.JobID = job.Job.ID
	if t.foreign {
		t.key.Run = newUUID()
	} else {
		q := w.claims.run(attempt{t.key.JobID, t.key.Attempt})
		t.key.Run, t.box = q.run, q.box
	}
	t.tape = w.spool.Open(t.key, form)
	t.ctx, t.die = context.WithCancelCause(context.Background())
	return t
}

// end makes the run end this way, unless it ends already.
func (t *task) end(e *ending) { t.die(e) }

// ending is how the run was made to end, nil while it was not.
func (t *task) ending() *ending {
	e, _ := context.Cause(t.ctx).(*ending) //nolint:errorlint // the cause is exactly what end gave
	return e
}

func (t *task) setClaimed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.claimed = true
}

// standing says whether the platform has granted the run, and its last state once that is reported.
func (t *task) standing() (claimed bool, last string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.claimed, t.last
}

// report makes the next state report of the run.
func (t *task) report(workerID, state string, o outcome) broker.StateReport {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now().UTC()
	received := t.since.UTC()
	r := broker.StateReport{
		ID: t.key.JobID, State: state, ReceivedAt: &received,
		Meta: broker.ReportMeta{StateUpdateCount: t.reports, UUID: t.key.Run, InstanceID: o.instance},
	}
	if !t.job.Job.QueuedAt.IsZero() {
		queued := t.job.Job.QueuedAt
		r.QueuedAt = &queued
	}
	t.reports++
	switch state {
	case stateReceived:
	case stateStarted:
		t.started = &now
	default:
		t.last, r.FinishedAt = state, &now
	}
	r.StartedAt = t.started
	if t.foreign {
		return inTheirWords(r)
	}
	r.Headrace = &broker.StateExtra{Attempt: t.key.Attempt, Worker: workerID, ExitCode: o.code, Reason: o.reason, Note: o.note}
	return r
}
