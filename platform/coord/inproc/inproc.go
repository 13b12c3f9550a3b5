// Package inproc owns coordination inside one process: the trial's coordinator, and that of tests. Whatever is said, its
// memory is bounded. It must not reach outside the process.
package inproc

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/coord"
)

// How many names of each kind are remembered at most.
const (
	maxLocks    = 10_000
	maxRates    = 100_000
	maxPresence = 10_000
)

// Coordinator coordinates those who share it.
type Coordinator struct {
	now   func() time.Time
	since time.Time

	mu       sync.Mutex
	topics   map[string]map[*subscriber]struct{}
	locks    *expiring[uint64]    // which taking it is
	taken    uint64               // how often any lock was taken
	rates    *expiring[time.Time] // the mark of each key
	presence map[string]*expiring[[]byte]
}

var _ coord.Coordinator = (*Coordinator)(nil)

// New returns a coordinator that goes by the machine's clock.
func New() *Coordinator { return NewAt(time.Now) }

// NewAt returns a coordinator that goes by the given clock.
func NewAt(now func() time.Time) *Coordinator {
	return &Coordinator{
		now: now, since: now(), topics: map[string]map[*subscriber]struct{}{}, locks: newExpiring[uint64](maxLocks),
		rates: newExpiring[time.Time](maxRates), presence: map[string]*expiring[[]byte]{},
	}
}

// Run waits for the end of ctx; there is no connection to watch.
func (c *Coordinator) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// State is always connected.
func (c *Coordinator) State() coord.State { return coord.State{Connected: true, Since: c.since} }

// TryLock takes the lock unless it is held.
func (c *Coordinator) TryLock(ctx context.Context, name string, ttl time.Duration) (release func(context.Context) error, ok bool, err error) {
	if err := first(ctx, coord.CheckLock(name, ttl)); err != nil {
		return nil, false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if _, held := c.locks.get(now, name); held {
		return nil, false, nil
	}
	c.taken++
	holder := c.taken
	if !c.locks.put(now, name, holder, now.Add(ttl)) {
		return nil, false, fault.New(fault.Limited, "The lock %s cannot be taken: %d others are held.", name, maxLocks)
	}
	return func(context.Context) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if current, held := c.locks.get(c.now(), name); held && current == holder {
			c.locks.drop(name)
		}
		return nil
	}, true, nil
}

// Allow counts an event of the key.
func (c *Coordinator) Allow(ctx context.Context, key string, limit int, per time.Duration) (ok bool, retryAfter time.Duration, err error) {
	if err := first(ctx, coord.CheckRate(key, limit, per)); err != nil {
		return false, 0, err
	}
	rate := coord.RateOf(limit, per)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	mark, known := c.rates.get(now, key)
	if !known {
		mark = now
	}
	if most := now.Add(rate.Burst); mark.After(most) {
		mark = most // the limit of the key was larger before
	}
	mark = mark.Add(rate.Step)
	if wait := mark.Sub(now) - rate.Burst; wait > 0 {
		return false, wait, nil
	}
	for !c.rates.put(now, key, mark, mark) {
		c.rates.dropFirst() // the key that is nearest to forgotten anyway
	}
	return true, 0, nil
}

// Appear says that id is there.
func (c *Coordinator) Appear(ctx context.Context, kind, id string, info []byte, ttl time.Duration) error {
	if err := first(ctx, coord.CheckPresence(kind, id, info)); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now, here := c.now(), c.presence[kind]
	if ttl <= 0 {
		if here != nil {
			here.drop(id)
		}
		return nil
	}
	if here == nil {
		here = newExpiring[[]byte](maxPresence)
		c.forgetEmpty(now)
		c.presence[kind] = here
	}
	if !here.put(now, id, bytes.Clone(info), now.Add(ttl)) {
		return fault.New(fault.Limited, "%s cannot be noted as present: %d others of the kind %s are.", id, maxPresence, kind)
	}
	return nil
}

// forgetEmpty removes the kinds of which nobody is there.
func (c *Coordinator) forgetEmpty(now time.Time) {
	for kind, here := range c.presence {
		if here.sweep(now); len(here.entries) == 0 {
			delete(c.presence, kind)
		}
	}
}

// Present returns who is there.
func (c *Coordinator) Present(ctx context.Context, kind string) (map[string][]byte, error) {
	if err := first(ctx, coord.CheckName("kind of presence", kind)); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string][]byte{}
	if here := c.presence[kind]; here != nil {
		here.sweep(c.now())
		for id, e := range here.entries {
			found[id] = append([]byte{}, e.value...)
		}
	}
	return found, nil
}

// first is why a call does not begin: what is wrong with it, or that its context has ended.
func first(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	return ctx.Err()
}
