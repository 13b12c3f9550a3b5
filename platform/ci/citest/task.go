package citest

import (
	"slices"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// ending is how a run is made to end.
type ending int

const (
	endNone ending = iota
	endLost
	endGivenBack
	endOver
	endCanceled
)

// task is one run of a job, from the claim until the platform has stored its end.
type task struct {
	m      *machine
	worker string // id
	runRef
	d       *delivery
	settled bool // the delivery is
	slot    bool // it holds a slot
	asking  bool
	claimed bool
	asks    int
	began   time.Duration
	runs    bool // the script does
	ending  ending
	last    ci.State // the last state that was reported
	reset   bool     // it is: given back
	parts   int
	tape    *tape
}

// ask asks the same question until it is answered or the patience is over.
func (t *task) ask() {
	w := t.m.w
	t.asking = true
	if w.now-t.began >= claimPatience && !w.cures.AsksOn {
		t.giveUp()
		return
	}
	c := message{body: claim{runRef: t.runRef, worker: t.m.id, redelivered: t.d.m.again && !t.d.settled}, transient: true, expires: w.now + claimExpires}
	w.bus.publish(t.m.p, claimQueue, c, nil)
	pause := min(claimRetry<<min(t.asks, 4), 5*claimRetry)
	t.asks++
	w.after(t.m.p, w.between(pause/2, pause), func() {
		if t.asking {
			t.ask()
		}
	})
}

// giveUp hands the delivery back; the platform may have said yes.
func (t *task) giveUp() {
	t.asking = false
	t.m.open[attemptKey{t.job, t.attempt}] = t.run
	t.forget()
	t.m.w.bus.requeue(t.d)
	t.m.free()
}

func (t *task) forget() {
	t.slot, t.settled = false, true
	t.tape.drop()
	t.m.remove(t)
}

func (t *task) answered(granted bool) {
	w := t.m.w
	t.asking = false
	if !granted {
		t.forget()
		w.bus.ack(t.d)
		t.m.free()
		return
	}
	t.claimed, t.settled = true, true
	t.m.wake()
	w.bus.ack(t.d)
	t.perform()
}

// perform runs the script: a start, output from time to time, an end.
func (t *task) perform() {
	w := t.m.w
	w.check.started(t)
	w.say("%s runs job %d, attempt %d, as %s", t.m.id, t.job, t.attempt, t.run)
	t.runs = true
	w.after(t.m.p, w.between(10*time.Millisecond, time.Second), func() {
		if t.runs {
			t.tape.add(item{state: ci.Started, part: -1})
		}
	})
	length := w.between(100*time.Millisecond, 12*time.Second)
	if w.chance(0.1) {
		length *= 4
	}
	for n := w.rng.IntN(4); n > 0; n-- {
		w.after(t.m.p, w.between(0, length), t.write)
	}
	result := ci.Passed
	if w.chance(0.2) {
		result = ci.Failed
	}
	w.after(t.m.p, length, func() {
		if t.runs && t.ending == endNone {
			t.finish(result)
		}
	})
}

func (t *task) write() {
	if t.runs {
		t.tape.add(item{part: t.parts})
		t.parts++
	}
}

// end makes the run end this way, unless it ends already. The process is killed a little later.
func (t *task) end(e ending) {
	if t.ending != endNone || !t.runs {
		return
	}
	t.ending = e
	if e == endLost {
		t.tape.drop()
	}
	w := t.m.w
	w.after(t.m.p, w.between(10*time.Millisecond, 2*time.Second), func() {
		switch e {
		case endLost:
			t.runs = false
			t.leave()
		case endGivenBack:
			t.reset = true
			t.finish(ci.Errored)
		case endOver:
			t.finish(ci.Errored)
		default:
			t.finish(ci.Canceled)
		}
	})
}

// finish completes the log and says how it ended; the slot is free when all was published.
func (t *task) finish(result ci.State) {
	t.runs, t.last = false, result
	t.tape.add(item{part: t.parts, final: true})
	t.parts++
	t.tape.add(item{part: -1, state: result, reset: t.reset})
	t.tape.ended = true
	t.m.w.say("job %d, attempt %d, ends as %s on %s (reset %v)", t.job, t.attempt, result, t.m.id, t.reset)
}

// leave frees the slot.
func (t *task) leave() {
	if t.slot {
		t.slot = false
		if t.tape.over {
			t.m.remove(t)
		}
		t.m.free()
	}
}

// hear does what the platform's word about the run asks for.
func (t *task) hear(st status) {
	switch {
	case t.last == "" && !st.owned && !st.canceled:
		t.end(endLost)
		return
	case t.last == "" && st.canceled:
		t.end(endCanceled)
	case t.last == "" && st.state.Final():
		t.end(endOver)
	case t.last != "" && !st.owned && (!st.state.Final() || t.reset || t.tape.resends >= 5):
		t.tape.drop()
		return
	}
	t.tape.confirm(st)
}

// item is something said that is not stored yet: a part of the log, or a state.
type item struct {
	seq   int
	part  int // -1: a state
	final bool
	state ci.State
	reset bool
}

// tape is what a run says, in order, until it is stored.
type tape struct {
	t       *task
	items   []item
	next    int // seq of the next item
	cursor  int // items from this one on are to be sent
	sent    int // items before it were sent at least once
	since   time.Duration
	resends int
	ended   bool
	over    bool
	sending bool
}

func (p *tape) add(i item) {
	if p.over || p.ended {
		return
	}
	i.seq = p.next
	p.next++
	p.items = append(p.items, i)
	p.send()
}

// send publishes the next item, and so on.
func (p *tape) send() {
	at := slices.IndexFunc(p.items, func(i item) bool { return i.seq >= p.cursor })
	if p.sending || p.over || at < 0 {
		return
	}
	i := p.items[at]
	p.sending = true
	w, t := p.t.m.w, p.t
	m, to := message{body: part{t.runRef, i.part, i.final}}, logQueue
	if i.part < 0 {
		r := report{runRef: t.runRef, state: i.state, reset: i.reset}
		if i.state.Final() {
			r.parts = t.parts
		}
		m, to = message{body: r}, stateQueue
	}
	w.bus.publish(t.m.p, to, m, func(ok bool) {
		if p.over {
			return
		}
		if ok {
			p.sending = false
			p.published(i)
			p.send()
			return
		}
		w.after(t.m.p, w.between(50*time.Millisecond, 5*time.Second), func() {
			p.sending = false
			p.send()
		})
	})
}

func (p *tape) outstanding() bool { return len(p.items) > 0 && p.items[0].seq < p.cursor }

func (p *tape) published(i item) {
	if p.cursor <= i.seq {
		if !p.outstanding() {
			p.since = p.t.m.w.now
		}
		p.cursor = i.seq + 1
	}
	p.sent = max(p.sent, i.seq+1)
	p.settle()
}

// confirm forgets what is stored, and sends again what should be by now.
func (p *tape) confirm(st status) {
	if p.over {
		return
	}
	before, have := len(p.items), rank(st.state)
	p.items = slices.DeleteFunc(p.items, func(i item) bool {
		if i.part >= 0 {
			return st.closed || i.part < st.next
		}
		return rank(i.state) <= have
	})
	now := p.t.m.w.now
	if len(p.items) < before {
		p.since, p.resends = now, 0
	}
	if p.outstanding() && p.t.m.w.cures.broken != noResend && now-p.since >= min(resendAfter<<min(p.resends, 4), time.Minute) {
		p.cursor, p.since = p.items[0].seq, now
		p.resends++
	}
	p.settle()
	p.send()
}

// settle notices that the slot can be left, and that all is stored.
func (p *tape) settle() {
	if p.ended && len(p.items) == 0 {
		p.over = true
	}
	if p.over || p.ended && p.sent >= p.next {
		p.t.leave()
	}
	if p.over && !p.t.slot {
		p.t.m.remove(p.t)
	}
}

// drop forgets everything: nothing of the run counts any more.
func (p *tape) drop() {
	p.items, p.over = nil, true
	if !p.t.slot {
		p.t.m.remove(p.t)
	} else if p.ended {
		p.t.leave()
	}
}

// rank orders states as a run passes through them.
func rank(s ci.State) int {
	switch {
	case s == ci.Started:
		return 2
	case s.Final():
		return 3
	}
	return 0
}
