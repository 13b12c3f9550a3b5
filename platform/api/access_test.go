package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/auth"
	"github.com/headrace/headrace/platform/ci"
)

// as sends a request of which is known what who says: nothing, an error or a user.
func (b *bundle) as(t *testing.T, identity any, method, path string, headers ...string) answered {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, identity)))
	return answered{w}
}

// fill puts values into a route's path.
func fill(path string) string {
	return strings.NewReplacer(":repo", "acme%2Fapp", ":build", "1", ":job", "1", ":request", "1", ":secret", "x", ":user", "1", ":owner", "acme", ":branch", "main").Replace(path)
}

// TestAccess_EveryRouteNeedsAUser goes through every route of the engine, so that a new one cannot be forgotten.
func TestAccess_EveryRouteNeedsAUser(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.startJob(t)
	public := map[string]bool{}
	for _, p := range publicPaths() {
		public[p] = true
	}
	v3 := []string{"Travis-API-Version", "3"}
	wrong := fault.New(fault.Unauthenticated, "x").Named("wrong_credentials")
	away := fault.New(fault.Unavailable, "The database does not answer.")
	seen := 0
	for _, r := range b.engine.Routes() {
		path := fill(r.Path)
		if public[r.Path] {
			if got := b.as(t, nil, r.Method, path); got.Code != http.StatusOK {
				t.Errorf("%s %s is public and answers %d", r.Method, path, got.Code)
			}
			continue
		}
		seen++
		for kind, identity := range map[string]any{"login_required": nil, "wrong_credentials": wrong, "server_error": away} {
			got := b.as(t, identity, r.Method, path, v3...)
			status := http.StatusForbidden
			if kind == "server_error" {
				status = http.StatusServiceUnavailable
			}
			if got.Code != status || got.json(t)["error_type"] != kind || len(got.json(t)) != 3 {
				t.Errorf("%s %s as %s answers %d %s", r.Method, path, kind, got.Code, got.Body)
			}
		}
	}
	if want := 3 * len(b.routes()); seen != want {
		t.Errorf("%d routes were tried, want %d", seen, want)
	}
	if n := must(b.store.Job(t.Context(), 1))(t); n.State != ci.Started {
		t.Errorf("a request without a user changed the job to %s", n.State)
	}
}

// TestAccess_NoPathIsAWayAround tries what has let people past the sign-in of other products.
func TestAccess_NoPathIsAWayAround(t *testing.T) {
	t.Parallel()
	b := setup(t)
	paths := []string{
		"/healthz/../api/user", "/api/v1/ping/../../user", "/api/v1/ping/%2e%2e/%2e%2e/user", "/api/user;.ping", "/api//user", "//api/user", "/api/user/",
		"/api/v1/ping%2f..%2f..%2fuser", "/api/v1/ping/..;/..;/user", "/API/user", "/api/./user", "/v3/../api/user", "/metrics/../v3/user", "/%61pi/user",
		"/api/user?x=/api/v1/ping", "http://mill.example/api/user", "/api/user%00", "/api/user%23", "/healthz%00/../api/user",
	}
	for _, path := range paths {
		for _, headers := range [][]string{nil, {"Travis-API-Version", "3"}, {"X-Original-URL", "/healthz", "X-Rewrite-URL", "/healthz"}, {"X-HTTP-Method-Override", "HEAD"}} {
			if got := b.as(t, nil, http.MethodGet, path, headers...); got.Code < 400 || strings.Contains(got.Body.String(), "ines") {
				t.Errorf("GET %s %v answers %d %s", path, headers, got.Code, got.Body)
			}
		}
	}
}

func TestRoot_AnswersOnlyVersion3(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tests := map[string]struct {
		path    string
		headers []string
		wants   bool
		status  int
		href    any
	}{
		"under /api":          {"/api/user", nil, true, 200, "/api/user/1"},
		"under /v3":           {"/v3/user", nil, true, 200, "/v3/user/1"},
		"header":              {"/user", []string{"Travis-API-Version", "3"}, true, 200, "/user/1"},
		"accept":              {"/user", []string{"Accept", "application/vnd.travis-ci.3+json"}, true, 200, "/user/1"},
		"header under /api":   {"/api/user", []string{"Travis-API-Version", "3"}, true, 200, "/api/user/1"},
		"without":             {"/user", nil, false, 404, nil},
		"another version":     {"/user", []string{"Travis-API-Version", "2"}, false, 404, nil},
		"version 30":          {"/user", []string{"Travis-API-Version", "30"}, false, 404, nil},
		"a page":              {"/apiary", nil, false, 404, nil},
		"nothing under /api":  {"/api/nothing", nil, true, 404, nil},
		"something of web's":  {"/r/acme/app", nil, false, 404, nil},
		"provider in between": {"/api/repo/github/acme%2Fapp", nil, true, 200, "/api/repo/1"},
		"provider of owner":   {"/api/owner/github/acme", nil, true, 200, "/api/owner/acme"},
		"owner named git":     {"/api/owner/git/repos", nil, true, 404, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, test.path, nil)
			for i := 0; i+1 < len(test.headers); i += 2 {
				r.Header.Set(test.headers[i], test.headers[i+1])
			}
			if got := Wants(r); got != test.wants {
				t.Errorf("Wants gives %v, want %v", got, test.wants)
			}
			got := b.get(t, test.path, test.headers...)
			if got.Code != test.status || got.json(t)["@href"] != test.href {
				t.Errorf("answer %d %s", got.Code, got.Body)
			}
		})
	}
}

