package inproc_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/broker/brokertest"
	"github.com/headrace/headrace/broker/inproc"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCarrier(t *testing.T) {
	t.Parallel()
	brokertest.Run(t, func(*testing.T) func() broker.Carrier {
		first := inproc.New()
		return func() broker.Carrier { return first.Peer() }
	})
}

func TestFullQueueHoldsPublishersUp(t *testing.T) {
	t.Parallel()
	for name, body := range map[string][]byte{"many messages": nil, "many bytes": bytes.Repeat([]byte{'x'}, 1<<20)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := inproc.New()
				msg := broker.Message{Key: broker.StateQueue, Body: body}
				began := time.Now()
				var err error
				sent := 0
				for err == nil {
					if err = c.Publish(t.Context(), msg); err == nil {
						sent++
					}
				}
				if !errors.Is(err, broker.ErrUnavailable) || time.Since(began) != 10*time.Second {
					t.Errorf("after %d messages and %v: %v", sent, time.Since(began), err)
				}
				waiting := make(chan error)
				go func() { waiting <- c.Publish(context.WithoutCancel(t.Context()), msg) }()
				synctest.Wait()
				if _, err := c.Receive(t.Context(), broker.StateQueue); err != nil {
					t.Fatal(err)
				}
				if err := <-waiting; err != nil {
					t.Errorf("with room again: %v", err)
				}
			})
		})
	}
}

func TestExpiredMakesRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := inproc.New()
		for range 10_000 { // the queue is full then
			if err := c.Publish(t.Context(), broker.Message{Key: broker.StateQueue, Expires: time.Second}); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Second)
		if err := c.Publish(t.Context(), broker.Message{Key: broker.StateQueue}); err != nil {
			t.Error(err)
		}
		if info, _ := c.Inspect(t.Context(), broker.StateQueue); info.Ready != 1 {
			t.Errorf("%d wait", info.Ready)
		}
	})
}
