package inproc

import (
	"context"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
)

// delivery is a message that was taken and not yet settled.
type delivery struct {
	entry   entry
	queue   *queue
	settled func(*delivery) bool // true for the first call only, and only while the consumer lives
}

func (d *delivery) Message() broker.Message { return d.entry.message }
func (d *delivery) Redelivered() bool       { return d.entry.redelivered }

func (d *delivery) Ack(context.Context) error {
	if !d.settled(d) {
		return broker.ErrGone
	}
	return nil
}

func (d *delivery) Requeue(context.Context) error {
	if !d.settled(d) {
		return broker.ErrGone
	}
	d.queue.back(d.entry)
	return nil
}

// Receive takes one message. What is not settled stays with whoever received it: there is no connection that could end.
func (c *Carrier) Receive(ctx context.Context, name string) (broker.Delivery, error) {
	q := c.queue(name)
	q.count(1)
	defer q.count(-1)
	e, err := c.wait(ctx, q)
	if err != nil {
		return nil, err
	}
	var once sync.Once
	return &delivery{entry: e, queue: q, settled: func(*delivery) bool {
		first := false
		once.Do(func() { first = true })
		return first
	}}, nil
}

func (c *Carrier) wait(ctx context.Context, q *queue) (entry, error) {
	for {
		if ctx.Err() != nil {
			return entry{}, ctx.Err()
		}
		e, ok, wake := q.take(time.Now())
		if ok {
			return e, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return entry{}, ctx.Err()
		}
	}
}

// Consume hands messages to handle, at most prefetch of them unsettled. When ctx ends, the unsettled go back.
func (c *Carrier) Consume(ctx context.Context, name string, prefetch int, handle func(context.Context, broker.Delivery)) error {
	q := c.queue(name)
	q.count(1)
	defer q.count(-1)
	open := &unsettled{held: map[*delivery]bool{}, slots: make(chan struct{}, max(prefetch, 1))}
	defer open.giveBack()
	for {
		select {
		case open.slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		e, err := c.wait(ctx, q)
		if err != nil {
			return nil //nolint:nilerr // the end of ctx is the regular end of a consumer
		}
		handle(ctx, open.hold(e, q))
	}
}

// unsettled are the deliveries of one consumer that wait to be settled.
type unsettled struct {
	mu    sync.Mutex
	held  map[*delivery]bool
	slots chan struct{}
}

func (u *unsettled) hold(e entry, q *queue) *delivery {
	d := &delivery{entry: e, queue: q, settled: u.settle}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.held[d] = true
	return d
}

func (u *unsettled) settle(d *delivery) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.held[d] {
		return false
	}
	delete(u.held, d)
	<-u.slots
	return true
}

func (u *unsettled) giveBack() {
	u.mu.Lock()
	held := u.held
	u.held = map[*delivery]bool{}
	u.mu.Unlock()
	for d := range held {
		d.queue.back(d.entry)
	}
}
