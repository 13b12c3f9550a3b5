package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/platform/ci"
)

// DeadLetters is where messages are kept that nothing can be made of.
type DeadLetters interface {
	AddDeadLetter(ctx context.Context, d ci.DeadLetter) error
	DeadLettersToSend(ctx context.Context, limit int) ([]ci.DeadLetter, error)
	DeadLetterSent(ctx context.Context, id int64) error
}

const (
	// deadRoom is how many dead letters wait to be stored; what comes beyond is only logged, so that nothing waits for them.
	deadRoom = 64
	// deadTime bounds the storing of one.
	deadTime = 2 * time.Second
	// perSend is how many are sent again at a time.
	perSend = 16
)

// dead is a message that is dropped, not acknowledged yet.
type dead struct {
	letter   ci.DeadLetter
	delivery broker.Delivery
}

// drop keeps a message that nothing can be made of where people can see it, and settles it. It does not wait.
func (h *Hub) drop(ctx context.Context, d broker.Delivery, err error) {
	h.counts.dropped.Add(1)
	m := d.Message()
	queue := cmp.Or(m.Key, m.Exchange)
	h.seldom.warn(ctx, "a message was dropped", "type", m.Type, "queue", queue, "err", err)
	letter := ci.DeadLetter{Queue: queue, Type: m.Type, ContentType: m.ContentType, Headers: m.Headers, Body: m.Body, Reason: err.Error()}
	select {
	case h.dead <- dead{letter: letter, delivery: d}:
	default:
		h.seldom.warn(ctx, "more messages are dropped than can be kept", "type", m.Type, "queue", queue, "err", err)
		h.ack(ctx, d)
	}
}

// keepDead stores what is dropped until ctx ends. While the store is away it is only logged.
func (h *Hub) keepDead(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case one := <-h.dead:
			err := h.keep(ctx, one.letter)
			if err != nil && ctx.Err() != nil {
				return ctx.Err() // not acknowledged: it comes again
			}
			if err != nil {
				h.seldom.warn(ctx, "a dropped message could not be kept", "type", one.letter.Type, "queue", one.letter.Queue, "reason", one.letter.Reason, "err", err)
			}
			h.ack(ctx, one.delivery)
		}
	}
}

func (h *Hub) keep(ctx context.Context, letter ci.DeadLetter) error {
	ctx, cancel := context.WithTimeout(ctx, deadTime)
	defer cancel()
	return h.store.AddDeadLetter(ctx, letter)
}

// reject reads a message that a worker could make nothing of.
func (h *Hub) reject(d broker.Delivery) (key string, work func(context.Context)) {
	r, err := broker.DecodeReject(d.Message())
	if err != nil {
		return "", func(ctx context.Context) { h.drop(ctx, d, err) }
	}
	letter := ci.DeadLetter{
		Queue: r.Queue, Type: r.Type, ContentType: r.ContentType, Headers: r.Headers, Body: r.Body, Size: r.Size,
		Reason: fmt.Sprintf("worker %s: %s", r.Worker, r.Reason),
	}
	return r.Queue, func(ctx context.Context) {
		err := h.persist(ctx, "a message that a worker cannot read", defectsEach, func(ctx context.Context) error {
			return h.store.AddDeadLetter(ctx, letter)
		})
		if err != nil && ctx.Err() != nil {
			return // not acknowledged: it comes again
		}
		if err != nil {
			h.seldom.warn(ctx, "a message that a worker cannot read could not be kept", "queue", r.Queue, "reason", letter.Reason, "err", err)
		}
		h.ack(ctx, d)
	}
}

// sendDead sends again what people asked to send again.
func (h *Hub) sendDead(ctx context.Context) error {
	due, err := h.store.DeadLettersToSend(ctx, perSend)
	if err != nil {
		return err
	}
	for _, letter := range due {
		if err := h.sendOne(ctx, letter); err != nil {
			return fmt.Errorf("send dead letter %d: %w", letter.ID, err)
		}
	}
	return nil
}

// sendOne publishes one. What no queue takes is a dead letter again, for that reason; after another error it is due again
// by itself.
func (h *Hub) sendOne(ctx context.Context, letter ci.DeadLetter) error {
	m := broker.Message{Key: letter.Queue, Type: letter.Type, ContentType: letter.ContentType, Headers: letter.Headers, Body: letter.Body}
	if letter.Queue == broker.HeartbeatExchange {
		m.Exchange, m.Key = letter.Queue, ""
	}
	err := h.carrier.Publish(ctx, m)
	if errors.Is(err, broker.ErrUnroutable) {
		letter.Reason = fmt.Sprintf("send again: there is no queue %s", letter.Queue)
		return h.keep(ctx, letter)
	}
	if err != nil {
		return err
	}
	h.log.InfoContext(ctx, "a dead letter was sent again", "id", letter.ID, "queue", letter.Queue, "type", letter.Type)
	return h.store.DeadLetterSent(ctx, letter.ID)
}
