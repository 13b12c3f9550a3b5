package rabbitmq

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
	"github.com/rabbitmq/amqp091-go"
)

const (
	callWithin  = 10 * time.Second // of one question to the broker
	closeWithin = 2 * time.Second  // of saying goodbye
	mostIdle    = 32               // channels that wait for use
)

// errLost: the session ended before the call did; it may be tried again with the next.
var errLost = errors.New("the connection to RabbitMQ was lost")

// session is a pair of connections and all that lives on them.
type session struct {
	carrier  *Carrier
	pub, con *link
	durable  *outlet
	quick    *outlet
	gone     chan struct{} // closed when the session is lost or ended
	wg       sync.WaitGroup

	mu     sync.Mutex
	reason error
	ended  bool                               // killed
	leaves bool                               // says goodbye
	gones  map[*amqp091.Channel]chan struct{} // of the channels that consume: closed with them
	idle   []*amqp091.Channel                 // with a prefetch of 1 and nothing unsettled
	alarm  string                             // why the broker takes no messages; empty when it does
	resume chan struct{}                      // closed when it takes messages again; nil when it does
}

func newSession(c *Carrier) *session {
	return &session{carrier: c, gone: make(chan struct{}), gones: map[*amqp091.Channel]chan struct{}{}}
}

// alive says whether the session can be used.
func (s *session) alive() bool {
	select {
	case <-s.gone:
		return false
	default:
		return true
	}
}

// kill ends the session by closing its sockets. The first reason counts.
func (s *session) kill(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended, s.reason = true, reason
	close(s.gone)
	for _, l := range []*link{s.pub, s.con} {
		if l != nil {
			_ = l.raw.Close() // it is thrown away
		}
	}
}

// end says goodbye where that is possible, waits for all that belongs to the session and returns why it was lost.
func (s *session) end() error {
	if s.alive() {
		s.farewell()
		s.kill(nil)
	}
	s.wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason
}

// farewell closes the connections in order, so that the broker gives unsettled messages back at once.
func (s *session) farewell() {
	s.mu.Lock()
	s.leaves = true
	s.mu.Unlock()
	var wg sync.WaitGroup
	for _, l := range []*link{s.pub, s.con} {
		if l != nil {
			wg.Go(func() { _ = l.conn.CloseDeadline(time.Now().Add(closeWithin)) })
		}
	}
	wg.Wait()
}

// start runs f as part of the session, unless that has ended.
func (s *session) start(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.wg.Go(func() {
		if err := run.Guard(func() error { f(); return nil }); err != nil {
			s.kill(err)
		}
	})
}

// call asks the broker. A call that takes too long ends the session.
func (s *session) call(f func() error) error {
	timer := time.AfterFunc(callWithin, func() {
		s.kill(fmt.Errorf("RabbitMQ did not answer within %v", callWithin))
	})
	defer timer.Stop()
	err := f()
	if err != nil && (!s.alive() || errors.Is(err, amqp091.ErrClosed)) {
		return errLost
	}
	return err
}

// follow ends the session when a connection, or a channel that is needed, is closed; not when that is meant.
func (s *session) follow(closed <-chan *amqp091.Error) {
	var reason error = errLost
	if err := <-closed; err != nil {
		reason = err
	}
	s.mu.Lock()
	meant := s.leaves
	s.mu.Unlock()
	if !meant {
		s.kill(reason)
	}
}

// watch ends the session when a connection does, and follows the broker's alarms.
func (s *session) watch() {
	for _, l := range []*link{s.pub, s.con} {
		closed := l.conn.NotifyClose(make(chan *amqp091.Error, 1))
		s.start(func() { s.follow(closed) })
	}
	alarms := s.pub.conn.NotifyBlocked(make(chan amqp091.Blocking, 1))
	s.start(func() {
		for a := range alarms {
			reason := ""
			if a.Active {
				reason = cmp.Or(a.Reason, "it has an alarm")
			}
			s.setAlarm(reason)
		}
	})
}

func (s *session) setAlarm(reason string) {
	s.mu.Lock()
	if reason != "" && s.resume == nil {
		s.resume = make(chan struct{})
	}
	if reason == "" && s.resume != nil {
		close(s.resume)
		s.resume = nil
	}
	s.alarm = reason
	s.mu.Unlock()
	s.announce()
}

// announce tells the carrier of an alarm.
func (s *session) announce() {
	s.mu.Lock()
	reason := s.alarm
	s.mu.Unlock()
	s.carrier.blocked(s, reason)
}

// resumption returns what is closed when the broker takes messages again; nil when it does.
func (s *session) resumption() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resume
}

// channel returns a channel of the consuming connection with a prefetch of 1.
func (s *session) channel() (*amqp091.Channel, error) {
	s.mu.Lock()
	for n := len(s.idle); n > 0; n = len(s.idle) {
		ch := s.idle[n-1]
		s.idle = s.idle[:n-1]
		if !ch.IsClosed() {
			s.mu.Unlock()
			return ch, nil
		}
	}
	s.mu.Unlock()
	return s.newChannel(1)
}

func (s *session) newChannel(prefetch int) (ch *amqp091.Channel, err error) {
	if !s.alive() {
		return nil, errLost
	}
	err = s.call(func() error {
		if ch, err = s.con.conn.Channel(); err != nil {
			return err
		}
		return ch.Qos(prefetch, 0, false)
	})
	if err == nil {
		s.notice(ch)
	}
	return ch, err
}

// notice follows a channel to its end, which the broker may bring about for itself: where a delivery waits for longer than
// consumer_timeout it closes the channel and gives the message to somebody else.
func (s *session) notice(ch *amqp091.Channel) {
	closed, gone := ch.NotifyClose(make(chan *amqp091.Error, 1)), make(chan struct{})
	s.mu.Lock()
	s.gones[ch] = gone
	s.mu.Unlock()
	s.start(func() {
		<-closed
		close(gone)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.gones, ch)
	})
}

// goneWith is closed when the channel is.
func (s *session) goneWith(ch *amqp091.Channel) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if gone := s.gones[ch]; gone != nil {
		return gone
	}
	over := make(chan struct{})
	close(over)
	return over
}

// put returns a channel that has nothing unsettled.
func (s *session) put(ch *amqp091.Channel) {
	if ch.IsClosed() {
		return
	}
	s.mu.Lock()
	if len(s.idle) < mostIdle {
		s.idle = append(s.idle, ch)
		ch = nil
	}
	s.mu.Unlock()
	if ch != nil {
		s.discard(ch)
	}
}

// discard closes a channel; what is unsettled on it goes back to its queue.
func (s *session) discard(ch *amqp091.Channel) {
	_ = s.call(ch.Close) // closed already, or closed with its connection
}

// code is the broker's answer code in err, else 0.
func code(err error) int {
	if e, ok := errors.AsType[*amqp091.Error](err); ok {
		return e.Code
	}
	return 0
}

// refused turns the broker's answers to a declaration into errors of this package.
func refused(queue string, err error) error {
	if err == nil || errors.Is(err, errLost) || errors.Is(err, broker.ErrClosed) {
		return err
	}
	return fmt.Errorf("queue %s: %w", queue, err)
}
