package auth

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
)

func kind(err error) string {
	for e := err; e != nil; {
		if f, ok := e.(*fault.Error); ok { //nolint:errorlint // tests look at the outermost
			return f.Kind
		}
		u, ok := e.(interface{ Unwrap() error })
		if !ok {
			return "?"
		}
		e = u.Unwrap()
	}
	return ""
}

func TestIdentify_Authorization(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{})
	secret, _, err := b.CreateToken(t.Context(), b.admin.ID, "deploy")
	if err != nil {
		t.Fatal(err)
	}
	cookie := b.signIn(t, get())
	other := tokenPrefix + base64.RawURLEncoding.EncodeToString(make([]byte, tokenBytes))
	tests := map[string]struct {
		header string
		cookie bool
		want   string // kind of the error, empty: signed in
	}{
		"nothing":                          {"", false, "login_required"},
		"token":                            {"token " + secret, false, ""},
		"scheme in capitals":               {"Token " + secret, false, ""},
		"double quotes":                    {`token "` + secret + `"`, false, ""},
		"single quotes and spaces":         {`token  '` + secret + `' `, false, ""},
		"another token":                    {"token " + other, false, "wrong_credentials"},
		"half a token":                     {"token " + secret[:20], false, "wrong_credentials"},
		"token in capitals":                {"token " + strings.ToUpper(secret), false, "wrong_credentials"},
		"no token":                         {"token", false, "wrong_credentials"},
		"the token's hash":                 {"token " + string(hashToken(secret)), false, "wrong_credentials"},
		"another scheme":                   {"Bearer " + secret, false, "wrong_credentials"},
		"cookie":                           {"", true, ""},
		"a proxy's own header and cookie":  {"Basic bWlsbDp4", true, ""},
		"a wrong token in spite of cookie": {"token " + other, true, "wrong_credentials"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := get()
			if test.header != "" {
				r.Header.Set("Authorization", test.header)
			}
			if test.cookie {
				r.AddCookie(cookie)
			}
			user, err := b.who(t, r)
			if kind(err) != test.want {
				t.Fatalf("error is %v, want kind %q", err, test.want)
			}
			if test.want == "" && user.ID != b.admin.ID {
				t.Errorf("user is %+v", user)
			}
		})
	}
}

func TestWho_KnowsNobodyWithoutIdentify(t *testing.T) {
	t.Parallel()
	if _, err := Who(t.Context()); kind(err) != "login_required" {
		t.Errorf("error is %v", err)
	}
	if _, ok := UserFrom(t.Context()); ok {
		t.Error("there is a user")
	}
}

func TestIdentify_RefusesOtherOrigins(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		method  string
		headers map[string]string
		want    int
	}{
		"a program":                    {http.MethodPost, nil, 204},
		"own page":                     {http.MethodPost, map[string]string{"Sec-Fetch-Site": "same-origin"}, 204},
		"another site":                 {http.MethodPost, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"another port or subdomain":    {http.MethodPost, map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		"old browser, own origin":      {http.MethodPost, map[string]string{"Origin": "http://mill.example"}, 204},
		"old browser, other origin":    {http.MethodPost, map[string]string{"Origin": "http://evil.example"}, 403},
		"old browser, null origin":     {http.MethodDelete, map[string]string{"Origin": "null"}, 403},
		"a link from another site":     {http.MethodGet, map[string]string{"Sec-Fetch-Site": "cross-site"}, 204},
		"a trusted origin":             {http.MethodPost, map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://ci.mill.example"}, 204},
		"DELETE from another site":     {http.MethodDelete, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"method override is no way in": {http.MethodPost, map[string]string{"Sec-Fetch-Site": "cross-site", "X-HTTP-Method-Override": "GET"}, 403},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, Config{TrustedOrigins: []string{"https://ci.mill.example"}})
			r := httptest.NewRequest(test.method, "http://mill.example/sign-in", nil)
			r.AddCookie(b.signIn(t, get()))
			for k, v := range test.headers {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			b.Identify(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).ServeHTTP(w, r)
			if w.Code != test.want {
				t.Errorf("status %d, want %d", w.Code, test.want)
			}
			if w.Code == http.StatusForbidden && w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("content type is %q", w.Header().Get("Content-Type"))
			}
		})
	}
}

func TestClientIP(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}})
	tests := map[string]struct {
		remote    string
		forwarded []string
		want      string
	}{
		"direct":                        {"203.0.113.7:1", nil, "203.0.113.7"},
		"a stranger's word":             {"203.0.113.7:1", []string{"198.51.100.1"}, "203.0.113.7"},
		"one proxy":                     {"10.1.1.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		"two proxies":                   {"10.1.1.1:1", []string{"198.51.100.1, 10.2.2.2"}, "198.51.100.1"},
		"forged before the client":      {"10.1.1.1:1", []string{"1.1.1.1", "198.51.100.1"}, "198.51.100.1"},
		"forged to look like a proxy":   {"10.1.1.1:1", []string{"10.9.9.9, 198.51.100.1"}, "198.51.100.1"},
		"nothing forwarded":             {"10.1.1.1:1", nil, "10.1.1.1"},
		"not an address":                {"10.1.1.1:1", []string{"unknown"}, "10.1.1.1"},
		"IPv6 proxy":                    {"[fd00::1]:1", []string{"2001:db8::7"}, "2001:db8::7"},
		"IPv4 in IPv6":                  {"[::ffff:10.1.1.1]:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		"all of them are trusted hosts": {"10.1.1.1:1", []string{"10.2.2.2, 10.3.3.3"}, "10.2.2.2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := get()
			r.RemoteAddr = test.remote
			r.Header["X-Forwarded-For"] = test.forwarded
			var got string
			b.Identify(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = ClientIP(r.Context()).String() })).ServeHTTP(httptest.NewRecorder(), r)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
