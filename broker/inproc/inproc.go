package inproc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
)

// maxWaiting bounds how many messages a queue holds; a publisher waits for room then.
const maxWaiting = 10_000

// publishWithin bounds how long a publisher waits for room.
const publishWithin = 10 * time.Second

// Carrier carries messages inside the process. Any number of platforms and workers may share one.
type Carrier struct {
	mu     sync.Mutex
	queues map[string]*queue
	bound  map[string]bool // queues bound to the commands exchange
	since  time.Time
	change chan struct{}
}

var _ broker.Carrier = (*Carrier)(nil)

// New returns a carrier with the platform's own queues.
func New() *Carrier {
	c := &Carrier{queues: map[string]*queue{}, bound: map[string]bool{}, since: time.Now(), change: make(chan struct{})}
	for _, name := range []string{broker.ClaimQueue, broker.StateQueue, broker.LogQueue, broker.HeartbeatQueue} {
		c.queues[name] = newQueue(maxWaiting)
	}
	return c
}

// Run waits for the end of ctx; there is no connection to keep.
func (c *Carrier) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// State is always connected.
func (c *Carrier) State() broker.State { return broker.State{Connected: true, Since: c.since} }

// Changed never happens.
func (c *Carrier) Changed() <-chan struct{} { return c.change }

// Publish puts the message into its queue, or into every queue that is bound to its exchange.
func (c *Carrier) Publish(ctx context.Context, m broker.Message) error {
	ctx, cancel := context.WithTimeout(ctx, publishWithin)
	defer cancel()
	delivered := false
	for _, q := range c.targets(m) {
		ok, err := q.put(ctx, m, time.Now())
		if err != nil {
			return errors.Join(broker.ErrUnavailable, err)
		}
		delivered = delivered || ok
	}
	if !delivered {
		return broker.ErrUnroutable
	}
	return nil
}

func (c *Carrier) targets(m broker.Message) []*queue {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch m.Exchange {
	case "", broker.ReportingExchange:
		if q, ok := c.queues[m.Key]; ok {
			return []*queue{q}
		}
	case broker.CommandsExchange:
		var found []*queue
		for name := range c.bound {
			found = append(found, c.queues[name])
		}
		return found
	}
	return nil
}

// DeclareQueue makes a job queue if there is none of the name.
func (c *Carrier) DeclareQueue(_ context.Context, name string) error {
	c.queue(name)
	return nil
}

// queue returns the queue of the name and makes it if it is not there.
func (c *Carrier) queue(name string) *queue {
	c.mu.Lock()
	defer c.mu.Unlock()
	q, ok := c.queues[name]
	if !ok {
		q = newQueue(maxWaiting)
		c.queues[name] = q
	}
	return q
}

// Bind makes the exclusive queue of a worker and lets it go when ctx ends.
func (c *Carrier) Bind(ctx context.Context, name string) error {
	q := c.queue(name)
	c.mu.Lock()
	c.bound[name] = true
	c.mu.Unlock()
	context.AfterFunc(ctx, func() {
		c.mu.Lock()
		delete(c.bound, name)
		delete(c.queues, name)
		c.mu.Unlock()
		q.drop()
	})
	return nil
}

// Inspect says how a queue stands.
func (c *Carrier) Inspect(_ context.Context, name string) (broker.QueueInfo, error) {
	c.mu.Lock()
	q, ok := c.queues[name]
	c.mu.Unlock()
	if !ok {
		return broker.QueueInfo{}, nil
	}
	return q.info(time.Now()), nil
}
