package citest

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// world is one schedule: virtual time, what is due, and everything that lives in it.
type world struct {
	rng     *rand.Rand
	now     time.Duration
	due     []event
	count   int
	cures   Cures
	db      *database
	bus     *bus
	nodes   []*node
	workers []*machine
	foreign []*foreigner
	check   *checker
	healed  time.Duration // when the last fault is over; later nobody interferes
	trace   func(format string, args ...any)
}

// event is something that is due. One of a process happens only if that still is what it was, and not paused.
type event struct {
	at    time.Duration
	seq   int
	who   *process
	epoch int
	do    func()
}

func (e event) before(o event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// after lets do happen later, to a process or, without one, to the world.
func (w *world) after(who *process, d time.Duration, do func()) {
	w.count++
	e := event{at: w.now + max(d, 0), seq: w.count, who: who, do: do}
	if who != nil {
		e.epoch = who.epoch
	}
	w.due = append(w.due, e)
	for i := len(w.due) - 1; i > 0; {
		parent := (i - 1) / 2
		if !w.due[i].before(w.due[parent]) {
			break
		}
		w.due[i], w.due[parent] = w.due[parent], w.due[i]
		i = parent
	}
}

func (w *world) pop() event {
	first, last := w.due[0], len(w.due)-1
	w.due[0], w.due[last] = w.due[last], event{}
	w.due = w.due[:last]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if w.due[c].before(w.due[least]) {
				least = c
			}
		}
		if least == i {
			return first
		}
		w.due[i], w.due[least] = w.due[least], w.due[i]
		i = least
	}
}

// run lets what is due happen, in order, until done says so or the end is reached.
func (w *world) run(until time.Duration, done func() bool) {
	for len(w.due) > 0 && w.due[0].at <= until && !done() {
		e := w.pop()
		w.now = e.at
		switch p := e.who; {
		case p == nil:
			e.do()
		case !p.alive || p.epoch != e.epoch:
		case p.paused:
			p.deferred = append(p.deferred, e.do)
		default:
			e.do()
		}
	}
}

// between draws a duration.
func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.rng.Int64N(int64(most-least)+1))
}

// latency is how long a message or an answer takes when nothing is wrong.
func (w *world) latency() time.Duration { return w.between(time.Millisecond, 20*time.Millisecond) }

func (w *world) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

func (w *world) say(format string, args ...any) {
	if w.trace != nil {
		w.trace("%9.3fs "+format, append([]any{w.now.Seconds()}, args...)...)
	}
}

// process is a process of a node or of a worker, with its connection to the broker.
type process struct {
	w        *world
	name     string
	alive    bool
	paused   bool
	epoch    int
	deferred []func()
	resumed  int

	connected bool
	conn      int           // counts connections
	cut       bool          // the broker cannot be reached
	noSQL     bool          // the database cannot be reached
	aside     bool          // it takes nothing from the broker for now
	bad       time.Duration // the last time at which it was dead, paused or cut off itself
	badHeard  time.Duration // the same in the time heard
	unheard   []time.Duration
	onConnect func()
	lost      func() // the connection is gone; nil: it connects again
}

func (w *world) process(name string) *process {
	return &process{w: w, name: name, bad: -time.Hour, badHeard: -time.Hour}
}

func (p *process) start(onConnect func()) {
	p.alive, p.paused, p.deferred, p.onConnect = true, false, nil, onConnect
	p.epoch++
	p.connect()
}

// kill ends the process without a word.
func (p *process) kill() {
	p.unwell()
	p.alive, p.paused, p.deferred = false, false, nil
	p.epoch++
	p.w.bus.leave(p)
}

// pause stops the process as SIGSTOP does. The broker gives up its connection after two missed heartbeats.
func (p *process) pause() {
	if !p.alive || p.paused {
		return
	}
	p.paused = true
	p.resumed++
	before := p.resumed
	p.w.after(nil, p.w.between(20*time.Second, 30*time.Second), func() {
		if p.paused && p.resumed == before {
			p.w.bus.leave(p)
		}
	})
}

func (p *process) resume() {
	if !p.paused {
		return
	}
	p.unwell()
	p.paused = false
	waiting := p.deferred
	p.deferred = nil
	for _, do := range waiting {
		p.w.after(p, 0, do)
	}
}

// unwell notes that something was wrong with the process itself until now.
func (p *process) unwell() { p.bad, p.badHeard = p.w.now, p.w.db.counter }

// well says whether nothing was wrong with the process itself for a time.
func (p *process) well(since time.Duration) bool {
	return p.alive && !p.paused && !p.cut && p.bad < since
}

// connect tries to reach the broker until it does.
func (p *process) connect() {
	p.w.after(p, p.w.between(20*time.Millisecond, 500*time.Millisecond), p.dial)
}

func (p *process) dial() {
	if p.connected {
		return
	}
	if !p.w.bus.up || p.cut || p.aside {
		wait := p.w.between(time.Second, 8*time.Second)
		if p.aside {
			wait = time.Second
		}
		p.w.after(p, wait, p.dial)
		return
	}
	p.connected = true
	p.conn++
	p.onConnect()
}

func text(prefix string, n int) string { return prefix + strconv.Itoa(n) }
