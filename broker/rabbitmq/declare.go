package rabbitmq

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
	"github.com/rabbitmq/amqp091-go"
)

// setUp declares everything and opens the outlets.
func (s *session) setUp() error {
	if err := s.restore(); err != nil {
		return err
	}
	for _, o := range []**outlet{&s.durable, &s.quick} {
		opened, err := s.newOutlet()
		if err != nil {
			return err
		}
		*o = opened
	}
	return nil
}

// restore declares the topology and all that was asked for before, as far as it is not there.
func (s *session) restore() error {
	layout := broker.Topology()
	for _, e := range layout.Exchanges {
		if err := s.declareExchange(e); err != nil {
			return err
		}
	}
	s.carrier.mu.Lock()
	queues := append(layout.Queues, slices.Sorted(maps.Keys(s.carrier.declared))...)
	bound := slices.Collect(maps.Values(s.carrier.bound))
	s.carrier.mu.Unlock()
	for _, q := range queues {
		if err := s.declare(q); err != nil {
			return err
		}
	}
	for _, b := range layout.Bindings {
		if err := s.onChannel(func(ch *amqp091.Channel) error {
			return ch.QueueBind(b.Queue, b.Key, b.Exchange, false, nil)
		}); err != nil {
			return refused(b.Queue, err)
		}
	}
	for _, b := range bound {
		err := s.bind(b.queue)
		if code(err) == amqp091.ResourceLocked { // the broker has not noticed yet that the last connection is dead
			s.start(func() { s.keepBinding(b) })
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// onChannel asks something on a channel of the pool.
func (s *session) onChannel(f func(*amqp091.Channel) error) error {
	ch, err := s.channel()
	if err != nil {
		return err
	}
	defer s.put(ch)
	return s.call(func() error { return f(ch) })
}

func (s *session) declareExchange(e broker.Exchange) error {
	kind := amqp091.ExchangeTopic
	if e.Fanout {
		kind = amqp091.ExchangeFanout
	}
	return s.onChannel(func(ch *amqp091.Channel) error {
		return ch.ExchangeDeclare(e.Name, kind, e.Durable, false, false, false, nil)
	})
}

// declare declares a durable queue. One that exists with other properties, which an administrator may have wanted, is
// used as it is.
func (s *session) declare(queue string) error {
	err := s.onChannel(func(ch *amqp091.Channel) error {
		_, err := ch.QueueDeclare(queue, true, false, false, false, nil)
		return err
	})
	if code(err) == amqp091.PreconditionFailed {
		err = s.onChannel(func(ch *amqp091.Channel) error {
			_, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
			return err
		})
	}
	return refused(queue, err)
}

// bind declares an exclusive queue and binds it to the commands, those of platforms that speak only the original protocol too.
func (s *session) bind(queue string) error {
	return refused(queue, s.onChannel(func(ch *amqp091.Channel) error {
		if _, err := ch.QueueDeclare(queue, false, false, true, false, nil); err != nil {
			return err
		}
		if err := ch.QueueBind(queue, "", broker.CommandsExchange, false, nil); err != nil {
			return err
		}
		return ch.QueueBind(queue, "", broker.ForeignCommands, false, nil)
	}))
}

// listener declares a queue for one who listens, and binds it.
func (s *session) listener(exchange string) (queue string, err error) {
	err = s.onChannel(func(ch *amqp091.Channel) error {
		q, err := ch.QueueDeclare("", false, true, true, false, amqp091.Table{
			"x-queue-type": "classic", "x-max-length": int32(broker.ListenerMessages), "x-max-length-bytes": int32(broker.ListenerBytes),
		})
		if err != nil {
			return err
		}
		queue = q.Name
		return ch.QueueBind(q.Name, "", exchange, false, nil)
	})
	return queue, refused(exchange, err)
}

// drop lets the queue of one who listens go, also where nobody came to consume from it.
func (s *session) drop(queue string) {
	if !s.alive() {
		return // it went with the connection
	}
	_ = s.onChannel(func(ch *amqp091.Channel) error { // else it goes with the connection
		_, err := ch.QueueDelete(queue, false, false, false)
		return err
	})
}

// keepBinding tries until the queue is free, the binding is not wanted any more, or the session ends.
func (s *session) keepBinding(b *binding) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 1; ; n++ {
		timer.Reset(run.Backoff{Most: 2 * time.Second}.After(n))
		select {
		case <-s.gone:
			return
		case <-timer.C:
		}
		if !s.carrier.binds(b) || s.bind(b.queue) == nil {
			return
		}
	}
}

// DeclareQueue declares a durable job queue, on this and on every later connection.
func (c *Carrier) DeclareQueue(ctx context.Context, queue string) error {
	return c.with(ctx, func(_ context.Context, s *session) error {
		if err := s.declare(queue); err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.declared[queue] = true
		return nil
	})
}

// Bind declares the exclusive queue of a worker, on this and on every later connection, until ctx ends.
func (c *Carrier) Bind(ctx context.Context, queue string) error {
	b := &binding{queue: queue}
	c.mu.Lock()
	before := c.bound[queue]
	c.bound[queue] = b
	c.mu.Unlock()
	if err := c.with(ctx, func(_ context.Context, s *session) error { return s.bind(queue) }); err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.bound[queue] == b {
			delete(c.bound, queue)
			if before != nil {
				c.bound[queue] = before
			}
		}
		return err
	}
	context.AfterFunc(ctx, func() { c.unbind(b) })
	return nil
}

// binds says whether the binding is still the wanted one.
func (c *Carrier) binds(b *binding) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bound[b.queue] == b
}

// unbind lets the queue go, unless it was bound anew.
func (c *Carrier) unbind(b *binding) {
	c.mu.Lock()
	wanted := c.bound[b.queue] == b
	if wanted {
		delete(c.bound, b.queue)
	}
	s := c.session
	c.mu.Unlock()
	if !wanted || s == nil {
		return // the broker deletes it with the connection
	}
	if err := s.onChannel(func(ch *amqp091.Channel) error {
		_, err := ch.QueueDelete(b.queue, false, false, false)
		return err
	}); err != nil && s.alive() {
		c.config.Log.Warn("the queue of a worker could not be deleted; it goes with the connection", "queue", b.queue, "err", err)
	}
}

// Inspect says how a queue stands.
func (c *Carrier) Inspect(ctx context.Context, queue string) (info broker.QueueInfo, err error) {
	err = c.with(ctx, func(_ context.Context, s *session) error {
		return s.onChannel(func(ch *amqp091.Channel) error {
			q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
			info = broker.QueueInfo{Ready: q.Messages, Consumers: q.Consumers}
			return err
		})
	})
	if code(err) == amqp091.NotFound {
		return broker.QueueInfo{}, nil
	}
	return info, refused(queue, err)
}
