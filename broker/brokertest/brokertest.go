// Package brokertest holds the contract of [broker.Carrier]: what platform and workers rely on, as tests that every
// carrier passes. It must not know how a carrier is made.
package brokertest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/headrace/headrace/broker"
)

// patience bounds every wait for something that must happen.
const patience = 20 * time.Second

// Run runs the contract. Fresh is called once per test and returns a function that opens carriers of one new broker; the
// suite runs and ends them.
func Run(t *testing.T, fresh func(*testing.T) (open func() broker.Carrier)) {
	t.Helper()
	for _, tt := range []struct {
		name string
		test func(*bench)
	}{
		{"a message arrives as it was sent", arrivesAsSent},
		{"bodies of any size arrive", anySize},
		{"messages keep their order", keepsOrder},
		{"what no queue takes is refused", refusesUnroutable},
		{"the reporting exchange leads to its queues", reportingExchange},
		{"an ended context ends a publication", publishObeysContext},
		{"many publish at once", manyPublishers},
		{"a message may expire", expires},
		{"a queue may be declared twice", declaresTwice},
		{"an unknown queue is empty", unknownQueue},
		{"receiving takes one message and stops", receivesOne},
		{"receiving waits for a message", receiveWaits},
		{"an ended reception loses nothing", receiveLosesNothing},
		{"a message that is put back comes first", requeueGoesFirst},
		{"only the first settlement counts", settlesOnce},
		{"prefetch bounds what is unsettled", prefetchBounds},
		{"what a consumer leaves goes back in order", consumerGivesBack},
		{"consumers share a queue", consumersShare},
		{"consuming waits for the queue", consumeWaitsForQueue},
		{"commands reach every worker", commandsReachAll},
		{"a worker's queue ends with its context", exclusiveQueueEnds},
		{"a worker's queue belongs to one", exclusiveQueueIsExclusive},
		{"a delivery goes with its connection", deliveryGoes},
		{"what is said to all reaches everyone who listens", reachesListeners},
		{"who listens no more is not spoken to", listeningEnds},
		{"a slow listener holds nobody up", slowListener},
		{"the end of a carrier gives everything back", endGivesBack},
		{"a closed carrier says so", closedSaysSo},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.test(&bench{T: t, open: fresh(t)})
		})
	}
}

// bench is what a test of the contract works with.
type bench struct {
	*testing.T
	open func() broker.Carrier
}

// member is a carrier that runs.
type member struct {
	broker.Carrier
	b    *bench
	stop context.CancelFunc
	done chan error
}

// join opens a carrier, runs it and waits until it is connected.
func (b *bench) join() *member {
	b.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	m := &member{Carrier: b.open(), b: b, stop: cancel, done: make(chan error, 1)}
	go func() { m.done <- m.Run(ctx) }()
	b.Cleanup(m.leave)
	m.awaitState(func(s broker.State) bool { return s.Connected })
	return m
}

// leave ends the carrier.
func (m *member) leave() {
	m.b.Helper()
	if m.stop == nil {
		return
	}
	m.stop()
	m.stop = nil
	select {
	case err := <-m.done:
		if err != nil {
			m.b.Errorf("Run returned %v", err)
		}
	case <-time.After(patience):
		m.b.Error("Run does not end")
	}
}

func (m *member) awaitState(is func(broker.State) bool) {
	m.b.Helper()
	deadline := time.After(patience)
	for {
		changed := m.Changed()
		if is(m.State()) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			m.b.Fatalf("the state stays %+v", m.State())
		}
	}
}

// limited is a context that bounds one step of a test.
func (b *bench) limited() context.Context {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	b.Cleanup(cancel)
	return ctx
}

func (m *member) declare(queue string) {
	m.b.Helper()
	if err := m.DeclareQueue(m.b.limited(), queue); err != nil {
		m.b.Fatalf("declare %s: %v", queue, err)
	}
}

// bind binds a worker's queue and returns what ends it.
func (m *member) bind(queue string) context.CancelFunc {
	m.b.Helper()
	ctx, cancel := context.WithCancel(m.b.Context())
	m.b.Cleanup(cancel)
	if err := m.Bind(ctx, queue); err != nil {
		m.b.Fatalf("bind %s: %v", queue, err)
	}
	return cancel
}

func (m *member) publish(msg broker.Message) {
	m.b.Helper()
	if err := m.Publish(m.b.limited(), msg); err != nil {
		m.b.Fatalf("publish to %q %q: %v", msg.Exchange, msg.Key, err)
	}
}

