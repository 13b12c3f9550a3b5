package worker_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/worker"
)

// offerForeign puts a job of a platform into the queue that speaks only the original protocol.
func (b *bundle) offerForeign(t *testing.T, id int64) *delivery {
	t.Helper()
	j := newJob(id, "")
	j.Headrace, j.Meta = nil, broker.JobMeta{StateUpdateCount: 7}
	return b.offer(t, j)
}

// command is what such a platform tells all workers.
func (b *bundle) command(body string) {
	b.c.deliver(broker.WorkerQueue("w1"), broker.Message{Exchange: broker.ForeignCommands, Body: []byte(body)})
}

func TestForeign_cancel(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bundle) {
		d := b.offerForeign(t, 7)
		theirs := <-b.exec.started
		b.offer(t, newJob(8, ""))
		ours := <-b.exec.started
		pass(second)
		for _, none := range []string{`{"type":"cancel_job","job_id":9}`, `{"type":"hello","job_id":7}`, `hello`, `{"type":"cancel_job","job_id":8}`} {
			b.command(none)
		}
		pass(second)
		if theirs.wasKilled() || ours.wasKilled() {
			t.Fatal("a command for somebody else ended a job")
		}
		b.command(`{"type":"cancel_job","job_id":7,"source":"hub","reason":"Job Cancelled manually by User with id: jane"}`)
		r := b.hub.awaitEnd(7)
		pass(second)
		if !theirs.wasKilled() || ours.wasKilled() || r.states != "received started canceled" || d.settled.Load() != 1 {
			t.Errorf("killed %v and %v, states %q, settled %d", theirs.wasKilled(), ours.wasKilled(), r.states, d.settled.Load())
		}
		if !strings.Contains(r.log, "with id: jane") || !r.final {
			t.Errorf("log %q", r.log)
		}
		for i, s := range r.reports {
			if s.Meta.StateUpdateCount != 7+i || len(s.Meta.UUID) != 36 {
				t.Errorf("report %d: %+v", i, s.Meta)
			}
		}
		ours.end(0)
		b.hub.awaitEnd(8)
	})
}

// TestForeign_gone: the broker gives a job whose delivery is gone to somebody else, so that this run counts no more.
func TestForeign_gone(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bundle) {
		d := b.offerForeign(t, 7)
		p := <-b.exec.started
		p.say("hello")
		pass(second)
		close(d.gone)
		pass(second)
		if !p.wasKilled() {
			t.Error("the job runs on")
		}
		if r := b.hub.result(7); r.states != "received started" || r.final {
			t.Errorf("states %q, the log is complete: %v", r.states, r.final)
		}
		b.offerForeign(t, 8) // the slot is free
		(<-b.exec.started).end(0)
		b.hub.awaitEnd(8)
	})
}

// TestForeign_stop: a worker that stops gives the job back, in its own words or, where they cannot leave, by the broker.
func TestForeign_stop(t *testing.T) {
	for name, c := range map[string]struct {
		broken  bool
		states  string
		settled int32
	}{
		"said":     {false, "received started reset", 1},
		"not said": {true, "received started", 2},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(cfg *worker.Config) { cfg.GiveBack = second }, func(t *testing.T, b *bundle) {
				d := b.offerForeign(t, 7)
				p := <-b.exec.started
				pass(second)
				if c.broken {
					b.c.setRefuse(func(broker.Message) error { return fmt.Errorf("no: %w", errors.ErrUnsupported) })
				}
				b.stop()
				b.await(t)
				if r := b.hub.result(7); !p.wasKilled() || r.states != c.states || d.settled.Load() != c.settled {
					t.Errorf("states %q, settled %d", r.states, d.settled.Load())
				}
			})
		})
	}
}

// TestClaim_saysWhatWasDeliveredBefore: a claim says so only while the worker has the message.
func TestClaim_saysWhatWasDeliveredBefore(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bundle) {
		b.hub.set(func() { b.hub.deaf = true })
		claimed := func() (last bool) {
			t.Helper()
			b.hub.set(func() { b.hub.claims = nil })
			b.hub.await("a claim", func() bool { return len(b.hub.claims) > 0 })
			b.hub.set(func() { last = b.hub.claims[len(b.hub.claims)-1].Redelivered })
			return last
		}
		b.offer(t, newJob(7, ""))
		if claimed() {
			t.Error("delivered for the first time")
		}
		m, err := newJob(8, "").Message()
		if err != nil {
			t.Fatal(err)
		}
		b.hub.set(func() { b.hub.deaf = false })
		(<-b.exec.started).end(0)
		b.hub.awaitEnd(7)
		b.hub.set(func() { b.hub.deaf = true })
		d := &delivery{c: b.c, queue: m.Key, m: m, again: true, gone: make(chan struct{})}
		b.c.put(d)
		if !claimed() {
			t.Error("delivered again, and it is not said")
		}
		close(d.gone)
		pass(second)
		if claimed() {
			t.Error("the message is gone")
		}
	})
}
