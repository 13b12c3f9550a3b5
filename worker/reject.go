package worker

import (
	"context"
	"errors"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
)

// reject takes a message that is no job out of the job queue and hands it to the platform, which keeps it for people to
// see. Where nobody takes such messages it is only logged; while the broker takes none it goes back, slowly.
func (w *Worker) reject(stop context.Context, d broker.Delivery, reason error) {
	m := d.Message()
	w.cfg.Log.WarnContext(stop, "a message in the job queue is no job; it is dropped", "id", m.ID, "type", m.Type, "err", reason)
	out, err := broker.NewReject(w.cfg.Queue, w.cfg.Name, m, reason).Message()
	if err == nil {
		ctx, cancel := context.WithTimeout(stop, w.cfg.GiveBack)
		err = w.carrier.Publish(ctx, out)
		cancel()
	}
	if err == nil || errors.Is(err, broker.ErrUnroutable) {
		w.ack(d)
		return
	}
	w.cfg.Log.WarnContext(stop, "a message that is no job could not be handed on; it goes back to the queue", "id", m.ID, "err", err)
	_ = run.Pause(stop, w.cfg.Backoff.After(rejectTry)) // at its end the message goes back all the same
	w.requeue(d)
}

// rejectTry is the try whose pause a message that cannot be handed on waits: 2 to 3 seconds.
const rejectTry = 6
