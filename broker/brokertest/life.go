package brokertest

import (
	"context"
	"errors"
	"time"

	"github.com/headrace/headrace/broker"
)

func commandsReachAll(b *bench) {
	platform, one, two := b.join(), b.join(), b.join()
	one.bind(broker.WorkerQueue("one"))
	two.bind(broker.WorkerQueue("two"))
	platform.publish(broker.Message{Exchange: broker.CommandsExchange, Type: broker.TypeCancel, Body: []byte("all")})
	platform.publish(broker.Message{Exchange: broker.ForeignCommands, Body: []byte("those that do not claim")})
	platform.send(broker.WorkerQueue("two"), "only two")
	b.same([]string{"all", "those that do not claim"}, one.drain(broker.WorkerQueue("one"), 2))
	b.same([]string{"all", "those that do not claim", "only two"}, two.drain(broker.WorkerQueue("two"), 3))
	platform.publish(broker.Message{Exchange: broker.ForeignCommands, Body: []byte("x")})
	d := one.receive(broker.WorkerQueue("one"))
	if m := d.Message(); m.Exchange != broker.ForeignCommands {
		b.Errorf("the command came by %q", m.Exchange)
	}
	b.ack(d)
}

func exclusiveQueueEnds(b *bench) {
	platform, worker := b.join(), b.join()
	name := broker.WorkerQueue("one")
	end := worker.bind(name)
	deliveries, _ := worker.consume(name, 1)
	platform.send(name, "1")
	b.ack(b.next(deliveries))
	end()
	refused := func(m broker.Message) {
		deadline := time.Now().Add(patience)
		for time.Now().Before(deadline) {
			err := platform.Publish(b.limited(), m)
			if errors.Is(err, broker.ErrUnroutable) {
				return
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		b.Errorf("exchange %q, key %q still takes messages", m.Exchange, m.Key)
	}
	refused(broker.Message{Key: name})
	refused(broker.Message{Exchange: broker.CommandsExchange})
	refused(broker.Message{Exchange: broker.ForeignCommands})
}

// deliveryGoes: a delivery that is held says when it is gone.
func deliveryGoes(b *bench) {
	platform, worker := b.join(), b.join()
	platform.declare(jobs)
	platform.send(jobs, "1")
	d := worker.receive(jobs)
	held, ok := d.(broker.Held)
	if !ok {
		b.Fatalf("a %T does not say when it is gone", d)
	}
	select {
	case <-held.Gone():
		b.Fatal("it is gone at once")
	default:
	}
	worker.leave()
	select {
	case <-held.Gone():
	case <-b.limited().Done():
		b.Fatal("it is not gone with its connection")
	}
	b.same([]string{"1"}, platform.drain(jobs, 1))
}

func exclusiveQueueIsExclusive(b *bench) {
	first, second := b.join(), b.join()
	name := broker.WorkerQueue("one")
	first.bind(name)
	first.bind(name) // again by the same is no conflict
	ctx, cancel := context.WithTimeout(b.Context(), 300*time.Millisecond)
	defer cancel()
	if err := second.Bind(ctx, name); err == nil {
		b.Fatal("a queue has two owners")
	}
	first.leave()
	deadline := time.Now().Add(patience)
	for {
		err := second.Bind(b.Context(), name)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			b.Fatalf("after the end of its owner: %v", err)
		}
	}
	second.send(name, "1")
	b.same([]string{"1"}, second.drain(name, 1))
}

func endGivesBack(b *bench) {
	worker, other := b.join(), b.join()
	worker.declare(jobs)
	worker.bind(broker.WorkerQueue("one"))
	other.send(jobs, "1", "2", "3")
	received := worker.receive(jobs)
	deliveries, _ := worker.consume(jobs, 1)
	consumed := b.next(deliveries)
	worker.leave()
	other.awaitInfo(jobs, broker.QueueInfo{Ready: 3})
	for _, d := range []broker.Delivery{received, consumed} {
		if err := d.Ack(b.limited()); !errors.Is(err, broker.ErrGone) {
			b.Errorf("acknowledge after the end: %v", err)
		}
	}
	for i, want := range []string{"1", "2", "3"} {
		d := other.receive(jobs)
		b.same(want, string(d.Message().Body))
		b.same(i < 2, d.Redelivered())
		b.ack(d)
	}
	if err := other.Publish(b.limited(), broker.Message{Key: broker.WorkerQueue("one")}); !errors.Is(err, broker.ErrUnroutable) {
		b.Errorf("the queue of a worker that is gone: %v", err)
	}
}

func closedSaysSo(b *bench) {
	m := b.join()
	changed := m.Changed()
	waiting := make(chan error, 1)
	go func() {
		_, err := m.Receive(b.Context(), broker.StateQueue)
		waiting <- err
	}()
	m.leave()
	select {
	case <-changed:
	case <-time.After(patience):
		b.Error("the change is not announced")
	}
	if m.State().Connected {
		b.Error("a closed carrier counts as connected")
	}
	_, received := m.Receive(b.limited(), broker.StateQueue)
	_, inspected := m.Inspect(b.limited(), broker.StateQueue)
	for name, err := range map[string]error{
		"a reception that waited": <-waiting,
		"receive":                 received,
		"inspect":                 inspected,
		"publish":                 m.Publish(b.limited(), broker.Message{Key: broker.StateQueue}),
		"declare":                 m.DeclareQueue(b.limited(), jobs),
		"bind":                    m.Bind(b.limited(), broker.WorkerQueue("one")),
		"listen":                  m.Listen(b.limited(), broker.HeartbeatExchange, 1, func(context.Context, broker.Delivery) {}),
		"consume":                 m.Consume(b.limited(), broker.StateQueue, 1, func(context.Context, broker.Delivery) {}),
	} {
		if !errors.Is(err, broker.ErrClosed) {
			b.Errorf("%s: %v", name, err)
		}
	}
}
