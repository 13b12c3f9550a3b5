// Package archive keeps what is stored of logs small: it has the store compress the logs of ended jobs, make the tables of the
// days to come, and remove the logs whose time is over. Every node does it; the store sees to it that nothing is done twice.
//
// The package must not know how logs are stored, nor who reads them.
package archive

import (
	"context"
	"log/slog"
	"time"

	"github.com/headrace/headrace/internal/run"
)

// Store is what the archive needs of the database.
type Store interface {
	CompactLogs(ctx context.Context, quiet time.Duration) (done int, err error)
	MakeLogDays(ctx context.Context) error
	RemoveLogs(ctx context.Context, days int) error
}

// Config configures an [Archive].
type Config struct {
	// CompactAfter is how long nothing was added to a log before it is compressed. Default 3 min.
	CompactAfter time.Duration
	// LogDays is how many days a log is kept; 0: for ever.
	LogDays int
	// Every is how often logs to compress are looked for. Default 10 s; days are looked at each 60th time.
	Every time.Duration
	// Log takes what an operator should know. Default: nothing is logged.
	Log *slog.Logger
}

// daysEach is how many looks for logs to compress there are for one look at days.
const daysEach = 60

// Archive keeps logs small.
type Archive struct {
	store  Store
	config Config
	log    *slog.Logger
}

// New returns an Archive that does nothing until [Archive.Run].
func New(store Store, c Config) *Archive {
	if c.CompactAfter <= 0 {
		c.CompactAfter = 3 * time.Minute
	}
	if c.Every <= 0 {
		c.Every = 10 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Archive{store: store, config: c, log: c.Log.With("component", "archive")}
}

// Run keeps logs small until ctx ends; it returns nil then. What fails is logged and tried again.
func (a *Archive) Run(ctx context.Context) error {
	looks := 0
	err := run.Every(ctx, a.config.Every, nil, func(ctx context.Context) (bool, error) {
		if looks++; looks%daysEach == 1 {
			a.try(ctx, "the tables of the next days' logs could not be made", a.store.MakeLogDays)
			a.try(ctx, "old logs could not be removed", func(ctx context.Context) error { return a.store.RemoveLogs(ctx, a.config.LogDays) })
		}
		a.try(ctx, "logs could not be compressed", a.compact)
		return false, nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// compact has all logs compressed that can be.
func (a *Archive) compact(ctx context.Context) error {
	begin, all := time.Now(), 0
	for {
		done, err := a.store.CompactLogs(ctx, a.config.CompactAfter)
		if all += done; err != nil || done == 0 {
			if all > 0 {
				a.log.DebugContext(ctx, "logs were compressed", "logs", all, "duration", time.Since(begin))
			}
			return err
		}
	}
}

func (a *Archive) try(ctx context.Context, trouble string, f func(context.Context) error) {
	if err := run.Guard(func() error { return f(ctx) }); err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, trouble, "err", err) //nolint:sloglint // the callers' messages are constants
	}
}
