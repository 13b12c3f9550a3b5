package brokertest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headrace/headrace/broker"
)

func declaresTwice(b *bench) {
	m, other := b.join(), b.join()
	m.declare(jobs)
	m.send(jobs, "kept")
	m.declare(jobs)
	other.declare(jobs)
	b.same([]string{"kept"}, other.drain(jobs, 1))
}

func unknownQueue(b *bench) {
	m := b.join()
	got, err := m.Inspect(b.limited(), "nowhere")
	if err != nil {
		b.Fatal(err)
	}
	b.same(broker.QueueInfo{}, got)
	m.send(broker.StateQueue, "after") // the question broke nothing
	b.same([]string{"after"}, m.drain(broker.StateQueue, 1))
}

func receivesOne(b *bench) {
	m, other := b.join(), b.join()
	m.declare(jobs)
	m.send(jobs, "1", "2", "3")
	first := m.receive(jobs)
	m.awaitInfo(jobs, broker.QueueInfo{Ready: 2})
	b.same([]string{"2"}, other.drain(jobs, 1))
	second := m.receive(jobs)
	b.same([]string{"1", "3"}, []string{string(first.Message().Body), string(second.Message().Body)})
	b.ack(second)
	b.ack(first)
	m.awaitInfo(jobs, broker.QueueInfo{})
}

func receiveWaits(b *bench) {
	m, other := b.join(), b.join()
	m.declare(jobs)
	got := make(chan broker.Delivery, 1)
	go func() {
		d, err := m.Receive(b.limited(), jobs)
		if err != nil {
			b.Error(err)
		}
		got <- d
	}()
	other.awaitInfo(jobs, broker.QueueInfo{Consumers: 1})
	other.send(jobs, "late")
	d := b.next(got)
	b.same("late", string(d.Message().Body))
	b.ack(d)
	other.awaitInfo(jobs, broker.QueueInfo{})
}

func receiveLosesNothing(b *bench) {
	const messages = 60
	from, to := b.join(), b.join()
	from.declare(jobs)
	go from.send(jobs, numbered(messages)...)
	var got []string
	deadline := time.Now().Add(patience)
	for pause := time.Duration(1); len(got) < messages && time.Now().Before(deadline); pause = (pause + 300*time.Microsecond) % (15 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(b.Context(), pause)
		d, err := to.Receive(ctx, jobs)
		cancel()
		if err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				b.Fatal(err)
			}
			continue
		}
		b.ack(d)
		got = append(got, string(d.Message().Body))
	}
	want := numbered(messages)
	slices.Sort(want)
	slices.Sort(got)
	b.same(want, got)
}

func requeueGoesFirst(b *bench) {
	m := b.join()
	m.declare(jobs)
	m.send(jobs, "1", "2")
	b.requeue(m.receive(jobs))
	d := m.receive(jobs)
	b.same("1", string(d.Message().Body))
	if !d.Redelivered() {
		b.Error("what was put back does not count as redelivered")
	}
	b.ack(d)
	b.same([]string{"2"}, m.drain(jobs, 1))
}

func settlesOnce(b *bench) {
	m := b.join()
	m.declare(jobs)
	m.send(jobs, "1", "2")
	done, back := m.receive(jobs), m.receive(jobs)
	b.ack(done)
	b.requeue(done)
	b.ack(done)
	b.requeue(back)
	b.ack(back)
	b.same([]string{"2"}, m.drain(jobs, 1))
	m.awaitInfo(jobs, broker.QueueInfo{})
}

func prefetchBounds(b *bench) {
	m, from := b.join(), b.join()
	m.declare(jobs)
	from.send(jobs, numbered(6)...)
	deliveries, _ := m.consume(jobs, 2)
	first, second := b.next(deliveries), b.next(deliveries)
	b.none(deliveries)
	from.awaitInfo(jobs, broker.QueueInfo{Ready: 4, Consumers: 1})
	b.ack(second)
	third := b.next(deliveries)
	b.none(deliveries)
	b.ack(first)
	b.ack(third)
	b.ack(b.next(deliveries))
	b.ack(b.next(deliveries))
	last := b.next(deliveries)
	b.same("6", string(last.Message().Body))
	b.ack(last)
}

func consumerGivesBack(b *bench) {
	m, other := b.join(), b.join()
	m.declare(jobs)
	m.send(jobs, "1", "2", "3", "4")
	deliveries, end := m.consume(jobs, 3)
	held := []broker.Delivery{b.next(deliveries), b.next(deliveries), b.next(deliveries)}
	b.ack(held[1])
	b.next(deliveries)
	end()
	other.awaitInfo(jobs, broker.QueueInfo{Ready: 3})
	if err := held[0].Ack(b.limited()); !errors.Is(err, broker.ErrGone) {
		b.Errorf("acknowledge what went back: %v", err)
	}
	for _, want := range []string{"1", "3", "4"} {
		d := other.receive(jobs)
		b.same(want, string(d.Message().Body))
		if !d.Redelivered() {
			b.Errorf("%s does not count as redelivered", want)
		}
		b.ack(d)
	}
}

func consumersShare(b *bench) {
	m, other := b.join(), b.join()
	m.declare(jobs)
	one, _ := m.consume(jobs, 1)
	two, _ := other.consume(jobs, 1)
	m.awaitInfo(jobs, broker.QueueInfo{Consumers: 2})
	m.send(jobs, "1", "2", "3")
	a, c := b.next(one), b.next(two)
	b.none(one)
	b.none(two)
	got := []string{string(a.Message().Body), string(c.Message().Body)}
	slices.Sort(got)
	b.same([]string{"1", "2"}, got)
	b.ack(c)
	b.same("3", string(b.next(two).Message().Body))
	b.ack(a)
}

func consumeWaitsForQueue(b *bench) {
	m, other := b.join(), b.join()
	deliveries, _ := m.consume("builds.later", 1)
	b.none(deliveries)
	other.declare("builds.later")
	other.send("builds.later", "1")
	b.ack(b.next(deliveries))
}
