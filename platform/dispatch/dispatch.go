// Package dispatch brings jobs to the broker and takes them back: it has the store choose what may be queued, relays the
// outbox to the broker with confirmation, offers again what the broker lost, and cancels and restarts.
//
// Which job is next is decided in SQL, as late as possible; a broker queue never holds more than its workers can take soon.
// A message may be published twice: the claim of an attempt makes that harmless. The package must not know how workers run a
// job, nor where requests come from.
package dispatch

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/ci"
)

// Store is what dispatch needs of the database.
type Store interface {
	QueueJobs(ctx context.Context, limit int, encode func(ci.QueuedJob) ([]byte, error)) (queued []ci.Job, more bool, err error)
	Outbox(ctx context.Context, limit int) ([]ci.OutMessage, error)
	OutboxSent(ctx context.Context, ids []int64) error
	OutboxFailed(ctx context.Context, id int64, reason string, again time.Duration) error
	Requeue(ctx context.Context, idle time.Duration) (int, error)
	CancelBuild(ctx context.Context, buildID int64, by string) ([]ci.Moved, []ci.CanceledRun, error)
	CancelJob(ctx context.Context, jobID int64, by string) ([]ci.Moved, []ci.CanceledRun, error)
	RestartBuild(ctx context.Context, buildID int64, by string, onlyNotPassed bool) ([]ci.Moved, error)
	RestartJob(ctx context.Context, jobID int64, by string) ([]ci.Moved, error)
	PrioritizeBuild(ctx context.Context, buildID int64) error
	PrioritizeJob(ctx context.Context, jobID int64) error
	PauseQueue(ctx context.Context, queue string, paused bool, by string) ([]ci.Moved, error)
	LimitQueue(ctx context.Context, queue string, most int) error
	OwnSlots(ctx context.Context) (map[string]int, error)
	NoteForeign(ctx context.Context, queue string, slots int) error
}

// Carrier is what dispatch needs of the broker.
type Carrier interface {
	Publish(ctx context.Context, m broker.Message) error
	DeclareQueue(ctx context.Context, queue string) error
	Inspect(ctx context.Context, queue string) (broker.QueueInfo, error)
}

// Announcer tells the other rooms, on every node, that something was committed.
type Announcer interface {
	Announce(ctx context.Context, changes ...ci.Change)
}

// Config configures a [Dispatch].
type Config struct {
	// WebURL is the address of the web pages without a slash at its end, "" while it is not known. Nil: not known.
	WebURL func() string
	// JobTimeout, LogSilence and LogLimit (bytes) are what workers are told. 0: the worker's own.
	JobTimeout, LogSilence time.Duration
	LogLimit               int64
	// ScriptToken makes the token by which a worker that does not claim gets the secrets of an attempt. Nil: none do.
	ScriptToken func(jobID int64, attempt int) string
	// Poll is how often there is a look without being woken. Default 1 s.
	Poll time.Duration
	// Requeue is how long a job may lie in the broker, with a free worker for it, before it is offered again. Default 30 s.
	Requeue time.Duration
	// Retry is the policy for messages that the broker does not take. Default: from 1 s to 30 s.
	Retry run.Backoff
	// PublishTime bounds one publish. Default 5 s.
	PublishTime time.Duration
	// Log takes what an operator may want to know. Default: nothing is logged.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.WebURL == nil {
		c.WebURL = func() string { return "" }
	}
	if c.ScriptToken == nil {
		c.ScriptToken = func(int64, int) string { return "" }
	}
	if c.Poll <= 0 {
		c.Poll = time.Second
	}
	if c.Requeue <= 0 {
		c.Requeue = 30 * time.Second
	}
	if c.Retry == (run.Backoff{}) {
		c.Retry = run.Backoff{First: time.Second, Most: 30 * time.Second}
	}
	if c.PublishTime <= 0 {
		c.PublishTime = 5 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Dispatch brings jobs to the broker. It is safe for concurrent use.
type Dispatch struct {
	store    Store
	carrier  Carrier
	announce Announcer
	config   Config
	log      *slog.Logger
	wake     run.Waker // there may be a job to queue
	relay    run.Waker // there may be a message to publish
	cancels  chan cancel
	declared sync.Map            // names of queues
	foreign  map[string]*foreign // by queue; of the loop that counts
}

// mostCancels bounds the cancel messages that wait to be sent. What does not fit is not lost: the answer to the worker's
// next heartbeat says the same.
const mostCancels = 1024

// New returns a Dispatch that moves nothing until [Dispatch.Run].
func New(store Store, carrier Carrier, announce Announcer, c Config) *Dispatch {
	c = c.withDefaults()
	return &Dispatch{
		store: store, carrier: carrier, announce: announce, config: c, log: c.Log,
		wake: run.NewWaker(), relay: run.NewWaker(), foreign: map[string]*foreign{}, cancels: make(chan cancel, mostCancels),
	}
}

// Wake says that there may be a job to queue: one was made, or a worker has room.
func (d *Dispatch) Wake() { d.wake.Wake() }

// Run moves jobs until ctx ends. It returns nil then.
func (d *Dispatch) Run(ctx context.Context) error {
	g := run.NewGroup(ctx)
	g.Go("queue jobs", d.loop("jobs cannot be queued", d.config.Poll, d.wake, d.queue))
	g.Go("relay messages", d.loop("the outbox cannot be read", d.config.Poll, d.relay, d.relayOnce))
	g.Go("offer jobs again", d.loop("lost messages cannot be sought", max(d.config.Requeue/6, d.config.Poll), nil, d.requeue))
	g.Go("count foreign workers", d.loop("foreign workers cannot be counted", d.config.Poll, nil, d.countForeign))
	g.Go("send cancels", d.sendCancels)
	return g.Wait()
}

// loop calls f as [run.Every] does; errors are logged and followed by a pause that grows.
func (d *Dispatch) loop(trouble string, every time.Duration, wake run.Waker, f func(context.Context) (bool, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		failures := 0
		return run.Every(ctx, every, wake, func(ctx context.Context) (again bool, err error) {
			err = run.Guard(func() (err error) {
				again, err = f(ctx)
				return err
			})
			if err == nil || ctx.Err() != nil {
				failures = 0
				return again, ctx.Err()
			}
			failures++
			d.log.WarnContext(ctx, trouble, "err", err, "failures", failures)
			return true, run.Pause(ctx, run.Backoff{}.After(failures))
		})
	}
}

// perRound bounds how many jobs one transaction queues.
const perRound = 100

func (d *Dispatch) queue(ctx context.Context) (again bool, err error) {
	queued, more, err := d.store.QueueJobs(ctx, perRound, d.encode)
	if err != nil {
		return false, err
	}
	if len(queued) == 0 {
		return false, nil
	}
	d.relay.Wake()
	changes := make([]ci.Change, len(queued))
	for i, j := range queued {
		changes[i] = ci.ChangeOf(j)
		d.log.DebugContext(ctx, "a job is queued", "job_id", j.ID, "number", j.Number(), "repo", j.Slug, "attempt", j.Attempt, "queue", j.Queue)
	}
	d.announce.Announce(ctx, changes...)
	return more, nil
}

func (d *Dispatch) requeue(ctx context.Context) (again bool, err error) {
	n, err := d.store.Requeue(ctx, d.config.Requeue)
	if n > 0 {
		d.log.InfoContext(ctx, "jobs that no worker claimed are offered again", "count", n)
		d.relay.Wake()
	}
	return false, err
}
