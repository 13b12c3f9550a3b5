package worker_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker/executor"
)

// dependent is a fake executor whose engine the test takes away.
type dependent struct {
	fakeExecutor
	at      sync.Mutex
	why     string
	changed chan struct{}
}

func newDependent(why string) *dependent {
	return &dependent{fakeExecutor: fakeExecutor{started: make(chan *fakeProcess, 100)}, why: why, changed: make(chan struct{})}
}

// Engine is of no version.
func (d *dependent) Engine() string { return "Fake" }

// Trouble is what the test says.
func (d *dependent) Trouble() (string, <-chan struct{}) {
	d.at.Lock()
	defer d.at.Unlock()
	return d.why, d.changed
}

func (d *dependent) set(why string) {
	d.at.Lock()
	defer d.at.Unlock()
	d.why = why
	close(d.changed)
	d.changed = make(chan struct{})
}

func TestWorker_takesNoJobsWhileItsEngineIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		exec := newDependent("The engine is away.")
		b := setup(t, exec, nil)
		d := b.offer(t, newJob(7, ""))
		pass(time.Minute)
		if d.settled.Load() != 0 || len(exec.started) != 0 {
			t.Error("a job was taken although none can be started")
		}
		if s := b.w.Status(); s.Trouble != "The engine is away." || s.Engine != "Fake" {
			t.Errorf("Status = %+v", s)
		}
		exec.set("")
		p := <-exec.started
		exec.set("Away again.") // what runs goes on
		pass(second)
		second := b.offer(t, newJob(8, ""))
		p.end(0)
		if r := b.hub.awaitEnd(7); r.states != "started passed" {
			t.Errorf("states = %q", r.states)
		}
		pass(time.Minute)
		if second.settled.Load() != 0 {
			t.Error("a job was taken although none can be started")
		}
		exec.set("")
		(<-exec.started).end(0)
		b.hub.awaitEnd(8)
	})
}

func TestWorker_givesBackWhatAnAbsentEngineCannotRun(t *testing.T) {
	t.Parallel()
	cases := map[string]error{
		"with words":    fault.Wrap(fault.Unavailable, executor.ErrAway, "The engine is gone."),
		"without words": fmt.Errorf("start: %w", executor.ErrAway),
	}
	for name, err := range cases {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t, nil, nil)
			b.exec.fail = err
			b.offer(t, newJob(7, ""))
			r := b.hub.awaitEnd(7)
			if r.states != "reset" || !strings.Contains(r.log, "gives the job back") {
				t.Errorf("%s: states %q, log %q", name, r.states, r.log)
			}
		})
	}
}

func TestWorker_notesOfTheExecutor(t *testing.T) {
	t.Parallel()
	const note = "Memory ran out."
	cases := []struct {
		exit   executor.Exit
		state  string
		reason string
	}{
		{executor.Exit{Code: 1, Note: note}, "failed", ""},
		{executor.Exit{Code: 0, Note: note}, "passed", ""},
		{executor.Exit{Code: 137, Signal: "SIGKILL", Note: note}, "errored", ""},
		{executor.Exit{Code: 137, Signal: "SIGKILL", Note: note, Stopped: true}, "errored", "executor"},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t, nil, nil)
			b.offer(t, newJob(7, ""))
			(<-b.exec.started).ended <- c.exit
			r := b.hub.awaitEnd(7)
			last := r.reports[len(r.reports)-1]
			if last.State != c.state || last.Headrace.Reason != c.reason || !strings.HasPrefix(last.Headrace.Note, note) || !strings.Contains(r.log, note) || strings.Contains(r.log, "Was memory short") {
				t.Errorf("%+v: %+v, log %q", c.exit, last, r.log)
			}
		})
	}
}

func TestWorker_saysWhatTheJobAsksFor(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, config string
		change       func(*broker.Job)
		want         executor.Spec
	}{
		{"texts", `{"language":"go","dist":"jammy","os":"linux","image":"big"}`, nil, executor.Spec{Wish: executor.Wish{Image: "big", Language: "go", Dist: "jammy", OS: "linux"}}},
		{"lists and other shapes", `{"language":["ruby"],"dist":7,"os":[]}`, nil, executor.Spec{Wish: executor.Wish{Language: "ruby"}}},
		{"services", `{"services":["redis",1,"mysql"]}`, nil, executor.Spec{Wish: executor.Wish{Services: []string{"redis", "mysql"}}}},
		{"a service", `{"services":"redis"}`, nil, executor.Spec{Wish: executor.Wish{Services: []string{"redis"}}}},
		{"a stranger's", `{}`, func(j *broker.Job) { j.Headrace.Untrusted = true }, executor.Spec{Untrusted: true}},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t, nil, nil)
			j := newJob(7, "")
			j.Config = json.RawMessage(c.config)
			if c.change != nil {
				c.change(&j)
			}
			b.offer(t, j)
			p := <-b.exec.started
			if diff := cmp.Diff(c.want, executor.Spec{Wish: p.spec.Wish, Untrusted: p.spec.Untrusted}); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
			p.end(0)
			b.hub.awaitEnd(7)
		})
	}
}
