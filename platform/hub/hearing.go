package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/platform/ci"
)

// youngProbe is the age up to which a probe shows that what is said is heard in time.
const youngProbe = 3 * time.Second

// hearing knows which probes are on their way, and when one was last heard on this node.
type hearing struct {
	hub string // random: a probe of another process says nothing here

	mu       sync.Mutex
	number   int64
	sent     map[int64]time.Time
	last     time.Time // when a probe was last heard, and that was stored; zero: never
	unstored bool      // a heartbeat could not be stored since
}

func newHearing() *hearing { return &hearing{hub: rand.Text(), sent: map[int64]time.Time{}} }

// next numbers a probe.
func (l *hearing) next() int64 {
	const most = 16 // older ones are too old
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number++
	l.sent[l.number] = time.Now()
	delete(l.sent, l.number-most)
	return l.number
}

// young says whether a probe that came back was not long on its way.
func (l *hearing) young(number int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	sent, known := l.sent[number]
	delete(l.sent, number)
	return known && time.Since(sent) < youngProbe
}

// missed notes that a heartbeat could not be stored.
func (l *hearing) missed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unstored = true
}

// gap is the time since a probe was last heard; none of it counts if a heartbeat could not be stored in it.
func (l *hearing) gap() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	unstored := l.unstored
	l.unstored = false
	if unstored || l.last.IsZero() {
		return 0
	}
	return time.Since(l.last)
}

func (l *hearing) stored() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = time.Now()
}

// sendProbe sends a probe the way of heartbeats.
func (h *Hub) sendProbe(ctx context.Context) error {
	if h.standing.isAside() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, youngProbe)
	defer cancel()
	m, err := broker.Encode(broker.HeartbeatExchange, "", broker.TypeProbe, broker.Probe{Node: h.config.Node, Hub: h.hearing.hub, Number: h.hearing.next()})
	if err != nil {
		return err
	}
	m.Expires = 2 * youngProbe
	if err := h.carrier.Publish(ctx, m); !errors.Is(err, broker.ErrUnroutable) { // this node may not listen yet
		return err
	}
	return nil
}

// hear counts the time since the last probe as time in which workers could be heard: what was said before this probe was
// stored here. A probe that is not young shows a backlog; what is behind it was not heard yet. The time is that of the
// node's own clock that nobody sets.
func (h *Hub) hear(ctx context.Context, number int64) error {
	if !h.hearing.young(number) {
		return nil
	}
	if err := h.store.Hear(ctx, h.config.Node, h.hearing.gap()); err != nil {
		return err
	}
	h.hearing.stored()
	return nil
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
	if h.behind() {
		return nil
	}
	closed, err := h.store.CloseLogs(ctx, h.config.Quiet)
	if err != nil {
		return err
	}
	h.announceLogs(ctx, closed)
	return nil
}
