package auth

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// SignIn returns the user with this login and password. An unknown login takes as long as a wrong password and gives the
// same [fault.Unauthenticated]; too many tries give a [fault.Limited] that says how long to wait. It makes no session: see
// [Auth.StartSession].
func (a *Auth) SignIn(ctx context.Context, login, password string, ip netip.Addr) (ci.User, error) {
	key := loginKey(login)
	if wait := a.guard.begin(ip, key); wait > 0 {
		a.log.WarnContext(ctx, "sign-in slowed down", "login", key, "ip", ip.String(), "wait", wait)
		return ci.User{}, fault.New(fault.Limited, "Too many tries. The next one counts in %s.", seconds(wait)).Named("sign_in_limited")
	}
	user, right, err := a.check(ctx, login, password)
	if err != nil {
		a.guard.undecided(ip, key)
		return ci.User{}, fmt.Errorf("sign in: %w", err)
	}
	if !right {
		a.log.WarnContext(ctx, "sign-in refused", "login", key, "ip", ip.String())
		return ci.User{}, fault.New(fault.Unauthenticated, "Login and password do not belong together. Check both, and the caps lock key.").Named("wrong_password")
	}
	a.guard.passed(ip, key)
	a.log.InfoContext(ctx, "signed in", "user_id", user.ID, "login", user.Login, "ip", ip.String())
	return user, nil
}

// check reports whether login and password belong together, with the same work for every login.
func (a *Auth) check(ctx context.Context, login, password string) (user ci.User, right bool, err error) {
	user, hash, err := a.store.UserByLogin(ctx, strings.TrimSpace(login))
	if fault.Is(err, fault.NotFound) {
		hash, err = "", nil
	}
	if err != nil {
		return ci.User{}, false, err
	}
	if len(password) > 4*MaxPassword {
		password = "" // longer than any password; the same for every login
	}
	right, err = a.hasher.verify(ctx, hash, password)
	return user, right, err
}

// loginKey is under what tries at a login are counted, bounded in length.
func loginKey(login string) string {
	key := strings.ToLower(strings.TrimSpace(login))
	return strings.ToValidUTF8(key[:min(len(key), 100)], "?")
}

func seconds(d time.Duration) string {
	n := int(math.Ceil(d.Seconds()))
	if n == 1 {
		return "1 second"
	}
	return fmt.Sprintf("%d seconds", n)
}
