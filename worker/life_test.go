package worker_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/worker"
)

func TestRun_drained(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bundle) {
		b.offer(t, newJob(7, ""))
		p := <-b.exec.started
		b.w.Drain()
		b.w.Drain()
		b.hub.await("a heartbeat that says so", func() bool {
			n := len(b.hub.beats)
			return n > 0 && b.hub.beats[n-1].Draining && len(b.hub.beats[n-1].Runs) == 1
		})
		d := b.offer(t, newJob(8, ""))
		pass(time.Minute)
		if len(b.exec.started) != 0 || d.settled.Load() == 1 {
			t.Error("a drained worker took a job")
		}
		p.say("done")
		p.end(0)
		b.await(t)
		if r := b.hub.result(7); r.states != "started passed" || !strings.HasSuffix(r.log, "done") || !r.final {
			t.Errorf("states %q, log %q", r.states, r.log)
		}
		if s := b.w.Status(); s.Unstored != 0 {
			t.Errorf("Status = %+v; Run did not wait until all was stored", s)
		}
	})
}

func TestRun_drainedWithoutAPlatformEnds(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bundle) {
		b.offer(t, newJob(7, ""))
		p := <-b.exec.started
		b.hub.set(func() { b.hub.mute = true })
		b.w.Drain()
		p.end(0)
		began := time.Now()
		b.await(t)
		if took := time.Since(began); took < 29*second || took > 31*second {
			t.Errorf("took %s", took)
		}
	})
}

func TestRun_stoppedGivesBack(t *testing.T) {
	for name, drainFirst := range map[string]bool{"at once": false, "after a drain": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, b *bundle) {
				b.offer(t, newJob(7, ""))
				p := <-b.exec.started
				p.say("half")
				if drainFirst {
					b.w.Drain()
					synctest.Wait()
				}
				b.stop()
				b.await(t)
				if !p.wasKilled() {
					t.Error("the process goes on")
				}
				synctest.Wait()
				r := b.hub.result(7)
				if r.states != "started reset" || !strings.Contains(r.log, "half") || !strings.Contains(r.log, "This worker is stopping.") || !r.final {
					t.Errorf("states %q, log %q", r.states, r.log)
				}
				if last := b.hub.beats[len(b.hub.beats)-1]; !last.Draining {
					t.Errorf("the last heartbeat does not say that no more jobs are taken: %+v", last)
				}
			})
		})
	}
}

func TestRun_stoppedWithoutABrokerEnds(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bundle) {
		b.offer(t, newJob(7, ""))
		p := <-b.exec.started
		b.hub.awaitState(7, "started")
		b.c.setRefuse(func(broker.Message) error { return broker.ErrUnavailable })
		began := time.Now()
		b.stop()
		b.await(t)
		if took := time.Since(began); took < 4*second || took > 7*second || !p.wasKilled() {
			t.Errorf("took %s, killed %v", took, p.wasKilled())
		}
	})
}

func TestRun_stoppedWhileAskingPutsTheJobBack(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bundle) {
		b.hub.set(func() { b.hub.deaf = true })
		d := b.offer(t, newJob(7, ""))
		pass(second)
		b.stop()
		b.await(t)
		if d.settled.Load() != 2 {
			t.Errorf("settled %d, want it put back", d.settled.Load())
		}
	})
}

func TestRun_whatCannotBeKilledIsReportedAllTheSame(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bundle) {
		b.exec.stuck = true
		b.offer(t, newJob(7, ""))
		p := <-b.exec.started
		b.cancel(t, broker.Cancel{JobID: 7, Attempt: 1})
		if r := b.hub.awaitEnd(7); r.states != "started canceled" {
			t.Errorf("states %q", r.states)
		}
		p.end(0)
	})
}

func TestRun_waitsVisiblyForTheBroker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, nil, nil)
		synctest.Wait()
		b.c.setState(broker.State{LastError: "connection refused", Tries: 1})
		synctest.Wait()
		if n := b.logged.count("waiting for the message broker"); n != 1 {
			t.Fatalf("said %d times", n)
		}
		for range 10 { // tries are no news
			b.c.setState(broker.State{LastError: "connection refused", Tries: 2})
			synctest.Wait()
		}
		pass(100 * second)
		if n := b.logged.count("waiting for the message broker"); n != 4 {
			t.Errorf("said %d times in 100 s, want it at once and every 30 s", n)
		}
		if b.w.Status().Connected {
			t.Error("Status says that it is connected")
		}
		b.c.setState(broker.State{Connected: true})
		pass(100 * second)
		if n := b.logged.count("connected to the message broker"); n != 2 {
			t.Errorf("the connection was announced %d times", n)
		}
	})
}

func TestRun_heartbeats(t *testing.T) {
	bubble(t, func(c *worker.Config) { c.Slots, c.Home = 3, "h1" }, func(t *testing.T, b *bundle) {
		b.offer(t, newJob(7, ""))
		p := <-b.exec.started
		pass(60 * second)
		b.hub.set(func() {
			n := len(b.hub.beats)
			if n < 18 || n > 25 {
				t.Errorf("%d heartbeats in a minute", n)
			}
			last := b.hub.beats[n-1]
			if last.WorkerID != "w1" || last.Home != "h1" || last.Name != "mill-07" || last.Slots != 3 || last.Executor != "fake" ||
				last.Queue != broker.DefaultJobQueue || len(last.Runs) != 1 || last.Runs[0].JobID != 7 {
				t.Errorf("heartbeat = %+v", last)
			}
		})
		p.end(0)
		b.hub.awaitEnd(7)
		pass(10 * second)
		b.hub.set(func() {
			if last := b.hub.beats[len(b.hub.beats)-1]; len(last.Runs) != 0 {
				t.Errorf("a run that is stored is still named: %+v", last)
			}
		})
	})
}

func TestRun_fullSpoolHoldsTheProcessUp(t *testing.T) {
	bubble(t, func(c *worker.Config) { c.SpoolBytes = 200_000 }, func(t *testing.T, b *bundle) {
		b.offer(t, newJob(7, ""))
		p := <-b.exec.started
		b.hub.set(func() { b.hub.mute = true })
		wrote := make(chan struct{})
		go func() {
			defer close(wrote)
			for range 100 {
				p.say(strings.Repeat("x", 10_000))
			}
		}()
		pass(20 * time.Minute) // longer than the limit of silence
		select {
		case <-wrote:
			t.Error("all was written although nothing is stored")
		default:
		}
		if p.wasKilled() {
			t.Fatal("waiting for room was taken for silence")
		}
		if s := b.w.Status(); s.SpoolBytes > 200_000 {
			t.Errorf("%d bytes are kept", s.SpoolBytes)
		}
		b.hub.set(func() { b.hub.mute = false })
		<-wrote
		p.end(0)
		if r := b.hub.awaitEnd(7); !strings.HasSuffix(r.log, strings.Repeat("x", 1_000_000)) {
			t.Errorf("%d bytes arrived", len(r.log))
		}
	})
}

func TestNew_saysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for field, cfg := range map[string]worker.Config{
		"generate": {ID: "w"},
		"slots":    {ID: "w", Slots: -1, Generate: func(broker.Job) ([]byte, error) { return nil, nil }},
	} {
		if _, err := worker.New(newCarrier(), &fakeExecutor{}, cfg); err == nil {
			t.Errorf("without a good %s: no error", field)
		}
	}
}
