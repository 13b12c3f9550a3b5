// Package platform owns one platform node: it opens the servers that the settings name, wires the rooms below it, listens,
// and runs all that until it is told to stop. Only wiring.go knows which servers there are, only node.go knows all rooms.
package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/api"
	"github.com/headrace/headrace/platform/archive"
	"github.com/headrace/headrace/platform/auth"
	"github.com/headrace/headrace/platform/cache"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/cron"
	"github.com/headrace/headrace/platform/dispatch"
	"github.com/headrace/headrace/platform/hub"
	"github.com/headrace/headrace/platform/intake"
	"github.com/headrace/headrace/platform/intake/hooks"
	"github.com/headrace/headrace/platform/live"
	"github.com/headrace/headrace/platform/scm"
	"github.com/headrace/headrace/platform/settings"
	"github.com/headrace/headrace/platform/travisyml"
	"github.com/headrace/headrace/platform/web"
)

// Options are what the program says about itself.
type Options struct {
	Version string
	Log     *slog.Logger
	// Dashboard makes the handler of the admin dashboard.
	Dashboard func(*Node) (http.Handler, error)
}

// Node is one platform node.
type Node struct {
	seams
	settings settings.Settings
	options  Options
	log      *slog.Logger

	git       *scm.Git
	intake    *intake.Intake
	crons     *cron.Cron
	dispatch  *dispatch.Dispatch
	hub       *hub.Hub
	archive   *archive.Archive
	caches    *cache.Cache
	scripts   scripts
	hooks     *hooks.Hooks
	live      *live.Live
	publisher *live.Publisher
	auth      *auth.Auth
	operator  *Operator
	programs  *api.API

	doors   *doors
	started time.Time
	open    chan struct{}   // closed when the doors are open
	settled atomic.Bool     // the first user exists
	closing context.Context //nolint:containedctx // ends when the node begins to stop; streams end with it
	close   context.CancelFunc
}

// Open takes the addresses, opens the servers and wires the rooms. Nothing runs before [Node.Run].
func Open(ctx context.Context, s settings.Settings, o Options) (*Node, error) {
	n := &Node{settings: s, options: o, log: o.Log, started: time.Now(), open: make(chan struct{})}
	n.closing, n.close = context.WithCancel(context.WithoutCancel(ctx))
	var err error
	if n.doors, err = openDoors(ctx, s); err != nil {
		return nil, err
	}
	if n.seams, err = choose(s, o.Log); err != nil {
		n.doors.close()
		return nil, err
	}
	if err := n.openStore(ctx, s); err != nil {
		n.doors.close()
		return nil, err
	}
	if n.operator, err = OpenOperator(ctx, s, o.Log); err != nil {
		n.doors.close()
		_ = n.Close()
		return nil, err
	}
	if err := n.wire(); err != nil {
		n.doors.close()
		_ = n.Close()
		return nil, err
	}
	return n, nil
}

// Close closes what Open opened and Run does not close itself.
func (n *Node) Close() error {
	n.close()
	var err error
	if n.operator != nil {
		err = n.operator.Close()
	}
	if n.hooks != nil {
		err = errors.Join(err, n.hooks.Close())
	}
	return errors.Join(err, n.shut())
}

func (n *Node) wire() error {
	s, log := n.settings, n.log
	n.publisher = live.NewPublisher(n.coord, log)
	n.live = live.New(n.store, live.Config{Log: log})
	n.git = scm.New(scm.Config{Dir: s.Path("git"), Env: gitEnvironment(os.Environ()), Log: log})
	n.crons = cron.New(n.store, n.git, n.coord, n.publisher, cron.Config{Log: log})
	n.intake = intake.New(n.store, n.git, n.publisher, intake.Config{
		Node: s.NodeID, Queues: ci.QueueRules{Rules: s.Queues, Default: DefaultQueue, Named: s.OpenQueues}, Limits: travisyml.Limits{Jobs: s.Jobs}, Log: log,
	})
	keys, err := keysOf(s)
	if err != nil {
		return err
	}
	if n.caches, err = openCaches(s, n, keys); err != nil {
		return err
	}
	n.scripts = scripts{store: n.store, keys: keys, caches: n.caches.Links, log: log}
	n.hooks, err = hooks.Open(n.store, wakingIntake{n.publisher, n.intake}, n.coord, hooks.Config{Dir: s.Path(hooksDir), Keys: keys, Log: log})
	if err != nil {
		return err
	}
	n.dispatch = dispatch.New(n.store, n.carrier, n.publisher, dispatch.Config{
		WebURL: n.WebURL, JobTimeout: s.JobTimeout, LogSilence: s.LogSilence, LogLimit: s.LogBytes, ScriptToken: n.scripts.token, Log: log,
	})
	n.hub = hub.New(n.store, n.carrier, n.publisher, hub.Config{Node: s.NodeID, Lease: s.Lease, MaxTries: s.Attempts, Caches: n.caches.Links, Log: log})
	n.archive = archive.New(n.store, archive.Config{CompactAfter: s.LogCompact, LogDays: s.LogDays, Log: log})
	if n.auth, err = auth.New(n.store, auth.Config{TrustedProxies: s.TrustedProxies, TrustedOrigins: n.origins(), Deny: n.deny, Log: log}); err != nil {
		return err
	}
	return n.wireDoors()
}

