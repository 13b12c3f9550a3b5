package hooks_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/intake/hooks"
)

func TestHooks_databaseAway(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.take(b.github("push", "before", pushed("main", aSHA)))
	b.db.down.Store(true)
	for i := range 40 {
		if a := b.take(b.github("push", fmt.Sprint(i/2), pushed(fmt.Sprintf("b%d", i/2), aSHA))); a.Outcome != ci.HookKept || a.RequestID != 0 {
			t.Fatalf("answer %+v", a)
		}
		if i == 20 {
			b.reopen(hooks.Config{}) // killed: nothing was closed, and the database is still away
		}
	}
	b.refused(ci.HookMessage{Forge: ci.GitHub, Event: "push", Body: []byte(pushed("main", aSHA)), Signature: "sha256=" + sign("guess", nil)}, fault.Unavailable)
	if w := b.Waiting(); w.Hooks != 40 || w.Bytes == 0 || w.Full {
		t.Errorf("waiting %+v", w)
	}
	b.reopen(hooks.Config{})
	b.db.down.Store(false)
	b.run(func() bool { return len(b.requests()) == 21 && b.Waiting().Hooks == 0 })
	for i, q := range b.requests()[:20] { // the newest first
		if want := fmt.Sprintf("b%d", 19-i); q.Branch != want {
			t.Errorf("request %d is of %s, want %s", q.ID, q.Branch, want)
		}
	}
	if a := b.take(b.github("push", "after", pushed("main", aSHA))); a.Outcome != ci.HookAccepted {
		t.Errorf("answer %+v", a)
	}
}

// run runs the node until it has come so far.
func (b *bench) run(done func() bool) {
	b.tb.Helper()
	ctx, cancel := context.WithCancel(b.tb.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); !done(); {
		select {
		case <-tick.C:
		case <-deadline:
			b.tb.Fatal("it does not come so far")
		}
	}
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		b.tb.Errorf("Run = %v", err)
	}
}

func TestHooks_full(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.take(b.github("push", "before", pushed("main", aSHA)))
	b.reopen(hooks.Config{SpoolBytes: 2000})
	b.db.down.Store(true)
	kept := 0
	for i := range 10 {
		if _, err := b.Take(t.Context(), b.github("push", fmt.Sprint(i), pushed("main", aSHA))); err == nil {
			kept++
		} else if !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
	}
	if w := b.Waiting(); kept == 0 || kept == 10 || w.Hooks != kept || !w.Full {
		t.Errorf("kept %d, waiting %+v", kept, w)
	}
	b.db.down.Store(false)
	b.run(func() bool { return b.Waiting().Hooks == 0 })
	if n := len(b.requests()); n != kept+1 {
		t.Errorf("%d requests, want %d", n, kept+1)
	}
}

func TestHooks_strangeDirectory(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.take(b.github("push", "before", pushed("main", aSHA)))
	if !hooks.Known(b.dir) {
		t.Error("nothing is known")
	}
	var err error
	if b.keys, err = seal.ParseKeys(seal.NewKey()); err != nil {
		t.Fatal(err)
	}
	b.db.down.Store(true)
	b.reopen(hooks.Config{})
	b.refused(b.github("push", "x", pushed("main", aSHA)), fault.Unavailable) // it cannot be opened, and does no harm
}
