package hub

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// heartbeat reads a heartbeat or a probe: both come the same way, so that a probe which came back shows that heartbeats were
// heard. Every node hears all of them. It is handled when all before it is.
func (h *Hub) heartbeat(ctx context.Context, l *lanes, d broker.Delivery) {
	if d.Message().Type == broker.TypeProbe {
		h.probe(ctx, l, d)
		return
	}
	var b broker.Heartbeat
	err := broker.Decode(d.Message(), &b)
	if err == nil && b.WorkerID == "" {
		err = errors.New("read heartbeat: it names no worker")
	}
	if err != nil {
		h.drop(ctx, d, err)
		return
	}
	l.put(ctx, b.WorkerID, func(ctx context.Context) {
		h.beat(ctx, b)
		h.ack(ctx, d)
	})
}

// probe reads a probe. Those of other nodes are for them.
func (h *Hub) probe(ctx context.Context, l *lanes, d broker.Delivery) {
	var p broker.Probe
	err := broker.Decode(d.Message(), &p)
	switch {
	case err != nil:
		h.drop(ctx, d, err)
	case p.Hub != h.hearing.hub:
		h.ack(ctx, d)
	default:
		l.all(ctx, func(ctx context.Context) {
			if err := h.hear(ctx, p.Number); err != nil && ctx.Err() == nil {
				h.seldom.warn(ctx, "the time heard could not be stored", "err", err)
			}
			h.ack(ctx, d)
		})
	}
}

// beat stores a heartbeat and answers it, unless another node has done so. One that the store does not take is forgotten:
// the next is on its way, and while the store is away no worker is lost.
func (h *Hub) beat(ctx context.Context, b broker.Heartbeat) {
	statuses, err := h.store.Beat(ctx, ci.Heartbeat{
		WorkerID: b.WorkerID, Name: b.Name, Version: b.Version, Queue: b.Queue, Slots: b.Slots, Draining: b.Draining || b.Trouble != "", Trouble: b.Trouble, Executor: b.Executor,
		Home: b.Home, Generation: b.Generation, Sequence: b.Sequence, Runs: refs(b.Runs), Asking: refs(b.Asking),
	})
	if errors.Is(err, ci.ErrBeatStored) {
		h.workers.changed(b, time.Now()) // the other node has announced it
		return
	}
	if err != nil {
		if fault.Is(err, fault.Unavailable) {
			h.hearing.missed()
		}
		h.seldom.warn(ctx, "a heartbeat could not be stored", "worker", b.Name, "err", err)
		return
	}
	answer := broker.HeartbeatAnswer{Sequence: b.Sequence, Runs: make([]broker.RunStatus, len(statuses))}
	for i, s := range statuses {
		answer.Runs[i] = broker.RunStatus{
			Run: broker.Run(s.RunRef), Owned: s.Owned, Canceled: s.Canceled, State: string(s.State), Next: s.Next, Closed: s.Closed,
		}
	}
	h.answer(ctx, b.WorkerID, broker.TypeHeartbeatAnswer, answer)
	if h.workers.changed(b, time.Now()) {
		h.announce.Announce(ctx, ci.Change{Kind: ci.ChangeWorker, Worker: b.WorkerID})
	}
}

func refs(runs []broker.Run) []ci.RunRef {
	var all []ci.RunRef
	for _, r := range runs {
		all = append(all, ci.RunRef(r))
	}
	return all
}

// worker is what of a heartbeat others want to hear about when it changes.
type worker struct {
	name, queue string
	slots, runs int
	draining    bool
	trouble     string
}

// workers remembers the last heartbeats that came to this node, so that only news are announced.
type workers struct {
	mu    sync.Mutex
	seen  map[string]worker
	swept time.Time
}

// forgetAfter is when all is forgotten, so that workers which went do not pile up.
const forgetAfter = 10 * time.Minute

func (w *workers) changed(b broker.Heartbeat, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.swept) > forgetAfter {
		clear(w.seen)
		w.swept = now
	}
	is := worker{name: b.Name, queue: b.Queue, slots: b.Slots, runs: len(b.Runs), draining: b.Draining, trouble: b.Trouble}
	was, known := w.seen[b.WorkerID]
	w.seen[b.WorkerID] = is
	return !known || was != is
}
