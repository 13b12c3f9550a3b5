package inproc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/coord"
	"github.com/headrace/headrace/platform/coord/coordtest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	t.Parallel()
	coordtest.Run(t, func(t *testing.T) func() coord.Coordinator {
		shared := coordtest.Start(t, New())
		return func() coord.Coordinator { return shared }
	})
}

// clock is moved by hand.
type clock struct{ now time.Time }

func frozen() (*clock, *Coordinator) {
	k := &clock{now: time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)}
	return k, NewAt(func() time.Time { return k.now })
}

func TestLockEndsToTheMoment(t *testing.T) {
	t.Parallel()
	k, c := frozen()
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {0, false}, {time.Minute - 1, false}, {1, true}, {0, false}} {
		k.now = k.now.Add(step.after)
		if _, ok, err := c.TryLock(t.Context(), "cron", time.Minute); ok != step.want || err != nil {
			t.Errorf("at %s: got %t, %v, want %t", k.now.Format(time.TimeOnly), ok, err, step.want)
		}
	}
}

func TestRateFillsUpStepByStep(t *testing.T) {
	t.Parallel()
	k, c := frozen()
	count := func() (n int) {
		for {
			ok, _, err := c.Allow(t.Context(), "api", 6, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				return n
			}
			n++
		}
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 6}, {10*time.Second - 1, 0}, {1, 1}, {25 * time.Second, 2}, {5 * time.Second, 1}, {time.Hour, 6}} {
		k.now = k.now.Add(step.after)
		if got := count(); got != step.want {
			t.Errorf("%s later: %d events are allowed, want %d", step.after, got, step.want)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	k, c := frozen()
	if ok, _, err := c.Allow(t.Context(), "slow", 1, 2*time.Hour); !ok || err != nil {
		t.Fatalf("the first event: %t, %v", ok, err)
	}
	for i := range maxRates + 10 {
		if ok, _, err := c.Allow(t.Context(), fmt.Sprint(i), 1, time.Hour); !ok || err != nil {
			t.Fatalf("the first event of key %d: %t, %v", i, ok, err)
		}
	}
	if got := len(c.rates.entries); got != maxRates {
		t.Errorf("%d rates are remembered, want %d", got, maxRates)
	}
	if ok, _, _ := c.Allow(t.Context(), "slow", 1, 2*time.Hour); ok {
		t.Error("the rate that ends last was forgotten")
	}
	for i := range maxLocks {
		if _, ok, err := c.TryLock(t.Context(), fmt.Sprint(i), time.Hour); !ok || err != nil {
			t.Fatalf("lock %d: %t, %v", i, ok, err)
		}
	}
	if _, ok, err := c.TryLock(t.Context(), "one more", time.Hour); ok || !fault.Is(err, fault.Limited) {
		t.Errorf("one lock too many: %t, %v, want a refusal", ok, err)
	}
	if _, ok, err := c.TryLock(t.Context(), "0", time.Hour); ok || err != nil {
		t.Errorf("a held lock was given up for want of room: %t, %v", ok, err)
	}
	for i := range maxPresence + 1 {
		if err := c.Appear(t.Context(), "nodes", fmt.Sprint(i), nil, time.Hour); (err != nil) != (i == maxPresence) {
			t.Fatalf("presence %d: %v", i, err)
		}
	}
	k.now = k.now.Add(2 * time.Hour)
	if _, ok, err := c.TryLock(t.Context(), "one more", time.Hour); !ok || err != nil || len(c.locks.entries) != 1 {
		t.Errorf("after all ended: %t, %v, %d locks are remembered", ok, err, len(c.locks.entries))
	}
	if err := c.Appear(t.Context(), "others", "one", nil, time.Hour); err != nil || len(c.presence) != 1 {
		t.Errorf("after all went: %v, %d kinds are remembered", err, len(c.presence))
	}
}

func TestASlowSubscriberGetsAGap(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ size, count, left int }{
		"by number": {size: 1, count: maxWaiting + 5, left: 6},
		"by size":   {size: coord.MaxPayload, count: 6, left: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := New()
			hold, holding := make(chan struct{}), make(chan struct{}, 1)
			got := make(chan []byte, 2*maxWaiting)
			done := make(chan error, 1)
			ctx, cancel := contextOf(t)
			go func() {
				done <- c.Subscribe(ctx, "changes", func(payload []byte) {
					select {
					case holding <- struct{}{}:
						<-hold
					default:
						got <- payload
					}
				})
			}()
			coordtest.Eventually(t, "it is held up", func() bool {
				_ = c.Publish(ctx, "changes", []byte("first"))
				return len(holding) == 1
			})
			c.mu.Lock()
			for s := range c.topics["changes"] {
				s.waiting, s.bytes = nil, 0 // of the tries above
			}
			c.mu.Unlock()
			for range tc.count {
				if err := c.Publish(ctx, "changes", make([]byte, tc.size)); err != nil {
					t.Fatal(err)
				}
			}
			close(hold)
			if first := <-got; first != nil {
				t.Errorf("the first message after too many is %d bytes, want the gap", len(first))
			}
			for range tc.left - 1 {
				if next := <-got; len(next) != tc.size {
					t.Errorf("a message after the gap has %d bytes, want %d", len(next), tc.size)
				}
			}
			cancel()
			<-done
			if len(got) != 0 {
				t.Errorf("%d messages too many came", len(got))
			}
			if len(c.topics) != 0 {
				t.Error("a topic without subscribers is remembered")
			}
		})
	}
}

func TestExpiringAgainstAPlainMap(t *testing.T) {
	t.Parallel()
	x, model := newExpiring[int](1000), map[string]time.Time{}
	now := time.Unix(0, 0)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test that can be repeated
	for i := range 20_000 {
		now = now.Add(time.Duration(random.IntN(3)) * time.Second)
		key := fmt.Sprint(random.IntN(200))
		switch random.IntN(4) {
		case 0, 1:
			until := now.Add(time.Duration(random.IntN(100)) * time.Second)
			x.put(now, key, i, until)
			model[key] = until
		case 2:
			x.drop(key)
			delete(model, key)
		}
		_, got := x.get(now, key)
		if until, want := model[key]; got != (want && until.After(now)) {
			t.Fatalf("step %d: key %s is there: %t", i, key, got)
		}
		if len(x.entries) != len(x.order) {
			t.Fatalf("step %d: %d entries and %d in order", i, len(x.entries), len(x.order))
		}
	}
}

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}
