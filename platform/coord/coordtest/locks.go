package coordtest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/platform/coord"
)

func take(t *testing.T, c coord.Coordinator, name string, ttl time.Duration) func(context.Context) error {
	t.Helper()
	release, ok, err := c.TryLock(t.Context(), name, ttl)
	if err != nil || !ok {
		t.Fatalf("the free lock %s was not taken: %t, %v", name, ok, err)
	}
	return release
}

func held(t *testing.T, c coord.Coordinator, name string) {
	t.Helper()
	if _, ok, err := c.TryLock(t.Context(), name, time.Minute); err != nil || ok {
		t.Errorf("the held lock %s was taken: %t, %v", name, ok, err)
	}
}

func lockOneHolder(t *testing.T, a, b coord.Coordinator) {
	release := take(t, a, "cron", time.Minute)
	held(t, b, "cron")
	held(t, a, "cron")
	take(t, b, "sync", time.Minute)
	for range 2 {
		if err := release(t.Context()); err != nil {
			t.Fatalf("release: %v", err)
		}
	}
	again := take(t, b, "cron", time.Minute)
	held(t, a, "cron")
	if err := release(t.Context()); err != nil {
		t.Errorf("release of what others hold: %v", err)
	}
	held(t, a, "cron")
	if err := again(t.Context()); err != nil {
		t.Errorf("release: %v", err)
	}
	take(t, a, "cron", time.Minute)
}

func lockRace(t *testing.T, a, b coord.Coordinator) {
	var wg sync.WaitGroup
	var taken atomic.Int32
	for range 20 {
		for _, c := range []coord.Coordinator{a, b} {
			wg.Go(func() {
				_, ok, err := c.TryLock(t.Context(), "cron", time.Minute)
				if err != nil {
					t.Errorf("try: %v", err)
				}
				if ok {
					taken.Add(1)
				}
			})
		}
	}
	wg.Wait()
	if got := taken.Load(); got != 1 {
		t.Errorf("%d took the lock, want 1", got)
	}
}

func lockRunsOut(t *testing.T, a, b coord.Coordinator) {
	const ttl = 300 * time.Millisecond
	begin := time.Now()
	take(t, a, "cron", ttl)
	Eventually(t, "the lock is free", func() bool {
		_, ok, err := b.TryLock(t.Context(), "cron", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	})
	if took := time.Since(begin); took < ttl-5*time.Millisecond {
		t.Errorf("the lock was free after %s, want %s", took, ttl)
	}
}

func lateRelease(t *testing.T, a, b coord.Coordinator) {
	late := take(t, a, "cron", 10*time.Millisecond)
	Eventually(t, "the next holder has it", func() bool {
		_, ok, err := b.TryLock(t.Context(), "cron", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	})
	if err := late(t.Context()); err != nil {
		t.Errorf("a late release: %v", err)
	}
	held(t, a, "cron")
}
