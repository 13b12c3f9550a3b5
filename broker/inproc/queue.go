package inproc

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
)

// The most that waits in a queue.
const (
	maxWaiting = 10_000   // messages
	maxBytes   = 64 << 20 // of their bodies
)

// entry is a message that waits or is being worked on.
type entry struct {
	seq         uint64 // place in the queue; what goes back keeps its own
	message     broker.Message
	expires     time.Time // zero: never
	redelivered bool
}

func (e entry) expired(now time.Time) bool { return !e.expires.IsZero() && !now.Before(e.expires) }

// queue holds the messages that wait, in order.
type queue struct {
	name  string
	owner *Carrier // of an exclusive queue
	// forgets: when it is full the oldest makes room.
	forgets bool

	mu        sync.Mutex
	waiting   []entry
	bytes     int
	next      uint64
	consumers int
	more      chan struct{} // closed and replaced when messages come
	room      chan struct{} // closed and replaced when messages leave
	gone      bool          // an exclusive queue that has ended
}

func newQueue(name string, owner *Carrier) *queue {
	return &queue{name: name, owner: owner, more: make(chan struct{}), room: make(chan struct{})}
}

// put adds a message at the end. When it is not taken, room is closed when it is worth to try again.
func (q *queue) put(m broker.Message, now time.Time) (taken bool, room <-chan struct{}, gone bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone {
		return false, nil, true
	}
	if q.full(len(m.Body)) {
		q.sweep(now)
	}
	for q.forgets && q.full(len(m.Body)) {
		q.bytes -= len(q.waiting[0].message.Body)
		q.waiting[0] = entry{}
		q.waiting = q.waiting[1:]
	}
	if q.full(len(m.Body)) {
		return false, q.room, false
	}
	e := entry{seq: q.next, message: m}
	if m.Expires > 0 {
		e.expires = now.Add(m.Expires)
	}
	q.next++
	q.bytes += len(m.Body)
	q.waiting = append(q.waiting, e)
	signal(&q.more)
	return true, nil, false
}

func (q *queue) full(more int) bool {
	messages, bytes := maxWaiting, maxBytes
	if q.forgets {
		messages, bytes = broker.ListenerMessages, broker.ListenerBytes
	}
	return len(q.waiting) >= messages || (len(q.waiting) > 0 && q.bytes+more > bytes)
}

// sweep removes what has expired. The lock is held.
func (q *queue) sweep(now time.Time) {
	q.waiting = slices.DeleteFunc(q.waiting, func(e entry) bool {
		if e.expired(now) {
			q.bytes -= len(e.message.Body)
			return true
		}
		return false
	})
}

// take removes the first message that has not expired; without one, more is closed when it is worth to look again.
func (q *queue) take(now time.Time) (e entry, ok bool, more <-chan struct{}, gone bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) > 0 && !ok {
		e = q.waiting[0]
		q.waiting[0] = entry{} // let go of the body
		q.waiting = q.waiting[1:]
		q.bytes -= len(e.message.Body)
		signal(&q.room)
		ok = !e.expired(now)
	}
	return e, ok, q.more, q.gone
}

// back returns a message to its old place, marked as redelivered. It finds room even in a full queue.
func (q *queue) back(e entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone {
		return
	}
	e.redelivered = true
	at, _ := slices.BinarySearchFunc(q.waiting, e.seq, func(w entry, seq uint64) int { return cmp.Compare(w.seq, seq) })
	q.waiting = slices.Insert(q.waiting, at, e)
	q.bytes += len(e.message.Body)
	signal(&q.more)
}

func (q *queue) count(by int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.consumers += by
}

func (q *queue) info(now time.Time) broker.QueueInfo {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sweep(now)
	return broker.QueueInfo{Ready: len(q.waiting), Consumers: q.consumers}
}

// end wakes everybody who waits at an exclusive queue for the last time.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gone, q.waiting, q.bytes = true, nil, 0
	signal(&q.more)
	signal(&q.room)
}

// signal wakes all who wait on the channel.
func signal(c *chan struct{}) {
	close(*c)
	*c = make(chan struct{})
}