func (n *Node) wireDoors() error {
	var err error
	n.programs, err = api.New(api.Deps{
		Crons: n.crons,
		Store: n.store, Intake: n.intake, Dispatcher: n.dispatch, Live: n.live, Who: auth.Who, Ready: n.readiness, Lint: n.intake.Preview,
		Scripts: n.scripts, Hooks: n.hooks, ClientIP: auth.ClientIP,
	}, api.Config{
		Version: n.options.Version, Node: n.settings.NodeName, WebURL: n.WebURL, Closing: n.closing.Done(), Collectors: slices.Concat(n.hooks.Collectors(), n.caches.Collectors()), Log: n.log,
	})
	if err != nil {
		return err
	}
	pages, err := web.New(web.Deps{
		Store: n.store, Intake: n.intake, Dispatch: n.dispatch, Crons: n.crons, Auth: n.auth, Who: auth.Who, ClientIP: auth.ClientIP,
		Changes: n.changes, Expand: n.intake.Preview, Log: n.log, Now: n.store.Now,
		Config: web.Config{SecureCookies: n.settings.ListenHTTPS != "", PublicURL: n.WebURL(), Version: n.options.Version},
	})
	if err != nil {
		return err
	}
	n.doors.ui = n.auth.Identify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case api.Wants(r):
			n.programs.ServeHTTP(w, r)
			return
		case strings.HasPrefix(r.URL.Path, cache.Path):
			n.caches.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	}))
	admin, err := n.options.Dashboard(n)
	if err != nil {
		return err
	}
	n.doors.admin = n.operator.auth.Identify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz", "/readyz", "/metrics":
			n.programs.ServeHTTP(w, r)
		default:
			admin.ServeHTTP(w, r)
		}
	}))
	return nil
}

// origins are those whose pages may send changes: the public name, where a proxy has other words for it in the Host header.
func (n *Node) origins() []string {
	if n.settings.Hostname == "" {
		return nil
	}
	name := hostOf(n.settings.Hostname)
	return []string{"https://" + name, n.WebURL()}
}

// deny answers a cross-origin request in the words of who was asked.
func (n *Node) deny(w http.ResponseWriter, r *http.Request, err error) {
	if api.Wants(r) {
		n.programs.Deny(w, r, err)
		return
	}
	http.Error(w, fault.Message(err), http.StatusForbidden)
}

// Run runs the node until ctx ends, or until a part of it fails. The doors close first, then the rooms, then the wires.
func (n *Node) Run(ctx context.Context) error {
	wires := run.NewGroup(context.WithoutCancel(ctx))
	wires.Go("broker", n.carrier.Run)
	wires.Go("coordinator", n.coord.Run)
	rooms := run.NewGroup(context.WithoutCancel(ctx))
	rooms.Go("changes", n.listen)
	rooms.Go("publisher", n.publisher.Run)
	rooms.Go("intake", n.intake.Run)
	rooms.Go("crons", n.crons.Run)
	rooms.Go("hooks", n.hooks.Run)
	rooms.Go("dispatch", n.dispatch.Run)
	rooms.Go("hub", n.hub.Run)
	rooms.Go("archive", n.archive.Run)
	rooms.Go("caches", n.caches.Run)
	rooms.Go("auth", n.auth.Run)
	rooms.Go("operator", n.operator.auth.Run)
	outside := run.NewGroup(ctx)
	outside.Go("doors", func(ctx context.Context) error { return n.doors.serve(ctx, n.open, n.close, n.log) })
	outside.Go("rooms", func(ctx context.Context) error { return ended(ctx, rooms) })
	outside.Go("wires", func(ctx context.Context) error { return ended(ctx, wires) })
	err := outside.Wait()
	rooms.Stop()
	if roomsErr := rooms.Wait(); err == nil {
		err = roomsErr
	}
	wires.Stop()
	if wiresErr := wires.Wait(); err == nil {
		err = wiresErr
	}
	return err
}

