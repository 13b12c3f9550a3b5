// Package redis owns coordination through a Redis server, its sentinels or a Redis cluster: how it is connected to, what
// is written there, and what is the matter, in words. It must not know what is coordinated, and keeps nothing there that
// must not vanish.
//
// It needs Redis 5 or later, and of its commands AUTH, HELLO, SELECT, PING, SET, GET, DEL, HSET, HDEL, HGETALL,
// PEXPIREAT, TIME, EVAL, PUBLISH, SUBSCRIBE. Every key and channel begins with the prefix.
package redis

import (
	"context"
	"crypto/tls"
	"log/slog"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/coord"
	"github.com/redis/go-redis/v9"
)

// Config is how to reach Redis.
type Config struct {
	// URL is one of
	//
	//	redis://[user:password@]host[:6379][/database], or rediss:// for TLS
	//	redis+sentinel://[user:password@]host[:26379],...[/database]?master=NAME[&tls=true]
	//	redis+cluster://[user:password@]host[:6379],...[?tls=true]
	//
	// The user and password are those of the servers; the sentinels' own are the parameters sentinel_user and
	// sentinel_password. Where TLS is set, tls=true is not needed.
	URL string
	// TLS is for URLs with TLS. Nil: the system's authorities.
	TLS *tls.Config
	// Prefix begins each key and channel. Default: headrace:
	Prefix string
	// Timeout bounds each call. Default: 2 s.
	Timeout time.Duration
	// Log takes what an operator cares about. Default: nowhere.
	Log *slog.Logger
}

const (
	watchEvery = time.Second     // looks at the connection while it is there
	pingEvery  = 3 * time.Second // signs of life of a subscription
)

// Coordinator coordinates through Redis.
type Coordinator struct {
	client    redis.UniversalClient
	target    target
	prefix    string
	timeout   time.Duration
	pingEvery time.Duration
	log       *slog.Logger
	look      run.Waker // the watch looks at once

	mu     sync.Mutex
	state  coord.State
	away   error               // why calls fail at once; nil: they are tried
	missed map[string]struct{} // topics on which a message may not have gone out
}

var _ coord.Coordinator = (*Coordinator)(nil)

// New reads the URL and returns a coordinator. Nothing is connected yet.
func New(config Config) (*Coordinator, error) {
	t, err := parse(config.URL)
	if err != nil {
		return nil, err
	}
	if config.TLS != nil && !t.tls {
		if t.shape == single {
			return nil, fault.Field("redis_url", "TLS files are given for Redis, but its URL begins with redis://, which goes without TLS. Write rediss://, or take the files away.")
		}
		t.tls = true
	}
	if config.Prefix == "" {
		config.Prefix = "headrace:"
	}
	if config.Timeout <= 0 {
		config.Timeout = 2 * time.Second
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	log := config.Log.With("component", "redis", "redis", t.name())
	redis.SetLogger(driverLog{log}) // the driver has one for the whole process, and would write to standard error
	return &Coordinator{
		client: connector{target: t, tls: config.TLS, timeout: config.Timeout}.client(), target: t, prefix: config.Prefix,
		timeout: config.Timeout, pingEvery: pingEvery, log: log, look: run.NewWaker(), missed: map[string]struct{}{},
		state: coord.State{Since: time.Now(), LastError: "Redis (" + t.name() + ") has not been connected to yet."},
	}, nil
}

// State says how the connection stands.
func (c *Coordinator) State() coord.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Run watches the connection until ctx ends, then closes it.
func (c *Coordinator) Run(ctx context.Context) error {
	defer c.client.Close() //nolint:errcheck // nothing is left to lose
	again := run.Backoff{First: 50 * time.Millisecond, Most: time.Second}
	timer := time.NewTimer(watchEvery)
	defer timer.Stop()
	failures := 0
	for {
		if err := c.probe(ctx); ctx.Err() != nil {
			return nil
		} else if err == nil {
			failures = 0
			c.makeUp(ctx)
			timer.Reset(watchEvery)
		} else {
			failures++
			timer.Reset(again.After(failures))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.look:
		case <-timer.C:
		}
	}
}

// probe writes, because a server that can only be read is of no use, and notes how that went.
func (c *Coordinator) probe(ctx context.Context) error {
	bound, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := c.client.Set(bound, c.prefix+"probe", "1", 10*time.Second).Err()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.note(ctx, err)
	return err
}

func (c *Coordinator) note(ctx context.Context, err error) {
	next := coord.State{Connected: err == nil, Since: time.Now()}
	var away error
	if err != nil {
		next.LastError = c.unavailable(err).Message
		if !answered(err) {
			away = err
		}
	}
	c.mu.Lock()
	before := c.state
	if next.Connected == before.Connected {
		next.Since = before.Since
	}
	c.state, c.away = next, away
	c.mu.Unlock()
	switch {
	case next.Connected && !before.Connected:
		c.log.InfoContext(ctx, "connected to Redis")
	case next.LastError != before.LastError:
		c.log.WarnContext(ctx, "Redis is not available; nodes notice changes of each other later", "err", next.LastError)
	}
}

// makeUp tells subscribers to look for themselves where a message may not have reached them.
func (c *Coordinator) makeUp(ctx context.Context) {
	c.mu.Lock()
	topics := c.missed
	c.missed = map[string]struct{}{}
	c.mu.Unlock()
	for topic := range topics {
		if err := c.Publish(ctx, topic, nil); err != nil { // which notes it again
			c.log.DebugContext(ctx, "a missed message is not made up for yet", "topic", topic, "err", err)
		}
	}
}

// do makes one call with its deadline. What may be done twice without harm is tried a second time when the connection
// breaks, as one does that was idle while the server was restarted.
func (c *Coordinator) do(ctx context.Context, twice bool, call func(context.Context) error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.mu.Lock()
	away := c.away
	c.mu.Unlock()
	if away != nil {
		return c.unavailable(away)
	}
	bound, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := call(bound)
	if err != nil && twice && !answered(err) && bound.Err() == nil {
		err = call(bound)
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if c.State().Connected {
		c.look.Wake()
	}
	return c.unavailable(err)
}
