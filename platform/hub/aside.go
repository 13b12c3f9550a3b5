package hub

import (
	"context"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
)

// A node that cannot reach the store could only hold what workers say. It steps aside: what it has taken goes back to the
// broker, for the nodes that can store it.

// Standing says how the hub stands, for people.
type Standing struct {
	// Aside: it takes nothing from workers, because the store is away.
	Aside bool
	// Since is when it became so.
	Since time.Time
	// Reason says why it stands aside.
	Reason string
}

// standing is how the hub stands.
type standing struct {
	mu      sync.Mutex
	is      Standing
	changed chan struct{} // closed and replaced when it changes
}

func newStanding() *standing {
	return &standing{is: Standing{Since: time.Now()}, changed: make(chan struct{})}
}

func (s *standing) now() (is Standing, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.is, s.changed
}

func (s *standing) isAside() bool {
	is, _ := s.now()
	return is.Aside
}

// set says whether something changed.
func (s *standing) set(aside bool, reason string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.is.Aside == aside {
		return false
	}
	s.is = Standing{Aside: aside, Since: time.Now(), Reason: reason}
	close(s.changed)
	s.changed = make(chan struct{})
	return true
}

// await waits until it is so.
func (s *standing) await(ctx context.Context, aside bool) error {
	for {
		is, changed := s.now()
		if is.Aside == aside {
			return ctx.Err()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Standing says whether the node takes what workers say.
func (h *Hub) Standing() Standing {
	is, _ := h.standing.now()
	return is
}

// watch asks the store again and again, and steps aside or comes back by its answers.
func (h *Hub) watch(ctx context.Context) error {
	reached, failures := time.Now(), 0
	return run.Every(ctx, h.config.Probe, nil, func(ctx context.Context) (bool, error) {
		err := h.ping(ctx)
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case err == nil:
			reached, failures = time.Now(), 0
			if h.standing.set(false, "") {
				h.log.InfoContext(ctx, "the database can be reached again; this node takes what workers say")
			}
			return false, nil
		}
		failures++ // one alone may be of a process that was stopped for a while
		if failures > 1 && time.Since(reached) >= h.config.Mute && h.standing.set(true, fault.Message(err)) {
			h.log.WarnContext(ctx, "the database cannot be reached; this node leaves what workers say to others until it can", "err", err)
		}
		return false, nil
	})
}

func (h *Hub) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.config.Mute)
	defer cancel()
	return run.Guard(func() error { return h.store.Ping(ctx) })
}

// attend takes what workers say, except while the hub stands aside.
func (h *Hub) attend(ctx context.Context) error {
	for {
		if err := h.standing.await(ctx, false); err != nil {
			return err
		}
		if err := h.listenUntilAside(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		h.forget()
	}
}

func (h *Hub) listenUntilAside(ctx context.Context) error {
	g := run.NewGroup(ctx)
	g.Go("listen", h.listen)
	g.Go("step aside", func(ctx context.Context) error {
		if err := h.standing.await(ctx, true); err != nil {
			return err
		}
		g.Stop()
		return nil
	})
	return g.Wait()
}

// forget lets go what was taken and not stored; the broker has it again.
func (h *Hub) forget() {
	h.waiting.forget()
	h.early.take()
	for {
		select {
		case <-h.parts:
		default:
			return
		}
	}
}
