package worker

import (
	"context"

	"github.com/headrace/headrace/broker"
)

// prefetch is how many answers and commands may wait here.
const prefetch = 64

// takeAnswers consumes the worker's own queue, once it is there.
func (w *Worker) takeAnswers(ctx context.Context) error {
	select {
	case <-w.bound:
		return w.carrier.Consume(ctx, broker.WorkerQueue(w.cfg.ID), prefetch, w.handle)
	case <-ctx.Done():
		return nil
	}
}

// handle takes what the platform says on the worker's own queue.
func (w *Worker) handle(ctx context.Context, d broker.Delivery) {
	m := d.Message()
	err := w.dispatch(m)
	if err != nil {
		w.cfg.Log.WarnContext(ctx, "a message to this worker cannot be read; it is dropped", "type", m.Type, "err", err)
	}
	_ = d.Ack(ctx) // without a connection it comes again, and changes nothing then
}

func (w *Worker) dispatch(m broker.Message) error {
	if m.Exchange == broker.ForeignCommands {
		return w.cancelForeign(m)
	}
	switch m.Type {
	case broker.TypeClaimAnswer:
		var a broker.ClaimAnswer
		if err := broker.Decode(m, &a); err != nil {
			return err
		}
		w.claims.answered(a)
	case broker.TypeHeartbeatAnswer:
		var a broker.HeartbeatAnswer
		if err := broker.Decode(m, &a); err != nil {
			return err
		}
		w.heard(a)
	case broker.TypeCancel:
		var c broker.Cancel
		if err := broker.Decode(m, &c); err != nil {
			return err
		}
		w.cancel(c)
	}
	return nil
}

// cancel ends the runs of an attempt.
func (w *Worker) cancel(c broker.Cancel) {
	for _, t := range w.all() {
		if t.key.JobID == c.JobID && t.key.Attempt == c.Attempt && (c.Run == "" || c.Run == t.key.Run) {
			t.end(endCanceled(c.Reason))
		}
	}
}
