package citest

import (
	"math/bits"
	"slices"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// hear counts time in which workers could be heard, and returns the raw time.
func (d *database) hear(now time.Time, word ci.Heard) time.Duration {
	if word.First {
		word.Gap = 0
		if !d.heard.IsZero() {
			word.Gap = now.Sub(d.heard)
		}
		if word.Gap < 0 {
			word.Gap = 2 * ci.HearingGap
		}
	}
	next, _ := d.hearing.After(word, settleTime)
	if d.w.cures.broken == gapsCount && !word.First {
		next = d.hearing
		next.Raw = max(next.Raw, word.Raw+word.Gap)
		next.Counter += next.Raw - d.hearing.Raw
	}
	d.hearing, d.counter, d.heard = next, next.Counter, now
	return next.Raw
}

func (d *database) worker(id string) *workerRow {
	for _, w := range d.workers {
		if w.id == id {
			return w
		}
	}
	return nil
}

// beat stores a heartbeat, and answers for each run. One that was stored before, by whichever node, is not answered again.
func (d *database) beat(b heartbeat) (answers []status, stored bool) {
	if row := d.worker(b.worker); row != nil && d.w.cures.EveryNodeHears && row.sequence >= b.sequence {
		return nil, false
	}
	answers = make([]status, len(b.runs))
	for i, r := range b.runs {
		answers[i].runRef = r
	}
	if d.note(b) {
		return answers, true
	}
	for _, r := range b.asking {
		if a := d.jobs[r.job-1].attempt(r.attempt); a != nil && a.run == r.run && a.state.Owned() {
			a.heard = d.counter
		}
	}
	for i, r := range b.runs {
		a := d.jobs[r.job-1].attempt(r.attempt)
		if a == nil || a.run != r.run {
			continue
		}
		if a.state.Owned() {
			a.heard = d.counter
		}
		answers[i] = status{
			runRef: r, owned: a.run != "" && a.reason != ci.ReasonWorkerLost, canceled: a.state == ci.Canceled,
			state: a.state, next: a.log.told(), closed: a.log.closed,
		}
	}
	return answers, true
}

// note stores what a worker says of itself, and says whether it was replaced in its home.
func (d *database) note(b heartbeat) (replaced bool) {
	row := d.worker(b.worker)
	if row == nil {
		row = &workerRow{id: b.worker, home: b.home, generation: b.generation}
		d.workers = append(d.workers, row)
		if d.w.cures.HomesCount {
			row.replaced = slices.ContainsFunc(d.workers, func(o *workerRow) bool { return o.home == b.home && o.generation > b.generation })
		}
	}
	row.slots, row.draining, row.sequence = b.slots, b.draining, b.sequence
	if row.replaced {
		row.heard = longAgo
		return true
	}
	row.heard = d.counter
	for _, other := range d.workers {
		if other.home == b.home && other != row && !other.replaced {
			other.replaced, other.heard = true, longAgo
		}
	}
	for _, j := range d.jobs {
		for _, a := range j.attempts {
			if w := d.worker(a.worker); a.state.Owned() && w != nil && w.home == b.home && w.replaced {
				a.heard = longAgo
			}
		}
	}
	return false
}

// reap takes the attempts of lost workers from them.
func (d *database) reap(now time.Time) {
	for _, j := range d.jobs {
		a := j.attempt(j.Attempt)
		if !j.State.Owned() || a.heard >= d.counter-d.leaseOf(a) {
			continue
		}
		t, i := d.holdJob(now, j.ID)
		e := ci.JobEvent{Kind: ci.JobLose, Attempt: a.number, Run: a.run}
		if changed, err := t.apply(i, e); err != nil || !changed {
			d.w.check.fail("job %d is silent and cannot be taken: %v", j.ID, err)
			return
		}
		d.w.check.reaped(j, a)
		t.save()
	}
}

// logRow is how far a log is stored.
type logRow struct {
	next    int    // the first part that is missing
	stored  uint64 // a bit per part
	last    int    // the number of the final part, -1: not known
	closed  bool
	updated time.Time
	heard   time.Duration // when it was updated, in the time heard
	leapt   bool          // it was closed with what there is, also beyond a gap
}

func newLog(now time.Time) *logRow { return &logRow{last: -1, updated: now} }

func (l *logRow) complete() bool { return l.last >= 0 && l.next > l.last }

// told is up to where it is said to be stored.
func (l *logRow) told() int {
	if l.leapt {
		return max(l.next, bits.Len64(l.stored))
	}
	return l.next
}

// end closes the log of an attempt that ended, if it is complete or nobody writes it any more.
func (l *logRow) end(nobodyWrites bool) {
	if l != nil && (nobodyWrites || l.complete()) {
		l.closed = true
	}
}

// appendLog stores a part. That of a foreign run names no attempt; unknown: no report has told of the run.
func (d *database) appendLog(now time.Time, p part) (unknown bool) {
	a := d.jobs[p.job-1].attempt(p.attempt)
	if p.attempt == 0 {
		if a = d.jobs[p.job-1].ofRun(p.run); a == nil {
			return true
		}
	}
	if a == nil || a.log == nil || a.run != p.run || a.run == "" || a.reason == ci.ReasonWorkerLost {
		return false
	}
	l := a.log
	if l.closed || p.number < l.next || l.last >= 0 && p.number > l.last {
		return false
	}
	l.stored |= 1 << p.number
	if p.final {
		l.last = p.number
	}
	for l.stored&(1<<l.next) != 0 {
		l.next++
	}
	l.closed = a.state.Final() && l.complete()
	l.updated, l.heard = now, d.counter
	return false
}

// closeLogs closes the logs of ended attempts to which nothing was added for a time.
func (d *database) closeLogs(now time.Time) {
	for _, j := range d.jobs {
		for _, a := range j.attempts {
			if a.log == nil || a.log.closed || !a.state.Final() {
				continue
			}
			still := !a.finishedAt.After(now.Add(-d.quietOf(a))) && !a.log.updated.After(now.Add(-quiet))
			if d.w.cures.QuietInHearingTime {
				still = a.ended <= d.counter-d.quietOf(a) && a.log.heard <= d.counter-quiet
			}
			if still {
				a.log.closed, a.log.leapt = true, true
				d.w.say("the log of job %d, attempt %d, is closed at part %d", j.ID, a.number, a.log.next)
			}
		}
	}
}
