package rabbitmq

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
	"github.com/rabbitmq/amqp091-go"
)

// consumerTag is the same on every channel: tags are per channel.
const consumerTag = "headrace"

var errCanceled = errors.New("the broker ended the consumer")

// delivery is a message on the channel it came by.
type delivery struct {
	session     *session
	channel     *amqp091.Channel
	tag         uint64
	message     broker.Message
	redelivered bool
	free        func() // called once, after it is settled
	gone        <-chan struct{}

	mu      sync.Mutex
	settled bool
}

func (s *session) delivery(ch *amqp091.Channel, d amqp091.Delivery, free func()) *delivery {
	return &delivery{session: s, channel: ch, tag: d.DeliveryTag, message: decode(d), redelivered: d.Redelivered, free: free, gone: s.goneWith(ch)}
}

func (d *delivery) Message() broker.Message { return d.message }
func (d *delivery) Redelivered() bool       { return d.redelivered }

// Gone is closed when the channel is.
func (d *delivery) Gone() <-chan struct{} { return d.gone }

func (d *delivery) Ack(context.Context) error {
	return d.settle(func() error { return d.channel.Ack(d.tag, false) })
}

func (d *delivery) Requeue(context.Context) error {
	return d.settle(func() error { return d.channel.Nack(d.tag, false, true) })
}

func (d *delivery) settle(f func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.settled {
		return nil
	}
	if d.channel.IsClosed() || d.session.call(f) != nil {
		return broker.ErrGone
	}
	d.settled = true
	if d.free != nil {
		d.free()
	}
	return nil
}

// Receive takes one message.
func (c *Carrier) Receive(ctx context.Context, queue string) (broker.Delivery, error) {
	var got broker.Delivery
	err := c.retry(ctx, queue, func(s *session) (worked bool, err error) {
		d, err := s.receive(ctx, queue)
		if err == nil {
			got = d
		}
		return false, err
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// Consume hands messages to handle until ctx ends.
func (c *Carrier) Consume(ctx context.Context, queue string, prefetch int, handle func(context.Context, broker.Delivery)) error {
	err := c.retry(ctx, queue, func(s *session) (bool, error) { return s.consume(ctx, queue, max(prefetch, 1), handle) })
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the end of ctx is the regular end of a consumer
	}
	return err
}

// retry calls f with one session after another, and after pauses with the same, until it returns no error or ctx ends.
// Between two calls with a session that works, what may be missing on the broker is declared again.
func (c *Carrier) retry(ctx context.Context, queue string, f func(*session) (worked bool, err error)) error {
	for failures := 1; ; failures++ {
		s, err := c.current(ctx)
		if err != nil {
			return err
		}
		worked, err := f(s)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if worked {
			failures = 1
		}
		if !s.alive() {
			continue
		}
		if failures%10 == 1 {
			c.config.Log.WarnContext(ctx, "the queue cannot be read for now; trying again", "queue", queue, "err", err)
		}
		if err := run.Pause(ctx, run.Backoff{First: 50 * time.Millisecond, Most: 2 * time.Second}.After(failures)); err != nil {
			return err
		}
		if err := s.restore(); err != nil && s.alive() {
			c.config.Log.WarnContext(ctx, "queues could not be declared again", "err", err)
		}
	}
}

// receive consumes one message on a channel of the pool. The channel returns to it once the delivery is settled.
func (s *session) receive(ctx context.Context, queue string) (*delivery, error) {
	ch, err := s.channel()
	if err != nil {
		return nil, err
	}
	deliveries, err := s.subscribe(ch, queue)
	if err != nil {
		return nil, err
	}
	var first *amqp091.Delivery
	select {
	case d, open := <-deliveries:
		if open {
			first = &d
		}
	case <-ctx.Done():
	}
	if err := s.call(func() error { return ch.Cancel(consumerTag, false) }); err != nil {
		return nil, err // the channel is closed; what it delivered goes back
	}
	for d := range deliveries {
		first = &d // at most one came, by prefetch
	}
	if first == nil {
		s.put(ch)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, errCanceled
	}
	d := s.delivery(ch, *first, func() { s.put(ch) })
	if ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), d.Requeue(ctx))
	}
	return d, nil
}

// consume consumes on a channel of its own, whose end gives back what is not settled.
func (s *session) consume(ctx context.Context, queue string, prefetch int, handle func(context.Context, broker.Delivery)) (worked bool, err error) {
	ch, err := s.newChannel(prefetch)
	if err != nil {
		return false, err
	}
	defer s.discard(ch)
	deliveries, err := s.subscribe(ch, queue)
	if err != nil {
		return false, err
	}
	for {
		select {
		case d, open := <-deliveries:
			if !open {
				return worked, errCanceled
			}
			if ctx.Err() != nil {
				return worked, ctx.Err()
			}
			worked = true
			handle(ctx, s.delivery(ch, d, nil))
		case <-ctx.Done():
			return worked, ctx.Err()
		}
	}
}

// Listen hands over what is said at the exchange. Each session has a queue of its own for it, which the broker names and
// lets go with its consumer, so that none waits for one that a dead connection still holds.
func (c *Carrier) Listen(ctx context.Context, exchange string, prefetch int, handle func(context.Context, broker.Delivery)) error {
	err := c.retry(ctx, exchange, func(s *session) (worked bool, err error) {
		queue, err := s.listener(exchange)
		if err != nil {
			return false, err
		}
		defer s.drop(queue)
		return s.consume(ctx, queue, max(prefetch, 1), handle)
	})
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the end of ctx is the regular end of a listener
	}
	return err
}

func (s *session) subscribe(ch *amqp091.Channel, queue string) (deliveries <-chan amqp091.Delivery, err error) {
	err = s.call(func() error {
		deliveries, err = ch.Consume(queue, consumerTag, false, false, false, false, nil)
		return err
	})
	return deliveries, refused(queue, err)
}
