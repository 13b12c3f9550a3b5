package hub

import (
	"context"
	"errors"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/ci"
)

// ack settles a delivery, also while the hub is being stopped: what it said is stored.
func (h *Hub) ack(ctx context.Context, d broker.Delivery) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := d.Ack(ctx); err != nil && !errors.Is(err, broker.ErrGone) {
		h.log.DebugContext(ctx, "a message could not be acknowledged; it comes again", "err", err)
	}
}

// How often the store may fail for another reason than being away before a message is given up.
const (
	defectsEach  = 5
	defectsBatch = 2
	defectsAlone = 1 // of a batch that failed already
)

// persist calls f until the store has taken what it is given, refuses it, or fails for good; while it is away there is no end
// to the tries but ctx's.
func (h *Hub) persist(ctx context.Context, what string, most int, f func(context.Context) error) error {
	defects := 0
	for n := 1; ; n++ {
		err := run.Guard(func() error { return f(ctx) })
		switch code := fault.CodeOf(err); {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case code == fault.Unavailable:
			h.seldom.warn(ctx, "the store does not take what workers say; the broker keeps it", "what", what, "err", err)
		case code == fault.Internal && defects < most:
			defects++
			h.log.WarnContext(ctx, "the store does not take what a worker says", "what", what, "err", err)
		default:
			return err
		}
		if pause := run.Pause(ctx, h.config.Retry.After(n)); pause != nil {
			return pause
		}
	}
}

// answerTime bounds the sending of an answer; the worker asks again.
const answerTime = 3 * time.Second

// answer sends a message to a worker.
func (h *Hub) answer(ctx context.Context, workerID, kind string, v any) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	m, err := broker.Encode("", broker.WorkerQueue(workerID), kind, v)
	if err == nil {
		err = h.carrier.Publish(ctx, m)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		h.seldom.warn(ctx, "a worker could not be answered; it asks again", "worker_id", workerID, "type", kind, "err", err)
	}
}

// moved announces what a report changed.
func (h *Hub) moved(ctx context.Context, m ci.Moved) {
	if changes := ci.Changes(m); len(changes) > 0 && m.Job.ID != 0 {
		h.announce.Announce(ctx, changes...)
	}
}