// TestCookies_WithAuth joins the API and auth as a node does.
func TestCookies_WithAuth(t *testing.T) {
	t.Parallel()
	b := setup(t, func(d *Deps, _ *Config) { d.Who = auth.Who })
	a, err := auth.New(b.store, auth.Config{Deny: b.Deny})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := a.StartSession(w, httptest.NewRequest(http.MethodPost, "http://mill.example/sign-in", nil), b.user); err != nil {
		t.Fatal(err)
	}
	cookie := w.Result().Cookies()[0]
	secret, _, err := a.CreateToken(t.Context(), b.user.ID, "test")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		method  string
		cookie  bool
		headers map[string]string
		status  int
		kind    any
	}{
		"nothing":                           {"GET", false, nil, 403, "login_required"},
		"cookie":                            {"GET", true, nil, 200, nil},
		"token":                             {"GET", false, map[string]string{"Authorization": "token " + secret}, 200, nil},
		"quoted token":                      {"GET", false, map[string]string{"Authorization": `token "` + secret + `"`}, 200, nil},
		"wrong token":                       {"GET", false, map[string]string{"Authorization": "token x"}, 403, "wrong_credentials"},
		"wrong scheme":                      {"GET", false, map[string]string{"Authorization": "Basic x"}, 403, "wrong_credentials"},
		"cookie, own page":                  {"POST", true, map[string]string{"Sec-Fetch-Site": "same-origin"}, 200, nil},
		"cookie, another site":              {"POST", true, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403, "insufficient_access"},
		"cookie, another site, old browser": {"POST", true, map[string]string{"Origin": "https://evil.example"}, 403, "insufficient_access"},
		"cookie, another port":              {"POST", true, map[string]string{"Sec-Fetch-Site": "same-site"}, 403, "insufficient_access"},
		"token in a query":                  {"GET", false, map[string]string{"X-Query": "token=" + secret}, 403, "login_required"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := "http://mill.example/api/user"
			if test.method == http.MethodPost {
				path = "http://mill.example/api/repo/1/star"
			}
			r := httptest.NewRequest(test.method, path+"?"+test.headers["X-Query"], nil)
			for k, v := range test.headers {
				r.Header.Set(k, v)
			}
			if test.cookie {
				r.AddCookie(cookie)
			}
			w := httptest.NewRecorder()
			a.Identify(b).ServeHTTP(w, r)
			got := answered{w}
			if got.Code != test.status || got.json(t)["error_type"] != test.kind {
				t.Errorf("answer %d %s", got.Code, got.Body)
			}
			if h := got.Header().Get("Access-Control-Allow-Origin"); h != "" {
				t.Errorf("other origins are let in: %s", h)
			}
		})
	}
}

