package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// ClaimAttempt gives an attempt to the run that asks for it. The same question gets the same answer as often as it is
// asked. ci.ErrStale (also where the job is gone), ci.ErrOwned, ci.ErrNotQueued and ci.ErrPaused refuse. The job comes with its configuration.
// Where an unclaimed run holds the attempt, the claim shows that the broker took the delivery from it: the job goes on with
// its next attempt, moved says so, and the claim is refused as stale.
func (s *Store) ClaimAttempt(ctx context.Context, claim ci.Claim) (granted ci.Claimed, moved ci.Moved, err error) {
	if claim.Run == "" {
		return granted, moved, fault.New(fault.Invalid, "A claim needs the id of a run.")
	}
	taken := false  // from an unclaimed run
	paused := false // the job's queue
	err = s.write(ctx, fmt.Sprintf("claim job %d", claim.JobID), func(ctx context.Context, c conn) error {
		h, i, err := s.holdJob(ctx, c, claim.JobID)
		if err != nil {
			return gone(err)
		}
		if taken, err = h.takeBack(ctx, i, claim, s.config.MaxTries); err != nil || taken {
			moved = h.moved(i, true)
			return err
		}
		if paused, err = h.keepPaused(ctx, i, claim); err != nil || paused {
			moved = h.moved(i, true)
			return err
		}
		event := ci.JobEvent{Kind: ci.JobClaim, Attempt: claim.Attempt, Run: claim.Run, Worker: claim.Worker}
		changed, err := h.apply(i, event)
		if err != nil {
			return err
		}
		if changed {
			if err := h.claimed(ctx, claim); err != nil {
				return err
			}
		}
		granted, err = h.granted(ctx, claim)
		moved = h.moved(i, true)
		moved.Job.Config = granted.Job.Config
		return err
	})
	switch {
	case err == nil && taken:
		err = ci.ErrStale
	case err == nil && paused:
		err = ci.ErrPaused
	}
	return granted, moved, err
}

// keepPaused takes a job of a paused queue back that a worker asks for; its attempt begins when the queue is resumed.
func (h *held) keepPaused(ctx context.Context, i int, claim ci.Claim) (paused bool, err error) {
	j := h.jobs[i]
	if j.State != ci.Queued || j.Attempt != claim.Attempt {
		return false, nil
	}
	err = h.c.row(ctx, "SELECT EXISTS (SELECT 1 FROM queues WHERE name = $1 AND paused)", j.Queue).Scan(&paused)
	if err != nil || !paused {
		return false, err
	}
	if _, err := h.apply(i, ci.JobEvent{Kind: ci.JobUnqueue}); err != nil {
		return false, err
	}
	return true, h.save(ctx)
}

// takeBack takes the job from an unclaimed run whose delivery the broker has given to the worker that claims now. Who claims
// what was never delivered before has lost it itself, to that run.
func (h *held) takeBack(ctx context.Context, i int, claim ci.Claim, maxTries int) (bool, error) {
	if !claim.Redelivered {
		return false, nil
	}
	w, err := h.holder(ctx, i)
	if err != nil || !h.redelivered(i, w, claim.Attempt) {
		return false, err
	}
	return true, h.loseDelivery(ctx, i, maxTries)
}

// gone turns a missing job into a stale attempt.
func gone(err error) error {
	if errors.Is(err, errNoJob) {
		return ci.ErrStale
	}
	return err
}

func (h *held) claimed(ctx context.Context, claim ci.Claim) error {
	if err := h.save(ctx); err != nil {
		return err
	}
	_, err := h.c.exec(ctx, `UPDATE attempts SET worker_id = $3,
		heard = COALESCE((SELECT heard FROM workers WHERE id = $3 AND replaced), (SELECT counter FROM hearing WHERE id = 1))
		WHERE job_id = $1 AND number = $2`, claim.JobID, claim.Attempt, text(claim.WorkerID))
	if err != nil {
		return err
	}
	return openLog(ctx, h.c, claim.JobID, claim.Attempt, h.now)
}

