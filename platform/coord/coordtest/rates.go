package coordtest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/coord"
)

func allow(t *testing.T, c coord.Coordinator, key string, limit int, per time.Duration) (bool, time.Duration) {
	t.Helper()
	ok, after, err := c.Allow(t.Context(), key, limit, per)
	if err != nil {
		t.Fatalf("allow %s: %v", key, err)
	}
	if ok && after != 0 {
		t.Errorf("allowed, and to come again after %s", after)
	}
	return ok, after
}

func rateCommon(t *testing.T, a, b coord.Coordinator) {
	for i, c := range []coord.Coordinator{a, b, a, b} {
		if ok, after := allow(t, c, "sign-in:ada", 4, time.Hour); !ok {
			t.Fatalf("event %d of 4 was refused for %s", i+1, after)
		}
	}
	for _, c := range []coord.Coordinator{a, b, a} { // a refused event does not count
		ok, after := allow(t, c, "sign-in:ada", 4, time.Hour)
		if ok || after > 15*time.Minute || after < 14*time.Minute {
			t.Errorf("event 5 of 4 in an hour: %t, again after %s, want about 15m", ok, after)
		}
	}
	if ok, _ := allow(t, a, "sign-in:bob", 4, time.Hour); !ok {
		t.Error("the event of another key was refused")
	}
}

func rateRetry(t *testing.T, a, b coord.Coordinator) {
	const limit, per = 3, 1200 * time.Millisecond
	begin := time.Now()
	for {
		ok, after := allow(t, a, "hooks", limit, per)
		if ok {
			continue
		}
		if after <= 0 || after > per/limit+time.Millisecond {
			t.Fatalf("again after %s, want at most %s", after, per/limit)
		}
		if err := run.Pause(t.Context(), after); err != nil {
			t.Fatal(err)
		}
		break
	}
	if ok, after := allow(t, b, "hooks", limit, per); !ok {
		t.Errorf("the event at the time that was told is refused for %s more", after)
	}
	if took := time.Since(begin); took < per/limit {
		t.Errorf("%d events were allowed within %s", limit+1, took)
	}
}

func rateRace(t *testing.T, a, b coord.Coordinator) {
	var wg sync.WaitGroup
	var allowed atomic.Int32
	for range 15 {
		for _, c := range []coord.Coordinator{a, b} {
			wg.Go(func() {
				ok, _, err := c.Allow(t.Context(), "api", 7, time.Hour)
				if err != nil {
					t.Errorf("allow: %v", err)
				}
				if ok {
					allowed.Add(1)
				}
			})
		}
	}
	wg.Wait()
	if got := allowed.Load(); got != 7 {
		t.Errorf("%d events were allowed, want 7", got)
	}
}

func rateLowered(t *testing.T, a, b coord.Coordinator) {
	for range 10 {
		if ok, _ := allow(t, a, "api", 10, 10*time.Hour); !ok {
			t.Fatal("an event within the limit was refused")
		}
	}
	if ok, after := allow(t, b, "api", 1, time.Hour); ok || after > time.Hour {
		t.Errorf("got %t, again after %s, want at most the hour that now counts", ok, after)
	}
}
