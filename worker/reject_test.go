package worker_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/worker"
)

func TestReject_thePlatformGetsWhatIsNoJob(t *testing.T) {
	bubble(t, func(c *worker.Config) { c.Slots = 1 }, func(t *testing.T, b *bundle) {
		long := `{"job":` + strings.Repeat(" ", broker.MostRejected)
		d := b.c.deliver(broker.DefaultJobQueue, broker.Message{
			Key: broker.DefaultJobQueue, Type: "test", ContentType: "text/plain", Headers: map[string]string{"a": "b"}, Body: []byte(long),
		})
		got, err := b.c.Receive(t.Context(), broker.RejectQueue)
		if err != nil {
			t.Fatal(err)
		}
		r, err := broker.DecodeReject(got.Message())
		if err != nil || got.Message().Transient {
			t.Fatal(got.Message(), err)
		}
		want := broker.Reject{
			Queue: broker.DefaultJobQueue, Type: "test", ContentType: "text/plain", Headers: map[string]string{"a": "b"},
			Body: []byte(long[:broker.MostRejected]), Size: len(long), Reason: "read job message: unexpected end of JSON input", Worker: "mill-07",
		}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("handed on (-want +got):\n%s", diff)
		}
		synctest.Wait()
		if d.settled.Load() != 1 {
			t.Errorf("settled %d, want it acknowledged", d.settled.Load())
		}
	})
}

// A message that is no job is neither lost nor in the way while the broker takes none.
func TestReject_brokerTakesNothing(t *testing.T) {
	bubble(t, func(c *worker.Config) { c.Slots = 1 }, func(t *testing.T, b *bundle) {
		var tries atomic.Int64
		b.c.setRefuse(func(m broker.Message) error {
			if m.Key == broker.RejectQueue {
				tries.Add(1)
				return broker.ErrUnavailable
			}
			return nil
		})
		b.c.deliver(broker.DefaultJobQueue, broker.Message{Key: broker.DefaultJobQueue, Body: []byte("?")})
		b.offer(t, newJob(7, ""))
		(<-b.exec.started).end(0)
		b.hub.awaitEnd(7)
		pass(time.Minute)
		if n := tries.Load(); n < 5 || n > 60 {
			t.Errorf("it was handed on %d times in a minute, want some", n)
		}
		b.c.setRefuse(nil)
		if _, err := b.c.Receive(t.Context(), broker.RejectQueue); err != nil {
			t.Fatal(err)
		}
	})
}

// A platform that speaks only the original protocol has no queue for it.
func TestReject_nobodyTakesIt(t *testing.T) {
	bubble(t, func(c *worker.Config) { c.Slots = 1 }, func(t *testing.T, b *bundle) {
		b.c.setRefuse(func(m broker.Message) error {
			if m.Key == broker.RejectQueue {
				return broker.ErrUnroutable
			}
			return nil
		})
		d := b.c.deliver(broker.DefaultJobQueue, broker.Message{Key: broker.DefaultJobQueue, Body: []byte("?")})
		b.offer(t, newJob(7, ""))
		(<-b.exec.started).end(0)
		b.hub.awaitEnd(7)
		if d.settled.Load() != 1 {
			t.Errorf("settled %d, want it acknowledged", d.settled.Load())
		}
	})
}
