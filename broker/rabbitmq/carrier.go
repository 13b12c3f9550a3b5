package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
)

const (
	// waitForConnection bounds how long publishing, declaring and asking wait for a connection.
	waitForConnection = 10 * time.Second
	// steady is how long a session lasts at least to count as one that worked.
	steady = 5 * time.Second
)

// Carrier carries messages over RabbitMQ.
type Carrier struct {
	config Config
	target target

	mu       sync.Mutex
	state    broker.State
	changed  chan struct{}
	session  *session // nil while there is none
	running  bool
	closed   bool
	declared map[string]bool     // job queues
	bound    map[string]*binding // exclusive queues
}

// binding is one call of Bind; the queue is kept as long as it is the newest of its name.
type binding struct{ queue string }

var _ broker.Carrier = (*Carrier)(nil)

// New returns a carrier that connects when it runs. Its errors are about the field amqp_url.
func New(c Config) (*Carrier, error) {
	t, err := c.target()
	if err != nil {
		return nil, err
	}
	return &Carrier{
		config: c.withDefaults(), target: t, state: broker.State{Since: time.Now(), LastError: "not connected yet"},
		changed: make(chan struct{}), declared: map[string]bool{}, bound: map[string]*binding{},
	}, nil
}

// Run keeps a session until ctx ends.
func (c *Carrier) Run(ctx context.Context) error {
	if err := c.begin(); err != nil {
		return err
	}
	defer c.end()
	failures, tries := 0, 0 // in a row; since the connection was lost
	for n := 0; ctx.Err() == nil; n++ {
		host := c.target.hosts[n%len(c.target.hosts)]
		tries++
		s, err := c.connect(ctx, host)
		if err == nil {
			tries = 0
			began := time.Now()
			err = c.hold(ctx, host, s)
			if time.Since(began) > steady {
				failures = 0
			}
		}
		if ctx.Err() != nil {
			break
		}
		c.away(ctx, host, tries, err)
		failures++
		_ = run.Pause(ctx, run.Backoff{Most: 4 * time.Second}.After(failures)) // the loop looks at the context
	}
	return nil
}

// hold lets the session be used until it is lost or ctx ends, and returns why it was lost.
func (c *Carrier) hold(ctx context.Context, host string, s *session) error {
	c.here(ctx, host, s)
	select {
	case <-s.gone:
	case <-ctx.Done():
		c.end() // from here on calls say that it is closed
	}
	c.leave(s)
	return s.end()
}

func (c *Carrier) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running || c.closed {
		return errors.New("the carrier runs already, or has ended")
	}
	c.running = true
	return nil
}

func (c *Carrier) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	c.set(broker.State{Since: time.Now(), LastError: broker.ErrClosed.Error()})
}

// set changes the state. The lock is held.
func (c *Carrier) set(s broker.State) {
	c.state = s
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Carrier) here(ctx context.Context, host string, s *session) {
	c.mu.Lock()
	c.session = s
	c.set(broker.State{Connected: true, Since: time.Now()})
	c.mu.Unlock()
	c.config.Log.InfoContext(ctx, "connected to RabbitMQ", "host", host)
	s.announce() // of an alarm that came before it was here
}

func (c *Carrier) leave(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == s {
		c.session = nil
	}
}

func (c *Carrier) away(ctx context.Context, host string, tries int, err error) {
	said := words(host, err)
	c.mu.Lock()
	since := c.state.Since
	if c.state.Connected {
		since = time.Now()
	}
	c.set(broker.State{Since: since, LastError: said, Tries: tries})
	c.mu.Unlock()
	if ctx.Err() == nil {
		c.config.Log.WarnContext(ctx, "no connection to RabbitMQ; trying again", "tries", tries, "reason", said, "err", err)
	}
}

// blocked tells of an alarm of the broker, or with an empty reason of its end, when it is about the present session.
func (c *Carrier) blocked(s *session, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != s || !c.state.Connected || c.state.Blocked == (reason != "") {
		return
	}
	state := broker.State{Connected: true, Blocked: reason != "", Since: time.Now()}
	if state.Blocked {
		state.LastError = "RabbitMQ takes no messages for now: " + reason + "."
	}
	c.set(state)
}

// State says how the carrier stands.
func (c *Carrier) State() broker.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Changed returns a channel that is closed at the next change of State.
func (c *Carrier) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// current waits for a session as long as ctx allows.
func (c *Carrier) current(ctx context.Context) (*session, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c.mu.Lock()
		s, changed, closed := c.session, c.changed, c.closed
		c.mu.Unlock()
		if closed {
			return nil, broker.ErrClosed
		}
		if s != nil && s.alive() {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// with calls f with a session, again when that is lost meanwhile, for a bounded time, which f sees in its context.
func (c *Carrier) with(ctx context.Context, f func(context.Context, *session) error) error {
	limited, cancel := context.WithTimeout(ctx, waitForConnection)
	defer cancel()
	for {
		s, err := c.current(limited)
		if err == nil {
			err = f(limited, s)
		}
		switch {
		case err == nil || errors.Is(err, broker.ErrClosed):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case limited.Err() != nil:
			return fmt.Errorf("%w: %s", broker.ErrUnavailable, c.why())
		case !errors.Is(err, errLost):
			return err
		}
	}
}

func (c *Carrier) why() string {
	if s := c.State(); s.LastError != "" {
		return s.LastError
	}
	return "it is too slow"
}
