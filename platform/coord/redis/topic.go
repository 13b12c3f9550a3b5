package redis

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/coord"
	"github.com/redis/go-redis/v9"
)

// publishScript publishes at the server of a cluster that subscribers of the channel are connected to: from different
// servers, messages would arrive in any order.
const publishScript = `return redis.call('PUBLISH', KEYS[1], ARGV[1])`

// Publish sends the payload to the topic's subscribers.
func (c *Coordinator) Publish(ctx context.Context, topic string, payload []byte) error {
	if err := coord.CheckMessage(topic, payload); err != nil {
		return err
	}
	channel := c.channel(topic)
	err := c.do(ctx, false, func(ctx context.Context) error {
		if c.target.shape == cluster {
			return c.client.Eval(ctx, publishScript, []string{channel}, payload).Err()
		}
		return c.client.Publish(ctx, channel, payload).Err()
	})
	if err != nil {
		c.mu.Lock()
		c.missed[topic] = struct{}{}
		c.mu.Unlock()
	}
	return err
}

// Subscribe calls handle with each message until ctx ends.
func (c *Coordinator) Subscribe(ctx context.Context, topic string, handle func(payload []byte)) error {
	if err := coord.CheckName("topic", topic); err != nil {
		return err
	}
	again := run.Backoff{First: 50 * time.Millisecond, Most: 2 * time.Second}
	s := &subscription{c: c, channel: c.channel(topic), handle: handle}
	for failures := 1; ; failures++ {
		err := s.listen(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, redis.ErrClosed) {
			return c.unavailable(err)
		}
		if s.heard {
			c.log.InfoContext(ctx, "a subscription has lost Redis and is taken up again", "topic", topic, "err", c.unavailable(err).Message)
			s.heard, failures = false, 1
		}
		s.gap = true
		if err := run.Pause(ctx, again.After(failures)); err != nil {
			return err
		}
	}
}

// subscription is one call of Subscribe over its connections.
type subscription struct {
	c       *Coordinator
	channel string
	handle  func([]byte)
	gap     bool // messages may have been missed before the next connection
	heard   bool // the last connection listened
}

// listen connects, subscribes and reads until the connection or ctx ends. What it reads is handled in the goroutine of
// the caller; the watch ends the reading.
func (s *subscription) listen(ctx context.Context) error {
	conn := s.c.client.Subscribe(ctx)
	reads := &reading{since: time.Now()}
	watch := run.NewGroup(ctx)
	watch.Go("watch", func(ctx context.Context) error { return s.watch(ctx, conn, reads) })
	err := s.read(ctx, conn, reads)
	watch.Stop()
	if watchErr := watch.Wait(); watchErr != nil {
		return watchErr
	}
	return err
}

func (s *subscription) read(ctx context.Context, conn *redis.PubSub, reads *reading) error {
	bound, cancel := context.WithTimeout(ctx, s.c.timeout)
	defer cancel()
	if err := conn.Subscribe(bound, s.channel); err != nil {
		return err
	}
	first, err := conn.ReceiveTimeout(bound, s.c.timeout)
	if err != nil {
		return err
	}
	if _, ok := first.(*redis.Subscription); !ok {
		return fmt.Errorf("the answer to SUBSCRIBE is a %T", first)
	}
	s.heard = true
	s.c.look.Wake() // the server is there
	if s.gap {
		s.handle(nil)
	}
	for ctx.Err() == nil {
		reads.begin()
		message, err := conn.Receive(ctx)
		reads.end()
		if err != nil {
			return err
		}
		s.take(message)
	}
	return ctx.Err()
}

func (s *subscription) take(message any) {
	switch m := message.(type) {
	case *redis.Message:
		if m.Payload == "" {
			s.handle(nil)
			return
		}
		s.handle([]byte(m.Payload))
	case *redis.Subscription: // the driver has connected anew by itself
		s.handle(nil)
	}
}

// watch asks for signs of life, and closes the connection when none comes or ctx ends, which ends the reading.
func (s *subscription) watch(ctx context.Context, conn *redis.PubSub, reads *reading) error {
	defer conn.Close() //nolint:errcheck // the reader has the error that counts
	ticker := time.NewTicker(s.c.pingEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if reads.longerThan(s.c.pingEvery + s.c.timeout/2) {
			return errSilent
		}
		bound, cancel := context.WithTimeout(ctx, s.c.timeout)
		err := conn.Ping(bound)
		cancel()
		if err != nil {
			return err
		}
	}
}

var errSilent = errors.New("it has not answered for some seconds")

// reading knows since when a read waits.
type reading struct {
	since time.Time
	began atomic.Int64 // nanoseconds after since; 0: nothing is being read
}

func (r *reading) begin() { r.began.Store(max(1, int64(time.Since(r.since)))) }
func (r *reading) end()   { r.began.Store(0) }

func (r *reading) longerThan(d time.Duration) bool {
	began := r.began.Load()
	return began != 0 && time.Since(r.since)-time.Duration(began) > d
}
