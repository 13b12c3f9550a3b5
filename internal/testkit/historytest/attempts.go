package historytest

import (
	"fmt"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// clockSlack is how far the clocks of two nodes may be apart after they have been set by the database's.
const clockSlack = time.Second

// job: it has ended, and its attempts lead there one after another.
func (c *checker) job(j ci.Job) {
	all := c.Attempts[j.ID]
	if !j.State.Final() {
		c.open(Jobs, "job %d is %s in attempt %d", j.ID, j.State, j.Attempt)
		return
	}
	if len(all) != j.Attempt {
		c.wrong(Jobs, "job %d is at attempt %d and has %d", j.ID, j.Attempt, len(all))
		return
	}
	if j.Tries < 1 || j.Tries > j.Attempt || j.Tries > c.rules.MaxTries || (j.RestartedAt.IsZero() && j.Tries != j.Attempt) {
		c.wrong(Jobs, "job %d is at try %d of at most %d, in attempt %d (restarted: %v)", j.ID, j.Tries, c.rules.MaxTries, j.Attempt, !j.RestartedAt.IsZero())
	}
	for i, a := range all {
		if a.Number != i+1 || a.JobID != j.ID {
			c.wrong(Jobs, "job %d: attempt %d in order is number %d of job %d", j.ID, i+1, a.Number, a.JobID)
			return
		}
		c.attempt(a)
		if i > 0 {
			c.succession(j, all[i-1], a)
		}
	}
	last := all[len(all)-1]
	if last.State != j.State || last.Run != j.Run || last.Reason != j.Reason || last.WorkerName != j.WorkerName || !last.FinishedAt.Equal(j.FinishedAt) {
		c.wrong(Jobs, "job %d is %s %q (run %q on %q) and its last attempt %s %q (run %q on %q)",
			j.ID, j.State, j.Reason, j.Run, j.WorkerName, last.State, last.Reason, last.Run, last.WorkerName)
	}
}

// attempt: it ended once, had one owner at most, and one where it has a result.
func (c *checker) attempt(a Attempt) {
	name := fmt.Sprintf("attempt %d of job %d", a.Number, a.JobID)
	if !a.State.Final() || a.FinishedAt.IsZero() {
		c.wrong(Jobs, "%s is %s, and the job has ended", name, a.State)
		return
	}
	if a.Run != "" {
		if other, taken := c.runs[a.Run]; taken {
			c.wrong(Jobs, "run %s owns %s and %s", a.Run, name, other)
		}
		c.runs[a.Run] = name
	}
	owned := a.Run != "" && a.WorkerName != "" && !a.ReceivedAt.IsZero()
	if (a.State == ci.Passed || a.State == ci.Failed) && (!owned || a.StartedAt.IsZero()) {
		c.wrong(Jobs, "%s %s without a run, a worker or a start: %+v", name, a.State, a.Attempt)
	}
	if a.State == ci.Passed && a.ExitCode != nil && *a.ExitCode != 0 {
		c.wrong(Jobs, "%s passed with exit code %d", name, *a.ExitCode)
	}
	before := time.Time{}
	for _, at := range []time.Time{a.QueuedAt, a.ReceivedAt, a.StartedAt, a.FinishedAt} {
		if at.IsZero() {
			continue
		}
		if at.Add(clockSlack).Before(before) {
			c.wrong(Jobs, "%s goes back in time: %+v", name, a.Attempt)
		}
		before = at
	}
	c.log(a, name)
}

// succession: an attempt follows one whose worker was lost or gave it back, or a restart; it begins after that one's end.
func (c *checker) succession(j ci.Job, before, a Attempt) {
	restarted := before.Number <= j.Attempt-j.Tries
	given := before.State == ci.Errored && (before.Reason == ci.ReasonWorkerLost || before.Reason == ci.ReasonWorkerReset)
	if !restarted && !given {
		c.wrong(Jobs, "job %d goes on with attempt %d, and the one before it is %s %q; nobody restarted it", j.ID, a.Number, before.State, before.Reason)
	}
	if !a.ReceivedAt.IsZero() && a.ReceivedAt.Add(clockSlack).Before(before.FinishedAt) {
		c.wrong(Jobs, "attempt %d of job %d has an owner before the one before it has ended", a.Number, j.ID)
	}
}
