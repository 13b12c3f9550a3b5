package worker_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker"
)

// bubble runs a test in virtual time, without real processes.
func bubble(t *testing.T, change func(*worker.Config), f func(*testing.T, *bundle)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(t, setup(t, nil, change)) })
}

func TestWorker_runsAJob(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bundle) {
		d := b.offer(t, newJob(7, "make"))
		p := <-b.exec.started
		if string(p.spec.Script) != "make" || p.spec.JobID != 7 || p.spec.Attempt != 1 {
			t.Errorf("spec = %+v", p.spec)
		}
		p.say("hello\n")
		b.hub.awaitLog(7, "hello\n")
		if s := b.w.Status(); s.Busy != 1 || len(s.Runs) != 1 || s.Runs[0].Number != "12.3" || s.Runs[0].Repository != "acme/app" {
			t.Errorf("Status = %+v", s)
		}
		if d.settled.Load() != 1 {
			t.Error("the delivery was not acknowledged when the attempt was granted")
		}
		p.say("bye")
		p.end(0)
		r := b.hub.awaitEnd(7)
		if r.states != "started passed" || !strings.HasSuffix(r.log, "hello\nbye") || b.c.lastSaid() != broker.TypeFinish {
			t.Errorf("states %q, log %q, last was %s", r.states, r.log, b.c.lastSaid())
		}
		for _, want := range []string{"travis_fold:start:worker_info\r", "Worker mill-07", "version: 0.1", "executor: fake", "attempt 1", "travis_fold:end:worker_info\r"} {
			if !strings.Contains(r.log, want) {
				t.Errorf("the log's heading has no %q", want)
			}
		}
		checkReports(t, r)
		b.w.Drain()
		b.await(t)
		if s := b.w.Status(); s.Busy != 0 || s.Unstored != 0 || s.SpoolBytes != 0 || !s.Draining {
			t.Errorf("Status at the end = %+v", s)
		}
	})
}

func checkReports(t *testing.T, r result) {
	t.Helper()
	zero := 0
	want := []broker.StateReport{
		{
			ID: 7, State: "started", Meta: broker.ReportMeta{StateUpdateCount: 1000, UUID: r.key.Run, InstanceID: "fake:1"},
			Headrace: &broker.StateExtra{Attempt: 1, Worker: "w1"},
		},
		{
			ID: 7, State: "passed", Meta: broker.ReportMeta{StateUpdateCount: 1001, UUID: r.key.Run, InstanceID: "fake:1"},
			Headrace: &broker.StateExtra{Attempt: 1, Worker: "w1", ExitCode: &zero, LogParts: 2},
		},
	}
	if diff := cmp.Diff(want, r.reports, cmpopts.IgnoreTypes(&time.Time{})); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
	last := r.reports[1]
	if last.ReceivedAt == nil || last.StartedAt == nil || last.FinishedAt == nil {
		t.Errorf("the last report has no times: %+v", last)
	}
}

func TestWorker_resultsOfScripts(t *testing.T) {
	t.Parallel()
	cases := []struct {
		code          int
		state, reason string
		words         string // in the log
	}{
		{0, "passed", "", ""},
		{1, "failed", "", ""},
		{2, "errored", "setup", ""},
		{86, "errored", "", "exit code 86"},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t, nil, nil)
			b.offer(t, newJob(7, ""))
			p := <-b.exec.started
			p.end(c.code)
			r := b.hub.awaitEnd(7)
			last := r.reports[len(r.reports)-1]
			if last.State != c.state || last.Headrace.Reason != c.reason || *last.Headrace.ExitCode != c.code || !strings.Contains(r.log, c.words) {
				t.Errorf("exit %d: %+v, log %q", c.code, last, r.log)
			}
		})
	}
}

