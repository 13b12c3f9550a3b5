package hooks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
)

// Store is what hooks need of the database.
type Store interface {
	HookSources(ctx context.Context) ([]ci.HookSource, error)
	TakeHooks(ctx context.Context, hooks []ci.HookRequest) ([]ci.HookTaken, error)
	NoteHook(ctx context.Context, d ci.HookDelivery) error
}

// Announcer tells the other rooms, on every node, that something was committed.
type Announcer interface {
	Announce(ctx context.Context, changes ...ci.Change)
}

// Limiter counts events over all nodes, see coord.Coordinator.
type Limiter interface {
	Allow(ctx context.Context, key string, limit int, per time.Duration) (ok bool, retryAfter time.Duration, err error)
}

// Config configures [Hooks].
type Config struct {
	// Dir is the folder of this node for what must last; it is made when it is missing. Required.
	Dir string
	// Keys seal the directory of repositories there. Nil: it is kept in memory only.
	Keys *seal.Keys
	// SpoolBytes bounds the file of hooks that wait for the database. Default 64 MiB.
	SpoolBytes int64
	// Within is how long the database may take to store a hook, before the hook is kept in the file. Default 2 s.
	Within time.Duration
	// Refresh is how often the directory is read anew without being woken. Default 30 s.
	Refresh time.Duration
	// Retry is how often the database is asked whether it is back. Default 500 ms.
	Retry time.Duration
	// Unproved is how many hooks a minute that cannot be proved an address may send before they are refused without a look at
	// the database. Default 30.
	Unproved int
	// Log takes what an operator may want to know. Default: nothing is logged.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.SpoolBytes <= 0 {
		c.SpoolBytes = 64 << 20
	}
	if c.Within <= 0 {
		c.Within = 2 * time.Second
	}
	if c.Refresh <= 0 {
		c.Refresh = 30 * time.Second
	}
	if c.Retry <= 0 {
		c.Retry = 500 * time.Millisecond
	}
	if c.Unproved <= 0 {
		c.Unproved = 30
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Hooks takes hooks. It is safe for concurrent use.
type Hooks struct {
	store     Store
	announce  Announcer
	limiter   Limiter
	config    Config
	log       *slog.Logger
	directory *directory
	spool     *spool
	refresh   run.Waker
	drain     run.Waker
	away      atomic.Bool // the database did not answer, and has not since
	counts    *counts
}

// Known reports whether a node has taken hooks in the folder before, so that it can prove some without the database.
func Known(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, directoryFile))
	return err == nil
}

const (
	directoryFile = "directory.sealed"
	spoolFile     = "spool"
)

// Open opens what lasts on this node. Nothing runs before [Hooks.Run]; hooks can be taken before.
func Open(store Store, announce Announcer, limiter Limiter, c Config) (*Hooks, error) {
	c = c.withDefaults()
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The folder %s, where hooks wait while the database is away, cannot be made.", c.Dir)
	}
	h := &Hooks{
		store: store, announce: announce, limiter: limiter, config: c, log: c.Log.With("component", "hooks"),
		refresh: run.NewWaker(), drain: run.NewWaker(), counts: newCounts(),
	}
	h.directory = &directory{
		list: store.HookSources, keys: c.Keys, path: filepath.Join(c.Dir, directoryFile),
		place: seal.Place{Table: "hooks", Row: "directory", Column: "file"}, log: h.log,
	}
	if err := h.directory.read(); err != nil { // it is read from the database anew
		h.log.Warn("hooks cannot be proved before the database answers", "err", err)
	}
	var damaged string
	var err error
	if h.spool, damaged, err = openSpool(filepath.Join(c.Dir, spoolFile), c.SpoolBytes); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The file %s, where hooks wait while the database is away, cannot be used.", filepath.Join(c.Dir, spoolFile))
	}
	if damaged != "" {
		h.log.Error("some hooks that waited for the database cannot be read any more; the whole file is kept", "file", damaged)
	}
	return h, nil
}

// Close lets go of the files.
func (h *Hooks) Close() error { return h.spool.close() }

// Refresh says that repositories or secrets of hooks may have changed.
func (h *Hooks) Refresh() { h.refresh.Wake() }

// Waiting is what the file of hooks holds.
type Waiting struct {
	Hooks int
	Bytes int64
	Full  bool
}

