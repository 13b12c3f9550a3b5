package worker_test

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/worker"
	"github.com/headrace/headrace/worker/spool"
)

// deadWorker leaves in dir what a worker that was killed leaves of a run; without a state it had not ended.
func deadWorker(t *testing.T, dir string, key broker.Run, text, state string) {
	t.Helper()
	tape := spool.New(newCarrier(), spool.Config{Dir: dir}).Open(key, spool.Headrace)
	if _, err := tape.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	say := tape.Report
	if state != "started" {
		say = tape.End
	}
	err := say(broker.StateReport{
		ID: key.JobID, State: state, FinishedAt: new(time.Now()), Meta: broker.ReportMeta{UUID: key.Run},
		Headrace: &broker.StateExtra{Attempt: key.Attempt, Worker: "dead"},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRun_deliversWhatADeadWorkerHadFinished(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	text := strings.Repeat("said before the end\n", 50_000)
	ended, half := broker.Run{JobID: 7, Attempt: 1, Run: "ended"}, broker.Run{JobID: 8, Attempt: 1, Run: "half"}
	deadWorker(t, dir, ended, text, "failed")
	deadWorker(t, dir, half, text, "started")
	bubble(t, func(c *worker.Config) { c.SpoolDir = dir }, func(t *testing.T, b *bundle) {
		r := b.hub.awaitEnd(7)
		if r.key != ended || r.states != "failed" || r.log != text {
			t.Errorf("run %+v, states %q, %d bytes of log", r.key, r.states, len(r.log))
		}
		b.hub.set(func() {
			for n, beat := range b.hub.beats {
				if n == 0 && (len(beat.Runs) != 1 || beat.Runs[0] != ended) {
					t.Errorf("the first heartbeat names %+v", beat.Runs)
				}
			}
		})
		pass(10 * second)
		if s := b.w.Status(); s.Unstored != 0 || s.SpoolBytes != 0 || s.Busy != 0 {
			t.Errorf("Status = %+v after all was stored", s)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
			t.Errorf("%v stays", left)
		}
	})
}

func TestRun_forgetsWhatADeadWorkerFinishedTooLate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	deadWorker(t, dir, broker.Run{JobID: 7, Attempt: 1, Run: "ended"}, "text", "passed")
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCarrier()
		c.setRefuse(func(broker.Message) error { return broker.ErrUnavailable })
		b := setupOn(t, c, nil, func(c *worker.Config) { c.SpoolDir = dir })
		b.hub.set(func() {
			b.hub.status = func(st broker.RunStatus) broker.RunStatus { return broker.RunStatus{Run: st.Run} }
		})
		if s := b.w.Status(); s.Unstored != 1 {
			t.Errorf("Status = %+v", s)
		}
		c.setRefuse(nil)
		pass(time.Minute)
		if s := b.w.Status(); s.Unstored != 0 || s.SpoolBytes != 0 {
			t.Errorf("Status = %+v", s)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
			t.Errorf("%v stays", left)
		}
	})
}
