package citest

import (
	"slices"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// foreigner is a worker that does not claim, the open-source travis-worker: it holds the delivery of a job until the job has
// ended, sends no heartbeat, and waits for no answer. When its connection breaks it dies.
type foreigner struct {
	w        *world
	name     string
	pool     int
	life     int
	p        *process
	slots    []*processor
	draining bool
}

// processor runs one job at a time. The next may be here before it has cleaned up.
type processor struct {
	f    *foreigner
	run  *foreignRun
	next *delivery
}

// foreignRun is what a processor makes of a delivery.
type foreignRun struct {
	s        *processor
	p        *process
	epoch    int // of the process
	job      int64
	offer    int // the attempt of the message
	run      string
	d        *delivery
	runs     bool // the script does
	began    time.Duration
	canceled bool
	reset    bool
	over     bool          // nothing is left to say
	torn     bool          // something that it said, or had to say, is lost
	parts    int           // of its log
	logAt    time.Duration // when the last part arrives
}

func (w *world) newForeigner(name string, pool int) *foreigner {
	f := &foreigner{w: w, name: name, pool: pool, p: w.process(name)}
	f.p.lost = f.broken
	return f
}

func (f *foreigner) boot() {
	if f.p.alive {
		return
	}
	f.life++
	f.draining, f.slots = false, nil
	f.p.start(f.bind)
}

func (f *foreigner) bind() {
	f.w.bus.bind(f.p, f.name)
	f.w.bus.consume(f.p, f.name, func() int { return 1 }, f.hear)
	for range f.pool {
		s := &processor{f: f}
		f.slots = append(f.slots, s)
		f.w.bus.consume(f.p, jobQueue, s.limit, s.take)
	}
}

// limit is the prefetch. While a processor drains, nothing is delivered to it.
func (s *processor) limit() int {
	if s.f.draining {
		return 0
	}
	return 1
}

func (s *processor) take(d *delivery) {
	switch {
	case s.f.draining:
		s.f.w.bus.requeue(d)
	case s.run != nil:
		s.next = d
	default:
		s.begin(d)
	}
}

func (s *processor) begin(d *delivery) {
	o := d.m.body.(offer)
	c := s.f.w.check
	c.runs++
	r := &foreignRun{s: s, p: s.f.p, epoch: s.f.p.epoch, job: o.job, offer: o.attempt, run: text("f", c.runs), d: d}
	s.run, c.theirs[r.run] = r, r
	r.script(s.f.w.now)
}

// lives says whether the process that has the run still is the same.
func (r *foreignRun) lives() bool { return r.p.alive && r.p.epoch == r.epoch }

// script asks some node for the script, for a minute.
func (r *foreignRun) script(since time.Duration) {
	w := r.s.f.w
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	may := false
	if n.alive && !n.paused && n.try(func(time.Time) { may = n.db.mayBegin(r.job, r.offer) }) {
		w.after(r.p, w.latency(), func() { r.receive(may) })
		return
	}
	if w.now-since >= time.Minute {
		r.write(true)
		r.finish(ci.Errored)
		return
	}
	w.after(r.p, w.between(500*time.Millisecond, 10*time.Second), func() { r.script(since) })
}

func (r *foreignRun) receive(may bool) {
	w := r.s.f.w
	r.report(ci.Received)
	w.after(r.p, w.between(0, time.Second), func() {
		switch {
		case r.canceled:
			r.cancel()
		case w.chance(0.05):
			r.reset = true
			r.report(ci.Errored)
			w.bus.ack(r.d)
			r.cleanUp()
		default:
			r.perform(may)
		}
	})
}

// perform runs the script; one that says only that the job is not to be run any more ends at once.
func (r *foreignRun) perform(may bool) {
	w := r.s.f.w
	w.say("%s runs job %d, of the message of attempt %d, as %s", r.s.f.name, r.job, r.offer, r.run)
	r.runs, r.began = true, w.now
	r.report(ci.Started)
	length := w.between(100*time.Millisecond, 12*time.Second)
	result := ci.Passed
	switch {
	case !may:
		length, result = 10*time.Millisecond, ci.Errored
	case w.chance(0.1):
		length *= 4
	case w.chance(0.2):
		result = ci.Failed
	}
	r.write(false) // the name of the worker
	for n := w.rng.IntN(4); n > 0; n-- {
		w.after(r.p, w.between(0, length), func() {
			if r.runs {
				r.write(false)
			}
		})
	}
	w.after(r.p, length, func() {
		if r.runs {
			w.check.ranToItsEnd(r)
			r.finish(result)
		}
	})
}

// finish says how it ended and acknowledges; the end of the log comes when all is cleaned up.
func (r *foreignRun) finish(result ci.State) {
	w := r.s.f.w
	r.runs = false
	r.report(result)
	w.bus.ack(r.d)
	tail := w.between(0, 2*time.Second)
	if w.chance(0.2) {
		tail = w.between(0, 31*time.Second)
	}
	w.after(r.p, tail, func() {
		r.write(false)
		r.write(true)
		r.cleanUp()
	})
}

// cancel ends the run: the log first, then the state.
func (r *foreignRun) cancel() {
	r.runs = false
	r.write(true)
	r.report(ci.Canceled)
	r.s.f.w.bus.ack(r.d)
	r.cleanUp()
}

func (r *foreignRun) cleanUp() {
	r.over, r.runs = true, false
	s := r.s
	s.run = nil
	if d := s.next; d != nil {
		s.next = nil
		s.begin(d)
	}
}

// report publishes on any of three channels: reports overtake one another.
func (r *foreignRun) report(state ci.State) {
	w := r.s.f.w
	m := message{body: report{runRef: runRef{job: r.job, run: r.run}, state: state, reset: r.reset, offer: r.offer}}
	r.send(stateQueue, m, w.now+w.latency()+w.between(0, 300*time.Millisecond))
}

// write publishes a part of the log, all on one channel.
func (r *foreignRun) write(final bool) {
	w := r.s.f.w
	m := message{body: part{runRef{job: r.job, run: r.run}, r.parts, final}}
	r.parts++
	r.logAt = max(r.logAt, w.now) + w.latency()
	r.send(logQueue, m, r.logAt)
}

// send waits for no confirmation. What has left arrives, though its sender may be dead then.
func (r *foreignRun) send(to string, m message, at time.Duration) {
	w := r.s.f.w
	if !r.p.connected {
		r.torn = true
		return
	}
	w.after(nil, at-w.now, func() {
		if !w.bus.up {
			r.torn = true
			return
		}
		w.bus.arrive(to, m)
	})
}

// hear takes a command to all workers: who does not have the job forgets it at once.
func (f *foreigner) hear(d *delivery) {
	f.w.bus.ack(d)
	for _, s := range f.slots {
		r := s.run
		if r == nil || r.job != d.m.body.(foreignCancel).job || r.canceled {
			continue
		}
		r.canceled = true
		if r.runs {
			f.w.after(f.p, f.w.between(0, 50*time.Millisecond), func() {
				if r.runs {
					r.cancel()
				}
			})
		}
	}
}

// die ends the process without a word; what it runs is gone.
func (f *foreigner) die() {
	for _, s := range f.slots {
		if s.run != nil {
			s.run.torn = true
		}
	}
	f.slots = nil
	f.p.kill()
}

// broken: the connection is gone, and the process ends and is started again.
func (f *foreigner) broken() {
	for _, s := range f.slots {
		if s.run != nil {
			s.run.torn = true
		}
	}
	f.w.after(f.p, f.w.between(0, time.Second), f.stop)
}

// stop is SIGTERM: nothing is said of what runs, at most that its log is complete.
func (f *foreigner) stop() {
	for _, s := range f.slots {
		if s.run != nil && s.run.runs && f.w.chance(0.4) {
			s.run.write(true)
		}
	}
	f.die()
	f.w.after(nil, f.w.between(time.Second, 10*time.Second), f.boot)
}

// drain is SIGINT: what runs goes on, and then the process ends.
func (f *foreigner) drain() {
	f.draining = true
	if slices.ContainsFunc(f.slots, func(s *processor) bool { return s.run != nil }) {
		f.w.after(f.p, time.Second, f.drain)
		return
	}
	f.stop()
}

// begin begins what happens to it.
func (f *foreigner) begin(what FaultKind) {
	switch {
	case what == WorkerDies || what == WorkerMoves:
		f.die()
	case what == WorkerPauses:
		f.p.pause()
	case what == WorkerCut:
		f.p.cut = true
		f.w.bus.leave(f.p)
	case !f.p.alive || f.p.paused:
	case what == WorkerStops:
		f.stop()
	case what == WorkerDrains && !f.draining:
		f.drain()
	}
}

// end ends what lasts.
func (f *foreigner) end(what FaultKind) {
	switch what {
	case WorkerPauses:
		f.p.resume()
	case WorkerDies, WorkerMoves:
		f.boot()
	case WorkerCut:
		f.p.cut = false
		f.p.unwell()
	}
}

func (f *foreigner) heal() {
	f.p.cut = false
	f.p.resume()
	f.boot()
}

// busy says whether it has something to do.
func (f *foreigner) busy() bool {
	return slices.ContainsFunc(f.slots, func(s *processor) bool { return s.run != nil })
}
