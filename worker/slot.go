package worker

import (
	"context"
	"errors"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
)

// slot takes one job after another until intake ends.
func (w *Worker) slot(intake, stop context.Context, life *run.Group) {
	select {
	case <-w.bound:
	case <-intake.Done():
		return
	}
	for failures := 0; intake.Err() == nil; {
		open, leave := w.gate.pass(intake)
		d, err := w.carrier.Receive(open, w.cfg.Queue)
		closed := open.Err() != nil
		leave()
		switch {
		case err != nil && !closed:
			failures++
			w.cfg.Log.WarnContext(intake, "no job can be taken from the queue; trying again", "queue", w.cfg.Queue, "err", err)
			_ = run.Pause(intake, w.cfg.Backoff.After(failures)) // the loop looks at the context
		case err == nil && closed:
			w.requeue(d)
		case err == nil:
			failures = 0
			w.take(stop, life, d)
		}
	}
}

// take does with a delivery what there is to do, and returns when the slot is free again.
func (w *Worker) take(stop context.Context, life *run.Group, d broker.Delivery) {
	job, err := broker.DecodeJob(d.Message())
	if err != nil {
		w.reject(stop, d, err)
		return
	}
	t := w.newTask(job)
	w.add(t)
	if !t.foreign && !w.own(stop, t, d) {
		t.end(endLost)
		t.tape.Drop()
		w.remove(t)
		return
	}
	life.Go("reports of job "+job.Job.Number, func(ctx context.Context) error {
		defer w.remove(t)
		return t.tape.Send(ctx)
	})
	if t.foreign {
		w.keep(life, t, d)
	}
	w.perform(stop, t)
	said := w.leave(stop, t)
	if t.foreign {
		w.giveUp(d, said)
	}
}

// own asks for the attempt. The delivery is settled unless the answer is yes and it is a foreign one.
func (w *Worker) own(stop context.Context, t *task, d broker.Delivery) bool {
	log := w.cfg.Log.With("job_id", t.key.JobID, "attempt", t.key.Attempt)
	answer, err := w.claims.ask(stop, t.key, t.box, func() bool { return heldAgain(d) })
	switch {
	case err != nil:
		if stop.Err() == nil {
			log.WarnContext(stop, "the platform does not say whether a job may run here; it goes back to the queue", "err", err)
		}
		w.requeue(d)
		return false
	case !answer.Granted:
		log.InfoContext(stop, "a job is not for this worker", "reason", answer.Reason)
		w.ack(d)
		return false
	}
	asked := w.claims.claim(t.key, t.box)
	t.secrets, t.trouble = secretsOf(answer, asked, t.box)
	t.caches = w.cachesOf(answer, asked, t.box)
	t.setClaimed()
	w.beats.wake.Wake()
	w.ack(d)
	log.InfoContext(stop, "running a job", "job", t.job.Job.Number, "repo", t.job.Repository.Slug)
	return true
}

// leave returns when everything that the run had to say has been published, or a stopping worker has no more time for it.
func (w *Worker) leave(stop context.Context, t *task) (said bool) {
	if t.tape.Published(stop) == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(stop), w.cfg.GiveBack)
	defer cancel()
	err := t.tape.Published(ctx)
	if err != nil {
		w.cfg.Log.WarnContext(ctx, "the last reports of a job did not leave in time; the platform will notice that this worker is gone", "job_id", t.key.JobID, "err", err)
	}
	return err == nil
}

// ack and requeue settle a delivery. That it is gone means that the broker delivers it again: then the claim is refused.
func (w *Worker) ack(d broker.Delivery)     { w.settleDelivery(d.Ack) }
func (w *Worker) requeue(d broker.Delivery) { w.settleDelivery(d.Requeue) }

func (w *Worker) settleDelivery(f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), w.cfg.GiveBack)
	defer cancel()
	if err := f(ctx); err != nil && !errors.Is(err, broker.ErrGone) {
		w.cfg.Log.WarnContext(ctx, "a delivery could not be settled; the broker delivers it again", "err", err)
	}
}
