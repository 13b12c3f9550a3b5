package coordtest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/coord"
)

func appear(t *testing.T, c coord.Coordinator, kind, id, info string, ttl time.Duration) {
	t.Helper()
	if err := c.Appear(t.Context(), kind, id, []byte(info), ttl); err != nil {
		t.Fatalf("appear %s: %v", id, err)
	}
}

func present(t *testing.T, c coord.Coordinator, kind string) map[string]string {
	t.Helper()
	found, err := c.Present(t.Context(), kind)
	if err != nil {
		t.Fatalf("present %s: %v", kind, err)
	}
	if found == nil {
		t.Error("nobody is a nil map, want an empty one")
	}
	words := map[string]string{}
	for id, info := range found {
		words[id] = string(info)
	}
	return words
}

func presence(t *testing.T, a, b coord.Coordinator) {
	odd := "a:b|c \x00\xff\r\n"
	appear(t, a, "nodes", "n1", "one", time.Minute)
	appear(t, b, "nodes", "n2", odd, time.Minute)
	appear(t, b, "nodes", odd, "", time.Minute)
	appear(t, a, "nodes", "n1", "one again", time.Minute)
	appear(t, a, "viewers", "n1", "other", time.Minute)
	want := map[string]string{"n1": "one again", "n2": odd, odd: ""}
	for _, c := range []coord.Coordinator{a, b} {
		if diff := cmp.Diff(want, present(t, c, "nodes")); diff != "" {
			t.Errorf("present (-want +got):\n%s", diff)
		}
	}
	appear(t, a, "nodes", "n2", "", 0)
	appear(t, a, "nodes", "never", "", 0)
	appear(t, a, "nothing", "n1", "", -time.Second)
	delete(want, "n2")
	if diff := cmp.Diff(want, present(t, b, "nodes")); diff != "" {
		t.Errorf("present after one went (-want +got):\n%s", diff)
	}
	if got := present(t, b, "nothing"); len(got) != 0 {
		t.Errorf("present of a kind of which nobody came: %v", got)
	}
}

func presenceRunsOut(t *testing.T, a, b coord.Coordinator) {
	const ttl = 300 * time.Millisecond
	begin := time.Now()
	appear(t, a, "nodes", "short", "", ttl)
	appear(t, a, "nodes", "longer", "", ttl)
	appear(t, a, "nodes", "longer", "", time.Minute)
	Eventually(t, "one is gone", func() bool {
		_, there := present(t, b, "nodes")["short"]
		return !there
	})
	if took := time.Since(begin); took < ttl-5*time.Millisecond {
		t.Errorf("it was gone after %s, want %s", took, ttl)
	}
	if diff := cmp.Diff(map[string]string{"longer": ""}, present(t, b, "nodes")); diff != "" {
		t.Errorf("present (-want +got):\n%s", diff)
	}
	appear(t, a, "nodes", "longer", "", 20*time.Millisecond)
	Eventually(t, "all are gone", func() bool { return len(present(t, b, "nodes")) == 0 })
}

func unusable(t *testing.T, a, _ coord.Coordinator) {
	ctx, long := t.Context(), strings.Repeat("x", 1000)
	tooMuch := make([]byte, coord.MaxPayload+1)
	lock := func(name string, ttl time.Duration) error { _, _, err := a.TryLock(ctx, name, ttl); return err }
	rate := func(key string, limit int, per time.Duration) error {
		ok, _, err := a.Allow(ctx, key, limit, per)
		if ok {
			t.Errorf("the rate %.10s, %d per %s is allowed", key, limit, per)
		}
		return err
	}
	for name, err := range map[string]error{
		"publish without a topic":      a.Publish(ctx, "", nil),
		"publish too much":             a.Publish(ctx, "t", tooMuch),
		"subscribe without a topic":    a.Subscribe(ctx, "", func([]byte) {}),
		"subscribe to a long topic":    a.Subscribe(ctx, long, func([]byte) {}),
		"lock without a name":          lock("", time.Second),
		"lock for ever":                lock("l", 0),
		"lock for less than a moment":  lock("l", time.Microsecond),
		"rate without a key":           rate("", 1, time.Second),
		"rate with a long key":         rate(long, 1, time.Second),
		"rate of nothing":              rate("r", 0, time.Second),
		"rate per nothing":             rate("r", 1, 0),
		"appear without an id":         a.Appear(ctx, "k", "", nil, time.Second),
		"appear without a kind":        a.Appear(ctx, "", "i", nil, time.Second),
		"appear with too much to say":  a.Appear(ctx, "k", "i", tooMuch, time.Second),
		"ask for presence of no kind":  second(a.Present(ctx, "")),
		"ask for presence of long one": second(a.Present(ctx, long)),
	} {
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want what is wrong with it", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func endedContext(t *testing.T, a, _ coord.Coordinator) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, lock := a.TryLock(ctx, "l", time.Minute)
	_, _, rate := a.Allow(ctx, "r", 1, time.Minute)
	for name, err := range map[string]error{
		"Publish":   a.Publish(ctx, "t", []byte("x")),
		"Subscribe": a.Subscribe(ctx, "t", func([]byte) {}),
		"TryLock":   lock,
		"Allow":     rate,
		"Appear":    a.Appear(ctx, "k", "i", nil, time.Minute),
		"Present":   second(a.Present(ctx, "k")),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want the context's error", name, err)
		}
	}
	if _, ok, err := a.TryLock(t.Context(), "l", time.Minute); !ok || err != nil {
		t.Errorf("the lock that was not taken is held: %t, %v", ok, err)
	}
}

func state(t *testing.T, a, b coord.Coordinator) {
	for _, c := range []coord.Coordinator{a, b} {
		got := c.State()
		if !got.Connected || got.LastError != "" || got.Since.IsZero() || time.Since(got.Since) > patience {
			t.Errorf("the state is %+v, want connected since just now", got)
		}
	}
}
