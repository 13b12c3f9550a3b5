// Package auth owns who somebody is: users and their passwords, browser sessions, API tokens, the limits on signing in,
// and where a request came from. Everything it keeps it keeps as a hash. It must not know pages, API shapes or SQL: the
// edges ask [Who], and the store is the interface that is declared here.
package auth

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/ci"
)

// Store is what auth keeps its users, tokens and sessions in. Methods give a [fault.NotFound] for what is not there.
type Store interface {
	UserStore
	TokenStore
	SessionStore
}

// UserStore keeps users.
type UserStore interface {
	// CreateUser gives a [fault.Conflict] if the login is taken.
	CreateUser(ctx context.Context, u ci.NewUser) (ci.User, error)
	CountUsers(ctx context.Context) (int, error)
	User(ctx context.Context, id int64) (ci.User, error)
	UserByLogin(ctx context.Context, login string) (u ci.User, passwordHash string, err error)
	// UserEpoch is a number that grows with every change of the password.
	UserEpoch(ctx context.Context, id int64) (int, error)
	SetPassword(ctx context.Context, userID int64, hash string) error
}

// TokenStore keeps the hashes of API tokens.
type TokenStore interface {
	CreateToken(ctx context.Context, userID int64, name string, hash []byte) (ci.Token, error)
	Tokens(ctx context.Context, userID int64) ([]ci.Token, error)
	DeleteToken(ctx context.Context, userID, tokenID int64) error
	UserByToken(ctx context.Context, hash []byte) (ci.User, ci.Token, error)
}

// SessionStore keeps the data of sessions under the hashes of their ids.
type SessionStore interface {
	FindCtx(ctx context.Context, token string) (b []byte, found bool, err error)
	CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error
	DeleteCtx(ctx context.Context, token string) error
	SweepSessions(ctx context.Context) error
}

// Config is what may be set. The zero value is usable.
type Config struct {
	// TrustedProxies are the networks whose X-Forwarded-For and X-Forwarded-Proto count. Default: none.
	TrustedProxies []netip.Prefix
	// TrustedOrigins are origins ("https://ci.mill.example") whose pages may send changes although the Host header is
	// another. Default: none.
	TrustedOrigins []string
	// Deny answers a refused cross-origin request. Default: problem+json.
	Deny func(http.ResponseWriter, *http.Request, error)
	// Cookie is the name of the session's cookie; over TLS it gets the prefix __Host-. Default: headrace.
	Cookie string
	// Idle is how long a session may be unused. Default 8 h.
	Idle time.Duration
	// Lifetime is how long a session may last at all. Default 7 days.
	Lifetime time.Duration
	// Log is where sign-ins and defects are told. Default: nowhere.
	Log *slog.Logger
	// Now is the clock. Default [time.Now].
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Deny == nil {
		c.Deny = denyProblem
	}
	if c.Cookie == "" {
		c.Cookie = "headrace"
	}
	if c.Idle <= 0 {
		c.Idle = 8 * time.Hour
	}
	if c.Lifetime <= 0 {
		c.Lifetime = 7 * 24 * time.Hour
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Auth knows who somebody is. It is safe for concurrent use.
type Auth struct {
	store    Store
	config   Config
	log      *slog.Logger
	hasher   *hasher
	guard    *guard
	origins  *http.CrossOriginProtection
	secured  *scs.SessionManager // of requests that came over TLS
	unsecure *scs.SessionManager
}

// New returns an Auth over the store.
func New(store Store, config Config) (*Auth, error) {
	config = config.withDefaults()
	a := &Auth{
		store: store, config: config, log: config.Log.With("component", "auth"),
		hasher: newHasher(defaultCost()), guard: newGuard(config.Now), origins: http.NewCrossOriginProtection(),
	}
	for _, o := range config.TrustedOrigins {
		if err := a.origins.AddTrustedOrigin(o); err != nil {
			return nil, fmt.Errorf("trusted origin %q: %w", redactOrigin(o), err)
		}
	}
	a.secured = newManager(store, config, "__Host-"+config.Cookie, true)
	a.unsecure = newManager(store, config, config.Cookie, false)
	return a, nil
}

// Run removes ended sessions from time to time, until ctx ends.
func (a *Auth) Run(ctx context.Context) error {
	return run.Every(ctx, time.Hour, nil, func(ctx context.Context) (bool, error) {
		if err := a.store.SweepSessions(ctx); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "sessions not swept", "err", err)
		}
		return false, nil
	})
}

func redactOrigin(o string) string {
	u, err := url.Parse(o)
	if err != nil {
		return "?"
	}
	return u.Redacted()
}
