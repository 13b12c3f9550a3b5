package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// The keys of a session's data.
const (
	keyUser  = "user"
	keyEpoch = "epoch"
	keySince = "since" // when it began, Unix seconds
	keySeen  = "seen"  // when it was last used, Unix seconds, to within seenEvery
)

// seenEvery is how often the use of a session is written down: not with every request.
const seenEvery = 5 * time.Minute

// newManager returns the session manager for one kind of connection. The idle limit is not scs's own, because that one
// writes the session anew with every request; see [Auth.bySession].
func newManager(store SessionStore, c Config, cookie string, secure bool) *scs.SessionManager {
	// Not scs.New: that starts a goroutine for a store in memory, which nothing can stop.
	return &scs.SessionManager{
		Store: sessions{store}, HashTokenInStore: true, Lifetime: c.Lifetime, Codec: scs.GobCodec{},
		Cookie: scs.SessionCookie{Name: cookie, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode, Persist: true},
	}
}

func (a *Auth) manager(r *http.Request) *scs.SessionManager {
	if a.overTLS(r) {
		return a.secured
	}
	return a.unsecure
}

// load reads the session that the request's cookie names, or begins an empty one.
func load(r *http.Request, m *scs.SessionManager) (context.Context, error) {
	id := ""
	if c, err := r.Cookie(m.Cookie.Name); err == nil {
		id = c.Value
	}
	ctx, err := m.Load(r.Context(), id)
	if err != nil {
		return nil, fmt.Errorf("load session: %w", err)
	}
	return ctx, nil
}

// StartSession signs the user in with a new session id and sets its cookie. It must be called before the answer's header
// is written.
func (a *Auth) StartSession(w http.ResponseWriter, r *http.Request, user ci.User) error {
	epoch, err := a.store.UserEpoch(r.Context(), user.ID)
	if err != nil {
		return fmt.Errorf("start session: %w", err)
	}
	m := a.manager(r)
	ctx, err := load(r, m)
	if err != nil {
		return fmt.Errorf("start session: %w", err)
	}
	err = errors.Join(m.Clear(ctx), m.RenewToken(ctx))
	if err != nil {
		return fmt.Errorf("start session: %w", err)
	}
	now := a.config.Now().Unix()
	m.Put(ctx, keyUser, user.ID)
	m.Put(ctx, keyEpoch, epoch)
	m.Put(ctx, keySince, now)
	m.Put(ctx, keySeen, now)
	id, expiry, err := m.Commit(ctx)
	if err != nil {
		return fmt.Errorf("start session: %w", err)
	}
	m.WriteSessionCookie(ctx, w, id, expiry)
	return nil
}

// EndSession forgets the session of the request and removes its cookie.
func (a *Auth) EndSession(w http.ResponseWriter, r *http.Request) error {
	m := a.manager(r)
	ctx, err := load(r, m)
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	if err := m.Destroy(ctx); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	m.WriteSessionCookie(ctx, w, "", time.Time{})
	return nil
}

// bySession returns the user whose session the request's cookie names; found is false where there is none that still counts.
func (a *Auth) bySession(r *http.Request) (user ci.User, found bool, err error) {
	m := a.manager(r)
	if _, err := r.Cookie(m.Cookie.Name); err != nil {
		return ci.User{}, false, nil //nolint:nilerr // no cookie is no error
	}
	ctx, err := load(r, m)
	if err != nil {
		return ci.User{}, false, err
	}
	id, _ := m.Get(ctx, keyUser).(int64)
	if id == 0 {
		return ci.User{}, false, nil
	}
	user, current, err := a.current(ctx, m, id)
	if err != nil {
		return ci.User{}, false, err
	}
	if !current {
		if err := m.Destroy(ctx); err != nil {
			return ci.User{}, false, fmt.Errorf("end old session: %w", err)
		}
		return ci.User{}, false, nil
	}
	return user, true, a.seen(ctx, m)
}

// current reports whether a session still counts: neither idle nor too old, and of a user whose password is the same.
func (a *Auth) current(ctx context.Context, m *scs.SessionManager, id int64) (ci.User, bool, error) {
	now := a.config.Now()
	since, _ := m.Get(ctx, keySince).(int64)
	seen, _ := m.Get(ctx, keySeen).(int64)
	if now.Sub(time.Unix(since, 0)) > a.config.Lifetime || now.Sub(time.Unix(seen, 0)) > a.config.Idle {
		return ci.User{}, false, nil
	}
	user, err := a.store.User(ctx, id)
	if err == nil {
		var epoch int
		epoch, err = a.store.UserEpoch(ctx, id)
		if err == nil {
			return user, epoch == m.GetInt(ctx, keyEpoch), nil
		}
	}
	if fault.Is(err, fault.NotFound) {
		return ci.User{}, false, nil
	}
	return ci.User{}, false, fmt.Errorf("session of user %d: %w", id, err)
}

// seen notes that the session was used, where the last note is old enough.
func (a *Auth) seen(ctx context.Context, m *scs.SessionManager) error {
	now := a.config.Now()
	last, _ := m.Get(ctx, keySeen).(int64)
	if now.Sub(time.Unix(last, 0)) < seenEvery {
		return nil
	}
	m.Put(ctx, keySeen, now.Unix())
	if _, _, err := m.Commit(ctx); err != nil {
		return fmt.Errorf("note use of session: %w", err)
	}
	return nil
}

// sessions gives scs the store. It asks for the methods without a context by its types only.
type sessions struct{ SessionStore }

var _ scs.CtxStore = sessions{}

var errNoContext = errors.New("sessions are read and written with a context")

// Delete is never called: scs prefers DeleteCtx.
func (sessions) Delete(string) error { return errNoContext }

// Find is never called: scs prefers FindCtx.
func (sessions) Find(string) ([]byte, bool, error) { return nil, false, errNoContext }

// Commit is never called: scs prefers CommitCtx.
func (sessions) Commit(string, []byte, time.Time) error { return errNoContext }
