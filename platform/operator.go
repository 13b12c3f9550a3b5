package platform

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/headrace/headrace/platform/auth"
	"github.com/headrace/headrace/platform/settings"
	"github.com/headrace/headrace/platform/store"
)

// operatorCookie keeps the dashboard's sessions apart from those of the pages: browsers send cookies to every port of a host.
const operatorCookie = "headrace-operator"

// Operator is the account of the dashboard. It and its sessions are kept on this node's disk, so that the dashboard can be
// signed in to while the database is away.
type Operator struct {
	store *store.Store
	auth  *auth.Auth
}

// OpenOperator opens the node's own small database, also for commands that run beside the node.
func OpenOperator(ctx context.Context, s settings.Settings, log *slog.Logger) (*Operator, error) {
	own, err := store.Open(ctx, store.Config{Path: s.Path("node.db"), Log: log})
	if err != nil {
		return nil, err
	}
	a, err := auth.New(own, auth.Config{Cookie: operatorCookie, TrustedProxies: s.TrustedProxies, Log: log})
	if err != nil {
		return nil, err
	}
	return &Operator{store: own, auth: a}, nil
}

// Close closes the node's own database.
func (o *Operator) Close() error { return o.store.Close() }

// ResetPassword gives the operator a new password, one of its own making where it is empty, and ends all sessions.
func (o *Operator) ResetPassword(ctx context.Context, password string) (generated string, err error) {
	return o.auth.ResetPassword(ctx, auth.AdminLogin, password)
}

// SignIn checks the password and begins a session.
func (o *Operator) SignIn(w http.ResponseWriter, r *http.Request, password string) error {
	user, err := o.auth.SignIn(r.Context(), auth.AdminLogin, password, o.ip(r))
	if err != nil {
		return err
	}
	return o.auth.StartSession(w, r, user)
}

func (o *Operator) ip(r *http.Request) netip.Addr { return auth.ClientIP(r.Context()) }

// SignOut ends the session.
func (o *Operator) SignOut(w http.ResponseWriter, r *http.Request) error {
	return o.auth.EndSession(w, r)
}

// SignedIn says whether the request has a session.
func (o *Operator) SignedIn(r *http.Request) bool {
	_, err := auth.Who(r.Context())
	return err == nil
}
