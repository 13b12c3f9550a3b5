package worker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/worker"
)

func TestClaim_refused(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bundle) {
		b.hub.set(func() { b.hub.refuse = "it was canceled" })
		d := b.offer(t, newJob(7, ""))
		synctest.Wait()
		if d.settled.Load() != 1 || len(b.exec.started) != 0 {
			t.Errorf("settled %d, %d processes; want it acknowledged and nothing started", d.settled.Load(), len(b.exec.started))
		}
		if s := b.w.Status(); s.Busy != 0 || s.Unstored != 0 {
			t.Errorf("Status = %+v", s)
		}
	})
}

func TestClaim_duplicateDelivery(t *testing.T) {
	bubble(t, func(c *worker.Config) { c.Slots = 3 }, func(t *testing.T, b *bundle) {
		first := b.offer(t, newJob(7, ""))
		second := b.offer(t, newJob(7, ""))
		p := <-b.exec.started
		synctest.Wait()
		if len(b.exec.started) != 0 || first.settled.Load() != 1 || second.settled.Load() != 1 {
			t.Errorf("%d more processes, settled %d and %d", len(b.exec.started), first.settled.Load(), second.settled.Load())
		}
		p.end(0)
		b.hub.awaitEnd(7)
		third := b.offer(t, newJob(7, ""))
		synctest.Wait()
		if len(b.exec.started) != 0 || third.settled.Load() != 1 {
			t.Error("a job that ran was run again")
		}
	})
}

func TestClaim_isAskedUntilItIsAnswered(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bundle) {
		b.hub.set(func() { b.hub.deaf = true })
		b.offer(t, newJob(7, ""))
		pass(20 * second)
		b.hub.set(func() {
			if n := len(b.hub.claims); n < 3 || n > 20 {
				t.Errorf("asked %d times in 20 s", n)
			}
			for _, q := range b.hub.claims {
				if q != b.hub.claims[0] {
					t.Errorf("asked differently: %+v", q)
				}
			}
			b.hub.deaf = false
		})
		(<-b.exec.started).end(0)
		b.hub.awaitEnd(7)
	})
}

func TestClaim_withoutAnAnswerTheJobGoesBack(t *testing.T) {
	bubble(t, func(c *worker.Config) { c.Slots = 1 }, func(t *testing.T, b *bundle) {
		b.hub.set(func() { b.hub.deaf = true })
		began := time.Now()
		d := b.offer(t, newJob(7, ""))
		for d.settled.Load() == 0 {
			pass(second)
		}
		if took := time.Since(began); d.settled.Load() != 2 || took < 20*time.Minute || took > 20*time.Minute+2*second {
			t.Errorf("settled %d after %s, want it put back after 20 minutes", d.settled.Load(), took)
		}
		// It comes here again, and the platform may have said yes to the first question: the same one is asked.
		pass(10 * second)
		b.hub.set(func() { b.hub.deaf = false })
		(<-b.exec.started).end(0)
		b.hub.awaitEnd(7)
		b.hub.set(func() {
			for _, q := range b.hub.claims {
				if q.Run != b.hub.claims[0].Run {
					t.Errorf("asked for another run: %+v", q)
				}
			}
		})
	})
}

func TestClaim_brokerAway(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bundle) {
		b.c.setRefuse(func(broker.Message) error { return broker.ErrUnavailable })
		b.offer(t, newJob(7, ""))
		pass(3 * time.Minute)
		b.c.setRefuse(nil)
		(<-b.exec.started).end(0)
		b.hub.awaitEnd(7)
	})
}

func TestClaim_whatIsNoJobIsDropped(t *testing.T) {
	bubble(t, func(c *worker.Config) { c.Slots = 1 }, func(t *testing.T, b *bundle) {
		for _, body := range []string{"", "{", `[]`, `{"job":{}}`, `{"job":{"id":"x"}}`, "\xff\x00"} {
			d := b.c.deliver(broker.DefaultJobQueue, broker.Message{Key: broker.DefaultJobQueue, Body: []byte(body)})
			synctest.Wait()
			if d.settled.Load() != 1 {
				t.Errorf("%q: settled %d, want it acknowledged", body, d.settled.Load())
			}
		}
		for _, kind := range []string{broker.TypeClaimAnswer, broker.TypeHeartbeatAnswer, broker.TypeCancel, "unknown"} {
			d := b.c.deliver(broker.WorkerQueue("w1"), broker.Message{Type: kind, Body: []byte("{")})
			synctest.Wait()
			if d.settled.Load() != 1 {
				t.Errorf("answer %q: settled %d", kind, d.settled.Load())
			}
		}
		b.offer(t, newJob(7, ""))
		(<-b.exec.started).end(0)
		b.hub.awaitEnd(7)
	})
}
