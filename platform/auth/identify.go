package auth

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

type identityKey struct{}

// identity is what is known of who sent a request. The look-up happens when somebody asks, once: assets and health checks
// need none.
type identity struct {
	ip     netip.Addr
	lookup func() (ci.User, error)
}

// Identify gives the request's context an identity that [Who], [UserFrom] and [ClientIP] read, and refuses requests that
// change something and come from another origin's page. It stands before every other handler.
func (a *Auth) Identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.origins.Check(r); err != nil {
			a.log.WarnContext(r.Context(), "cross-origin request refused", "method", r.Method, "path", r.URL.Path, "err", err)
			a.config.Deny(w, r, fault.Wrap(fault.Forbidden, err, "This request came from a page of another site, so it was not carried out. Open Headrace itself and do it there.").Named("cross_origin"))
			return
		}
		id := &identity{ip: a.clientIP(r), lookup: sync.OnceValues(func() (ci.User, error) { return a.identify(r) })}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), identityKey{}, id)))
	})
}

// identify finds the user by token or by session. A token that is sent decides alone. Another kind of authorization, such
// as a proxy's own, is passed over where there is a session, and is wrong where there is none.
func (a *Auth) identify(r *http.Request) (ci.User, error) {
	header := strings.TrimSpace(r.Header.Get("Authorization"))
	scheme, value, _ := strings.Cut(header, " ")
	if strings.EqualFold(scheme, "token") {
		return a.byToken(r.Context(), strings.Trim(strings.TrimSpace(value), `"'`))
	}
	user, found, err := a.bySession(r)
	switch {
	case err != nil:
		return ci.User{}, err
	case found:
		return user, nil
	case header != "":
		return ci.User{}, errWrongCredentials()
	}
	return ci.User{}, errLoginRequired()
}

// Who returns the user behind a request's context, or a [fault.Unauthenticated] whose kind is login_required or
// wrong_credentials, or why it could not be found out. Without [Auth.Identify] before it, it knows nobody.
func Who(ctx context.Context) (ci.User, error) {
	id, ok := ctx.Value(identityKey{}).(*identity)
	if !ok {
		return ci.User{}, errLoginRequired()
	}
	return id.lookup()
}

// UserFrom returns the user behind a request's context, if there is one.
func UserFrom(ctx context.Context) (ci.User, bool) {
	user, err := Who(ctx)
	return user, err == nil
}

// ClientIP returns the address from which a request came; invalid where it is not known.
func ClientIP(ctx context.Context) netip.Addr {
	if id, ok := ctx.Value(identityKey{}).(*identity); ok {
		return id.ip
	}
	return netip.Addr{}
}

func errLoginRequired() error {
	return fault.New(fault.Unauthenticated, "This needs a signed-in user: sign in, or send the header Authorization: token with an API token.").Named("login_required")
}

func errWrongCredentials() error {
	return fault.New(fault.Unauthenticated, "This API token is not known. Make a new one under your account.").Named("wrong_credentials")
}

// denyProblem answers a refused request as RFC 9457 has it.
func denyProblem(w http.ResponseWriter, r *http.Request, err error) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusForbidden)
	body := map[string]any{"type": "about:blank", "title": "Forbidden", "status": http.StatusForbidden, "detail": fault.Message(err), "instance": r.URL.Path}
	_ = json.NewEncoder(w).Encode(body)
}
