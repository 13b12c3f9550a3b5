package citest

import (
	"time"
)

// node is a platform node: dispatch, relay and hub.
type node struct {
	w  *world
	db *database
	*process
	skew     time.Duration // of its own wall clock, which nothing may ask
	offset   time.Duration // of the database's clock, as it was measured
	measured time.Duration
	last     time.Time // the latest time given

	round    int
	mute     int // seconds without the database
	relaying bool
	ear      ear
	waiting  []*lastState
	early    []earlyPart
}

// lastState is a last state that waits for the whole log, unacknowledged.
type lastState struct {
	r     report
	d     *delivery
	since time.Duration
	heard time.Duration // since, in the time heard
}

func (w *world) newNode(name string) *node {
	return &node{w: w, db: w.db, process: w.process(name), skew: w.between(-5*time.Minute, 5*time.Minute)}
}

func (n *node) boot() {
	n.mute, n.last, n.relaying, n.ear, n.waiting = 0, time.Time{}, false, ear{}, nil
	n.early = nil
	n.measured, n.offset = -time.Hour, n.skew
	n.round = n.w.rng.IntN(5)
	n.start(n.listen)
	n.aside = true // until it has asked the database for its clock
	n.w.after(n.process, n.w.between(0, time.Second), n.begin)
}

// begin waits for the database, then does what a node does.
func (n *node) begin() {
	if !n.reach() {
		n.w.after(n.process, time.Second, n.begin)
		return
	}
	n.aside = false
	n.tick()
}

// listen consumes what workers say.
func (n *node) listen() {
	n.w.bus.consume(n.process, claimQueue, func() int { return 64 }, n.claim)
	if n.w.cures.EveryNodeHears {
		n.w.bus.bind(n.process, beatQueue+n.name)
		n.w.bus.consume(n.process, beatQueue+n.name, func() int { return 64 }, n.heartbeat)
	} else {
		n.w.bus.consume(n.process, beatQueue, func() int { return 64 }, n.heartbeat)
	}
	n.w.bus.consume(n.process, stateQueue, func() int { return 64 }, n.state)
	n.w.bus.consume(n.process, logQueue, func() int { return 512 }, n.logPart)
}

// now is the store's clock: the database's, as far as the node knows it, and never stepping back.
func (n *node) clock() time.Time {
	t := epoch().Add(n.w.now + n.offset)
	if t.Before(n.last) {
		return n.last
	}
	n.last = t
	return t
}

// reach says whether the database can be asked, and measures its clock from time to time.
func (n *node) reach() bool {
	if !n.db.up || n.noSQL {
		return false
	}
	if n.w.now-n.measured >= 10*time.Second {
		n.measured, n.offset = n.w.now, n.db.offset+n.w.between(-20*time.Millisecond, 20*time.Millisecond)
	}
	return true
}

// try runs a transaction and says whether the node knows that it was committed.
func (n *node) try(f func(now time.Time)) bool {
	if !n.reach() {
		return false
	}
	fails := n.w.chance(n.db.flaky)
	if fails && n.w.chance(0.5) {
		return false
	}
	f(n.clock())
	return !fails
}

// sql runs a transaction and goes on with its outcome a little later.
func (n *node) sql(f func(now time.Time), then func(ok bool)) {
	ok := n.try(f)
	wait := n.w.latency()
	if !ok {
		wait = n.w.between(10*time.Millisecond, 2*time.Second)
	}
	n.w.after(n.process, wait, func() { then(ok) })
}

// persist tries until the database has taken it.
func (n *node) persist(f func(now time.Time), then func()) {
	n.sql(f, func(ok bool) {
		if ok {
			then()
			return
		}
		n.w.after(n.process, n.w.between(50*time.Millisecond, 5*time.Second), func() { n.persist(f, then) })
	})
}

// tick is what a node does each second.
func (n *node) tick() {
	n.w.after(n.process, n.w.between(990*time.Millisecond, 1010*time.Millisecond), n.tick)
	n.round++
	n.stepAside()
	if n.reach() {
		m := message{body: probe{sent: n.w.now}, transient: true, expires: n.w.now + 6*time.Second}
		n.w.bus.publish(n.process, n.beatsTo(), m, nil)
	}
	n.try(n.db.reap)
	n.try(n.db.queueJobs)
	if n.round%5 == 0 {
		n.try(n.db.closeLogs)
		n.try(n.db.requeue)
	}
	n.relay()
	n.storeWaiting()
	n.storeEarly()
}

// stepAside leaves what workers say to other nodes while this one cannot store it.
func (n *node) stepAside() {
	if n.reach() {
		n.mute, n.aside = 0, false
		return
	}
	n.mute++
	if n.w.cures.MuteNodesStepAside && n.mute == 5 {
		n.aside = true
		n.w.bus.leave(n.process)
	}
}

func (n *node) beatsTo() string {
	if n.w.cures.EveryNodeHears {
		return beatQueue + n.name
	}
	return beatQueue
}

// relay publishes what is due in the outbox, one after another.
func (n *node) relay() {
	if n.relaying {
		return
	}
	var due []offer
	if !n.try(func(now time.Time) { due = n.db.takeOut(now) }) || len(due) == 0 {
		return
	}
	n.relaying = true
	n.send(due)
}

func (n *node) send(due []offer) {
	if len(due) == 0 {
		n.relaying = false
		return
	}
	o := due[0]
	n.w.bus.publish(n.process, jobQueue, message{body: o}, func(ok bool) {
		if ok {
			n.sql(func(now time.Time) { n.db.sent(now, o.out) }, func(bool) { n.send(due[1:]) })
			return
		}
		n.sql(func(now time.Time) {
			for _, o := range due {
				n.db.notSent(now, o.out, n.w.between(time.Second, 30*time.Second))
			}
		}, func(bool) { n.relaying = false })
	})
}

// cancel does what a person asks of this node: the job, or the whole build.
func (n *node) cancel(b *build, only *job) {
	var runs []runRef
	if !n.try(func(now time.Time) { runs = n.db.cancel(now, b, only) }) {
		return
	}
	for _, r := range runs {
		if n.db.jobs[r.job-1].attempt(r.attempt).unclaimed {
			n.stopForeign(r.job)
			continue
		}
		for _, m := range n.w.workers {
			if m.p.alive {
				n.w.bus.publish(n.process, m.id, message{body: cancel{r}, transient: true, expires: n.w.now + time.Minute}, nil)
			}
		}
	}
}

func (n *node) restart(b *build, only *job) {
	n.try(func(now time.Time) { n.db.restart(now, b, only) })
}

// whole says whether nothing is missing of the log; what cannot be said now is said when the state is stored.
func (n *node) whole(r report) bool {
	if !n.reach() {
		return !n.w.cures.QuietInHearingTime
	}
	a := n.db.jobs[r.job-1].attempt(r.attempt)
	return a == nil || a.log == nil || a.log.closed || a.log.next >= r.parts
}
