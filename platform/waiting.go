package platform

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/api"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/intake/hooks"
	"github.com/headrace/headrace/platform/settings"
)

// openStore opens the database. A node that has run before waits for it where it does not answer, with its doors open: hooks
// that it can prove are kept, the rest is told to come again. A node that never ran says at once what is wrong.
func (n *Node) openStore(ctx context.Context, s settings.Settings) error {
	var err error
	if n.store, err = OpenStore(ctx, s, n.log); !worthWaiting(s, err) {
		return err
	}
	n.log.WarnContext(ctx, "the database does not answer; this node waits for it, and keeps the hooks of forges meanwhile", "err", err)
	keys, err := keysOf(s)
	if err != nil {
		return err
	}
	kept, err := hooks.Open(awayStore{}, nobody{}, n.coord, hooks.Config{Dir: s.Path(hooksDir), Keys: keys, Log: n.log})
	if err != nil {
		return err
	}
	waiting := run.NewGroup(ctx)
	waiting.Go("doors", func(ctx context.Context) error {
		return n.doors.hold(ctx, waitingHandler(kept, n.options.Version, s.NodeName), n.log)
	})
	waiting.Go("database", func(ctx context.Context) error {
		defer waiting.Stop()
		return n.retryStore(ctx, s)
	})
	err = errors.Join(waiting.Wait(), kept.Close())
	if err == nil && n.store == nil {
		return ctx.Err()
	}
	return err
}

func worthWaiting(s settings.Settings, err error) bool {
	return fault.Is(err, fault.Unavailable) && s.PostgresURL != "" && hooks.Known(s.Path(hooksDir))
}

// retryStore opens the database as soon as it answers.
func (n *Node) retryStore(ctx context.Context, s settings.Settings) error {
	for {
		if err := run.Pause(ctx, time.Second); err != nil {
			return err
		}
		opened, err := OpenStore(ctx, s, n.log)
		switch {
		case err == nil:
			n.store = opened
			n.log.InfoContext(ctx, "the database answers")
			return nil
		case !worthWaiting(s, err):
			return err
		}
	}
}

// awayStore is the database while it is away.
type awayStore struct{}

func errAway() error { return fault.New(fault.Unavailable, "The database does not answer.") }

// HookSources does not answer.
func (awayStore) HookSources(context.Context) ([]ci.HookSource, error) { return nil, errAway() }

// TakeHooks does not answer.
func (awayStore) TakeHooks(context.Context, []ci.HookRequest) ([]ci.HookTaken, error) {
	return nil, errAway()
}

// NoteHook does not answer.
func (awayStore) NoteHook(context.Context, ci.HookDelivery) error { return errAway() }

// nobody hears what is announced.
type nobody struct{}

// Announce tells nobody.
func (nobody) Announce(context.Context, ...ci.Change) {}

// waitingHandler takes hooks, and tells all others that the node waits.
func waitingHandler(kept *hooks.Hooks, version, node string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /api/hooks/", api.HooksAlone(kept, api.Config{Version: version, Node: node}))
	answer := func(w http.ResponseWriter, status int, body any) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body) // who went away hears nothing
	}
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		detail := hookService(kept.Waiting())
		answer(w, http.StatusServiceUnavailable, map[string]any{
			"status": "not ready", "reason": "The database does not answer. This node waits for it.",
			"services": map[string]any{"database": map[string]bool{"up": false}, "hooks": map[string]any{"up": detail.Up, "detail": detail.Detail}},
		})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "The database does not answer. Headrace waits for it and goes on by itself.", http.StatusServiceUnavailable)
	})
	return mux
}

// hold answers on all doors by the handler until ctx ends. The doors stay open: who knocks then is let in by who serves next.
func (d *doors) hold(ctx context.Context, h http.Handler, log *slog.Logger) error {
	other := &doors{dashboardTLS: d.dashboardTLS, cert: d.cert, ui: h, admin: h}
	var held []*heldListener
	for _, door := range []struct{ from, to *net.Listener }{{&d.plain, &other.plain}, {&d.secure, &other.secure}, {&d.dashboard, &other.dashboard}} {
		if *door.from != nil {
			l := &heldListener{Listener: *door.from}
			held = append(held, l)
			*door.to = l
		}
	}
	err := other.serve(ctx, make(chan struct{}), func() {}, log)
	for _, l := range held {
		err = errors.Join(err, l.release())
	}
	return err
}

// heldListener is a listener that is closed for who serves on it, and stays open for who serves next.
type heldListener struct{ net.Listener }

// deadlined is a listener of which one can stop to accept.
type deadlined interface{ SetDeadline(t time.Time) error }

// Close ends every Accept.
func (l *heldListener) Close() error {
	if d, ok := l.Listener.(deadlined); ok {
		return d.SetDeadline(time.Unix(1, 0))
	}
	return l.Listener.Close()
}

// release makes the listener accept again.
func (l *heldListener) release() error {
	if d, ok := l.Listener.(deadlined); ok {
		return d.SetDeadline(time.Time{})
	}
	return nil
}
