package worker_test

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/broker"
)

// carrier is a broker in memory that can be made to fail.
type carrier struct {
	mu      sync.Mutex
	ready   map[string][]*delivery
	said    []string // types of the published states and log parts
	more    chan struct{}
	refuse  func(broker.Message) error // of Publish; nil = takes all
	state   broker.State
	changed chan struct{}
}

var _ broker.Carrier = (*carrier)(nil)

func newCarrier() *carrier {
	return &carrier{
		ready: map[string][]*delivery{}, more: make(chan struct{}), changed: make(chan struct{}),
		state: broker.State{Connected: true},
	}
}

// delivery is a message in a queue, or on its way from it.
type delivery struct {
	c       *carrier
	queue   string
	m       broker.Message
	again   bool
	settled atomic.Int32 // 1 acknowledged, 2 put back
	gone    chan struct{}
}

func (d *delivery) Gone() <-chan struct{} { return d.gone }

func (d *delivery) Message() broker.Message { return d.m }
func (d *delivery) Redelivered() bool       { return d.again }

func (d *delivery) Ack(context.Context) error {
	d.settled.CompareAndSwap(0, 1)
	return nil
}

func (d *delivery) Requeue(context.Context) error {
	if d.settled.CompareAndSwap(0, 2) {
		d.c.put(&delivery{c: d.c, queue: d.queue, m: d.m, again: true, gone: make(chan struct{})})
	}
	return nil
}

func (c *carrier) put(d *delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready[d.queue] = append(c.ready[d.queue], d)
	close(c.more)
	c.more = make(chan struct{})
}

// deliver puts a message into a queue and gives its delivery.
func (c *carrier) deliver(queue string, m broker.Message) *delivery {
	d := &delivery{c: c, queue: queue, m: m, gone: make(chan struct{})}
	c.put(d)
	return d
}

func (c *carrier) setRefuse(f func(broker.Message) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = f
}

func (c *carrier) setState(s broker.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = s
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *carrier) Run(ctx context.Context) error { <-ctx.Done(); return nil }

func (c *carrier) Publish(ctx context.Context, m broker.Message) error {
	c.mu.Lock()
	refuse := c.refuse
	c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if refuse != nil {
		if err := refuse(m); err != nil {
			return err
		}
	}
	c.mu.Lock()
	if m.Key == broker.StateQueue || m.Key == broker.LogQueue {
		c.said = append(c.said, m.Type)
	}
	c.mu.Unlock()
	c.deliver(cmp.Or(m.Key, m.Exchange), m)
	return nil
}

func (c *carrier) Receive(ctx context.Context, queue string) (broker.Delivery, error) {
	d, err := c.pop(ctx, queue)
	if err != nil {
		return nil, err
	}
	return d, nil
}

func (c *carrier) pop(ctx context.Context, queue string) (*delivery, error) {
	for {
		c.mu.Lock()
		more := c.more
		if q := c.ready[queue]; len(q) > 0 && ctx.Err() == nil {
			c.ready[queue] = q[1:]
			c.mu.Unlock()
			return q[0], nil
		}
		c.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *carrier) Consume(ctx context.Context, queue string, _ int, handle func(context.Context, broker.Delivery)) error {
	for {
		d, err := c.pop(ctx, queue)
		if err != nil {
			return nil //nolint:nilerr // the end of the context is a normal end
		}
		handle(ctx, d)
	}
}

// Listen is the only one who does.
func (c *carrier) Listen(ctx context.Context, exchange string, prefetch int, handle func(context.Context, broker.Delivery)) error {
	return c.Consume(ctx, exchange, prefetch, handle)
}

func (c *carrier) Bind(context.Context, string) error         { return nil }
func (c *carrier) DeclareQueue(context.Context, string) error { return nil }

func (c *carrier) Inspect(_ context.Context, queue string) (broker.QueueInfo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return broker.QueueInfo{Ready: len(c.ready[queue])}, nil
}

func (c *carrier) State() broker.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

func (c *carrier) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// lastSaid is the type of the last state or log part that was published.
func (c *carrier) lastSaid() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said[len(c.said)-1]
}

// pass lets time pass, in a synctest bubble its own.
func pass(d time.Duration) { <-time.After(d) }
