// Package hub hears what workers say and puts it into the store: claims, heartbeats, state reports and log parts. It answers
// the first two, acknowledges the others after they are committed, and takes jobs away from workers that went silent.
//
// What a message says is stored idempotently, so that it may come twice, late or out of order. While the database is away
// nothing is acknowledged and the broker keeps what there is. A message that cannot be understood is dropped and kept as a
// dead letter: the worker still has what it said, and says it again until the answer to its heartbeat shows that the store
// has it.
//
// The package must not know where jobs come from, nor who looks at what it stores.
package hub

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/ci"
)

// Store is what the hub needs of the database.
type Store interface {
	Now() time.Time
	ClaimAttempt(ctx context.Context, c ci.Claim) (ci.Claimed, ci.Moved, error)
	Secrets(ctx context.Context, jobID int64) ([]ci.EnvVar, error)
	Beat(ctx context.Context, h ci.Heartbeat) ([]ci.RunStatus, error)
	Hear(ctx context.Context, node string, gap time.Duration) error
	Heard(ctx context.Context) (time.Duration, error)
	Ping(ctx context.Context) error
	ReapLost(ctx context.Context, lease time.Duration, maxTries int) ([]ci.Lost, error)
	AdoptRun(ctx context.Context, r ci.ForeignRun, maxTries int) (ci.Adopted, error)
	Report(ctx context.Context, r ci.StateReport, maxTries int) (ci.Moved, error)
	AppendLog(ctx context.Context, parts []ci.LogPart) ([]ci.LogStored, error)
	Log(ctx context.Context, jobID int64, attempt int) (ci.Log, error)
	CloseLogs(ctx context.Context, quiet time.Duration) ([]ci.LogStored, error)
	DeadLetters
}

// Carrier is what the hub needs of the broker.
type Carrier interface {
	Publish(ctx context.Context, m broker.Message) error
	Consume(ctx context.Context, queue string, prefetch int, handle func(context.Context, broker.Delivery)) error
	Listen(ctx context.Context, exchange string, prefetch int, handle func(context.Context, broker.Delivery)) error
}

// Announcer tells the other rooms, on every node, that something was committed.
type Announcer interface {
	Announce(ctx context.Context, changes ...ci.Change)
}

