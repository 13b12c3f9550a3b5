package inproc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
)

// publishWithin bounds how long a publisher waits for room.
const publishWithin = 10 * time.Second

// Carrier carries messages inside the process. Platform and workers may share one, or have peers of one; the end of a
// carrier's Run is the loss of its connection. There is nothing to connect to: it carries from the start.
type Carrier struct {
	hub *hub

	mu      sync.Mutex
	state   broker.State
	changed chan struct{}
	ended   chan struct{} // closed when Run ends
	held    map[*delivery]struct{}
}

var _ broker.Carrier = (*Carrier)(nil)

// New returns the first carrier of a new broker.
func New() *Carrier { return newCarrier(newHub()) }

// Peer returns another carrier of the same broker.
func (c *Carrier) Peer() *Carrier { return newCarrier(c.hub) }

func newCarrier(h *hub) *Carrier {
	return &Carrier{
		hub: h, state: broker.State{Connected: true, Since: time.Now()}, held: map[*delivery]struct{}{},
		changed: make(chan struct{}), ended: make(chan struct{}),
	}
}

// Run waits for the end of ctx and closes the carrier then: what is not settled goes back, its bindings end.
func (c *Carrier) Run(ctx context.Context) error {
	<-ctx.Done()
	c.mu.Lock()
	if !c.state.Connected {
		c.mu.Unlock()
		return nil
	}
	held := c.held
	c.held = nil
	c.state = broker.State{Since: time.Now(), LastError: broker.ErrClosed.Error()}
	close(c.changed)
	c.changed = make(chan struct{})
	close(c.ended)
	c.mu.Unlock()
	for d := range held {
		d.queue.back(d.entry)
	}
	c.hub.leave(c)
	return nil
}

// State says whether the carrier is closed.
func (c *Carrier) State() broker.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Changed returns a channel that is closed when the carrier is.
func (c *Carrier) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// Publish puts the message into its queue, or into every queue that is bound to its exchange.
func (c *Carrier) Publish(ctx context.Context, m broker.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !c.State().Connected {
		return broker.ErrClosed
	}
	if m.ContentType == "" {
		m.ContentType = "application/json"
	}
	m.Body, m.Headers = bytes.Clone(m.Body), maps.Clone(m.Headers)
	deadline := time.NewTimer(publishWithin)
	defer deadline.Stop()
	delivered := false
	for _, q := range c.hub.targets(m) {
		taken, err := c.put(ctx, q, m, deadline.C)
		if err != nil {
			return err
		}
		delivered = delivered || taken
	}
	if !delivered {
		return broker.ErrUnroutable
	}
	return nil
}

// put adds the message to a queue, when there is room; false when the queue has ended.
func (c *Carrier) put(ctx context.Context, q *queue, m broker.Message, deadline <-chan time.Time) (bool, error) {
	for {
		taken, room, gone := q.put(m, time.Now())
		if taken || gone {
			return taken, nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return false, ctx.Err()
		case <-c.ended:
			return false, broker.ErrClosed
		case <-deadline:
			return false, fmt.Errorf("%w: queue %s is full", broker.ErrUnavailable, q.name)
		}
	}
}

// DeclareQueue makes a job queue if there is none of the name.
func (c *Carrier) DeclareQueue(ctx context.Context, name string) error {
	return c.admit(ctx, func() error {
		c.hub.declare(name)
		return nil
	})
}

// Bind makes the exclusive queue of a worker and lets it go when ctx, or the carrier, ends.
func (c *Carrier) Bind(ctx context.Context, name string) error {
	return c.admit(ctx, func() error {
		q, err := c.hub.bind(c, name)
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { c.hub.drop(q) })
		if !c.State().Connected { // it ended meanwhile
			c.hub.leave(c)
			return broker.ErrClosed
		}
		return nil
	})
}

// Listen hands over what is said at the exchange, through a queue of its own.
func (c *Carrier) Listen(ctx context.Context, exchange string, prefetch int, handle func(context.Context, broker.Delivery)) error {
	if !c.State().Connected {
		return broker.ErrClosed
	}
	q := c.hub.listen(c, exchange)
	defer c.hub.drop(q)
	return c.Consume(ctx, q.name, prefetch, handle)
}

// Inspect says how a queue stands.
func (c *Carrier) Inspect(ctx context.Context, name string) (info broker.QueueInfo, err error) {
	err = c.admit(ctx, func() error {
		if q, _ := c.hub.find(name); q != nil {
			info = q.info(time.Now())
		}
		return nil
	})
	return info, err
}

func (c *Carrier) admit(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !c.State().Connected {
		return broker.ErrClosed
	}
	return f()
}

var errInUse = errors.New("the queue belongs to another connection")
