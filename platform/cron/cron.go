// Package cron asks for builds at set times. When something is due is computed by ci/schedule and kept in SQL: a row per due
// time, written together with the request, is what makes a cron fire once, however many nodes look. A lock between the nodes
// merely spares the others the look.
//
// Times that were missed while no node ran count as one. The package must not know how a request becomes a build.
package cron

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/ci"
)

// Store is what cron needs of the database.
type Store interface {
	Repository(ctx context.Context, id, forUser int64) (ci.Repository, error)
	CreateCron(ctx context.Context, n ci.NewCron) (ci.Cron, error)
	DueCrons(ctx context.Context, limit int) (ids []int64, next time.Duration, err error)
	FireCron(ctx context.Context, id int64) (r ci.CronRun, fired bool, err error)
	Now() time.Time
}

// Git is what cron needs of source control.
type Git interface {
	Resolve(ctx context.Context, r ci.Repository, q ci.Request) (ci.Commit, error)
}

// Locker is what cron needs of the coordinator.
type Locker interface {
	TryLock(ctx context.Context, name string, ttl time.Duration) (release func(context.Context) error, ok bool, err error)
}

// Announcer tells the other rooms, on every node, that something was committed.
type Announcer interface {
	Announce(ctx context.Context, changes ...ci.Change)
}

// Config configures a [Cron].
type Config struct {
	// Poll is how often there is a look at the latest: another node may have taken a new cron. Default 10 s.
	Poll time.Duration
	// Look bounds the look for a branch when a cron is added. Default 30 s.
	Look time.Duration
	// Log takes what an operator may want to know. Default: nothing is logged.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Poll <= 0 {
		c.Poll = 10 * time.Second
	}
	if c.Look <= 0 {
		c.Look = 30 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Cron asks for builds at set times. It is safe for concurrent use.
type Cron struct {
	store    Store
	git      Git
	locks    Locker
	announce Announcer
	config   Config
	log      *slog.Logger
	wake     run.Waker
}

// New returns a Cron that fires nothing until [Cron.Run].
func New(store Store, git Git, locks Locker, announce Announcer, c Config) *Cron {
	c = c.withDefaults()
	return &Cron{store: store, git: git, locks: locks, announce: announce, config: c, log: c.Log, wake: run.NewWaker()}
}

// Add adds a cron in the place of the one that the branch has. What cannot be is said at once, about the field: a schedule
// that is none, a branch that is not there.
func (k *Cron) Add(ctx context.Context, n ci.NewCron) (ci.Cron, error) {
	repo, err := k.store.Repository(ctx, n.RepositoryID, 0)
	if err != nil {
		return ci.Cron{}, err
	}
	if _, err := n.Begin(k.store.Now()); err != nil {
		return ci.Cron{}, err
	}
	look, cancel := context.WithTimeout(ctx, k.config.Look)
	defer cancel()
	if _, err := k.git.Resolve(look, repo, ci.Request{Branch: n.Branch}); err != nil {
		if fault.Is(err, fault.NotFound) {
			return ci.Cron{}, &fault.Error{
				Code: fault.Invalid, Message: fault.Message(err), Fields: map[string]string{"branch": fault.Message(err)}, Err: err,
			}
		}
		return ci.Cron{}, err
	}
	made, err := k.store.CreateCron(ctx, n)
	if err != nil {
		return made, err
	}
	k.announce.Announce(ctx, ci.Change{Kind: ci.ChangeRepository, Repository: n.RepositoryID})
	k.wake.Wake()
	return made, nil
}

// perLook is how many crons are fired before there is another look.
const perLook = 100

// Run fires what is due until ctx ends. It returns nil then.
func (k *Cron) Run(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		next, err := k.look(ctx)
		switch {
		case err == nil:
			failures = 0
		case ctx.Err() == nil:
			failures++
			k.log.WarnContext(ctx, "crons that are due cannot be seen to", "err", err, "failures", failures)
			next = run.Backoff{}.After(failures)
		}
		timer := time.NewTimer(min(next, k.config.Poll))
		select {
		case <-ctx.Done():
		case <-k.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// look fires what is due and says how long it is until something will be.
func (k *Cron) look(ctx context.Context) (next time.Duration, err error) {
	ids, next, err := k.store.DueCrons(ctx, perLook)
	if err != nil {
		return 0, err
	}
	if next < 0 {
		next = k.config.Poll
	}
	if len(ids) == 0 {
		return next, nil
	}
	release, ok, err := k.locks.TryLock(ctx, "cron", k.config.Poll)
	switch {
	case err != nil: // the rows alone are guard enough
		k.log.DebugContext(ctx, "no lock for crons", "err", err)
	case !ok:
		return min(next, time.Second), nil // another node is at it
	default:
		defer func() {
			if err := release(context.WithoutCancel(ctx)); err != nil {
				k.log.DebugContext(ctx, "the lock for crons ends by itself", "err", err)
			}
		}()
	}
	var errs []error // of one, which shall not hold up the others
	for _, id := range ids {
		errs = append(errs, k.fire(ctx, id))
	}
	return 0, errors.Join(errs...)
}

func (k *Cron) fire(ctx context.Context, id int64) error {
	r, fired, err := k.store.FireCron(ctx, id)
	if err != nil || !fired {
		return err
	}
	k.log.InfoContext(ctx, "a cron was due", "cron_id", id, "due_at", r.DueAt, "outcome", r.Outcome, "request_id", r.RequestID)
	change := ci.Change{Kind: ci.ChangeRepository, Repository: r.RepositoryID}
	if r.RequestID != 0 {
		change = ci.Change{Kind: ci.ChangeRequest, Repository: r.RepositoryID, Request: r.RequestID, State: string(ci.RequestPending)}
	}
	k.announce.Announce(ctx, change)
	return nil
}
