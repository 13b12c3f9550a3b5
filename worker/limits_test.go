package worker_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
)

func TestWorker_limits(t *testing.T) {
	t.Parallel()
	seconds := func(n int) *int { return &n }
	cases := []struct {
		name          string
		change        func(*broker.Job)
		play          func(*fakeProcess)
		after         time.Duration
		reason, words string
	}{
		{
			"the worker's own time", nil, talkative, 50 * time.Minute,
			"timeout", "Stopped after 50 min, the longest this job may run. Raise HEADRACE_JOB_TIMEOUT on the worker",
		},
		{
			"the job's time", func(j *broker.Job) { j.Timeouts.HardLimit = seconds(90) }, talkative, 90 * second,
			"timeout", "Stopped after 90 s, the longest this job may run. Raise limits.job_timeout",
		},
		{
			"silence", nil, func(p *fakeProcess) { pass(5 * time.Minute); p.say("x") }, 15 * time.Minute,
			"log_silence", "nothing was written to the log for 10 min",
		},
		{
			"the job's silence", func(j *broker.Job) { j.Timeouts.LogSilence = seconds(30) }, func(*fakeProcess) {}, 30 * second,
			"log_silence", "for 30 s. Let long commands write something from time to time, or raise limits.log_silence.",
		},
		{
			"log", func(j *broker.Job) { j.Headrace.LogLimit = 10 }, func(p *fakeProcess) { p.say("0123"); p.say("456789ab"); p.say("c") }, 0,
			"log_limit", "0123456789\n\x1b[31;1mStopped because the log passed 10 bytes",
		},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t, nil, nil)
			j := newJob(7, "")
			if c.change != nil {
				c.change(&j)
			}
			b.offer(t, j)
			p := <-b.exec.started
			began := time.Now()
			played := make(chan struct{})
			go func() { defer close(played); c.play(p) }()
			<-p.killed
			if took := time.Since(began); took < c.after || took > c.after+second {
				t.Errorf("%s: killed after %s, want %s", c.name, took, c.after)
			}
			r := b.hub.awaitEnd(7)
			e := r.reports[1].Headrace
			if r.states != "started errored" || e.Reason != c.reason || !strings.Contains(r.log, c.words) {
				t.Errorf("%s: states %q, reason %q, log %q", c.name, r.states, e.Reason, r.log)
			}
			<-played
		})
	}
}

// talkative writes until it is killed.
func talkative(p *fakeProcess) {
	for !p.wasKilled() {
		p.say(".")
		pass(second)
	}
}
