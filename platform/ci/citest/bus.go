package citest

import (
	"slices"
	"time"
)

// The queues that all share. Each worker has one of its own, named by its id, and there is one of jobs.
const (
	claimQueue = "claims"
	beatQueue  = "heartbeats"
	stateQueue = "states"
	logQueue   = "logs"
	jobQueue   = "jobs"
)

// bus is the broker.
type bus struct {
	w       *world
	up      bool
	queues  []*queue
	members []*process
	// What happens to messages on their way: chances to be lost, doubled or late.
	lose, double, late float64
}

type message struct {
	body      any
	transient bool
	expires   time.Duration // 0: never
	again     bool          // it was delivered before
}

type queue struct {
	name      string
	owner     *process // of an exclusive queue
	waiting   []message
	consumers []*consumer
	turn      int
}

// consumer takes messages of a queue, as long as fewer than limit are unsettled.
type consumer struct {
	p       *process
	q       *queue
	limit   func() int
	unacked []*delivery
	handle  func(*delivery)
}

type delivery struct {
	c       *consumer
	m       message
	settled bool
}

func newBus(w *world) *bus {
	b := &bus{w: w, up: true}
	for _, name := range []string{claimQueue, beatQueue, stateQueue, logQueue, jobQueue} {
		b.queues = append(b.queues, &queue{name: name})
	}
	return b
}

func (b *bus) find(name string) *queue {
	for _, q := range b.queues {
		if q.name == name {
			return q
		}
	}
	return nil
}

// publish sends a message; done, if there is one, hears whether the broker confirmed it.
func (b *bus) publish(p *process, to string, m message, done func(ok bool)) {
	if !p.connected {
		if done != nil {
			b.w.after(p, b.w.between(100*time.Millisecond, 3*time.Second), func() { done(false) })
		}
		return
	}
	conn := p.conn
	b.w.after(nil, b.w.latency(), func() {
		taken := b.up && p.conn == conn
		if taken {
			b.arrive(to, m)
		}
		if done != nil {
			b.w.after(p, b.w.latency(), func() { done(taken && p.conn == conn) })
		}
	})
}

// arrive puts a message into its queue; what nobody has a queue for is gone.
func (b *bus) arrive(to string, m message) {
	if b.w.chance(b.lose) {
		b.w.check.lost(m)
		return
	}
	if b.w.chance(b.double) {
		b.put(to, m)
	}
	if b.w.chance(b.late) {
		b.w.after(nil, b.w.between(10*time.Millisecond, 6*time.Second), func() {
			if b.up || !m.transient {
				b.put(to, m)
			}
		})
		return
	}
	b.put(to, m)
}

func (b *bus) put(to string, m message) {
	if q := b.find(to); q != nil {
		if o, ok := m.body.(offer); ok {
			b.w.check.copies[attemptKey{o.job, o.attempt}]++
		}
		q.waiting = append(q.waiting, m)
		b.pump(q)
	}
}

// pump hands out what waits, to one consumer after the other.
func (b *bus) pump(q *queue) {
	for b.up && len(q.waiting) > 0 {
		if m := q.waiting[0]; m.expires > 0 && b.w.now >= m.expires {
			q.waiting = q.waiting[1:]
			continue
		}
		c := q.next()
		if c == nil {
			return
		}
		d := &delivery{c: c, m: q.waiting[0]}
		q.waiting = q.waiting[1:]
		c.unacked = append(c.unacked, d)
		b.w.after(c.p, b.w.latency(), func() { c.handle(d) })
	}
}

// next is the consumer whose turn it is and who has room.
func (q *queue) next() *consumer {
	for range q.consumers {
		q.turn = (q.turn + 1) % len(q.consumers)
		if c := q.consumers[q.turn]; len(c.unacked) < c.limit() {
			return c
		}
	}
	return nil
}

// consume makes a process a consumer, as long as its connection lasts.
func (b *bus) consume(p *process, name string, limit func() int, handle func(*delivery)) *consumer {
	q := b.find(name)
	c := &consumer{p: p, q: q, limit: limit, handle: handle}
	q.consumers = append(q.consumers, c)
	b.join(p)
	b.pump(q)
	return c
}

// bind makes the exclusive queue of a process.
func (b *bus) bind(p *process, name string) {
	b.queues = append(b.queues, &queue{name: name, owner: p})
	b.join(p)
}

func (b *bus) join(p *process) {
	if !slices.Contains(b.members, p) {
		b.members = append(b.members, p)
	}
}

// settle says whether this is the first word about the delivery, and its connection still there.
func (d *delivery) settle() bool {
	if d.settled {
		return false
	}
	d.settled = true
	d.c.unacked = slices.DeleteFunc(d.c.unacked, func(o *delivery) bool { return o == d })
	return true
}

func (b *bus) ack(d *delivery) {
	if d.settle() {
		b.pump(d.c.q)
	}
}

func (b *bus) requeue(d *delivery) {
	if d.settle() {
		d.m.again = true
		d.c.q.waiting = slices.Insert(d.c.q.waiting, 0, d.m)
		b.pump(d.c.q)
	}
}

// leave ends the connection of a process: what it has not settled goes back.
func (b *bus) leave(p *process) {
	p.conn++
	was := p.connected
	p.connected = false
	b.queues = slices.DeleteFunc(b.queues, func(q *queue) bool { return q.owner == p })
	for _, q := range b.queues {
		var back []message
		q.consumers = slices.DeleteFunc(q.consumers, func(c *consumer) bool {
			if c.p != p {
				return false
			}
			for _, d := range c.unacked {
				d.settled = true
				m := d.m
				m.again = true
				back = append(back, m)
			}
			c.unacked = nil
			return true
		})
		q.turn = 0
		q.waiting = append(back, q.waiting...)
	}
	b.members = slices.DeleteFunc(b.members, func(m *process) bool { return m == p })
	for _, q := range b.queues {
		b.pump(q)
	}
	switch {
	case !was || !p.alive:
	case p.lost != nil:
		p.lost()
	default:
		p.connect()
	}
}

// hangUp ends all connections.
func (b *bus) hangUp() {
	for _, p := range slices.Clone(b.members) {
		b.leave(p)
	}
}

// stop stops the broker; what was transient does not survive it.
func (b *bus) stop() {
	b.up = false
	b.hangUp()
	for _, q := range b.queues {
		q.waiting = slices.DeleteFunc(q.waiting, func(m message) bool { return m.transient })
	}
}

// purge empties queues.
func (b *bus) purge(names ...string) {
	for _, name := range names {
		if q := b.find(name); q != nil {
			for _, m := range q.waiting {
				b.w.check.tore(m)
			}
			q.waiting = nil
		}
	}
}
