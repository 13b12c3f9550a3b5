package ci

import (
	"fmt"
	"time"

	"github.com/headrace/headrace/internal/fault"
)

// MaxTries is the default of limits.attempts: how often a job is begun before a lost worker makes it errored.
const MaxTries = 3

// EventKind is what may happen to a job.
type EventKind string

// The events of a job.
const (
	// JobQueue: it is handed to the broker.
	JobQueue EventKind = "queue"
	// JobUnqueue: it is taken back from the broker, because no worker is there or its queue is paused.
	JobUnqueue EventKind = "unqueue"
	// JobClaim: a worker asks to own the current attempt.
	JobClaim EventKind = "claim"
	// JobStart: its owner runs the script.
	JobStart EventKind = "start"
	// JobFinish: its owner says how it ended.
	JobFinish EventKind = "finish"
	// JobCancel: someone, or a rule, cancels it.
	JobCancel EventKind = "cancel"
	// JobRestart: someone restarts it.
	JobRestart EventKind = "restart"
	// JobReset: its owner gives it back.
	JobReset EventKind = "reset"
	// JobLose: its owner is lost.
	JobLose EventKind = "lose"
)

// JobEvent is something that happens to a job.
type JobEvent struct {
	Kind EventKind
	At   time.Time
	// Attempt and Run are those that a worker speaks of; checked for claim, start, finish, reset and lose.
	Attempt int
	Run     string
	Worker  string // name, of a claim
	// Result, Reason and ExitCode are of a finish; Reason also of a cancel.
	Result   State
	Reason   Reason
	ExitCode *int
	// By is the login of who canceled or restarted.
	By string
	// MaxTries bounds the attempts of a reset or loss; 0 means [MaxTries].
	MaxTries int
}

// Refusals of [Job.After], to be matched with errors.Is.
var (
	// ErrStale: the event speaks of an attempt or a run that is not the current one.
	ErrStale = fault.New(fault.Conflict, "This attempt of the job is over; another one has taken its place.")
	// ErrOwned: another run owns the attempt.
	ErrOwned = fault.New(fault.Conflict, "Another worker owns this attempt of the job.")
	// ErrNotQueued: the job is not waiting for a worker.
	ErrNotQueued = fault.New(fault.Conflict, "This job is not waiting for a worker.")
	// ErrPaused: the job's queue hands out nothing.
	ErrPaused = fault.New(fault.Conflict, "The queue of this job is paused; it is handed out again when that is over.")
	// ErrNotCancelable: the job has ended.
	ErrNotCancelable = fault.New(fault.Conflict, "This job has ended already; it cannot be canceled.").Named("job_not_cancelable")
	// ErrBeatStored: the heartbeat, or a later one of the same worker, is stored already; there is nothing to say to the worker.
	ErrBeatStored = fault.New(fault.Conflict, "This heartbeat is stored already.")
	// ErrRunning: the job has not ended.
	ErrRunning = fault.New(fault.Conflict, "This job has not ended yet; cancel it first, or wait.").Named("job_already_running")
)

// After returns the job as it is after the event, or why the event is refused. Asking twice for the same claim, start or
// finish gives the same job again: changed is false then.
func (j Job) After(e JobEvent) (next Job, changed bool, err error) {
	next = j
	next.UpdatedAt = e.At
	switch e.Kind {
	case JobQueue:
		if j.State != Created {
			return j, false, fault.New(fault.Conflict, "Job %s is %s; only a created job can be queued.", j.Number(), j.State)
		}
		next.State, next.QueuedAt = Queued, e.At
		return next, true, nil
	case JobUnqueue:
		if j.State != Queued {
			return j, false, ErrNotQueued
		}
		next.State, next.QueuedAt = Created, time.Time{}
		return next, true, nil
	case JobClaim:
		return j.claim(next, e)
	case JobStart:
		return j.start(next, e)
	case JobFinish:
		return j.finish(next, e)
	case JobCancel:
		if j.State.Final() {
			return j, false, ErrNotCancelable
		}
		next.State, next.Reason, next.CanceledBy, next.FinishedAt = Canceled, e.Reason, e.By, e.At
		return next, true, nil
	case JobRestart:
		if !j.State.Final() {
			return j, false, ErrRunning
		}
		next = next.again()
		next.Tries, next.RestartedAt, next.RestartedBy = 1, e.At, e.By
		return next, true, nil
	case JobReset, JobLose:
		return j.giveBack(next, e)
	}
	return j, false, fmt.Errorf("job %s: unknown event %q", j.Number(), e.Kind)
}

func (j Job) claim(next Job, e JobEvent) (Job, bool, error) {
	switch {
	case e.Attempt != j.Attempt:
		return j, false, ErrStale
	case j.State.Owned() && j.Run == e.Run:
		return j, false, nil
	case j.State.Owned():
		return j, false, ErrOwned
	case j.State != Queued:
		return j, false, ErrNotQueued
	}
	next.State, next.Run, next.WorkerName, next.ReceivedAt = Received, e.Run, e.Worker, e.At
	return next, true, nil
}

// owned says whether the event comes from the owner of the current attempt.
func (j Job) owned(e JobEvent) error {
	if e.Attempt != j.Attempt || e.Run != j.Run || !j.State.Owned() {
		return ErrStale
	}
	return nil
}

func (j Job) start(next Job, e JobEvent) (Job, bool, error) {
	if err := j.owned(e); err != nil {
		return j, false, err
	}
	if j.State == Started {
		return j, false, nil
	}
	next.State, next.StartedAt = Started, e.At
	return next, true, nil
}

func (j Job) finish(next Job, e JobEvent) (Job, bool, error) {
	if !e.Result.Final() {
		return j, false, fault.New(fault.Invalid, "A job cannot finish as %q.", e.Result)
	}
	if e.Attempt == j.Attempt && e.Run == j.Run && j.State == e.Result {
		return j, false, nil
	}
	if err := j.owned(e); err != nil {
		return j, false, err
	}
	next.State, next.Reason, next.ExitCode, next.FinishedAt = e.Result, e.Reason, e.ExitCode, e.At
	if next.StartedAt.IsZero() && e.Result != Canceled {
		next.StartedAt = e.At // its start was lost or overtaken on the way
	}
	return next, true, nil
}

func (j Job) giveBack(next Job, e JobEvent) (Job, bool, error) {
	if err := j.owned(e); err != nil {
		return j, false, err
	}
	most := e.MaxTries
	if most <= 0 {
		most = MaxTries
	}
	if j.Tries >= most {
		next.State, next.FinishedAt = Errored, e.At
		next.Reason = ReasonWorkerLost
		if e.Kind == JobReset {
			next.Reason = ReasonWorkerReset
		}
		return next, true, nil
	}
	next = next.again()
	next.Tries = j.Tries + 1
	return next, true, nil
}

// again returns the job at the beginning of its next attempt.
func (j Job) again() Job {
	j.State, j.Reason, j.ExitCode, j.CanceledBy = Created, NoReason, nil, ""
	j.Attempt++
	j.Run, j.WorkerName = "", ""
	j.QueuedAt, j.ReceivedAt, j.StartedAt, j.FinishedAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	return j
}
