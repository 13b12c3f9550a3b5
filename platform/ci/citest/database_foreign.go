package citest

import (
	"slices"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// What platform/store does with workers that do not claim, in its foreign.go.
const (
	// foreignLimit is how long such a worker may have a job, in the time heard: here more than any job takes.
	foreignLimit = 3 * time.Minute
	// foreignQuiet is how long after its end the log of such a run may be added to.
	foreignQuiet = 3 * time.Minute
	// foreignIdle is how long a message may lie where such workers are before it is put out again.
	foreignIdle = 20 * requeueIdle
)

// adopt finds the attempt of a foreign run: the one that its worker was offered, or the next where another run of the same
// message holds that. stop: a command that names the job would hit no run that counts.
func (d *database) adopt(now time.Time, r report) (number int, stop bool) {
	j := d.jobs[r.job-1]
	a := j.attempt(j.Attempt)
	for _, known := range j.attempts {
		if known.run == r.run {
			return known.number, (known.number != j.Attempt || j.State == ci.Canceled) && j.mayStop()
		}
	}
	switch {
	case d.w.cures.broken == onlyReceived && r.state != ci.Received:
	case j.State == ci.Queued && r.offer == j.Attempt:
		d.giveTo(now, j, r)
		return j.Attempt, false
	case j.State.Owned() && a.unclaimed && a.offer == r.offer && d.w.cures.broken != noNextAttempt:
		d.w.check.redelivered(j, a, d.w.check.theirs[r.run].lives())
		d.loseDelivery(now, j)
		if j.State.Final() {
			return 0, true
		}
		t, i := d.holdJob(now, r.job)
		if _, err := t.apply(i, ci.JobEvent{Kind: ci.JobQueue}); err != nil {
			d.w.check.fail("job %d, which goes on with run %s, cannot be queued: %v", r.job, r.run, err)
			return 0, false
		}
		t.save()
		d.giveTo(now, j, r)
		return j.Attempt, false
	}
	return 0, j.mayStop()
}

func (j *job) mayStop() bool {
	return j.State != ci.Queued && (!j.State.Owned() || !j.attempt(j.Attempt).unclaimed)
}

// giveTo gives the current attempt to a foreign run.
func (d *database) giveTo(now time.Time, j *job, r report) {
	t, i := d.holdJob(now, r.job)
	if _, err := t.apply(i, ci.JobEvent{Kind: ci.JobClaim, Attempt: j.Attempt, Run: r.run, Worker: "foreign"}); err != nil {
		d.w.check.fail("job %d cannot be given to run %s: %v", r.job, r.run, err)
		return
	}
	t.save()
	a := j.attempt(j.Attempt)
	a.log, a.worker, a.heard, a.unclaimed, a.offer = newLog(now), "foreign", d.counter, true, r.offer
}

// loseDelivery takes the job from a run whose delivery the broker gave to somebody else.
func (d *database) loseDelivery(now time.Time, j *job) {
	t, i := d.holdJob(now, j.ID)
	if _, err := t.apply(i, ci.JobEvent{Kind: ci.JobLose, Attempt: j.Attempt, Run: j.Run}); err != nil {
		d.w.check.fail("job %d cannot be taken from run %s: %v", j.ID, j.Run, err)
		return
	}
	t.save()
}

// takeBack takes the job from a foreign run whose delivery the broker has given to the worker that claims now.
func (d *database) takeBack(now time.Time, c claim) bool {
	j := d.jobs[c.job-1]
	a := j.attempt(j.Attempt)
	if d.w.cures.RedeliveredClaims && !c.redelivered {
		return false
	}
	if !j.State.Owned() || !a.unclaimed || a.offer != c.attempt || d.w.cures.broken == noTakeBack {
		return false
	}
	d.w.check.redelivered(j, a, true)
	d.loseDelivery(now, j)
	return true
}

// mayBegin says whether a foreign worker may begin an attempt whose message it has.
func (d *database) mayBegin(id int64, attempt int) bool {
	j := d.jobs[id-1]
	a := j.attempt(j.Attempt)
	return j.State == ci.Queued && j.Attempt == attempt || j.State.Owned() && a.unclaimed && a.offer == attempt
}

// ofRun is the attempt of a foreign run.
func (j *job) ofRun(run string) *attempt {
	i := slices.IndexFunc(j.attempts, func(a *attempt) bool { return a.run == run })
	if i < 0 {
		return nil
	}
	return j.attempts[i]
}

// leaseOf is how long an attempt's worker may be silent.
func (d *database) leaseOf(a *attempt) time.Duration {
	if a.unclaimed && d.w.cures.broken != shortLease {
		return foreignLimit
	}
	return lease
}

// quietOf is how long after its end a log may be added to.
func (d *database) quietOf(a *attempt) time.Duration {
	if a.unclaimed && d.w.cures.broken != shortQuiet {
		return foreignQuiet
	}
	return quiet
}

// idle is how long a message may lie in the broker.
func (d *database) idle() time.Duration {
	owned := func(j *job) bool { return j.State.Owned() && j.attempt(j.Attempt).unclaimed }
	if (d.w.foreignSlots() > 0 || slices.ContainsFunc(d.jobs, owned)) && d.w.cures.broken != soonAgain {
		return foreignIdle
	}
	return requeueIdle
}

// foreignRoom is how many jobs more foreign workers can take soon, and how many of their slots are free.
func (d *database) foreignRoom() (room, free int) {
	slots := d.w.foreignSlots()
	if slots == 0 {
		return 0, 0
	}
	for _, j := range d.jobs {
		if j.State.Owned() && j.attempt(j.Attempt).unclaimed {
			slots--
		}
	}
	return max(slots, 0) + 1, max(slots, 0)
}