func TestWorker_cannotEvenStart(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		generate      worker.Generate
		fail          error
		reason, words string
	}{
		"a configuration that makes no script": {
			generate: func(broker.Job) ([]byte, error) { return nil, errors.New("the phase script has no commands") },
			reason:   "config", words: "the phase script has no commands.",
		},
		"a generator that breaks": {
			generate: func(broker.Job) ([]byte, error) { panic("boom") },
			reason:   "config", words: "A defect in the worker",
		},
		"no space": {
			fail:   fault.Wrap(fault.Unavailable, errors.New("ENOSPC"), "The work directory /w has no space left."),
			reason: "executor", words: "The work directory /w has no space left.",
		},
	}
	for name, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t, nil, func(cfg *worker.Config) {
				if c.generate != nil {
					cfg.Generate = c.generate
				}
			})
			b.exec.fail = c.fail
			b.offer(t, newJob(7, ""))
			r := b.hub.awaitEnd(7)
			e := r.reports[0].Headrace
			if r.states != "errored" || e.Reason != c.reason || !strings.Contains(e.Note, c.words) || !strings.Contains(r.log, c.words) {
				t.Errorf("%s: states %q, %+v, log %q", name, r.states, e, r.log)
			}
			b.exec.mu.Lock()
			b.exec.fail = nil
			b.exec.mu.Unlock()
			if c.fail != nil { // the slot goes on
				b.offer(t, newJob(8, ""))
				(<-b.exec.started).end(0)
				b.hub.awaitEnd(8)
			}
		})
	}
}

func TestWorker_cancel(t *testing.T) {
	t.Parallel()
	mine := broker.Cancel{JobID: 7, Attempt: 1, Reason: "by jane"}
	t.Run("while it runs", func(t *testing.T) {
		bubble(t, nil, func(t *testing.T, b *bundle) {
			b.offer(t, newJob(7, ""))
			p := <-b.exec.started
			for _, other := range []broker.Cancel{{JobID: 8, Attempt: 1}, {JobID: 7, Attempt: 2}, {JobID: 7, Attempt: 1, Run: "other"}} {
				b.cancel(t, other)
			}
			synctest.Wait()
			if p.wasKilled() {
				t.Fatal("killed by a cancel of another run")
			}
			b.cancel(t, mine)
			<-p.killed
			r := b.hub.awaitEnd(7)
			if r.states != "started canceled" || !strings.Contains(r.log, "canceled (by jane)") {
				t.Errorf("states %q, log %q", r.states, r.log)
			}
		})
	})
	t.Run("before it starts", func(t *testing.T) {
		var b *bundle
		block := make(chan struct{})
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			block = make(chan struct{})
			reached := make(chan struct{})
			b = setup(t, nil, func(c *worker.Config) {
				c.Generate = func(broker.Job) ([]byte, error) { close(reached); <-block; return nil, nil }
			})
			b.offer(t, newJob(7, ""))
			<-reached
			b.cancel(t, mine)
			synctest.Wait()
			close(block)
			r := b.hub.awaitEnd(7)
			if r.states != "canceled" || len(b.exec.started) != 0 {
				t.Errorf("states %q, %d processes", r.states, len(b.exec.started))
			}
		})
	})
	t.Run("by the answer to a heartbeat", func(t *testing.T) {
		bubble(t, nil, func(t *testing.T, b *bundle) {
			b.offer(t, newJob(7, ""))
			p := <-b.exec.started
			b.hub.set(func() {
				b.hub.status = func(st broker.RunStatus) broker.RunStatus { st.Canceled = true; st.Owned = false; return st }
			})
			<-p.killed
			if r := b.hub.awaitEnd(7); r.states != "started canceled" {
				t.Errorf("states %q", r.states)
			}
		})
	})
}

func TestWorker_endedByThePlatform(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bundle) {
		b.offer(t, newJob(7, ""))
		p := <-b.exec.started
		b.hub.awaitState(7, "started")
		b.hub.set(func() {
			b.hub.status = func(st broker.RunStatus) broker.RunStatus { st.State = "errored"; return st }
		})
		<-p.killed
		if r := b.hub.awaitEnd(7); !strings.Contains(r.log, "The platform has ended this job") {
			t.Errorf("log %q", r.log)
		}
	})
}