// ended returns when one of the group's goroutines has failed, or ctx ends.
func ended(ctx context.Context, g *run.Group) error {
	select {
	case <-ctx.Done():
		return nil
	case <-g.Context().Done():
		return fmt.Errorf("stopped: %w", context.Cause(g.Context()))
	}
}

// listen hands the changes of all nodes to the rooms that wait for them.
func (n *Node) listen(ctx context.Context) error {
	return n.coord.Subscribe(ctx, live.Topic, func(payload []byte) {
		changes := live.Decode(payload)
		if len(changes) == 0 { // some were missed: everybody looks
			n.intake.Wake()
			n.dispatch.Wake()
			n.hooks.Refresh()
		}
		for _, c := range changes {
			switch c.Kind {
			case ci.ChangeRequest:
				n.intake.Wake()
			case ci.ChangeBuild, ci.ChangeJob, ci.ChangeWorker, ci.ChangeQueue:
				n.dispatch.Wake()
			case ci.ChangeResync:
				n.intake.Wake()
				n.dispatch.Wake()
				n.hooks.Refresh()
			case ci.ChangeRepository:
				n.hooks.Refresh()
			case ci.ChangeLog:
			}
		}
		n.live.Deliver(changes)
	})
}

// hooksDir is the folder of the data directory for what hooks need on disk.
const hooksDir = "hooks"

// wakingIntake announces requests, and wakes the intake of this node also while the other nodes cannot be reached.
type wakingIntake struct {
	*live.Publisher
	intake *intake.Intake
}

// Announce tells the other rooms, on every node, that something was committed.
func (w wakingIntake) Announce(ctx context.Context, changes ...ci.Change) {
	w.Publisher.Announce(ctx, changes...)
	w.intake.Wake()
}

// changes gives every change until ctx ends or the node begins to stop.
func (n *Node) changes(ctx context.Context) (<-chan ci.Change, error) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(n.closing, cancel)
	context.AfterFunc(ctx, func() { stop() })
	return n.live.Changes(ctx)
}

// gitEnvironment is what git may see of the node's environment: the way out to the network, and the agent that holds keys.
func gitEnvironment(environ []string) []string {
	var seen []string
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		switch strings.ToUpper(name) {
		case "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR":
			seen = append(seen, pair)
		}
	}
	return seen
}

// Opened blocks until the node answers.
func (n *Node) Opened(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-n.open:
		return nil
	}
}

// FirstStart makes the first user and the operator where there are none, with the password of the settings or one made for
// both, which it returns once. A node that joins others has an operator to make but no user: then only operator is
// returned. The node is not ready before.
func (n *Node) FirstStart(ctx context.Context) (password, operator string, err error) {
	given := string(n.settings.AdminPassword)
	if password, err = n.auth.EnsureAdmin(ctx, given); err != nil {
		return "", "", err
	}
	if given == "" {
		given = password
	}
	operator, err = n.operator.auth.EnsureAdmin(ctx, given)
	n.settled.Store(err == nil)
	debug.FreeOSMemory() // hashing a password takes 64 MiB, which an idle process would keep for minutes
	return password, operator, err
}

// Carrier is the node's wire to the workers, for a worker in the same process.
func (n *Node) Carrier() broker.Carrier { return n.carrier }

// Intake takes repositories and requests.
func (n *Node) Intake() *intake.Intake { return n.intake }

// Operator is the account of the dashboard.
func (n *Node) Operator() *Operator { return n.operator }

// Log is the node's log.
func (n *Node) Log() *slog.Logger { return n.log }

// Settings are the settings that the node was opened with.
func (n *Node) Settings() settings.Settings { return n.settings }
