package brokertest

import (
	"bytes"
	"errors"
	"time"

	"github.com/headrace/headrace/broker"
)

const heartbeats = broker.HeartbeatExchange

// said takes what was said, in order, up to a text; beginnings of others that listen are left out.
func (b *bench) said(deliveries <-chan broker.Delivery, last string) []string {
	b.Helper()
	var texts []string
	for {
		d := b.next(deliveries)
		b.ack(d)
		text := string(d.Message().Body)
		if text != "begin" {
			texts = append(texts, text)
		}
		if text == last {
			return texts
		}
	}
}

func reachesListeners(b *bench) {
	worker, one, two := b.join(), b.join(), b.join()
	first, _ := one.listen(heartbeats, 2)
	second, _ := two.listen(heartbeats, 2)
	third, _ := two.listen(heartbeats, 2) // a connection may listen twice
	worker.bind(broker.WorkerQueue("one"))
	for _, text := range numbered(5) {
		worker.publish(broker.Message{Exchange: heartbeats, Type: broker.TypeHeartbeat, Body: []byte(text), Transient: true, Expires: time.Minute})
	}
	for _, deliveries := range []<-chan broker.Delivery{first, second, third} {
		b.same(numbered(5), b.said(deliveries, "5"))
	}
	worker.send(broker.WorkerQueue("one"), "answer") // what is said at one exchange goes to no other
	b.same([]string{"answer"}, worker.drain(broker.WorkerQueue("one"), 1))
}

func listeningEnds(b *bench) {
	worker, one, two := b.join(), b.join(), b.join()
	nobody := func(when string) {
		b.Helper()
		err := worker.Publish(b.limited(), broker.Message{Exchange: heartbeats, Body: []byte("1"), Transient: true})
		if !errors.Is(err, broker.ErrUnroutable) {
			b.Errorf("%s: %v", when, err)
		}
	}
	nobody("before anybody listens")
	_, endOne := one.listen(heartbeats, 1)
	second, endTwo := two.listen(heartbeats, 1)
	endOne()
	worker.publish(broker.Message{Exchange: heartbeats, Body: []byte("only two"), Transient: true})
	b.same([]string{"only two"}, b.said(second, "only two"))
	endTwo()
	nobody("after the end")
	again, _ := one.listen(heartbeats, 1)
	worker.publish(broker.Message{Exchange: heartbeats, Body: []byte("again"), Transient: true})
	b.same([]string{"again"}, b.said(again, "again")) // and nothing that was said meanwhile
	one.leave()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if err := worker.Publish(b.limited(), broker.Message{Exchange: heartbeats, Transient: true}); errors.Is(err, broker.ErrUnroutable) {
			return
		}
	}
	b.Error("the queue outlives its connection")
}

// slowListener: one that takes nothing any more, as a process that is stopped.
func slowListener(b *bench) {
	worker, one := b.join(), b.join()
	deliveries, _ := one.listen(heartbeats, 1)
	fill := bytes.Repeat([]byte{'x'}, broker.ListenerBytes/4)
	for _, text := range numbered(12) {
		worker.publish(broker.Message{Exchange: heartbeats, Body: append([]byte(text+" "), fill...), Transient: true})
	}
	var got []string
	for len(got) == 0 || got[len(got)-1] != "12" {
		d := b.next(deliveries)
		text, _, _ := bytes.Cut(d.Message().Body, []byte(" "))
		if string(text) != "begin" {
			got = append(got, string(text))
		}
		b.ack(d)
	}
	if len(got) > 6 || got[0] != "1" {
		b.Errorf("of twelve, four of which fit, came %v", got)
	}
}