func (h *held) granted(ctx context.Context, claim ci.Claim) (granted ci.Claimed, err error) {
	granted.Job, err = findJob(ctx, h.c, claim.JobID)
	if err != nil {
		return granted, err
	}
	err = h.c.row(ctx, "SELECT worker_next FROM logs WHERE job_id = $1 AND attempt = $2", claim.JobID, claim.Attempt).Scan(&granted.Next)
	return granted, err
}

// Report stores what a worker says about an attempt: started, ended, or given back. A report of another attempt or run
// than the current one changes nothing; the answer says that it is stale.
func (s *Store) Report(ctx context.Context, r ci.StateReport, maxTries int) (moved ci.Moved, err error) {
	event, err := eventOf(r, maxTries)
	if err != nil {
		return moved, err
	}
	err = s.write(ctx, fmt.Sprintf("store a report of job %d", r.JobID), func(ctx context.Context, c conn) error {
		moved = ci.Moved{Stale: true}
		h, i, err := s.holdJob(ctx, c, r.JobID)
		if errors.Is(err, errNoJob) {
			moved.Job.ID = r.JobID
			return nil
		}
		if err != nil {
			return err
		}
		if r.Reset {
			err = h.giveBack(ctx, i, event, resetNote(h, i, r.Note))
		} else {
			err = h.report(ctx, i, event, r.Note)
		}
		if errors.Is(err, ci.ErrStale) {
			moved.Job, moved.BuildState = h.was[i], h.build.State
			return nil
		}
		moved = h.moved(i, true)
		return err
	})
	return moved, err
}

func eventOf(r ci.StateReport, maxTries int) (ci.JobEvent, error) {
	e := ci.JobEvent{Attempt: r.Attempt, Run: r.Run, Result: r.State, Reason: r.Reason, ExitCode: r.ExitCode, MaxTries: maxTries}
	switch {
	case r.Reset:
		e.Kind = ci.JobReset
	case r.State == ci.Started:
		e.Kind = ci.JobStart
	case r.State.Final():
		e.Kind = ci.JobFinish
	default:
		return e, fault.New(fault.Invalid, "A worker cannot report the state %q.", r.State)
	}
	return e, nil
}

func (h *held) report(ctx context.Context, i int, e ci.JobEvent, note string) error {
	changed, err := h.apply(i, e)
	if err != nil || !changed {
		return err
	}
	h.notes[i] = note
	return h.save(ctx)
}

func resetNote(h *held, i int, note string) string {
	said := fmt.Sprintf("Worker %s gave the job back at %s", h.jobs[i].WorkerName, h.clock())
	if note = strings.TrimRight(strings.TrimSpace(note), "."); note != "" {
		said += ": " + note
	}
	return said + "."
}

// clock is the time as sentences say it.
func (h *held) clock() string { return h.now.Format("15:04") + " UTC" }

// giveBack takes the attempt from its worker. The logs of the attempt that ends and of the next one say why.
func (h *held) giveBack(ctx context.Context, i int, e ci.JobEvent, note string) error {
	was := h.jobs[i]
	changed, err := h.apply(i, e)
	if err != nil || !changed {
		return err
	}
	h.notes[i] = note
	next := h.jobs[i]
	most := e.MaxTries
	if most <= 0 {
		most = ci.MaxTries
	}
	last := note
	if next.State.Final() {
		last += fmt.Sprintf(" That was attempt %d of %d.", was.Tries, most)
	}
	if _, err := addNote(ctx, h.c, attemptKey{was.ID, was.Attempt}, ci.LogEpilogue, last, h.now); err != nil && !fault.Is(err, fault.Conflict) {
		return err
	}
	if err := h.save(ctx); err != nil || next.Attempt == was.Attempt {
		return err
	}
	first := fmt.Sprintf("%s This is attempt %d of %d.", note, next.Tries, most)
	_, err = addNote(ctx, h.c, attemptKey{next.ID, next.Attempt}, ci.LogPreface, first, h.now)
	return err
}
