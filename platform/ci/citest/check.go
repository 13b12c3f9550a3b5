package citest

import (
	"fmt"
	"slices"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// checker holds what happens against the invariants.
type checker struct {
	w        *world
	runs     int // counts names
	failures []string
	starts   map[attemptKey]int
	finishes map[attemptKey]int
	owner    map[string]*task // by run
	unasked  map[string]int   // lost claims and answers, by run
	whole    []finished       // logs that must be complete
	resets   int
	losses   int
	theirs   map[string]*foreignRun // by run
	copies   map[attemptKey]int     // of a message that offers an attempt
	theirEnd []foreignEnd
}

// foreignEnd is an accepted end of a script of a worker that does not claim.
type foreignEnd struct {
	a *attempt
	r *foreignRun
}

// finished is an accepted end of a script.
type finished struct {
	j *job
	a *attempt
	t *task
}

func newChecker(w *world) *checker {
	return &checker{w: w, starts: map[attemptKey]int{}, finishes: map[attemptKey]int{}, owner: map[string]*task{}, unasked: map[string]int{},
		theirs: map[string]*foreignRun{}, copies: map[attemptKey]int{}}
}

func (c *checker) fail(format string, args ...any) {
	said := fmt.Sprintf("at %.3fs: ", c.w.now.Seconds()) + fmt.Sprintf(format, args...)
	c.failures = append(c.failures, said)
	c.w.say("VIOLATION: %s", said)
}

// moved looks at each change of a job that is committed.
func (c *checker) moved(was, next ci.Job, e ci.JobEvent) {
	c.w.say("job %d, attempt %d: %s is %s after %s (attempt %d)", was.ID, was.Attempt, was.State, next.State, e.Kind, next.Attempt)
	key := attemptKey{was.ID, was.Attempt}
	if was.State.Final() && e.Kind != ci.JobRestart {
		c.fail("job %d was %s and is %s after %s", was.ID, was.State, next.State, e.Kind)
	}
	if next.Tries > ci.MaxTries {
		c.fail("job %d is tried %d times", was.ID, next.Tries)
	}
	if next.Attempt != was.Attempt && next.Attempt != was.Attempt+1 {
		c.fail("job %d goes from attempt %d to %d", was.ID, was.Attempt, next.Attempt)
	}
	switch e.Kind {
	case ci.JobFinish:
		c.finishes[key]++
		if c.finishes[key] > 1 || was.Run != e.Run || !was.State.Owned() {
			c.fail("job %d, attempt %d: finish %d is accepted, of run %q where %q owns it", was.ID, was.Attempt, c.finishes[key], e.Run, was.Run)
		}
		if next.State == ci.Passed || next.State == ci.Failed {
			j := c.w.db.jobs[was.ID-1]
			if r := c.theirs[e.Run]; r != nil {
				c.theirEnd = append(c.theirEnd, foreignEnd{j.attempt(was.Attempt), r})
				return
			}
			c.whole = append(c.whole, finished{j, j.attempt(was.Attempt), c.owner[e.Run]})
		}
	case ci.JobReset:
		c.resets++
		if r := c.theirs[e.Run]; r != nil && r.reset {
			return
		}
		if t := c.owner[e.Run]; t == nil || !t.reset {
			c.fail("job %d, attempt %d, was given back by nobody", was.ID, was.Attempt)
		}
	}
}

// build looks at a build whose jobs changed.
func (c *checker) build(was ci.Build, p ci.Progress, jobs []ci.Job) {
	open := 0
	for _, j := range jobs {
		if !j.State.Final() {
			open++
		}
	}
	if open == 0 && !p.State.Final() || open > 0 && p.State.Final() && !was.FastFinish {
		c.fail("build %d is %s with %d jobs that have not ended", was.ID, p.State, open)
	}
}

// owners: at most one attempt is owned, the job's current one, by the run that the job names.
func (c *checker) owners(j *job) {
	for _, a := range j.attempts {
		if a.state.Owned() && (a.number != j.Attempt || a.run != j.Run || a.run == "") {
			c.fail("job %d is at attempt %d of run %q, and attempt %d is owned by run %q", j.ID, j.Attempt, j.Run, a.number, a.run)
		}
	}
}

// started: a script begins.
func (c *checker) started(t *task) {
	key := attemptKey{t.job, t.attempt}
	if c.starts[key]++; c.starts[key] > 1 {
		c.fail("the script of job %d, attempt %d, is started %d times", t.job, t.attempt, c.starts[key])
	}
	c.owner[t.run] = t
}

// lost: the broker loses a message.
func (c *checker) lost(m message) {
	switch b := m.body.(type) {
	case heartbeat:
		b.p.unheard = append(b.p.unheard, c.w.now)
	case claim:
		c.unasked[b.run]++
	}
	c.tore(m)
}

// reaped: an attempt is taken from its worker. That is right only where something was wrong with the worker itself, and not
// with what is between it and the database.
func (c *checker) reaped(j *job, a *attempt) {
	const patience = 25 * time.Second
	c.losses++
	if r := c.theirs[a.run]; r != nil {
		if !r.torn {
			c.fail("job %d, attempt %d, is taken from run %s, which said all that it had to say", j.ID, a.number, a.run)
		}
		return
	}
	for _, m := range c.w.workers {
		if m.id != a.worker || !m.p.well(c.w.now-patience) || m.p.badHeard > c.w.db.counter-patience {
			continue
		}
		missed := 0
		for _, at := range m.p.unheard {
			if at > c.w.now-patience {
				missed++
			}
		}
		if missed >= 3 || c.unasked[a.run] >= 2 {
			return
		}

		c.fail("job %d, attempt %d, is taken from %s, which lives and can be heard (the script began: %v)", j.ID, a.number, m.id, c.owner[a.run] != nil)
	}
}

// settled says whether nothing is left to happen.
func (c *checker) settled() bool {
	for _, j := range c.w.db.jobs {
		if !j.State.Final() {
			return false
		}
		for _, a := range j.attempts {
			if a.log != nil && !a.log.closed {
				return false
			}
		}
	}
	for _, m := range c.w.workers {
		if len(m.tasks) > 0 {
			return false
		}
	}
	return !slices.ContainsFunc(c.w.foreign, (*foreigner).busy)
}

// end looks at what is left at the end of the schedule.
func (c *checker) end() {
	for _, j := range c.w.db.jobs {
		if !j.State.Final() {
			c.fail("job %d is stuck: %s, attempt %d, run %q", j.ID, j.State, j.Attempt, j.Run)
		}
	}
	for _, m := range c.w.workers {
		for _, t := range m.tasks {
			c.fail("%s still holds job %d, attempt %d, run %s (runs: %v, unstored: %d)", m.id, t.job, t.attempt, t.run, t.runs, len(t.tape.items))
		}
	}
	c.endOfTheirs()
	for _, f := range c.whole {
		l := f.a.log
		if f.t.m.id != f.t.worker || !f.t.m.p.well(f.t.began) {
			continue // it died, or was cut off, and may have taken what was not stored with it
		}
		if !l.complete() || !l.closed || l.last != f.t.parts-1 {
			c.fail("the log of job %d, attempt %d, which %s, has %d parts of %d (closed: %v)", f.j.ID, f.a.number, f.a.state, l.next, f.t.parts, l.closed)
		}
	}
}
