package hub

import (
	"context"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/ci"
)

// lookAgain is how often the log of a waiting state is looked at: other nodes store parts too.
const lookAgain = 250 * time.Millisecond

// A last state is stored after the whole log of its attempt, so that whoever sees the end can read all that led to it, and
// so that a crash between the two leaves an attempt that has not ended. Until then its report is not acknowledged.
type waiting struct {
	mu     sync.Mutex
	states map[ci.RunRef]lastState
	wake   run.Waker
}

type lastState struct {
	report   ci.StateReport
	parts    int // of the whole log
	delivery broker.Delivery
	waits    bool          // heard is known
	heard    time.Duration // since when it waits, in hearing time
}

// mostWaiting bounds the states that wait; it is a part of statePrefetch, so that they do not hold up the others while logs
// are stored slowly.
const mostWaiting = statePrefetch / 2

func newWaiting() waiting { return waiting{states: map[ci.RunRef]lastState{}, wake: run.NewWaker()} }

// add keeps a state, if there is room for it. One that came before for the same run is returned: it says nothing more.
func (w *waiting) add(s lastState) (before broker.Delivery, kept bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old, ok := w.states[s.report.RunRef]
	switch {
	case ok:
		before, s.waits, s.heard = old.delivery, old.waits, old.heard
	case len(w.states) >= mostWaiting:
		return nil, false
	}
	w.states[s.report.RunRef] = s
	return before, true
}

func (w *waiting) all() []lastState {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]lastState, 0, len(w.states))
	for _, s := range w.states {
		list = append(list, s)
	}
	return list
}

// remove takes a state out, unless another delivery has taken its place.
func (w *waiting) remove(s lastState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.states[s.report.RunRef].delivery == s.delivery {
		delete(w.states, s.report.RunRef)
	}
}

// last stores a last state, or keeps it until the log is whole. With many kept it is stored at once: its log goes on behind it.
func (h *Hub) last(ctx context.Context, s lastState) {
	if whole, _ := h.whole(ctx, s); whole {
		h.report(ctx, s.delivery, s.report)
		return
	}
	before, kept := h.waiting.add(s)
	if before != nil {
		h.ack(ctx, before)
	}
	if !kept {
		h.report(ctx, s.delivery, s.report)
		return
	}
	h.waiting.wake.Wake()
}

// whole says whether nothing is missing of the log any more; known is false while the store cannot say. Of a job that is
// gone nothing is missing.
func (h *Hub) whole(ctx context.Context, s lastState) (whole, known bool) {
	l, err := h.store.Log(ctx, s.report.JobID, s.report.Attempt)
	if err != nil {
		return stale(err), stale(err)
	}
	return l.Closed || l.Next >= s.parts, true
}

// begin notes since when the states wait that have just come.
func (w *waiting) begin(heard time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, s := range w.states {
		if !s.waits {
			s.waits, s.heard = true, heard
			w.states[key] = s
		}
	}
}

// forget lets all go.
func (w *waiting) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.states)
}

// storeWaiting stores the states whose logs have become whole, and those that have waited for too long: their logs are
// closed with what there is. They wait in hearing time: while the broker or the store is away, nothing can arrive.
func (h *Hub) storeWaiting(ctx context.Context) error {
	return run.Every(ctx, lookAgain, h.waiting.wake, func(ctx context.Context) (bool, error) {
		if len(h.waiting.all()) == 0 {
			return false, nil
		}
		heard, err := h.store.Heard(ctx)
		if err != nil {
			return false, ctx.Err()
		}
		h.waiting.begin(heard)
		for _, s := range h.waiting.all() {
			whole, known := h.whole(ctx, s)
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			if !known || (!whole && (!s.waits || heard-s.heard < h.config.Quiet || h.behind())) {
				continue
			}
			h.waiting.remove(s)
			h.report(ctx, s.delivery, s.report)
		}
		return false, nil
	})
}
