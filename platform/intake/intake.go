// Package intake turns requests into builds. It takes requests in ([Intake.Submit]), and works on them ([Intake.Run]): finds
// the commit, reads .travis.yml there, has the build language make jobs of it, and stores the build, or the reason why there
// is none. It also adds repositories, because that begins with the same look at the source.
//
// A request is durable before Submit returns. It is claimed by a lease on its row, so that any node may work on it and one
// that dies is replaced. What may go better later is tried again with growing pauses; what will not is rejected at once.
//
// The package must not know how jobs reach workers, nor which source control system a repository lives in.
package intake

import (
	"context"
	"log/slog"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/travisyml"
)

// Store is what intake needs of the database.
type Store interface {
	AddRepository(ctx context.Context, r ci.NewRepository) (ci.Repository, error)
	Repository(ctx context.Context, id, forUser int64) (ci.Repository, error)
	RepositoryBySlug(ctx context.Context, slug string, forUser int64) (ci.Repository, error)
	Reencrypt(ctx context.Context, from, to int64, values []string) (map[string]string, error)
	RepositorySettings(ctx context.Context, repoID int64) (ci.RepositorySettings, error)
	CreateRequest(ctx context.Context, r ci.NewRequest) (ci.Request, bool, error)
	ClaimRequest(ctx context.Context, owner string, lease time.Duration) (ci.Request, bool, error)
	ReleaseRequests(ctx context.Context, owner string) error
	RenewRequest(ctx context.Context, id int64, tries int, lease time.Duration) error
	PostponeRequest(ctx context.Context, id int64, tries int, after time.Duration, reason string) error
	RejectRequest(ctx context.Context, id int64, tries int, reason string, messages []ci.ConfigMessage) error
	CreateBuild(ctx context.Context, b ci.NewBuild, requestTries int) (ci.Build, error)
	StopCron(ctx context.Context, requestID int64, reason string) error
}

// Git is what intake needs of source control.
type Git interface {
	Probe(ctx context.Context, sourceURL string) (ci.Remote, error)
	Resolve(ctx context.Context, r ci.Repository, q ci.Request) (ci.Commit, error)
	ResolvePull(ctx context.Context, r ci.Repository, p ci.PullRequest) (ci.Commit, ci.PullRequest, error)
	File(ctx context.Context, r ci.Repository, sha, path string, maxBytes int) (text []byte, found bool, err error)
}

// Announcer tells the other rooms, on every node, that something was committed.
type Announcer interface {
	Announce(ctx context.Context, changes ...ci.Change)
}

// Config configures an [Intake].
type Config struct {
	// Node names this node as the owner of claims; no two processes that run have the same.
	Node string
	// Queues choose the queue of each job. Their default is [broker.DefaultJobQueue].
	Queues ci.QueueRules
	// Limits bound what one configuration may cost.
	Limits travisyml.Limits
	// Parallel is how many requests are worked on at a time. Default 4.
	Parallel int
	// Lease is how long a claimed request belongs to this node without being renewed. Default 60 s.
	Lease time.Duration
	// Work bounds the work on a request. Default 15 min.
	Work time.Duration
	// Poll is how often requests are sought without being woken. Default 1 s.
	Poll time.Duration
	// Pauses are waited after the first, second, … failed try. Default 1 s, 5 s, 30 s, 2 min.
	Pauses []time.Duration
	// Log takes what an operator may want to know. Default: nothing is logged.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Queues.Default == "" {
		c.Queues.Default = broker.DefaultJobQueue
	}
	if c.Parallel <= 0 {
		c.Parallel = 4
	}
	if c.Lease <= 0 {
		c.Lease = time.Minute
	}
	if c.Work <= 0 {
		c.Work = 15 * time.Minute
	}
	if c.Poll <= 0 {
		c.Poll = time.Second
	}
	if len(c.Pauses) == 0 {
		c.Pauses = []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Intake takes requests in and works on them. It is safe for concurrent use.
type Intake struct {
	store    Store
	git      Git
	announce Announcer
	config   Config
	log      *slog.Logger
	wake     run.Waker
}

// New returns an Intake that does not work on requests until [Intake.Run].
func New(store Store, git Git, announce Announcer, c Config) *Intake {
	c = c.withDefaults()
	return &Intake{store: store, git: git, announce: announce, config: c, log: c.Log, wake: run.NewWaker()}
}

// Wake says that there may be a request to work on.
func (in *Intake) Wake() { in.wake.Wake() }

// Run works on requests until ctx ends. It returns nil then.
func (in *Intake) Run(ctx context.Context) error {
	// One process at a time has this node's name: what stands under it was left behind by one that died.
	if err := in.store.ReleaseRequests(ctx, in.config.Node); err != nil && ctx.Err() == nil {
		in.log.WarnContext(ctx, "requests that this node worked on before wait until their leases run out", "err", err)
	}
	g := run.NewGroup(ctx)
	g.Go("wake the intake", func(ctx context.Context) error {
		return run.Every(ctx, in.config.Poll, nil, func(context.Context) (bool, error) {
			in.wake.Wake()
			return false, nil
		})
	})
	for range in.config.Parallel {
		g.Go("work on requests", in.work)
	}
	return g.Wait()
}

// work claims one request after the other. Each claim wakes the next worker, so that only as many ask as there is to do.
func (in *Intake) work(ctx context.Context) error {
	failures := 0
	return run.Every(ctx, time.Hour, in.wake, func(ctx context.Context) (bool, error) {
		q, found, err := in.store.ClaimRequest(ctx, in.config.Node, in.config.Lease)
		if err != nil {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			failures++
			in.log.WarnContext(ctx, "requests cannot be claimed", "err", err, "failures", failures)
			return false, run.Pause(ctx, run.Backoff{}.After(failures))
		}
		failures = 0
		if !found {
			return false, nil
		}
		in.wake.Wake()
		in.handle(ctx, q)
		return true, nil
	})
}
