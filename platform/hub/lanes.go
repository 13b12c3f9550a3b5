package hub

import (
	"context"
	"hash/maphash"
	"sync/atomic"

	"github.com/headrace/headrace/internal/run"
)

// lanes spread work over a few goroutines; work with the same key is done in order, one after another.
type lanes struct {
	seed maphash.Seed
	work []chan func(context.Context)
}

func newLanes(n, room int) *lanes {
	l := &lanes{seed: maphash.MakeSeed()}
	for range n {
		l.work = append(l.work, make(chan func(context.Context), room))
	}
	return l
}

// put waits until there is room. At the end of ctx the work is dropped.
func (l *lanes) put(ctx context.Context, key string, f func(context.Context)) {
	select {
	case l.work[maphash.String(l.seed, key)%uint64(len(l.work))] <- f:
	case <-ctx.Done():
	}
}

// all does something when all that was put before is done.
func (l *lanes) all(ctx context.Context, f func(context.Context)) {
	var passed atomic.Int64
	for _, lane := range l.work {
		select {
		case lane <- func(ctx context.Context) {
			if passed.Add(1) == int64(len(l.work)) {
				f(ctx)
			}
		}:
		case <-ctx.Done():
		}
	}
}

// run does the work of one lane until ctx ends. A panic ends the lane, and with it the hub, with an error.
func (l *lanes) run(ctx context.Context, i int) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case f := <-l.work[i]:
			if err := run.Guard(func() error { f(ctx); return nil }); err != nil {
				return err
			}
		}
	}
}
