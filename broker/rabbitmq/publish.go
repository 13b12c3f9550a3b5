package rabbitmq

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/rabbitmq/amqp091-go"
)

// mostBody is what the broker takes by default in its newer versions; beyond it, it closes the channel for everybody.
const mostBody = 16 << 20

// errUnconfirmed: the connection was lost after the message was sent; nobody knows whether it arrived.
var errUnconfirmed = errors.New("the connection was lost before the message was confirmed")

// publication is a message on its way.
type publication struct {
	ctx      context.Context //nolint:containedctx // the publication is the call, handed to the writer
	exchange string
	key      string
	message  amqp091.Publishing
	returned bool       // no queue took it; the confirmer's
	done     chan error // gets one result
}

// outlet publishes on one channel of a session.
type outlet struct {
	session  *session
	channel  *amqp091.Channel
	requests chan *publication
	returns  chan amqp091.Return
	confirms chan amqp091.Confirmation

	mu      sync.Mutex
	pending map[uint64]*publication // by tag
}

func (s *session) newOutlet() (*outlet, error) {
	o := &outlet{session: s, requests: make(chan *publication), pending: map[uint64]*publication{}}
	if err := s.call(func() (err error) {
		if o.channel, err = s.pub.conn.Channel(); err != nil {
			return err
		}
		return o.channel.Confirm(false)
	}); err != nil {
		return nil, fmt.Errorf("open a channel to publish: %w", err)
	}
	// Without buffers, a return has been noted before the driver reads the confirmation that follows it.
	o.returns = o.channel.NotifyReturn(make(chan amqp091.Return))
	o.confirms = o.channel.NotifyPublish(make(chan amqp091.Confirmation))
	closed := o.channel.NotifyClose(make(chan *amqp091.Error, 1))
	s.start(o.write)
	s.start(o.confirm)
	s.start(func() { s.follow(closed) })
	return o, nil
}

// write sends one publication after another, as long as the broker takes them.
func (o *outlet) write() {
	for {
		if resume := o.session.resumption(); resume != nil {
			select {
			case <-resume:
				continue
			case <-o.session.gone:
				return
			}
		}
		select {
		case p := <-o.requests:
			o.send(p)
		case <-o.session.gone:
			return
		}
	}
}

func (o *outlet) send(p *publication) {
	if err := p.ctx.Err(); err != nil {
		p.done <- err
		return
	}
	tag := o.channel.GetNextPublishSeqNo()
	p.message.CorrelationId = strconv.FormatUint(tag, 10)
	o.mu.Lock()
	o.pending[tag] = p
	o.mu.Unlock()
	if _, err := o.channel.PublishWithDeferredConfirm(p.exchange, p.key, true, false, p.message); err != nil {
		o.session.kill(err)
		o.resolve(tag, errUnconfirmed)
	}
}

// confirm follows the broker's answers until the channel is closed.
func (o *outlet) confirm() {
	for o.returns != nil || o.confirms != nil {
		select {
		case r, open := <-o.returns:
			if !open {
				o.returns = nil
				continue
			}
			if tag, err := strconv.ParseUint(r.CorrelationId, 10, 64); err == nil {
				o.note(tag)
			}
		case c, open := <-o.confirms:
			if !open {
				o.confirms = nil
				continue
			}
			o.resolve(c.DeliveryTag, verdict(c.Ack))
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for tag, p := range o.pending {
		delete(o.pending, tag)
		p.done <- errUnconfirmed
	}
}

func verdict(ack bool) error {
	if ack {
		return nil
	}
	return fmt.Errorf("%w: it could not keep the message", broker.ErrUnavailable)
}

func (o *outlet) note(tag uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.pending[tag]; p != nil {
		p.returned = true
	}
}

func (o *outlet) resolve(tag uint64, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.pending[tag]
	if p == nil {
		return
	}
	delete(o.pending, tag)
	if p.returned && err == nil {
		err = broker.ErrUnroutable
	}
	p.done <- err
}

// Publish returns when the broker has confirmed the message.
func (c *Carrier) Publish(ctx context.Context, m broker.Message) error {
	if len(m.Body) > mostBody {
		return fault.New(fault.Invalid, "A message of %d bytes is too large for the broker; %d are possible.", len(m.Body), mostBody)
	}
	if !known(m.Exchange) { // asking the broker would close the channel
		return broker.ErrUnroutable
	}
	message := encode(m)
	err := c.with(ctx, func(ctx context.Context, s *session) error {
		o := s.durable
		if m.Transient {
			o = s.quick
		}
		p := &publication{ctx: ctx, exchange: m.Exchange, key: m.Key, message: message, done: make(chan error, 1)}
		select {
		case o.requests <- p:
		case <-s.gone:
			return errLost
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case err := <-p.done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if errors.Is(err, errUnconfirmed) {
		return fmt.Errorf("%w: %w", broker.ErrUnavailable, err)
	}
	return err
}

func known(exchange string) bool {
	if exchange == "" {
		return true
	}
	for _, e := range broker.Topology().Exchanges {
		if e.Name == exchange {
			return true
		}
	}
	return false
}

func encode(m broker.Message) amqp091.Publishing {
	p := amqp091.Publishing{
		ContentType: m.ContentType, DeliveryMode: amqp091.Persistent, MessageId: m.ID, Type: m.Type,
		Body: bytes.Clone(m.Body), // the caller may leave before it is written
	}
	if p.ContentType == "" {
		p.ContentType = "application/json"
	}
	if m.Transient {
		p.DeliveryMode = amqp091.Transient
	}
	if m.Expires > 0 {
		p.Expiration = strconv.FormatInt(max(1, int64((m.Expires+time.Millisecond-1)/time.Millisecond)), 10)
	}
	if len(m.Headers) > 0 {
		p.Headers = amqp091.Table{}
		for name, value := range m.Headers {
			p.Headers[name] = value
		}
	}
	return p
}

func decode(d amqp091.Delivery) broker.Message {
	m := broker.Message{
		Exchange: d.Exchange, Key: d.RoutingKey, Type: d.Type, ID: d.MessageId, ContentType: d.ContentType, Body: d.Body,
		Transient: d.DeliveryMode != amqp091.Persistent,
	}
	if ms, err := strconv.ParseInt(d.Expiration, 10, 64); err == nil {
		m.Expires = time.Duration(ms) * time.Millisecond
	}
	for name, value := range d.Headers {
		if text, ok := value.(string); ok {
			if m.Headers == nil {
				m.Headers = map[string]string{}
			}
			m.Headers[name] = text
		}
	}
	return m
}
