package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/platform/ci"
)

// perRelay bounds how many messages are taken from the outbox at a time: few enough to be published, one by one, before
// the lease on them ends.
const perRelay = 50

// relayOnce publishes what is due. The store counts a message as sent only after the broker has confirmed it.
func (d *Dispatch) relayOnce(ctx context.Context) (again bool, err error) {
	due, err := d.store.Outbox(ctx, perRelay)
	if err != nil || len(due) == 0 {
		return false, err
	}
	var sent []int64
	for i, m := range due {
		err := d.publish(ctx, m)
		if err == nil {
			sent = append(sent, m.ID)
			continue
		}
		if ctx.Err() != nil {
			break
		}
		failed := due[i : i+1]
		if !errors.Is(err, broker.ErrUnroutable) {
			failed = due[i:] // the broker is away; the others would only wait for it, too
		}
		if err := d.failed(ctx, failed, err); err != nil {
			return false, errors.Join(err, d.sent(ctx, sent))
		}
		if len(failed) > 1 || i == len(due)-1 {
			return false, d.sent(ctx, sent)
		}
	}
	return len(due) == perRelay, d.sent(ctx, sent)
}

// sent notes what the broker has, also when this node is being stopped: a message less that is sent twice.
func (d *Dispatch) sent(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	return d.store.OutboxSent(context.WithoutCancel(ctx), ids)
}

func (d *Dispatch) publish(ctx context.Context, m ci.OutMessage) error {
	ctx, cancel := context.WithTimeout(ctx, d.config.PublishTime)
	defer cancel()
	if err := d.declare(ctx, m.Queue); err != nil {
		return fmt.Errorf("declare queue %s: %w", m.Queue, err)
	}
	err := d.carrier.Publish(ctx, broker.Message{
		Key: m.Queue, Type: broker.TypeJob, ID: strconv.FormatInt(m.ID, 10), Body: m.Body,
	})
	if errors.Is(err, broker.ErrUnroutable) {
		d.declared.Delete(m.Queue) // someone deleted it
	}
	return err
}

// declare makes sure, once per process, that the queue exists; the carrier does so again on each new connection.
func (d *Dispatch) declare(ctx context.Context, queue string) error {
	if _, done := d.declared.Load(queue); done {
		return nil
	}
	if err := d.carrier.DeclareQueue(ctx, queue); err != nil {
		return err
	}
	d.declared.Store(queue, true)
	return nil
}

// mostAway bounds the pause while the broker is away. A try costs little, and when the broker is back no job should wait
// for the rest of a long pause.
const mostAway = 2 * time.Second

// failed keeps messages for a later try, with the reason where people see it.
func (d *Dispatch) failed(ctx context.Context, list []ci.OutMessage, cause error) error {
	reason, most := "The message broker does not answer.", mostAway
	if errors.Is(cause, broker.ErrUnroutable) {
		reason, most = fmt.Sprintf("The message broker has no queue %s.", list[0].Queue), math.MaxInt64
	}
	d.log.WarnContext(ctx, "jobs could not be given to the broker; they are kept and tried again", "count", len(list), "queue", list[0].Queue, "err", cause)
	for _, m := range list {
		if err := d.store.OutboxFailed(ctx, m.ID, reason, min(d.config.Retry.After(m.Tries+1), most)); err != nil {
			return err
		}
	}
	return nil
}
