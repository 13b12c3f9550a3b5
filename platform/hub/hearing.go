package hub

import (
	"context"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/platform/ci"
)

const (
	// youngProbe is the age up to which a probe shows that the queue is not backed up.
	youngProbe = 3 * time.Second
	// mostGap is the most that one probe adds to the time heard.
	mostGap = 2 * time.Second
)

// hearing knows when a probe was last heard on this node.
type hearing struct {
	mu   sync.Mutex
	last time.Time // zero: never
}

// sendProbe sends a probe on its way through the queue of heartbeats.
func (h *Hub) sendProbe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, youngProbe)
	defer cancel()
	m, err := broker.Encode("", broker.HeartbeatQueue, broker.TypeProbe, broker.Probe{Node: h.config.Node, SentAt: h.store.Now()})
	if err != nil {
		return err
	}
	m.Expires = 2 * youngProbe
	return h.carrier.Publish(ctx, m)
}

// probe reads a probe, of whichever node.
func (h *Hub) probe(d broker.Delivery) (key string, work func(context.Context)) {
	var p broker.Probe
	if err := broker.Decode(d.Message(), &p); err != nil {
		return "", func(ctx context.Context) { h.drop(ctx, d, err) }
	}
	return "probe", func(ctx context.Context) {
		if err := h.hear(ctx, p); err != nil && ctx.Err() == nil {
			h.seldom.warn(ctx, "the time heard could not be stored", "err", err)
		}
		h.ack(ctx, d)
	}
}

// hear counts the time since the last probe as time in which workers could be heard. A probe that is not young shows a
// backlog: what is behind it was not heard yet. A time that could not be stored is not made up for.
func (h *Hub) hear(ctx context.Context, p broker.Probe) error {
	now := h.store.Now()
	if now.Sub(p.SentAt) >= youngProbe {
		return nil
	}
	h.hearing.mu.Lock()
	last := h.hearing.last
	h.hearing.last = now
	h.hearing.mu.Unlock()
	gap := time.Duration(0)
	if !last.IsZero() {
		gap = min(max(now.Sub(last), 0), mostGap)
	}
	return h.store.Hear(ctx, h.config.Node, gap)
}

// reap takes the attempts of lost workers from them.
func (h *Hub) reap(ctx context.Context) error {
	lost, err := h.store.ReapLost(ctx, h.config.Lease, h.config.MaxTries)
	if err != nil {
		return err
	}
	moved := make([]ci.Moved, len(lost))
	for i, l := range lost {
		moved[i] = l.Moved
		h.log.WarnContext(ctx, "a worker was lost", "worker", l.WorkerName, "silence", l.Silence, "job_id", l.Job.ID, "number", l.Job.Number(),
			"repo", l.Job.Slug, "state", l.Job.State, "attempt", l.Job.Attempt)
	}
	if changes := ci.Changes(moved...); len(changes) > 0 {
		h.announce.Announce(ctx, changes...)
	}
	return nil
}

// closeLogs closes the logs whose worker did not say that they are complete.
func (h *Hub) closeLogs(ctx context.Context) error {
	closed, err := h.store.CloseLogs(ctx, h.config.Quiet)
	if err != nil {
		return err
	}
	h.announceLogs(ctx, closed)
	return nil
}