// send publishes texts to a queue, one after the other.
func (m *member) send(queue string, texts ...string) {
	m.b.Helper()
	for _, text := range texts {
		m.publish(broker.Message{Key: queue, Type: broker.TypeJob, Body: []byte(text)})
	}
}

func (m *member) receive(queue string) broker.Delivery {
	m.b.Helper()
	d, err := m.Receive(m.b.limited(), queue)
	if err != nil {
		m.b.Fatalf("receive from %s: %v", queue, err)
	}
	return d
}

// drain receives and acknowledges n messages and returns their texts.
func (m *member) drain(queue string, n int) []string {
	m.b.Helper()
	var texts []string
	for range n {
		d := m.receive(queue)
		m.b.ack(d)
		texts = append(texts, string(d.Message().Body))
	}
	return texts
}

// consume consumes in the background until the returned function is called; that waits for the end.
func (m *member) consume(queue string, prefetch int) (<-chan broker.Delivery, func()) {
	m.b.Helper()
	return m.background(m.Consume, queue, prefetch)
}

// listen listens in the background as consume consumes, when it has begun.
func (m *member) listen(exchange string, prefetch int) (<-chan broker.Delivery, func()) {
	m.b.Helper()
	deliveries, end := m.background(m.Listen, exchange, prefetch)
	for begun := false; !begun; {
		m.say(exchange, "begin")
		select {
		case d := <-deliveries:
			m.b.ack(d)
			begun = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	return deliveries, end
}

// say publishes a text to all who listen; that nobody does is no failure.
func (m *member) say(exchange, text string) {
	m.b.Helper()
	err := m.Publish(m.b.limited(), broker.Message{Exchange: exchange, Type: broker.TypeHeartbeat, Body: []byte(text), Transient: true})
	if err != nil && !errors.Is(err, broker.ErrUnroutable) {
		m.b.Fatalf("publish to %q: %v", exchange, err)
	}
}

func (m *member) background(take func(context.Context, string, int, func(context.Context, broker.Delivery)) error, from string, prefetch int) (
	<-chan broker.Delivery, func(),
) {
	m.b.Helper()
	ctx, cancel := context.WithCancel(m.b.Context())
	deliveries, done := make(chan broker.Delivery, 1000), make(chan error, 1)
	go func() {
		done <- take(ctx, from, prefetch, func(_ context.Context, d broker.Delivery) { deliveries <- d })
	}()
	ended := false
	end := func() {
		m.b.Helper()
		cancel()
		if ended {
			return
		}
		ended = true
		select {
		case err := <-done:
			if err != nil && !errors.Is(err, broker.ErrClosed) {
				m.b.Errorf("taking from %s returned %v", from, err)
			}
		case <-time.After(patience):
			m.b.Errorf("taking from %s does not end", from)
		}
	}
	m.b.Cleanup(end)
	return deliveries, end
}

func (b *bench) next(deliveries <-chan broker.Delivery) broker.Delivery {
	b.Helper()
	select {
	case d := <-deliveries:
		return d
	case <-time.After(patience):
		b.Fatal("no delivery comes")
		return nil
	}
}

// none fails when a delivery comes although there is no slot for it.
func (b *bench) none(deliveries <-chan broker.Delivery) {
	b.Helper()
	select {
	case d := <-deliveries:
		b.Errorf("%q was delivered", d.Message().Body)
	case <-time.After(150 * time.Millisecond):
	}
}

func (b *bench) ack(d broker.Delivery) {
	b.Helper()
	if err := d.Ack(b.limited()); err != nil {
		b.Errorf("acknowledge %q: %v", d.Message().Body, err)
	}
}

func (b *bench) requeue(d broker.Delivery) {
	b.Helper()
	if err := d.Requeue(b.limited()); err != nil {
		b.Errorf("put %q back: %v", d.Message().Body, err)
	}
}

// awaitInfo waits until a queue stands as it should; brokers count a little late.
func (m *member) awaitInfo(queue string, want broker.QueueInfo) {
	m.b.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		got, err := m.Inspect(m.b.limited(), queue)
		if err != nil {
			m.b.Fatalf("inspect %s: %v", queue, err)
		}
		if got == want {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			m.b.Fatalf("%s stays %+v, want %+v", queue, got, want)
		}
	}
}

func (b *bench) same(want, got any) {
	b.Helper()
	if d := cmp.Diff(want, got); d != "" {
		b.Error(d)
	}
}

func numbered(n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprint(i + 1)
	}
	return texts
}
