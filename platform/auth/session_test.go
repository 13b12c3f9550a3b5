package auth

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/fault"
)

func get(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://mill.example/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

func overTLS(r *http.Request) *http.Request {
	r.TLS = &tls.ConnectionState{}
	return r
}

func TestSession_CookieIsMadeForTheConnection(t *testing.T) {
	t.Parallel()
	proxied := get()
	proxied.RemoteAddr = "10.0.0.9:4711"
	proxied.Header.Set("X-Forwarded-Proto", "https")
	forged := get()
	forged.Header.Set("X-Forwarded-Proto", "https")
	tests := map[string]struct {
		request *http.Request
		name    string
		secure  bool
	}{
		"plain":                            {get(), "headrace", false},
		"TLS":                              {overTLS(get()), "__Host-headrace", true},
		"TLS at a trusted proxy":           {proxied, "__Host-headrace", true},
		"a stranger's word for TLS":        {forged, "headrace", false},
		"TLS with a plain session already": {overTLS(get(&http.Cookie{Name: "headrace", Value: "x"})), "__Host-headrace", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
			c := b.signIn(t, test.request)
			if c.Name != test.name || c.Secure != test.secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
				t.Errorf("cookie is %s", c)
			}
			if _, stored := b.store.sessions[c.Value]; stored {
				t.Error("the store holds the session id itself, not its hash")
			}
		})
	}
}

func TestSession_PlainCookieDoesNotCountOverTLS(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{})
	c := b.signIn(t, get())
	if _, err := b.who(t, overTLS(get(c))); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("a cookie that went over plain HTTP signs in over TLS: %v", err)
	}
}

func TestSession_Ends(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		do   func(t *testing.T, b *bundle, c *http.Cookie)
		want bool // still signed in
	}{
		"not at once":            {func(*testing.T, *bundle, *http.Cookie) {}, true},
		"not within 8 h":         {func(_ *testing.T, b *bundle, _ *http.Cookie) { b.clock.forward(8*time.Hour - time.Minute) }, true},
		"idle for longer":        {func(_ *testing.T, b *bundle, _ *http.Cookie) { b.clock.forward(8*time.Hour + time.Minute) }, false},
		"used, but for a week":   {func(t *testing.T, b *bundle, c *http.Cookie) { use(t, b, c, 7*24*time.Hour+time.Hour) }, false},
		"used for nearly a week": {func(t *testing.T, b *bundle, c *http.Cookie) { use(t, b, c, 7*24*time.Hour-time.Hour) }, true},
		"password reset": {func(t *testing.T, b *bundle, _ *http.Cookie) {
			if _, err := b.ResetPassword(t.Context(), "admin", ""); err != nil {
				t.Fatal(err)
			}
		}, false},
		"user gone": {func(_ *testing.T, b *bundle, _ *http.Cookie) { b.store.users = nil }, false},
		"signed out": {func(t *testing.T, b *bundle, c *http.Cookie) {
			w := httptest.NewRecorder()
			if err := b.EndSession(w, get(c)); err != nil {
				t.Fatal(err)
			}
			if out := w.Result().Cookies(); len(out) != 1 || out[0].MaxAge >= 0 {
				t.Errorf("signing out does not remove the cookie: %v", out)
			}
		}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, Config{})
			c := b.signIn(t, get())
			test.do(t, b, c)
			user, err := b.who(t, get(c))
			if got := err == nil; got != test.want {
				t.Fatalf("signed in: %v (%v), want %v", got, err, test.want)
			}
			if test.want && user.ID != b.admin.ID {
				t.Errorf("user is %+v", user)
			}
			if !test.want && len(b.store.sessions) != 0 {
				t.Error("the session that ended is still stored")
			}
		})
	}
}

// use uses the session every hour for a while.
func use(t *testing.T, b *bundle, c *http.Cookie, d time.Duration) {
	t.Helper()
	for range int(d / time.Hour) {
		b.clock.forward(time.Hour)
		_, _ = b.who(t, get(c))
	}
}

func TestSession_IsRenewedAtSignIn(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{})
	first := b.signIn(t, get())
	second := b.signIn(t, get(first))
	if first.Value == second.Value {
		t.Error("signing in keeps the session id")
	}
	if _, err := b.who(t, get(first)); err == nil {
		t.Error("the session id from before signing in still counts")
	}
	planted := &http.Cookie{Name: "headrace", Value: "chosen-by-somebody-else"}
	if c := b.signIn(t, get(planted)); c.Value == planted.Value {
		t.Error("a planted session id was taken over")
	}
}

func TestSession_IsNotWrittenWithEveryRequest(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{})
	c := b.signIn(t, get())
	before := b.store.commits
	for range 20 {
		if _, err := b.who(t, get(c)); err != nil {
			t.Fatal(err)
		}
	}
	if b.store.commits != before {
		t.Errorf("20 requests at once wrote the session %d times", b.store.commits-before)
	}
	b.clock.forward(6 * time.Minute)
	if _, err := b.who(t, get(c)); err != nil || b.store.commits != before+1 {
		t.Errorf("after 6 minutes the session was written %d times, want 1 (%v)", b.store.commits-before, err)
	}
}

func TestIdentify_LooksUpOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{})
	c := b.signIn(t, get())
	b.store.fail = errors.New("database is away")
	w := httptest.NewRecorder()
	b.Identify(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })).ServeHTTP(w, get(c))
	if w.Code != http.StatusOK {
		t.Errorf("a request that needs nobody got %d while the store was away", w.Code)
	}
	if _, err := b.who(t, get(c)); err == nil || fault.Is(err, fault.Unauthenticated) {
		t.Errorf("a store that is away gave %v, want its own error: nobody shall be told to sign in", err)
	}
}
