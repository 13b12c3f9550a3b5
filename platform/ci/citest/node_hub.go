package citest

import (
	"slices"
	"time"
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

// heartbeat hears a heartbeat or a probe.
func (n *node) heartbeat(d *delivery) {
	if p, ok := d.m.body.(probe); ok {
		n.hear(p)
		n.w.bus.ack(d)
		return
	}
	b := d.m.body.(heartbeat)
	var runs []status
	n.sql(func(time.Time) { runs = n.db.beat(b) }, func(ok bool) {
		if ok {
			n.answer(b.worker, beatAnswer{sequence: b.sequence, runs: runs})
		}
		n.w.bus.ack(d)
	})
}

func (n *node) hear(p probe) {
	now := n.clock()
	if now.Sub(p.sent) >= 3*time.Second {
		return
	}
	gap := time.Duration(0)
	if !n.probed.IsZero() {
		gap = min(max(now.Sub(n.probed), 0), mostHeard)
	}
	n.probed = now
	n.try(func(now time.Time) { n.db.hear(now, gap) })
}

func (n *node) logPart(d *delivery) {
	p := d.m.body.(part)
	n.persist(func(now time.Time) { n.db.appendLog(now, p) }, func() { n.w.bus.ack(d) })
}

func (n *node) state(d *delivery) {
	r := d.m.body.(report)
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
