package inproc

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
)

// delivery is a message that was taken and not yet settled.
type delivery struct {
	carrier *Carrier
	entry   entry
	queue   *queue
	mu      sync.Mutex
	settled bool
	free    func() // called once, when the delivery is settled
}

func (d *delivery) Message() broker.Message { return d.entry.message }
func (d *delivery) Redelivered() bool       { return d.entry.redelivered }

// Gone is closed when the carrier ends.
func (d *delivery) Gone() <-chan struct{} { return d.carrier.ended }

func (d *delivery) Ack(context.Context) error {
	_, err := d.settle()
	return err
}

func (d *delivery) Requeue(context.Context) error {
	first, err := d.settle()
	if first {
		d.queue.back(d.entry)
	}
	return err
}

// settle says whether this is the first call, which is the one that counts.
func (d *delivery) settle() (first bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.settled {
		return false, nil
	}
	if !d.carrier.release(d) {
		return false, broker.ErrGone
	}
	d.settled = true
	if d.free != nil {
		d.free()
	}
	return true, nil
}

// hold notes an unsettled delivery; a carrier that has ended gives it back at once.
func (c *Carrier) hold(d *delivery) (*delivery, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		d.queue.back(d.entry)
		return nil, broker.ErrClosed
	}
	c.held[d] = struct{}{}
	return d, nil
}

// release forgets a delivery; false when the carrier did not hold it any more.
func (c *Carrier) release(d *delivery) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, held := c.held[d]
	delete(c.held, d)
	return held
}

// Receive takes one message.
func (c *Carrier) Receive(ctx context.Context, name string) (broker.Delivery, error) {
	t := &taker{carrier: c, name: name}
	defer t.leave()
	d, err := t.next(ctx, nil)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Consume hands messages to handle, at most prefetch of them unsettled. When ctx ends, the unsettled go back.
func (c *Carrier) Consume(ctx context.Context, name string, prefetch int, handle func(context.Context, broker.Delivery)) error {
	t := &taker{carrier: c, name: name}
	defer t.leave()
	slots := make(chan struct{}, max(prefetch, 1))
	var taken []*delivery
	defer func() {
		for _, d := range taken {
			if c.release(d) {
				d.queue.back(d.entry)
			}
		}
	}()
	for {
		select {
		case slots <- struct{}{}:
		case <-c.ended:
			return broker.ErrClosed
		case <-ctx.Done():
			return nil
		}
		d, err := t.next(ctx, func() { <-slots })
		if ctx.Err() != nil && err != nil {
			return nil //nolint:nilerr // the end of ctx is the regular end of a consumer
		}
		if err != nil {
			return err
		}
		taken = append(c.stillHeld(taken), d)
		handle(ctx, d)
	}
}

// stillHeld keeps those of a consumer's deliveries that are not settled, at most its prefetch.
func (c *Carrier) stillHeld(list []*delivery) []*delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(list, func(d *delivery) bool {
		_, held := c.held[d]
		return !held
	})
}

// taker takes messages of one queue, as one consumer of it.
type taker struct {
	carrier *Carrier
	name    string
	at      *queue // where it counts as a consumer
}

// move makes the taker a consumer of q instead of the queue it was at.
func (t *taker) move(q *queue) {
	if t.at == q {
		return
	}
	if t.at != nil {
		t.at.count(-1)
	}
	if q != nil {
		q.count(1)
	}
	t.at = q
}

func (t *taker) leave() { t.move(nil) }

// next waits for a message, and for the queue itself.
func (t *taker) next(ctx context.Context, free func()) (*delivery, error) {
	for {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		q, again := t.carrier.hub.find(t.name)
		t.move(q)
		if q != nil {
			e, ok, more, gone := q.take(time.Now())
			if ok {
				return t.carrier.hold(&delivery{carrier: t.carrier, entry: e, queue: q, free: free})
			}
			if gone {
				continue
			}
			again = more
		}
		if err := t.carrier.await(ctx, again); err != nil {
			return nil, err
		}
	}
}

func (c *Carrier) await(ctx context.Context, event <-chan struct{}) error {
	select {
	case <-event:
		return nil
	case <-c.ended:
		return broker.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}
