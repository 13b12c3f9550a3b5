package citest

import (
	"slices"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

func (n *node) answer(worker string, body any) {
	n.w.bus.publish(n.process, worker, message{body: body, transient: true, expires: n.w.now + time.Minute}, nil)
}

func (n *node) claim(d *delivery) {
	c := d.m.body.(claim)
	var err error
	n.sql(func(now time.Time) { err = n.db.claim(now, c) }, func(ok bool) {
		if ok {
			n.answer(c.worker, claimAnswer{runRef: c.runRef, granted: err == nil})
		}
		n.w.bus.ack(d)
	})
}

// ear is how a node hears: a probe counts when the heartbeats before it are handled.
type ear struct {
	begun, missed int // heartbeats: those that were taken; since the last probe, those that could not be stored
	handling      []int
	probes        []earProbe
	heard         bool
	at            time.Duration // when a probe was last heard, and that was stored
	raw           time.Duration // what was stored then
}

type earProbe struct {
	p      probe
	d      *delivery
	behind int // the last heartbeat before it
}

// heartbeat hears a heartbeat or a probe.
func (n *node) heartbeat(d *delivery) {
	if p, ok := d.m.body.(probe); ok {
		n.ear.probes = append(n.ear.probes, earProbe{p, d, n.ear.begun})
		n.hearProbes()
		return
	}
	b := d.m.body.(heartbeat)
	var runs []status
	stored := false
	n.ear.begun++
	number := n.ear.begun
	n.ear.handling = append(n.ear.handling, number)
	n.sql(func(time.Time) { runs, stored = n.db.beat(b) }, func(ok bool) {
		if ok && stored {
			n.answer(b.worker, beatAnswer{sequence: b.sequence, runs: runs})
		}
		if !ok {
			n.ear.missed++
		}
		n.w.bus.ack(d)
		n.ear.handling = slices.DeleteFunc(n.ear.handling, func(o int) bool { return o == number })
		n.hearProbes()
	})
}

// hearProbes hears the probes before which nothing is being handled.
func (n *node) hearProbes() {
	for len(n.ear.probes) > 0 {
		first := n.ear.probes[0]
		if len(n.ear.handling) > 0 && slices.Min(n.ear.handling) <= first.behind {
			return
		}
		n.ear.probes = n.ear.probes[1:]
		n.hear(first.p)
		n.w.bus.ack(first.d)
	}
}

func (n *node) hear(p probe) {
	if n.w.now-p.sent >= 3*time.Second {
		return
	}
	word := ci.Heard{First: !n.ear.heard, Gap: n.w.now - n.ear.at, Raw: n.ear.raw}
	if n.ear.missed > 0 {
		word.Gap = 0
	}
	n.ear.missed = 0
	var raw time.Duration
	if n.try(func(now time.Time) { raw = n.db.hear(now, word) }) {
		n.ear.heard, n.ear.at, n.ear.raw = true, n.w.now, raw
	}
}

func (n *node) logPart(d *delivery) {
	n.storePart(d, d.m.body.(part), n.w.now)
}

func (n *node) storePart(d *delivery, p part, since time.Duration) {
	unknown := false
	n.persist(func(now time.Time) { unknown = n.db.appendLog(now, p) }, func() {
		if unknown && n.w.now-since < quiet && n.w.cures.broken != noEarly {
			n.early = append(n.early, earlyPart{d, p, since})
			return
		}
		n.w.bus.ack(d)
	})
}

func (n *node) state(d *delivery) {
	r := d.m.body.(report)
	if r.offer > 0 {
		n.foreignReport(d, r)
		return
	}
	if !r.state.Final() || r.reset || n.whole(r) {
		n.report(d, r)
		return
	}
	s := &lastState{r: r, d: d, since: n.w.now, heard: n.db.counter}
	for i, old := range n.waiting {
		if old.r.runRef == r.runRef {
			s.since, s.heard = old.since, old.heard
			n.waiting[i] = s
			n.w.bus.ack(old.d)
			return
		}
	}
	n.waiting = append(n.waiting, s)
}

func (n *node) report(d *delivery, r report) {
	n.persist(func(now time.Time) { n.db.report(now, r) }, func() { n.w.bus.ack(d) })
}

// storeWaiting stores the last states whose logs have become whole, and those that have waited for too long.
func (n *node) storeWaiting() {
	for _, s := range slices.Clone(n.waiting) {
		early := n.w.now-s.since < quiet
		if n.w.cures.QuietInHearingTime {
			early = !n.reach() || n.db.counter-s.heard < quiet
		}
		if early && !n.whole(s.r) {
			continue
		}
		n.waiting = slices.DeleteFunc(n.waiting, func(o *lastState) bool { return o == s })
		n.report(s.d, s.r)
	}
}
