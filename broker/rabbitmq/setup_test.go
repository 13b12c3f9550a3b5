package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/broker/rabbitmq"
	"github.com/headrace/headrace/internal/run"
)

const patience = 60 * time.Second

// start runs a carrier until the test ends.
func start(t *testing.T, address string) *rabbitmq.Carrier {
	t.Helper()
	c := open(t, address)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run returned %v", err)
			}
		case <-time.After(patience):
			t.Error("Run does not end")
		}
	})
	return c
}

func await(t *testing.T, c *rabbitmq.Carrier, what string, is func(broker.State) bool) broker.State {
	t.Helper()
	deadline := time.After(patience)
	for {
		changed := c.Changed()
		if s := c.State(); is(s) {
			return s
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%s does not come; the state stays %+v", what, c.State())
		}
	}
}

func connected(s broker.State) bool { return s.Connected }
func away(s broker.State) bool      { return !s.Connected }

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// ledger counts which messages were confirmed and which arrived.
type ledger struct {
	mu        sync.Mutex
	confirmed map[string]bool
	arrived   map[string]bool
	changed   chan struct{}
}

func newLedger() *ledger {
	return &ledger{confirmed: map[string]bool{}, arrived: map[string]bool{}, changed: make(chan struct{})}
}

func (l *ledger) note(in map[string]bool, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	in[id] = true
	close(l.changed)
	l.changed = make(chan struct{})
}

// await waits until at least n messages are confirmed and all confirmed ones have arrived.
func (l *ledger) await(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(patience)
	for {
		l.mu.Lock()
		missing := 0
		for id := range l.confirmed {
			if !l.arrived[id] {
				missing++
			}
		}
		confirmed, changed := len(l.confirmed), l.changed
		l.mu.Unlock()
		if missing == 0 && confirmed >= n {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%d are confirmed; %d of them have not arrived", confirmed, missing)
		}
	}
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.confirmed)
}

// traffic publishes from several goroutines and consumes what they publish, until the test ends.
func traffic(t *testing.T, from, to *rabbitmq.Carrier, queue string) *ledger {
	t.Helper()
	l := newLedger()
	ctx, cancel := context.WithCancel(t.Context())
	g := run.NewGroup(ctx)
	g.Go("consumer", func(ctx context.Context) error {
		return to.Consume(ctx, queue, 20, func(ctx context.Context, d broker.Delivery) {
			l.note(l.arrived, d.Message().ID)
			_ = d.Ack(ctx) // what is gone comes again
		})
	})
	for p := range 4 {
		g.Go("publisher", func(ctx context.Context) error {
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("%d-%d", p, n)
				err := from.Publish(ctx, broker.Message{Key: queue, ID: id, Body: []byte(id)})
				switch {
				case err == nil:
					l.note(l.confirmed, id)
				case !errors.Is(err, broker.ErrUnavailable) && ctx.Err() == nil:
					return err
				}
				if run.Pause(ctx, time.Millisecond) != nil {
					return nil
				}
			}
			return nil
		})
	}
	t.Cleanup(func() {
		cancel()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
	return l
}
