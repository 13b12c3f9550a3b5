package citest

import (
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// What platform/hub does with what workers say that do not claim, in its foreign.go.

// earlyPart is a part of a run that no report has made known yet; it waits unacknowledged.
type earlyPart struct {
	d     *delivery
	p     part
	since time.Duration
}

// foreignReport finds the attempt of a foreign run and stores what it reports.
func (n *node) foreignReport(d *delivery, r report) {
	attempt, stop := 0, false
	n.persist(func(now time.Time) { attempt, stop = n.db.adopt(now, r) }, func() {
		if stop && !r.state.Final() && n.w.cures.broken != noStop {
			n.stopForeign(r.job)
		}
		n.storeEarly()
		if attempt == 0 || r.state == ci.Received {
			n.w.check.heardOf(r, attempt)
			n.w.bus.ack(d)
			return
		}
		r.attempt = attempt
		n.report(d, r)
	})
}

// stopForeign tells all workers that do not claim to stop a job.
func (n *node) stopForeign(job int64) {
	for _, f := range n.w.foreign {
		n.w.bus.publish(n.process, f.name, message{body: foreignCancel{job}, transient: true}, nil)
	}
}

// storeEarly tries the early parts again.
func (n *node) storeEarly() {
	if !n.reach() {
		return
	}
	parts := n.early
	n.early = nil
	for _, e := range parts {
		n.storePart(e.d, e.p, e.since)
	}
}

// foreignSlots is how many of the consumers of jobs are workers that do not claim.
func (w *world) foreignSlots() (n int) {
	if len(w.foreign) == 0 {
		return 0
	}
	for _, c := range w.bus.find(jobQueue).consumers {
		if c.p.lost != nil {
			n++
		}
	}
	return n
}
