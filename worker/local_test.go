package worker_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/worker"
	"github.com/headrace/headrace/worker/executor/local"
)

// realSetup runs a worker with real processes, in real time.
func realSetup(t *testing.T, change func(*worker.Config)) *bundle {
	t.Helper()
	t.Parallel()
	e, err := local.Open(local.Config{Dir: t.TempDir(), Grace: 200 * time.Millisecond, Linger: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return setup(t, e, func(c *worker.Config) {
		c.Heartbeat, c.FlushEvery = 100*time.Millisecond, 20*time.Millisecond
		if change != nil {
			change(c)
		}
	})
}

func TestLocal_scripts(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, script, state, log string }{
		{"passes", "echo hello", "passed", "hello\n"},
		{"fails", "echo no; exit 1", "failed", "no\n"},
		{"is not set up", "exit 2", "errored", ""},
		{"killed by itself", "echo a; kill -9 $$", "errored", "a\n\n\x1b[31;1mThe script was ended by the signal SIGKILL (exit code 137). Was memory short, or did a command end it?\x1b[0m\n"},
		{"says nothing", "", "passed", ""},
		{"no end of line", "printf 'a\nb'", "passed", "a\nb"},
		{"no text", `printf '\xff\xfe\x00\xc3'`, "passed", "\xff\xfe\x00\xc3"},
		{"a daemon holds its output", "setsid sleep 600 & echo up", "passed", "up\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := realSetup(t, nil)
			b.offer(t, newJob(7, c.script))
			r := b.hub.awaitEnd(7)
			if r.states != "started "+c.state || !strings.HasSuffix(r.log, c.log) {
				t.Errorf("states %q, log %q", r.states, r.log)
			}
			if !strings.Contains(r.log, "Not isolated:") {
				t.Error("the log does not say that the job is not isolated")
			}
		})
	}
}

func TestLocal_muchOutputToTheLastByte(t *testing.T) {
	b := realSetup(t, func(c *worker.Config) { c.SpoolBytes = 1 << 20 })
	b.offer(t, newJob(7, "head -c 20971519 /dev/zero | tr '\\0' x; printf E"))
	r := b.hub.awaitEnd(7)
	_, out, _ := strings.Cut(r.log, "here.\n\n")
	if r.states != "started passed" || len(out) != 20<<20 || strings.Trim(out, "x") != "E" {
		t.Errorf("states %q, %d bytes arrived of %d", r.states, len(out), 20<<20)
	}
}

func TestLocal_limitsKillTheWholeJob(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, script, reason string
		change               func(*worker.Config)
	}{
		{"time", "while :; do echo .; sleep 0.05; done", "timeout", func(c *worker.Config) { c.HardTimeout = 500 * time.Millisecond }},
		{"silence", "echo .; sleep 600", "log_silence", func(c *worker.Config) { c.LogSilence = 500 * time.Millisecond }},
		{"log", "yes; sleep 600", "log_limit", func(c *worker.Config) { c.LogLimit = 1_000_000 }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := realSetup(t, c.change)
			pid := filepath.Join(t.TempDir(), "pid")
			b.offer(t, newJob(7, fmt.Sprintf("trap '' TERM; setsid sh -c 'echo $$ > %s; exec sleep 600' & while [ ! -s %s ]; do :; done\n%s", pid, pid, c.script)))
			r := b.hub.awaitEnd(7)
			if r.states != "started errored" || r.reports[1].Headrace.Reason != c.reason || !strings.Contains(r.log, "Stopped ") {
				t.Errorf("states %q, reason %q", r.states, r.reports[1].Headrace.Reason)
			}
			if size := len(r.log); size > 1_001_000 {
				t.Errorf("%d bytes of log", size)
			}
			checkGone(t, pid)
		})
	}
}

// checkGone checks that the process whose id is in the file does not run any more.
func checkGone(t *testing.T, file string) {
	t.Helper()
	id, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(id)), "stat"))
	if err == nil && !strings.Contains(string(stat), ") Z ") {
		t.Errorf("process still runs: %s", stat)
	}
}

