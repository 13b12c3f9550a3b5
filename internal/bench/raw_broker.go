package main

import (
	"context"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/headrace/headrace/internal/run"
)

const (
	rawQueue  = "raw"
	rawWindow = 256 // messages that are not confirmed yet
)

// rawBroker measures RabbitMQ: durable queue, persistent messages of 1 KiB, confirmed.
func rawBroker(ctx context.Context, r *rig, span time.Duration) ([]figure, error) {
	address, err := r.vhost(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := amqp.Dial(address)
	if err != nil {
		return nil, fmt.Errorf("connect to RabbitMQ: %w", err)
	}
	defer conn.Close()
	channel, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	if _, err := channel.QueueDeclare(rawQueue, true, false, false, false, nil); err != nil {
		return nil, err
	}
	if err := channel.Confirm(false); err != nil {
		return nil, err
	}
	var all []figure
	for _, part := range []func(context.Context, *amqp.Connection, *amqp.Channel, time.Duration) (figure, error){waitForEach, throughQueue, windowed} {
		f, err := part(ctx, conn, channel, span)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
		if _, err := channel.QueuePurge(rawQueue, false); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func publish(ctx context.Context, c *amqp.Channel) (*amqp.DeferredConfirmation, error) {
	return c.PublishWithDeferredConfirmWithContext(ctx, "", rawQueue, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: make([]byte, 1024)})
}

func waitForEach(ctx context.Context, _ *amqp.Connection, c *amqp.Channel, span time.Duration) (figure, error) {
	var delays spread
	var seen checks
	began := time.Now()
	for time.Since(began) < span/2 {
		at := time.Now()
		confirmation, err := publish(ctx, c)
		if err != nil {
			return figure{}, err
		}
		ok, err := confirmation.WaitContext(ctx)
		if err != nil {
			return figure{}, err
		}
		delays = append(delays, time.Since(at))
		seen.check(ok, "a message was refused")
	}
	return seen.figure(rawConfirm, "", "messages", nil, append([]amount{perSecond(len(delays), time.Since(began), "/s")}, delays.amounts()...)...), nil
}

// throughQueue sends one message at a time and waits for it at the other end.
func throughQueue(ctx context.Context, conn *amqp.Connection, c *amqp.Channel, span time.Duration) (figure, error) {
	in, deliveries, err := consume(conn, 1)
	if err != nil {
		return figure{}, err
	}
	defer in.Close()
	var delays spread
	var seen checks
	for began := time.Now(); time.Since(began) < span/2; {
		at := time.Now()
		if _, err := publish(ctx, c); err != nil {
			return figure{}, err
		}
		select {
		case d := <-deliveries:
			delays = append(delays, time.Since(at))
			seen.check(len(d.Body) == 1024, "a message of %d bytes", len(d.Body))
			if err := d.Ack(false); err != nil {
				return figure{}, err
			}
		case <-ctx.Done():
			return figure{}, ctx.Err()
		}
	}
	return seen.figure(rawDeliver, "", "messages", nil, delays.amounts()...), nil
}

func consume(conn *amqp.Connection, prefetch int) (*amqp.Channel, <-chan amqp.Delivery, error) {
	in, err := conn.Channel()
	if err != nil {
		return nil, nil, err
	}
	if err := in.Qos(prefetch, 0, false); err != nil {
		return nil, nil, err
	}
	deliveries, err := in.Consume(rawQueue, "", false, false, false, false, nil)
	return in, deliveries, err
}

// windowed sends as fast as confirmations come, and counts what arrives and is acknowledged.
func windowed(ctx context.Context, conn *amqp.Connection, c *amqp.Channel, span time.Duration) (figure, error) {
	in, deliveries, err := consume(conn, rawWindow)
	if err != nil {
		return figure{}, err
	}
	defer in.Close()
	began := time.Now()
	sent := make(chan int, 1)
	var seen checks
	g := run.NewGroup(ctx)
	g.Go("send", func(ctx context.Context) error {
		waiting := make(chan *amqp.DeferredConfirmation, rawWindow)
		n := 0
		for ; time.Since(began) < span || len(waiting) > 0; n++ {
			if len(waiting) == rawWindow || time.Since(began) >= span {
				if ok, err := (<-waiting).WaitContext(ctx); err != nil || !ok {
					return fmt.Errorf("a message was not confirmed: %w", err)
				}
				n--
				continue
			}
			confirmation, err := publish(ctx, c)
			if err != nil {
				return err
			}
			waiting <- confirmation
		}
		sent <- n
		return nil
	})
	g.Go("receive", func(ctx context.Context) error {
		all := -1
		for n := 0; n != all; {
			select {
			case all = <-sent:
			case d := <-deliveries:
				n++
				seen.check(len(d.Body) == 1024, "a message of %d bytes", len(d.Body))
				if err := d.Ack(false); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return figure{}, err
	}
	return seen.figure(rawMessages, "", "messages", nil, perSecond(seen.of, time.Since(began), "/s")), nil
}
