package coordtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/headrace/headrace/platform/coord"
)

func messagesInOrder(t *testing.T, a, b coord.Coordinator) {
	const count = 300
	listeners := []*Listener{Listen(t, a, a, "changes"), Listen(t, b, a, "changes"), Listen(t, b, a, "changes")}
	for i := range count {
		if err := a.Publish(t.Context(), "changes", fmt.Appendf(nil, "%d", i)); err != nil {
			t.Fatalf("publish message %d: %v", i, err)
		}
	}
	for n, l := range listeners {
		for i := range count {
			if got, want := string(l.Next(t)), fmt.Sprint(i); got != want {
				t.Fatalf("listener %d got message %q, want %q", n, got, want)
			}
		}
	}
}

func payloads(t *testing.T, a, b coord.Coordinator) {
	l := Listen(t, b, a, "changes")
	for name, want := range map[string][]byte{
		"zeros":   {0, 0, 0},
		"no text": {0xff, 0xfe, '\r', '\n', '$'},
		"large":   bytes.Repeat([]byte("0123456789abcdef"), coord.MaxPayload/16),
	} {
		given := bytes.Clone(want)
		if err := a.Publish(t.Context(), "changes", given); err != nil {
			t.Fatalf("publish %s: %v", name, err)
		}
		clear(given) // the publisher may use its memory again
		if got := l.Next(t); !bytes.Equal(got, want) {
			t.Errorf("%s: got %d bytes, want the %d that were sent", name, len(got), len(want))
		}
	}
}

func topicsApart(t *testing.T, a, b coord.Coordinator) {
	here, there := Listen(t, b, a, "here"), Listen(t, b, a, "there")
	for _, topic := range []string{"there", "here", "here:there", "here"} {
		if err := a.Publish(t.Context(), topic, []byte("for "+topic)); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range []struct {
		*Listener
		want string
	}{{here, "for here"}, {here, "for here"}, {there, "for there"}} {
		if got := string(l.Next(t)); got != l.want {
			t.Errorf("got %q, want %q", got, l.want)
		}
	}
}

func emptyPayload(t *testing.T, a, b coord.Coordinator) {
	l := Listen(t, b, a, "changes")
	for _, payload := range [][]byte{[]byte("before"), nil, []byte("between"), {}, []byte("after")} {
		if err := a.Publish(t.Context(), "changes", payload); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range [][]byte{[]byte("before"), nil, []byte("between"), nil, []byte("after")} {
		if got := l.Next(t); !bytes.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func subscribingEnds(t *testing.T, a, b coord.Coordinator) {
	l, stays := Listen(t, b, a, "changes"), Listen(t, b, a, "changes")
	if err := l.Stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("Subscribe ends with %v, want the context's error", err)
	}
	if err := a.Publish(t.Context(), "changes", []byte("later")); err != nil {
		t.Fatal(err)
	}
	if got := string(stays.Next(t)); got != "later" {
		t.Errorf("the other subscriber got %q, want later", got)
	}
	select {
	case got := <-l.Got:
		t.Errorf("the subscriber that ended got %q", got)
	default:
	}
}