// TestSessions_OnTheRealStore: what auth asks of its store, the store does.
func TestSessions_OnTheRealStore(t *testing.T) {
	t.Parallel()
	b := setup(t, func(d *Deps, _ *Config) { d.Who = auth.Who })
	a, err := auth.New(b.store, auth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	status := func(c *http.Cookie) int {
		r := httptest.NewRequest(http.MethodGet, "http://mill.example/api/user", nil)
		r.AddCookie(c)
		w := httptest.NewRecorder()
		a.Identify(b).ServeHTTP(w, r)
		return w.Code
	}
	signIn := func(password string) *http.Cookie {
		user, err := a.SignIn(t.Context(), "ines", password, netip.MustParseAddr("203.0.113.7"))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if err := a.StartSession(w, httptest.NewRequest(http.MethodPost, "http://mill.example/sign-in", nil), user); err != nil {
			t.Fatal(err)
		}
		return w.Result().Cookies()[0]
	}
	if _, err := a.ResetPassword(t.Context(), "ines", "a first good password"); err != nil {
		t.Fatal(err)
	}
	first := signIn("a first good password")
	if got := status(first); got != http.StatusOK {
		t.Errorf("signed in, the answer is %d", got)
	}
	generated, err := a.ResetPassword(t.Context(), "ines", "")
	if err != nil {
		t.Fatal(err)
	}
	if got := status(first); got != http.StatusForbidden {
		t.Errorf("after the password changed, the old session answers %d", got)
	}
	second := signIn(generated)
	r := httptest.NewRequest(http.MethodPost, "http://mill.example/sign-out", nil)
	r.AddCookie(second)
	if err := a.EndSession(httptest.NewRecorder(), r); err != nil {
		t.Fatal(err)
	}
	if got := status(second); got != http.StatusForbidden {
		t.Errorf("signed out, the answer is %d", got)
	}
	if got, err := a.EnsureAdmin(t.Context(), ""); got != "" || err != nil {
		t.Errorf("with users there, a first one was made: %q, %v", got, err)
	}
}

func TestErrors_AreMappedInOnePlace(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err  error
		want shape
	}{
		"invalid":            {fault.Field("branch", "No."), shape{400, "wrong_params", "No."}},
		"no user":            {fault.New(fault.Unauthenticated, "x"), shape{403, "login_required", "login required"}},
		"wrong token":        {fault.New(fault.Unauthenticated, "x").Named("wrong_credentials"), shape{403, "wrong_credentials", "access denied"}},
		"may not":            {fault.New(fault.Forbidden, "No."), shape{403, "insufficient_access", "No."}},
		"not there":          {fault.New(fault.NotFound, "secret text"), shape{404, "not_found", "build not found (or insufficient access)"}},
		"inactive":           {fault.New(fault.Conflict, "x").Named("repository_inactive"), shape{406, "repository_inactive", "cannot create requests on an inactive repository"}},
		"conflict":           {fault.New(fault.Conflict, "It ended."), shape{409, "conflict", "It ended."}},
		"named conflict":     {named("build_not_cancelable", fault.New(fault.Conflict, "It ended.")), shape{409, "build_not_cancelable", "It ended."}},
		"conflict of a job":  {ci.ErrNotCancelable, shape{409, "job_not_cancelable", "This job has ended already; it cannot be canceled."}},
		"limited":            {fault.New(fault.Limited, "Wait."), shape{429, "request_limit_reached", "Wait."}},
		"unavailable":        {fault.Wrap(fault.Unavailable, errors.New("pg: password x"), "Away."), shape{503, "server_error", "Away."}},
		"out of time":        {context.DeadlineExceeded, shape{504, "timeout_error", "This took too long and was given up. Try again in a moment."}},
		"unknown":            {errors.New("pq: secret"), shape{500, "server_error", fault.Message(errors.New("x"))}},
		"unprocessable":      {fault.New(fault.Invalid, "No.").Named("unprocessable_entity"), shape{422, "unprocessable_entity", "No."}},
		"method":             {fault.New(fault.Invalid, "No.").Named("method_not_allowed"), shape{405, "method_not_allowed", "No."}},
		"named not conflict": {named("x", fault.New(fault.NotFound, "x")), shape{404, "not_found", "build not found (or insufficient access)"}},
	}
	for name, test := range tests {
		got := shapeOf(about("build", test.err), "build")
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(shape{})); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestErrors_ShowNothingOfTheInside(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.work.fail = errors.New(`pq: password authentication failed for user "headrace" hunter2`)
	got := b.do(t, http.MethodPost, "/api/repo/1/requests", "{}")
	if got.Code != http.StatusInternalServerError || strings.Contains(got.Body.String(), "hunter2") || strings.Contains(got.Body.String(), "pq") {
		t.Errorf("answer %d %s", got.Code, got.Body)
	}
	if got.Header().Get(requestIDHeader) == "" {
		t.Error("there is no request id to find it by in the log")
	}
}

func TestErrors_PanicsAreAnswered(t *testing.T) {
	t.Parallel()
	b := setup(t, func(d *Deps, _ *Config) {
		d.Lint = func(context.Context, []byte, ci.ExpandAs) ci.Expansion { panic("hunter2") }
	})
	got := b.do(t, http.MethodPost, "/api/lint", `{"content":"x"}`)
	if got.Code != http.StatusInternalServerError || got.json(t)["error_type"] != "server_error" || strings.Contains(got.Body.String(), "hunter2") {
		t.Errorf("answer %d %s", got.Code, got.Body)
	}
}

func TestErrors_MethodNotAllowed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.do(t, http.MethodPut, "/api/user", "")
	if got.Code != http.StatusMethodNotAllowed || got.json(t)["error_type"] != "method_not_allowed" || got.Header().Get("Allow") != "GET" {
		t.Errorf("answer %d %s", got.Code, got.Body)
	}
}
