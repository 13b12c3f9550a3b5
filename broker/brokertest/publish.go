package brokertest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
)

const jobs = broker.DefaultJobQueue

func arrivesAsSent(b *bench) {
	m := b.join()
	m.declare(jobs)
	full := broker.Message{
		Key: jobs, Type: broker.TypeRawLog, ID: "42", Headers: map[string]string{"job": "7", "empty": "", "word": "ü"},
		ContentType: "application/octet-stream", Body: []byte{0, 255, '\n'}, Transient: true, Expires: time.Hour,
	}
	m.publish(full)
	d := m.receive(jobs)
	b.same(full, d.Message())
	if d.Redelivered() {
		b.Error("a new message counts as redelivered")
	}
	b.ack(d)
	m.publish(broker.Message{Key: jobs, Type: broker.TypeJob, Body: []byte("{}")})
	d = m.receive(jobs)
	b.same(broker.Message{Key: jobs, Type: broker.TypeJob, ContentType: "application/json", Body: []byte("{}")}, d.Message())
	b.ack(d)
}

func anySize(b *bench) {
	m := b.join()
	m.declare(jobs)
	for _, size := range []int{0, 1, 128 << 10, 3<<20 + 17} {
		body := bytes.Repeat([]byte{'x'}, size)
		m.publish(broker.Message{Key: jobs, Body: body})
		d := m.receive(jobs)
		if !bytes.Equal(body, d.Message().Body) {
			b.Errorf("of %d bytes %d arrive", size, len(d.Message().Body))
		}
		b.ack(d)
	}
}

func keepsOrder(b *bench) {
	from, to := b.join(), b.join()
	from.declare(jobs)
	deliveries, _ := to.consume(jobs, 20)
	want := numbered(200)
	from.send(jobs, want...)
	var got []string
	for range want {
		d := b.next(deliveries)
		got = append(got, string(d.Message().Body))
		b.ack(d)
	}
	b.same(want, got)
}

func refusesUnroutable(b *bench) {
	m := b.join()
	for _, msg := range []broker.Message{
		{Key: "nowhere"},
		{Exchange: broker.CommandsExchange},
		{Exchange: broker.ReportingExchange, Key: "nowhere"},
		{Exchange: "nowhere", Key: broker.StateQueue},
	} {
		if err := m.Publish(b.limited(), msg); !errors.Is(err, broker.ErrUnroutable) {
			b.Errorf("exchange %q, key %q: %v", msg.Exchange, msg.Key, err)
		}
	}
	m.send(broker.StateQueue, "after")
	b.same([]string{"after"}, m.drain(broker.StateQueue, 1))
}

func reportingExchange(b *bench) {
	m := b.join()
	for _, queue := range []string{broker.StateQueue, broker.LogQueue} {
		m.publish(broker.Message{Exchange: broker.ReportingExchange, Key: queue, Body: []byte(queue)})
		d := m.receive(queue)
		b.same(broker.Message{
			Exchange: broker.ReportingExchange, Key: queue, ContentType: "application/json", Body: []byte(queue),
		}, d.Message())
		b.ack(d)
	}
}

func publishObeysContext(b *bench) {
	m := b.join()
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	if err := m.Publish(ctx, broker.Message{Key: broker.StateQueue}); !errors.Is(err, context.Canceled) {
		b.Errorf("got %v", err)
	}
	m.awaitInfo(broker.StateQueue, broker.QueueInfo{})
}

func manyPublishers(b *bench) {
	const publishers, each = 40, 25
	from, to := b.join(), b.join()
	from.declare(jobs)
	deliveries, _ := to.consume(jobs, 50)
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				msg := broker.Message{Key: jobs, Body: []byte(strconv.Itoa(p*each + i))}
				if err := from.Publish(b.limited(), msg); err != nil {
					b.Errorf("publish: %v", err)
				}
			}
		})
	}
	var got, want []int
	for i := range publishers * each {
		d := b.next(deliveries)
		b.ack(d)
		n, err := strconv.Atoi(string(d.Message().Body))
		if err != nil {
			b.Fatal(err)
		}
		got, want = append(got, n), append(want, i)
	}
	wg.Wait()
	slices.Sort(got)
	b.same(want, got)
}

func expires(b *bench) {
	m := b.join()
	m.publish(broker.Message{Key: broker.StateQueue, Body: []byte("short"), Expires: 50 * time.Millisecond})
	m.awaitInfo(broker.StateQueue, broker.QueueInfo{})
	m.publish(broker.Message{Key: broker.StateQueue, Body: []byte("long"), Expires: time.Hour})
	b.same([]string{"long"}, m.drain(broker.StateQueue, 1))
}
