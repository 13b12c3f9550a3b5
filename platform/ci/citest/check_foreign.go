package citest

import (
	"errors"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// tore: a message is gone that nobody sends again.
func (c *checker) tore(m message) {
	run := ""
	switch b := m.body.(type) {
	case report:
		run = b.run
	case part:
		run = b.run
	}
	if r := c.theirs[run]; r != nil {
		r.torn = true
	}
}

// redelivered: the job is taken from a foreign run, since the message it was given is in other hands. That is right where the
// broker did take the delivery from it; where the message was doubled, or the other one died before its first report came,
// nobody can know better.
func (c *checker) redelivered(j *job, a *attempt, takerLives bool) {
	r := c.theirs[a.run]
	if takerLives && !r.d.settled && c.copies[attemptKey{j.ID, a.offer}] <= 1 {
		c.fail("job %d, attempt %d, is taken from run %s, which still has the delivery", j.ID, a.number, a.run)
	}
	r.torn = true
}

// refused: a worker of ours is told that an attempt is not for it, and drops the message.
func (c *checker) refused(q claim, err error) {
	a := c.w.db.jobs[q.job-1].attempt(q.attempt)
	if !errors.Is(err, ci.ErrOwned) || !a.unclaimed || !q.redelivered {
		return // where the worker has not the message any more, it goes on elsewhere
	}
	if r := c.theirs[a.run]; !r.lives() {
		c.fail("the claim of job %d, attempt %d, is refused although run %s, which holds it, is dead", q.job, q.attempt, a.run)
	}
}

// heardOf: a report of a foreign run was taken; attempt 0: nobody waits for the run.
func (c *checker) heardOf(r report, attempt int) {
	run, j := c.theirs[r.run], c.w.db.jobs[r.job-1]
	if attempt > 0 || !run.lives() || run.d.settled || c.copies[attemptKey{r.job, r.offer}] > 1 {
		return
	}
	if a := j.attempt(j.Attempt); j.State.Owned() && a.unclaimed && a.offer == r.offer {
		c.fail("nobody waits for run %s, which alone has the message of job %d", r.run, r.job)
	}
}

// putAgain: a message is put out once more.
func (c *checker) putAgain(o *outgoing) {
	for _, f := range c.w.foreign {
		for _, s := range f.slots {
			if r := s.run; r != nil && !r.over && r.lives() && !r.d.settled && r.job == o.job.ID && r.offer == o.attempt && !r.torn {
				c.fail("the message of job %d is put out again while %s has it", o.job.ID, f.name)
			}
		}
	}
}

// ranToItsEnd: nobody stopped a foreign run. Where its job had been canceled before it began, and nothing was wrong since, it
// should have been told when it said that it began.
func (c *checker) ranToItsEnd(r *foreignRun) {
	const patience = 5 * time.Second
	a := c.w.db.jobs[r.job-1].attempt(r.offer)
	if a.state != ci.Canceled || r.began < c.w.healed || c.w.now-r.began < patience {
		return
	}
	if c.w.db.counter-a.ended > patience && !r.torn {
		c.fail("run %s of job %d, which was canceled, is not told to stop", r.run, r.job)
	}
}

// endOfTheirs looks at what is left of workers that do not claim.
func (c *checker) endOfTheirs() {
	for _, f := range c.w.foreign {
		if f.busy() {
			c.fail("%s still runs something", f.name)
		}
	}
	for _, e := range c.theirEnd {
		l := e.a.log
		if e.r.torn {
			continue // such a worker sends nothing twice
		}
		if !l.complete() || !l.closed || l.last != e.r.parts-1 {
			c.fail("the log of run %s of job %d has %d parts of %d (closed: %v)", e.r.run, e.r.job, l.next, e.r.parts, l.closed)
		}
	}
}
