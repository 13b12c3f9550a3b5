// Package coordtest owns the contract of coord.Coordinator: every implementation passes Run. It must not know which one it
// holds.
package coordtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/coord"
)

// patience is how long an event may take on a busy machine.
const patience = 20 * time.Second

// Run holds an implementation against the contract. open makes one world for one test and returns a function that returns
// a coordinator per call, as two nodes would have; each is connected and stopped after the test (see [Start]).
func Run(t *testing.T, open func(t *testing.T) func() coord.Coordinator) {
	t.Helper()
	for name, check := range map[string]func(t *testing.T, a, b coord.Coordinator){
		"messages reach everybody in order":         messagesInOrder,
		"a payload arrives byte for byte":           payloads,
		"topics are apart":                          topicsApart,
		"an empty payload says to look":             emptyPayload,
		"subscribing ends with its context":         subscribingEnds,
		"a lock has one holder":                     lockOneHolder,
		"of many that try one takes the lock":       lockRace,
		"a lock runs out":                           lockRunsOut,
		"a late release spares the next holder":     lateRelease,
		"a rate is common to all nodes":             rateCommon,
		"a refused event says when to come again":   rateRetry,
		"of many events only the limit is allowed":  rateRace,
		"a limit that was lowered counts from now":  rateLowered,
		"who appears is present everywhere":         presence,
		"who does not appear again is gone":         presenceRunsOut,
		"what cannot be used is said":               unusable,
		"a context that has ended is told as it is": endedContext,
		"the state is connected":                    state,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node := open(t)
			check(t, node(), node())
		})
	}
}

// Start runs a coordinator until the test ends and returns it once it is connected.
func Start(t *testing.T, c coord.Coordinator) coord.Coordinator {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run ends with %v, want nil", err)
		}
	})
	Eventually(t, "the coordinator is connected", func() bool { return c.State().Connected })
	return c
}

// Eventually looks until what it waits for is so.
func Eventually(t *testing.T, what string, look func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := run.Every(ctx, 10*time.Millisecond, nil, func(context.Context) (bool, error) {
		if look() {
			return false, errSeen
		}
		return false, nil
	})
	if !errors.Is(err, errSeen) {
		t.Fatalf("it did not come to pass within %s that %s", patience, what)
	}
}

var errSeen = errors.New("seen")

// Listener is a subscription under test.
type Listener struct {
	// Got holds the messages but for those that only tested whether it listens; nil is a gap.
	Got  chan []byte
	stop context.CancelFunc
	done chan error
}

// Listen subscribes and returns when messages of publisher arrive.
func Listen(t *testing.T, subscriber, publisher coord.Coordinator, topic string) *Listener {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	l := &Listener{Got: make(chan []byte, 10_000), stop: cancel, done: make(chan error, 1)}
	hears := make(chan struct{}, 1)
	go func() {
		l.done <- subscriber.Subscribe(ctx, topic, func(payload []byte) {
			if string(payload) != "do you listen?" {
				l.Got <- append([]byte(nil), payload...)
				return
			}
			select {
			case hears <- struct{}{}:
			default:
			}
		})
	}()
	t.Cleanup(func() { _ = l.Stop() })
	Eventually(t, "the subscriber listens", func() bool {
		if err := publisher.Publish(ctx, topic, []byte("do you listen?")); err != nil {
			t.Fatalf("publish: %v", err)
		}
		select {
		case <-hears:
			return true
		default:
			return false
		}
	})
	return l
}

// Stop ends the subscription and returns its error.
func (l *Listener) Stop() error {
	l.stop()
	err := <-l.done
	l.done <- err
	return err
}

// Next returns the next message.
func (l *Listener) Next(t *testing.T) []byte {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case payload := <-l.Got:
		return payload
	case <-timer.C:
		t.Fatalf("no message came within %s", patience)
		return nil
	}
}