func TestLocal_cancel(t *testing.T) {
	b := realSetup(t, nil)
	pid := filepath.Join(t.TempDir(), "pid")
	b.offer(t, newJob(7, fmt.Sprintf("sleep 600 & echo $! > %s; echo up; wait", pid)))
	b.hub.awaitLog(7, "up\n")
	b.cancel(t, broker.Cancel{JobID: 7, Attempt: 1, Reason: "by jane"})
	if r := b.hub.awaitEnd(7); r.states != "started canceled" || !strings.Contains(r.log, "canceled (by jane)") {
		t.Errorf("states %q, log %q", r.states, r.log)
	}
	checkGone(t, pid)
}

func TestLocal_stopGivesBack(t *testing.T) {
	b := realSetup(t, nil)
	pid := filepath.Join(t.TempDir(), "pid")
	b.offer(t, newJob(7, fmt.Sprintf("sleep 600 & echo $! > %s; echo up; wait", pid)))
	b.hub.awaitLog(7, "up\n")
	b.stop()
	b.await(t)
	checkGone(t, pid)
	b.hub.awaitState(7, "started reset")
}

func TestLocal_fullSpoolHoldsTheScriptUp(t *testing.T) {
	b := realSetup(t, func(c *worker.Config) { c.SpoolBytes = 100_000 })
	b.hub.set(func() { b.hub.mute = true })
	mark := filepath.Join(t.TempDir(), "mark")
	b.offer(t, newJob(7, "echo begin; head -c 1000000 /dev/zero; touch "+mark))
	b.hub.awaitLog(7, "begin")
	b.hub.await("a full spool", func() bool { return b.w.Status().SpoolBytes > 50_000 })
	if _, err := os.Stat(mark); err == nil {
		t.Error("the script went on although nothing was stored")
	}
	b.hub.set(func() { b.hub.mute = false })
	if r := b.hub.awaitEnd(7); strings.Count(r.log, "\x00") != 1_000_000 {
		t.Errorf("%d bytes arrived", strings.Count(r.log, "\x00"))
	}
}

func TestLocal_diskTakesWhatAnOutageKeeps(t *testing.T) {
	const size = 20 << 20
	dir := filepath.Join(t.TempDir(), "spool")
	b := realSetup(t, func(c *worker.Config) { c.SpoolDir, c.SpoolBytes = dir, 4*size })
	b.hub.set(func() { b.hub.mute = true })
	mark := filepath.Join(t.TempDir(), "mark")
	b.offer(t, newJob(7, fmt.Sprintf("echo begin; head -c %d /dev/zero; touch %s", size, mark)))
	b.hub.await("the end of the script", func() bool {
		_, err := os.Stat(mark)
		return err == nil && b.w.Status().Unstored == 1
	})
	if s := b.w.Status(); s.SpoolBytes < size || s.SpoolTrouble != "" {
		t.Errorf("%d bytes are kept, trouble %q", s.SpoolBytes, s.SpoolTrouble)
	}
	b.hub.set(func() { b.hub.mute = false })
	if r := b.hub.awaitEnd(7); strings.Count(r.log, "\x00") != size {
		t.Errorf("%d bytes arrived", strings.Count(r.log, "\x00"))
	}
	b.hub.await("an empty spool", func() bool {
		left, err := os.ReadDir(dir)
		return err == nil && len(left) == 0 && b.w.Status().SpoolBytes == 0
	})
}

func TestLocal_manyJobs(t *testing.T) {
	b := realSetup(t, func(c *worker.Config) { c.Slots = 4 })
	const jobs = 40
	for i := range jobs {
		b.offer(t, newJob(int64(i+1), fmt.Sprintf("echo job %d; exit %d", i+1, i%2)))
	}
	for i := range jobs {
		r := b.hub.awaitEnd(int64(i + 1))
		want := []string{"passed", "failed"}[i%2]
		if r.states != "started "+want || !strings.HasSuffix(r.log, fmt.Sprintf("job %d\n", i+1)) {
			t.Errorf("job %d: states %q, log %q", i+1, r.states, r.log)
		}
	}
	b.w.Drain()
	b.await(t)
}
