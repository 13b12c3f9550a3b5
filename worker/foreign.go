package worker

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
)

// A platform that speaks only the original protocol knows no claims, heartbeats or attempts. Who has the delivery of a job has
// the job: it is acknowledged at the end, and a run whose delivery is gone does not count any more. Such a platform names
// only the job when it cancels, and has its own words for some states.

// stateCancelled is the word of such a platform for canceled.
const stateCancelled = "cancelled"

// keep makes the run end when its delivery is gone: the broker gives the job to another worker, or to this one again.
func (w *Worker) keep(life *run.Group, t *task, d broker.Delivery) {
	held, ok := d.(broker.Held)
	if !ok {
		return
	}
	life.Go("delivery of job "+t.job.Job.Number, func(ctx context.Context) error {
		select {
		case <-held.Gone():
			t.end(endLost)
		case <-t.ctx.Done():
		case <-ctx.Done():
		}
		return nil
	})
}

// heldAgain says whether this worker has a message now that the broker delivered before. Then the platform may take the job from
// a worker that does not claim: the message has been taken from that.
func heldAgain(d broker.Delivery) bool {
	if held, ok := d.(broker.Held); ok {
		select {
		case <-held.Gone():
			return false
		default:
		}
	}
	return d.Redelivered()
}

// giveUp settles the delivery: done with, or where the end could not be said, for another worker to begin again.
func (w *Worker) giveUp(d broker.Delivery, said bool) {
	if said {
		w.ack(d)
		return
	}
	w.requeue(d)
}

// cancelForeign does what a command says. It means the runs of this worker for such platforms only: those for Headrace hear
// of their cancels by attempt.
func (w *Worker) cancelForeign(m broker.Message) error {
	c, ok, err := broker.DecodeForeignCancel(m)
	if err != nil || !ok {
		return err
	}
	for _, t := range w.all() {
		if t.foreign && t.key.JobID == c.JobID {
			t.end(endCanceled(c.Reason))
		}
	}
	return nil
}

// inTheirWords is a report as such a platform expects it: whole seconds, and each time that comes before the end.
func inTheirWords(r broker.StateReport) broker.StateReport {
	r.QueuedAt, r.ReceivedAt, r.StartedAt, r.FinishedAt = seconds(r.QueuedAt), seconds(r.ReceivedAt), seconds(r.StartedAt), seconds(r.FinishedAt)
	switch r.State {
	case stateReset:
		r.FinishedAt = nil
	case stateCanceled:
		r.State = stateCancelled
	}
	if r.FinishedAt != nil && r.StartedAt == nil {
		r.StartedAt = r.FinishedAt
	}
	return r
}

func seconds(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	whole := t.UTC().Truncate(time.Second)
	return &whole
}

// newUUID is what such a platform expects as the id of a run.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