// Config configures a [Hub].
type Config struct {
	// Node names this node in its probes.
	Node string
	// Lease is how long, in hearing time, a worker may be silent. Default 15 s.
	Lease time.Duration
	// MaxTries bounds the attempts of a job whose workers are lost or give it back. Default [ci.MaxTries].
	MaxTries int
	// Probe is the time between two probes, and between two looks for lost workers. Default 1 s.
	Probe time.Duration
	// Quiet is how long, in hearing time, an attempt's log may lack its final part after its end before it is closed, and how
	// long a last state waits for the whole log. Default 30 s.
	Quiet time.Duration
	// Mute is how long the store may be away before the node leaves what workers say to other nodes. Default 5 s.
	Mute time.Duration
	// Collect is how long log parts are collected before they are stored together. Default 20 ms.
	Collect time.Duration
	// Retry is the policy while the store is away. Default: from 100 ms to 5 s.
	Retry run.Backoff
	// Caches says where a job gets and puts its cache; nil for none. Default: no job has one.
	Caches func(ctx context.Context, jobID int64) (*broker.Caches, error)
	// Log takes what an operator may want to know. Default: nothing is logged.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Lease <= 0 {
		c.Lease = 15 * time.Second
	}
	if c.MaxTries <= 0 {
		c.MaxTries = ci.MaxTries
	}
	if c.Probe <= 0 {
		c.Probe = time.Second
	}
	if c.Quiet <= 0 {
		c.Quiet = 30 * time.Second
	}
	if c.Mute <= 0 {
		c.Mute = 5 * time.Second
	}
	if c.Collect <= 0 {
		c.Collect = 20 * time.Millisecond
	}
	if c.Retry == (run.Backoff{}) {
		c.Retry = run.Backoff{Most: 5 * time.Second}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Counters count messages that changed nothing, since the start.
type Counters struct {
	Stale   int64 // reports and log parts of an attempt that is over
	Refused int64 // claims
	Dropped int64 // not understood, or refused by the store again and again
	Foreign int64 // reports of workers that do not claim
}

// Hub hears the workers.
type Hub struct {
	store    Store
	carrier  Carrier
	announce Announcer
	config   Config
	log      *slog.Logger
	seldom   seldom
	parts    chan part
	dead     chan dead
	workers  workers
	waiting  waiting
	early    early
	hearing  *hearing
	standing *standing
	counts   struct{ stale, refused, dropped, foreign atomic.Int64 }
}

// How many messages of each queue may be unsettled on this node; together with the lanes they bound its memory.
const (
	claimPrefetch     = 64
	heartbeatPrefetch = 64
	statePrefetch     = 256
	logPrefetch       = 512
	rejectPrefetch    = 16
	lanesEach         = 4
)

// New returns a Hub that hears nothing until [Hub.Run].
func New(store Store, carrier Carrier, announce Announcer, c Config) *Hub {
	c = c.withDefaults()
	return &Hub{
		store: store, carrier: carrier, announce: announce, config: c, log: c.Log, parts: make(chan part, logPrefetch), dead: make(chan dead, deadRoom),
		seldom: seldom{log: c.Log, last: map[string]time.Time{}}, workers: workers{seen: map[string]worker{}}, waiting: newWaiting(),
		early: newEarly(), hearing: newHearing(), standing: newStanding(),
	}
}

// Counters returns what was counted so far.
func (h *Hub) Counters() Counters {
	return Counters{
		Stale: h.counts.stale.Load(), Refused: h.counts.refused.Load(), Dropped: h.counts.dropped.Load(), Foreign: h.counts.foreign.Load(),
	}
}

// Run hears the workers until ctx ends. It returns nil then.
func (h *Hub) Run(ctx context.Context) error {
	g := run.NewGroup(ctx)
	g.Go("watch the store", h.watch)
	g.Go("attend", h.attend)
	g.Go("keep dead letters", h.keepDead)
	g.Go("send dead letters again", h.every(h.config.Probe, "dead letters cannot be sent again", h.sendDead))
	g.Go("send probes", h.every(h.config.Probe, "a probe could not be sent", h.sendProbe))
	g.Go("seek lost workers", h.every(h.config.Probe, "lost workers cannot be sought", h.reap))
	g.Go("close logs", h.every(5*h.config.Probe, "logs cannot be closed", h.closeLogs))
	return g.Wait()
}

// listen takes what workers say, until ctx ends.
func (h *Hub) listen(ctx context.Context) error {
	g := run.NewGroup(ctx)
	h.consume(g, broker.ClaimQueue, claimPrefetch, h.claim)
	h.consume(g, broker.StateQueue, statePrefetch, h.state)
	h.consume(g, broker.RejectQueue, rejectPrefetch, h.reject)
	lanes := h.lanes(g, broker.HeartbeatExchange, heartbeatPrefetch)
	g.Go("hear heartbeats", func(ctx context.Context) error {
		return h.carrier.Listen(ctx, broker.HeartbeatExchange, heartbeatPrefetch, func(ctx context.Context, d broker.Delivery) {
			h.heartbeat(ctx, lanes, d)
		})
	})
	g.Go("hear logs", func(ctx context.Context) error {
		return h.carrier.Consume(ctx, broker.LogQueue, logPrefetch, h.logPart)
	})
	g.Go("store logs", h.collect)
	g.Go("store last states", h.storeWaiting)
	g.Go("store early log parts", h.storeEarly)
	return g.Wait()
}

// consume hands a queue's messages to a few lanes: those with the same key stay in order.
func (h *Hub) consume(g *run.Group, queue string, prefetch int, read func(broker.Delivery) (key string, work func(context.Context))) {
	lanes := h.lanes(g, queue, prefetch)
	g.Go("hear "+queue, func(ctx context.Context) error {
		return h.carrier.Consume(ctx, queue, prefetch, func(ctx context.Context, d broker.Delivery) {
			if key, work := read(d); work != nil {
				lanes.put(ctx, key, work)
			} else {
				h.ack(ctx, d)
			}
		})
	})
}

// lanes runs the lanes of a queue.
func (h *Hub) lanes(g *run.Group, queue string, prefetch int) *lanes {
	lanes := newLanes(lanesEach, prefetch/lanesEach)
	for i := range lanesEach {
		g.Go("handle "+queue, func(ctx context.Context) error { return lanes.run(ctx, i) })
	}
	return lanes
}

// every calls f again and again; what goes wrong is logged, seldom.
func (h *Hub) every(interval time.Duration, trouble string, f func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		return run.Every(ctx, interval, nil, func(ctx context.Context) (bool, error) {
			if err := run.Guard(func() error { return f(ctx) }); err != nil && ctx.Err() == nil {
				h.seldom.warn(ctx, trouble, "err", err)
			}
			return false, nil
		})
	}
}

// seldom logs a trouble at most once in ten seconds.
type seldom struct {
	log  *slog.Logger
	mu   sync.Mutex
	last map[string]time.Time
}

func (s *seldom) warn(ctx context.Context, what string, args ...any) {
	s.mu.Lock()
	again := time.Since(s.last[what]) < 10*time.Second
	if !again {
		s.last[what] = time.Now()
	}
	s.mu.Unlock()
	if !again {
		s.log.WarnContext(ctx, what, args...) //nolint:sloglint // the callers' messages are constants
	}
}
