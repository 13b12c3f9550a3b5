package citest

import (
	"slices"
	"time"
)

// What the settings of package worker are by default.
const (
	beatEvery     = 3 * time.Second
	claimRetry    = 2 * time.Second
	claimPatience = time.Minute
	claimExpires  = time.Minute
	giveBack      = 5 * time.Second
	drainPatience = 30 * time.Second
	resendAfter   = 5 * time.Second
)

// machine is a work directory and the worker that has it open.
type machine struct {
	w          *world
	name       string
	home       string
	slots      int
	generation int

	p        *process
	id       string // of the process
	jobs     *consumer
	tasks    []*task
	open     map[attemptKey]string // runs whose question was given up
	sequence int
	asked    []asked
	draining bool
	stopping bool
	waking   bool
}

type attemptKey struct {
	job     int64
	attempt int
}

// asked are the runs that a heartbeat named.
type asked struct {
	sequence int
	runs     []runRef
}

func (w *world) newMachine(name string, slots int) *machine {
	return &machine{w: w, name: name, home: name, slots: slots, p: w.process(name)}
}

// boot starts a worker in the home.
func (m *machine) boot() {
	m.generation++
	m.id = m.name + "." + text("", m.generation)
	m.tasks, m.open, m.asked, m.sequence = nil, map[attemptKey]string{}, nil, 0
	m.draining, m.stopping, m.waking, m.jobs = false, false, false, nil
	m.p.start(m.bind)
	m.w.after(m.p, 0, m.beats)
}

// bind makes the worker's queue, on each connection.
func (m *machine) bind() {
	m.w.bus.bind(m.p, m.id)
	m.w.bus.consume(m.p, m.id, func() int { return 64 }, m.hear)
	m.jobs = m.w.bus.consume(m.p, jobQueue, m.limit, m.take)
	m.wake()
}

// limit is how many deliveries of jobs may be unsettled: what busy slots do not hold any more, others may not take.
func (m *machine) limit() int {
	if m.draining {
		return 0
	}
	busy := 0
	for _, t := range m.tasks {
		if t.slot && t.settled {
			busy++
		}
	}
	return m.slots - busy
}

// free looks for another job.
func (m *machine) free() {
	if m.p.connected {
		m.w.bus.pump(m.jobs.q)
	}
}

func (m *machine) hear(d *delivery) {
	m.w.bus.ack(d)
	switch a := d.m.body.(type) {
	case claimAnswer:
		if t := m.find(a.runRef); t != nil && t.asking {
			t.answered(a.granted)
		}
	case beatAnswer:
		m.heard(a)
	case cancel:
		if t := m.find(a.runRef); t != nil {
			t.end(endCanceled)
		}
	}
}

func (m *machine) find(r runRef) *task {
	for _, t := range m.tasks {
		if t.runRef == r {
			return t
		}
	}
	return nil
}

func (m *machine) remove(t *task) {
	m.tasks = slices.DeleteFunc(m.tasks, func(o *task) bool { return o == t })
}

// beats sends a heartbeat each three seconds.
func (m *machine) beats() {
	m.beat()
	m.w.after(m.p, beatEvery, m.beats)
}

// wake has a heartbeat sent soon.
func (m *machine) wake() {
	if m.waking {
		return
	}
	m.waking = true
	m.w.after(m.p, beatEvery/10, func() {
		m.waking = false
		m.beat()
	})
}

func (m *machine) beat() {
	b := heartbeat{worker: m.id, home: m.home, slots: m.slots, draining: m.draining, generation: m.generation, p: m.p}
	for _, t := range m.tasks {
		switch {
		case t.claimed:
			b.runs = append(b.runs, t.runRef)
		case t.asking && m.w.cures.AskedRunsBeat:
			b.asking = append(b.asking, t.runRef)
		}
	}
	m.sequence++
	b.sequence = m.sequence
	m.asked = append(m.asked, asked{m.sequence, b.runs})
	if len(m.asked) > 100 {
		m.asked = m.asked[1:]
	}
	msg := message{body: b, transient: true, expires: m.w.now + 5*beatEvery}
	if !m.w.cures.EveryNodeHears {
		m.w.bus.publish(m.p, beatQueue, msg, nil)
		return
	}
	for _, n := range m.w.nodes {
		m.w.bus.publish(m.p, beatQueue+n.name, msg, nil)
	}
}

// heard takes the answer to a heartbeat: what it does not list, although it was asked, is not ours any more.
func (m *machine) heard(a beatAnswer) {
	for _, st := range a.runs {
		if t := m.find(st.runRef); t != nil {
			t.hear(st)
		}
	}
	var named []runRef
	for _, b := range m.asked {
		if b.sequence == a.sequence {
			named = b.runs
		}
	}
	m.asked = slices.DeleteFunc(m.asked, func(b asked) bool { return b.sequence <= a.sequence })
	for _, r := range named {
		listed := slices.ContainsFunc(a.runs, func(st status) bool { return st.runRef == r })
		if t := m.find(r); t != nil && !listed {
			t.hear(status{runRef: r})
		}
	}
}

// take claims what a delivery offers.
func (m *machine) take(d *delivery) {
	if m.draining {
		m.w.bus.requeue(d)
		return
	}
	o := d.m.body.(offer)
	key := attemptKey{o.job, o.attempt}
	run, again := m.open[key]
	if again {
		delete(m.open, key)
	} else {
		m.w.check.runs++
		run = text("r", m.w.check.runs)
	}
	t := &task{m: m, worker: m.id, runRef: runRef{o.job, o.attempt, run}, d: d, slot: true, began: m.w.now}
	t.tape = &tape{t: t}
	m.tasks = append(m.tasks, t)
	t.ask()
}

// drain takes no more jobs, and ends when all that run are stored.
func (m *machine) drain() {
	m.draining = true
	m.wake()
	m.quit(0)
}

// stop gives back what runs, and ends.
func (m *machine) stop() {
	m.draining, m.stopping = true, true
	for _, t := range slices.Clone(m.tasks) {
		if t.asking {
			t.giveUp()
			continue
		}
		t.end(endGivenBack)
	}
	m.quit(0)
}

// quit ends the process when its slots are free and its patience is over.
func (m *machine) quit(waited time.Duration) {
	busy := slices.ContainsFunc(m.tasks, func(t *task) bool { return t.slot })
	patience := drainPatience
	if m.stopping {
		patience = giveBack
	}
	if waited >= patience || !busy && (m.stopping || len(m.tasks) == 0) {
		m.w.say("%s ends", m.id)
		m.p.kill()
		m.w.after(nil, m.w.between(100*time.Millisecond, 10*time.Second), func() {
			if !m.p.alive {
				m.boot()
			}
		})
		return
	}
	if !busy || m.stopping {
		waited += time.Second
	}
	m.w.after(m.p, time.Second, func() { m.quit(waited) })
}