func TestWorker_lostOwnership(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]func(broker.RunStatus) broker.RunStatus{
		"not owned":  func(st broker.RunStatus) broker.RunStatus { st.Owned = false; st.State = "created"; return st },
		"not listed": func(broker.RunStatus) broker.RunStatus { return broker.RunStatus{} },
	} {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t, nil, nil)
			b.offer(t, newJob(7, ""))
			p := <-b.exec.started
			b.hub.awaitState(7, "started")
			b.hub.set(func() { b.hub.status = status })
			<-p.killed
			p.say("nobody reads this")
			pass(time.Minute)
			if r := b.hub.result(7); r.states != "started" || strings.Contains(r.log, "nobody") || r.final {
				t.Errorf("%s: states %q, log %q", name, r.states, r.log)
			}
			if s := b.w.Status(); s.Busy != 0 || s.Unstored != 0 {
				t.Errorf("%s: Status = %+v", name, s)
			}
		})
	}
}

func TestWorker_brokerDoesNotTakeReports(t *testing.T) {
	bubble(t, func(c *worker.Config) { c.Slots = 1 }, func(t *testing.T, b *bundle) {
		b.offer(t, newJob(7, ""))
		p := <-b.exec.started
		b.hub.awaitState(7, "started")
		b.c.setRefuse(func(m broker.Message) error {
			if m.Key == broker.LogQueue || m.Key == broker.StateQueue {
				return broker.ErrUnavailable
			}
			return nil
		})
		p.say("one\n")
		pass(5 * time.Minute)
		p.say("two\n")
		p.end(1)
		pass(5 * time.Minute)
		b.c.setRefuse(nil)
		r := b.hub.awaitEnd(7)
		if r.states != "started failed" || !strings.Contains(r.log, "one\ntwo\n") || b.c.lastSaid() != broker.TypeFinish {
			t.Errorf("states %q, log %q, last was %s", r.states, r.log, b.c.lastSaid())
		}
		if n := b.logged.count("reports of a job cannot leave"); n != 1 {
			t.Errorf("the failure was logged %d times", n)
		}
	})
}

func TestWorker_partsThatGetLostAreSentAgain(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bundle) {
		b.hub.set(func() { b.hub.lose[1] = true })
		b.offer(t, newJob(7, ""))
		p := <-b.exec.started
		for _, s := range []string{"a", "b", "c"} {
			pass(second)
			p.say(s)
		}
		pass(second)
		p.end(0)
		r := b.hub.awaitEnd(7)
		if r.states != "started passed" && r.states != "started passed passed" || !strings.HasSuffix(r.log, "abc") {
			t.Errorf("states %q, log %q", r.states, r.log)
		}
	})
}

func TestWorker_slotIsFreeBeforeThePlatformHasStoredAll(t *testing.T) {
	bubble(t, func(c *worker.Config) { c.Slots = 1 }, func(t *testing.T, b *bundle) {
		b.hub.set(func() { b.hub.mute = true })
		b.offer(t, newJob(7, ""))
		b.offer(t, newJob(8, ""))
		(<-b.exec.started).end(0)
		(<-b.exec.started).end(0)
		b.hub.awaitEnd(8)
		synctest.Wait()
		if s := b.w.Status(); s.Unstored != 2 || s.Busy != 0 {
			t.Errorf("Status = %+v, want both kept", s)
		}
		b.hub.set(func() { b.hub.mute = false })
		pass(4 * second)
		if s := b.w.Status(); s.Unstored != 0 {
			t.Errorf("Status = %+v, want nothing kept", s)
		}
	})
}

func TestWorker_foreignPlatform(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *bundle) {
		j := newJob(7, "")
		j.Headrace, j.Meta = nil, broker.JobMeta{}
		d := b.offer(t, j)
		p := <-b.exec.started
		p.say("hello")
		pass(second)
		if d.settled.Load() != 0 {
			t.Error("acknowledged before the end: a foreign platform would not give the job to another worker")
		}
		p.end(0)
		r := b.hub.awaitEnd(7)
		pass(second)
		if r.states != "received started passed" || !strings.HasSuffix(r.log, "hello") || d.settled.Load() != 1 {
			t.Errorf("states %q, log %q, settled %d", r.states, r.log, d.settled.Load())
		}
		b.hub.set(func() {
			if len(b.hub.claims) > 0 {
				t.Error("a claim was asked of a platform that knows none")
			}
		})
	})
}
