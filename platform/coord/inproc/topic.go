package inproc

import (
	"bytes"
	"context"

	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/coord"
)

// What waits for a slow subscriber at most. One more, and all of it becomes a gap.
const (
	maxWaiting      = 1024
	maxWaitingBytes = 4 << 20
)

// subscriber is one call of Subscribe. Its fields are guarded by the coordinator's mutex.
type subscriber struct {
	waiting [][]byte // nil stands for a gap
	bytes   int
	wake    run.Waker
}

// Publish hands the payload to the topic's subscribers and never waits for one.
func (c *Coordinator) Publish(ctx context.Context, topic string, payload []byte) error {
	if err := first(ctx, coord.CheckMessage(topic, payload)); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.topics[topic] {
		s.put(payload)
	}
	return nil
}

// Subscribe calls handle with each message until ctx ends.
func (c *Coordinator) Subscribe(ctx context.Context, topic string, handle func(payload []byte)) error {
	if err := coord.CheckName("topic", topic); err != nil {
		return err
	}
	s := &subscriber{wake: run.NewWaker()}
	c.join(topic, s)
	defer c.leave(topic, s)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.wake:
		}
		for _, payload := range c.take(s) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			handle(payload)
		}
	}
}

func (c *Coordinator) join(topic string, s *subscriber) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.topics[topic] == nil {
		c.topics[topic] = map[*subscriber]struct{}{}
	}
	c.topics[topic][s] = struct{}{}
}

func (c *Coordinator) leave(topic string, s *subscriber) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.topics[topic], s)
	if len(c.topics[topic]) == 0 {
		delete(c.topics, topic)
	}
}

// take returns what waits.
func (c *Coordinator) take(s *subscriber) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := s.waiting
	s.waiting, s.bytes = nil, 0
	return taken
}

func (s *subscriber) put(payload []byte) {
	var message []byte
	if len(payload) > 0 {
		message = bytes.Clone(payload)
	}
	if len(s.waiting) >= maxWaiting || s.bytes+len(message) > maxWaitingBytes {
		s.waiting, s.bytes = [][]byte{nil}, 0
	}
	s.waiting = append(s.waiting, message)
	s.bytes += len(message)
	s.wake.Wake()
}
