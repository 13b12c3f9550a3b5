package inproc

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
)

// entry is a message that waits or is being worked on.
type entry struct {
	seq         uint64 // place in the queue; what goes back keeps its own
	message     broker.Message
	expires     time.Time // zero: never
	redelivered bool
}

// queue holds the messages that wait, in order.
type queue struct {
	mu        sync.Mutex
	waiting   []entry
	next      uint64
	consumers int
	wake      chan struct{} // closed and replaced whenever messages or room come
	room      int           // how many messages may wait
	gone      bool          // an exclusive queue whose owner has ended
}

func newQueue(room int) *queue { return &queue{wake: make(chan struct{}), room: room} }

// put adds a message at the end. It waits for room as long as ctx allows; false: the queue is gone.
func (q *queue) put(ctx context.Context, m broker.Message, now time.Time) (bool, error) {
	for {
		q.mu.Lock()
		if q.gone {
			q.mu.Unlock()
			return false, nil
		}
		if len(q.waiting) < q.room {
			e := entry{seq: q.next, message: m}
			if m.Expires > 0 {
				e.expires = now.Add(m.Expires)
			}
			q.next++
			q.waiting = append(q.waiting, e)
			q.signal()
			q.mu.Unlock()
			return true, nil
		}
		wake := q.wake
		q.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// signal wakes everybody who waits for messages or room. The lock is held.
func (q *queue) signal() {
	close(q.wake)
	q.wake = make(chan struct{})
}

// take removes the first message that has not expired; without one, wake is closed when it is worth to look again.
func (q *queue) take(now time.Time) (e entry, ok bool, wake <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) > 0 {
		e = q.waiting[0]
		q.waiting[0] = entry{} // let go of the body
		q.waiting = q.waiting[1:]
		if e.expires.IsZero() || now.Before(e.expires) {
			q.signal()
			return e, true, nil
		}
	}
	return entry{}, false, q.wake
}

// back returns a message to its old place, marked as redelivered.
func (q *queue) back(e entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone {
		return
	}
	e.redelivered = true
	at, _ := slices.BinarySearchFunc(q.waiting, e.seq, func(w entry, seq uint64) int {
		switch {
		case w.seq < seq:
			return -1
		case w.seq > seq:
			return 1
		}
		return 0
	})
	q.waiting = slices.Insert(q.waiting, at, e)
	q.signal()
}

func (q *queue) count(by int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.consumers += by
}

func (q *queue) info(now time.Time) broker.QueueInfo {
	q.mu.Lock()
	defer q.mu.Unlock()
	ready := 0
	for _, e := range q.waiting {
		if e.expires.IsZero() || now.Before(e.expires) {
			ready++
		}
	}
	return broker.QueueInfo{Ready: ready, Consumers: q.consumers}
}

// drop ends an exclusive queue.
func (q *queue) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gone, q.waiting = true, nil
	q.signal()
}
