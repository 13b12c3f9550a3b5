// Package run owns goroutines: whoever starts some with it waits for them, and a panic in one becomes an error with its
// stack instead of the end of the process. It must not know what the goroutines do.
package run

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"
)

// Group runs named goroutines under one context. The first that returns an error, other than the end of the context,
// cancels the rest. The zero value is not usable; see [NewGroup].
type Group struct {
	ctx    context.Context //nolint:containedctx // a group is one scope of a context, as errgroup's is
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	errs   []error
}

// NewGroup returns a group whose goroutines see a context derived from ctx.
func NewGroup(ctx context.Context) *Group {
	ctx, cancel := context.WithCancelCause(ctx)
	return &Group{ctx: ctx, cancel: cancel}
}

// Context is what the goroutines of the group see.
func (g *Group) Context() context.Context { return g.ctx }

// Go starts f. The name stands in its error.
func (g *Group) Go(name string, f func(context.Context) error) {
	g.wg.Go(func() {
		err := Guard(func() error { return f(g.ctx) })
		if err == nil || (g.ctx.Err() != nil && errors.Is(err, context.Canceled)) {
			return
		}
		err = fmt.Errorf("%s: %w", name, err)
		g.mu.Lock()
		g.errs = append(g.errs, err)
		g.mu.Unlock()
		g.cancel(err)
	})
}

// Stop cancels the group's context without an error.
func (g *Group) Stop() { g.cancel(context.Canceled) }

// Wait blocks until every goroutine of the group has returned and gives their errors, joined.
func (g *Group) Wait() error {
	g.wg.Wait()
	g.cancel(context.Canceled)
	g.mu.Lock()
	defer g.mu.Unlock()
	return errors.Join(g.errs...)
}

// Guard calls f and turns a panic into an error that holds the stack.
func Guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// Waker is a signal that something may be due. Signals that come while nobody waits fold into one.
type Waker chan struct{}

// NewWaker returns a waker.
func NewWaker() Waker { return make(Waker, 1) }

// Wake gives the signal and never blocks.
func (w Waker) Wake() {
	select {
	case w <- struct{}{}:
	default:
	}
}

// Every calls f at once, then on each wake-up and at the latest every interval, until ctx ends or f returns an error.
// f returns true to be called again without waiting. Wake may be nil.
func Every(ctx context.Context, interval time.Duration, wake Waker, f func(context.Context) (again bool, err error)) error {
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for {
		again, err := f(ctx)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if again {
			continue
		}
		timer.Reset(interval)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wake:
		case <-timer.C:
		}
	}
}

// Pause waits for d, or until ctx ends; then it returns the context's error.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Backoff is a policy of growing pauses with jitter.
type Backoff struct {
	// First is the pause after the first failure. Default 100 ms.
	First time.Duration
	// Most bounds the pause. Default 10 s.
	Most time.Duration
}

// After returns the pause after the n-th failure in a row, n from 1: doubling from First up to Most, spread by half of it
// at random so that many clients do not come back together.
func (b Backoff) After(n int) time.Duration {
	first, most := b.First, b.Most
	if first <= 0 {
		first = 100 * time.Millisecond
	}
	if most <= 0 {
		most = 10 * time.Second
	}
	d := first
	for i := 1; i < n && d < most; i++ {
		d *= 2
	}
	d = min(d, most)
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter, not a secret
}