// Waiting returns how many hooks wait for the database.
func (h *Hooks) Waiting() Waiting {
	count, bytes := h.spool.waiting()
	return Waiting{Hooks: count, Bytes: bytes, Full: bytes > h.config.SpoolBytes-mostRecord/16}
}

// Run keeps the directory fresh and stores the hooks that wait, until ctx ends. It returns nil then.
func (h *Hooks) Run(ctx context.Context) error {
	g := run.NewGroup(ctx)
	g.Go("refresh the directory of hooks", func(ctx context.Context) error {
		return run.Every(ctx, h.config.Refresh, h.refresh, func(ctx context.Context) (bool, error) {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			if err := h.directory.load(ctx, time.Now()); err != nil && ctx.Err() == nil {
				h.log.WarnContext(ctx, "the directory of hooks is not fresh", "err", err)
			}
			return false, nil
		})
	})
	g.Go("store hooks that wait", func(ctx context.Context) error {
		return run.Every(ctx, h.config.Retry, h.drain, func(ctx context.Context) (again bool, err error) {
			err = run.Guard(func() error {
				again = h.storeWaiting(ctx)
				return nil
			})
			return again, err
		})
	})
	return g.Wait()
}

// atOnce is how many waiting hooks are stored in one transaction.
const atOnce = 100

// storeWaiting stores the oldest hooks that wait, and says whether there may be more.
func (h *Hooks) storeWaiting(ctx context.Context) (again bool) {
	waiting, end, err := h.spool.next(atOnce)
	if err != nil {
		h.log.ErrorContext(ctx, "the hooks that wait for the database cannot be read", "err", err)
		return false
	}
	if len(waiting) == 0 && !h.away.Load() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	taken, err := h.store.TakeHooks(ctx, waiting)
	if err != nil {
		if h.away.CompareAndSwap(false, true) {
			h.log.WarnContext(ctx, "hooks wait for the database", "count", len(waiting), "err", err)
		}
		return false
	}
	h.away.Store(false)
	if len(waiting) == 0 {
		return false
	}
	for i, t := range taken {
		h.settled(ctx, waiting[i], t)
	}
	if err := h.spool.stored(end, len(waiting)); err != nil {
		h.log.WarnContext(ctx, "the file of hooks could not be emptied", "err", err)
	}
	h.log.InfoContext(ctx, "hooks that waited for the database are stored", "count", len(waiting))
	return true
}

// settled tells what became of a hook that waited.
func (h *Hooks) settled(ctx context.Context, q ci.HookRequest, t ci.HookTaken) {
	if t.Err != nil {
		h.log.WarnContext(ctx, "a hook that waited for the database makes no request", "repository_id", q.RepositoryID, "delivery", q.Hook.Delivery, "reason", fault.Message(t.Err))
		h.note(ctx, ci.HookDelivery{
			RepositoryID: q.RepositoryID, Forge: q.Hook.Forge, Event: string(q.Event), Delivery: q.Hook.Delivery, Outcome: ci.HookUnused, Reason: fault.Message(t.Err),
		})
		return
	}
	h.tell(ctx, q.RepositoryID, t)
}

// tell announces a new request.
func (h *Hooks) tell(ctx context.Context, repository int64, t ci.HookTaken) {
	if t.Created {
		h.announce.Announce(ctx, ci.Change{Kind: ci.ChangeRequest, Repository: repository, Request: t.RequestID, State: string(ci.RequestPending)})
	}
}

// note keeps a delivery that made no request, for people. Where that cannot be done now, it is not done.
func (h *Hooks) note(ctx context.Context, d ci.HookDelivery) {
	if h.away.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, h.config.Within)
	defer cancel()
	d.Delivery, d.Event = clean(d.Delivery, 200), clean(d.Event, 100)
	if err := h.store.NoteHook(ctx, d); err != nil {
		h.log.DebugContext(ctx, "a delivery could not be noted", "err", err)
	}
}

// limitKey is whose unproved hooks are counted together: an address, of IPv6 the network that one customer has.
func limitKey(from netip.Addr) string {
	from = from.Unmap()
	bits := 32
	if from.Is6() {
		bits = 64
	}
	prefix, err := from.Prefix(bits)
	if err != nil {
		return "hooks unknown"
	}
	return fmt.Sprintf("hooks %s", prefix.Addr())
}

// isAway reports whether the database may do later what it did not do now.
func isAway(err error) bool {
	return fault.Is(err, fault.Unavailable) || errors.Is(err, context.DeadlineExceeded)
}
