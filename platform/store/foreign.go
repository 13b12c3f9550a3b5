package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// foreignName is what people read where the name of a worker stands that does not give one.
const foreignName = "travis-worker"

// foreignWorker is the id under which all workers of a queue are counted that do not claim.
func foreignWorker(queue string) string { return "foreign:" + queue }

// AdoptRun finds the attempt of a run of a worker that does not claim. The first report of a run gives it the attempt that
// its worker was offered; where another such run holds that, the broker has taken the delivery from it, and the new run has
// the next attempt. Adopting a run again changes nothing.
func (s *Store) AdoptRun(ctx context.Context, r ci.ForeignRun, maxTries int) (a ci.Adopted, err error) {
	if r.Run == "" {
		return a, fault.New(fault.Invalid, "A report needs the id of a run.")
	}
	err = s.write(ctx, fmt.Sprintf("adopt a run of job %d", r.JobID), func(ctx context.Context, c conn) error {
		a = ci.Adopted{}
		h, i, err := s.holdJob(ctx, c, r.JobID)
		if errors.Is(err, errNoJob) {
			a.Stop = true
			return nil
		}
		if err != nil {
			return err
		}
		holder, err := h.holder(ctx, i)
		if err != nil {
			return err
		}
		known, err := attemptOfRun(ctx, c, r)
		switch {
		case err != nil:
			return err
		case known > 0:
			a.Attempt, a.Stop = known, (known != h.jobs[i].Attempt || h.jobs[i].State == ci.Canceled) && h.mayStop(i, holder)
			return nil
		case h.jobs[i].State == ci.Queued && r.Offer == h.jobs[i].Attempt:
			a.Attempt = r.Offer
			a.Moved, err = h.adopt(ctx, i, r)
			return err
		case h.redelivered(i, holder, r.Offer):
			a, err = s.adoptNext(ctx, h, i, r, maxTries)
			return err
		}
		a.Stop = h.mayStop(i, holder)
		return nil
	})
	return a, err
}

func attemptOfRun(ctx context.Context, c conn, r ci.ForeignRun) (number int, err error) {
	err = c.row(ctx, "SELECT number FROM attempts WHERE job_id = $1 AND run = $2", r.JobID, text(r.Run)).Scan(&number)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return number, err
}

// holder says of the current attempt of a job whether its run is unclaimed, and which attempt's message that was given.
type holder struct {
	unclaimed bool
	offer     int
}

func (h *held) holder(ctx context.Context, i int) (w holder, err error) {
	err = h.c.row(ctx, "SELECT unclaimed, offer FROM attempts WHERE job_id = $1 AND number = $2", h.jobs[i].ID, h.jobs[i].Attempt).Scan(&w.unclaimed, &w.offer)
	if errors.Is(err, sql.ErrNoRows) {
		return w, nil // it was never handed out
	}
	return w, err
}

// redelivered says whether the message of the attempt, which is in new hands now, was that of the run which holds the job.
func (h *held) redelivered(i int, w holder, offer int) bool {
	return h.jobs[i].State.Owned() && w.unclaimed && w.offer == offer
}

// mayStop says whether a command to foreign workers that names the job would hit no run that counts.
func (h *held) mayStop(i int, w holder) bool {
	state := h.jobs[i].State
	return state != ci.Queued && (!state.Owned() || !w.unclaimed)
}

// adopt gives the current attempt to a foreign run.
func (h *held) adopt(ctx context.Context, i int, r ci.ForeignRun) (ci.Moved, error) {
	j := h.jobs[i]
	if _, err := h.apply(i, ci.JobEvent{Kind: ci.JobClaim, Attempt: j.Attempt, Run: text(r.Run), Worker: foreignName}); err != nil {
		return ci.Moved{}, err
	}
	if err := h.save(ctx); err != nil {
		return ci.Moved{}, err
	}
	_, err := h.c.exec(ctx, `UPDATE attempts SET worker_id = $3, unclaimed = TRUE, offer = $4, heard = (SELECT counter FROM hearing WHERE id = 1)
		WHERE job_id = $1 AND number = $2`, j.ID, j.Attempt, foreignWorker(j.Queue), r.Offer)
	if err != nil {
		return ci.Moved{}, err
	}
	return h.moved(i, true), openLog(ctx, h.c, j.ID, j.Attempt, h.now)
}

// adoptNext takes the job from the run that holds it and gives its next attempt, if there is one, to the new run.
func (s *Store) adoptNext(ctx context.Context, h *held, i int, r ci.ForeignRun, maxTries int) (a ci.Adopted, err error) {
	if err := h.loseDelivery(ctx, i, maxTries); err != nil {
		return a, err
	}
	a.Moved = h.moved(i, true)
	if a.Moved.Job.State.Final() {
		a.Stop = true
		return a, nil
	}
	if h, i, err = s.holdJob(ctx, h.c, r.JobID); err != nil {
		return a, err
	}
	if _, err = h.apply(i, ci.JobEvent{Kind: ci.JobQueue}); err != nil {
		return a, err
	}
	a.Attempt = h.jobs[i].Attempt
	a.Moved, err = h.adopt(ctx, i, r)
	return a, err
}

// loseDelivery takes the job from a run whose delivery the broker gave to somebody else.
func (h *held) loseDelivery(ctx context.Context, i, maxTries int) error {
	j := h.jobs[i]
	note := fmt.Sprintf("The connection of worker %s broke off; by %s the broker had given the job to another worker.", j.WorkerName, h.clock())
	return h.giveBack(ctx, i, ci.JobEvent{Kind: ci.JobLose, Attempt: j.Attempt, Run: j.Run, MaxTries: maxTries}, note)
}

// frozenAtMost is how long a lost worker may still consume: one that is frozen does, until the broker notices.
const frozenAtMost = 2 * time.Minute

// OwnSlots says of every queue for how many consumers on it our own workers may account. A draining one has none.
func (s *Store) OwnSlots(ctx context.Context) (slots map[string]int, err error) {
	slots = map[string]int{}
	err = s.read(ctx, "count the slots of workers", func(ctx context.Context, c conn) error {
		names, err := list(ctx, c, scanText, "SELECT name FROM queues")
		if err != nil {
			return err
		}
		for _, name := range names {
			slots[name] = 0
		}
		workers, err := listWorkers(ctx, c, s.config.Lease.Microseconds())
		for _, w := range workers {
			if (!w.Lost || s.Now().Sub(w.SeenAt) < frozenAtMost) && !w.Draining && w.ID != foreignWorker(w.Queue) {
				slots[w.Queue] += w.Slots
			}
		}
		return err
	})
	return slots, err
}

// NoteForeign notes how many jobs the workers of a queue that do not claim may have at a time, as one worker of the list.
func (s *Store) NoteForeign(ctx context.Context, queue string, slots int) error {
	return s.write(ctx, "note foreign workers", func(ctx context.Context, c conn) error {
		id := foreignWorker(text(queue))
		if slots <= 0 {
			_, err := c.exec(ctx, "DELETE FROM workers WHERE id = $1", id)
			return err
		}
		_, err := noteWorker(ctx, c, ci.Heartbeat{WorkerID: id, Name: foreignName, Queue: queue, Slots: slots, Executor: foreignName}, s)
		return err
	})
}

// foreignQueues are the queues that foreign workers take jobs from.
func foreignQueues(ctx context.Context, c conn) ([]string, error) {
	return list(ctx, c, scanText, `SELECT queue FROM workers WHERE id = 'foreign:' || queue
		UNION SELECT j.queue FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE a.unclaimed AND a.state IN ('received', 'started')`)
}
