package web_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/web/webtest"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// site is the pages of a demo, to be asked like a browser without script.
type site struct {
	t    *testing.T
	demo *webtest.Demo
	h    http.Handler
}

func open(t *testing.T, d *webtest.Demo) site {
	t.Helper()
	h, err := d.Handler()
	if err != nil {
		t.Fatal(err)
	}
	return site{t: t, demo: d, h: h}
}

func (s site) do(r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	s.h.ServeHTTP(w, r)
	return w.Result()
}

// get fetches a page and checks what must hold for every one.
func (s site) get(path string, header ...string) (int, string) {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res := s.do(r)
	return res.StatusCode, s.checked(path, res)
}

func (s site) post(path string, form url.Values) (*http.Response, string) {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res := s.do(r)
	return res, s.checked(path, res)
}

var inline = regexp.MustCompile(`(?i)<style|\sstyle\s*=|<script(?:\s+[^>]*)?>[^<]|\son[a-z]+\s*=\s*["']|javascript:|https?://(?:cdn|unpkg|fonts)`)

func (s site) checked(path string, res *http.Response) string {
	s.t.Helper()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	body := string(raw)
	if found := inline.FindString(body); found != "" {
		s.t.Errorf("%s holds %q, which the policy forbids", path, found)
	}
	if got := res.Header.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") || strings.Contains(got, "unsafe") {
		s.t.Errorf("%s has the policy %q", path, got)
	}
	if strings.Contains(body, "ZgotmplZ") || strings.Contains(body, "<no value>") || strings.Contains(body, "%!") {
		s.t.Errorf("%s holds a value that the template refused", path)
	}
	for _, word := range []string{"please", "Please", "oops", "successfully", "nvalid "} {
		if strings.Contains(body, word) {
			s.t.Errorf("%s says %q", path, word)
		}
	}
	return body
}

func TestEveryPageIsDrawn(t *testing.T) {
	t.Parallel()
	s := open(t, webtest.Sample(noon))
	cases := []struct {
		name, path string
		want       []string
	}{
		{"repositories", "/", []string{"Running now", "millworks/</span>turbine-api", "10 of 19 slots busy, 11 jobs waiting", "Last 20 builds", "#1483", "The last request made no build: The configuration cannot be read."}},
		{"filter", "/?q=weir", []string{"weir-web", `value="weir"`}},
		{"filter without hits", "/?q=zzz", []string{"No repository has “zzz” in its name", "Show all repositories"}},
		{"starred without hits", "/?show=starred", []string{"No repository  is starred by you"}},
		{"add", "/new", []string{`name="source_url"`, "Nothing is ever written to it."}},
		{"search", "/search?q=turb", []string{`millworks/<span class="mark">turb</span>ine-api`}},
		{"search a build", "/search?q=turbine+1481", []string{"/r/millworks/turbine-api/builds/1481"}},
		{"search without hits", "/search?q=zzz", []string{"Nothing is called “zzz”"}},
		{"builds", "/r/millworks/turbine-api", []string{"#1481", "1 of 15 jobs failed", "Stages: lint, test, package", "usual time", "Waiting", "millworks runs 4 of 4 jobs", "Older"}},
		{"second page of builds", "/r/millworks/turbine-api?offset=25", []string{"26 to 40 of 40", "Newer"}},
		{"builds of a branch", "/r/millworks/turbine-api?branch=sqlite-busy", []string{"#1481"}},
		{"builds that did not pass", "/r/lena/dotfiles?show=not-passed", []string{"Every build passed."}},
		{"no build yet", "/r/millworks/tailrace-exporter", []string{"No build yet", "headrace trigger millworks/tailrace-exporter", "The last request made no build"}},
		{"branches", "/r/millworks/turbine-api/branches", []string{"sqlite-busy", "default"}},
		{"no branches", "/r/millworks/tailrace-exporter/branches", []string{"No branch yet"}},
		{"requests", "/r/millworks/turbine-api/requests", []string{"Build #1483", "The branch docs is not among branches.only.", "Try 2 of 5 did not work", "git.mill.example does not answer"}},
		{"messages of a request", "/r/millworks/tailrace-exporter/requests", []string{"Line 7:", "indented less"}},
		{"no requests", "/r/lena/dotfiles/requests", []string{"No request yet"}},
		{"variables", "/r/millworks/turbine-api/variables", []string{"REGISTRY_TOKEN", "set, <time", "https://proxy.mill.example"}},
		{"caches", "/r/millworks/turbine-api/caches", []string{"PR.212", "700 KiB", "212.0 MiB", "?delete=2", "They have 212.7 MiB"}},
		{"no caches", "/r/lena/dotfiles/caches", []string{"No cache yet"}},
		{"webhook", "/r/millworks/turbine-api/hook", []string{"/api/hooks/github", "b7e1d0c49f2a8365", "The secret before", "#212 Cache: key by lock file", "Not used", "Refused", "Copy the newest secret"}},
		{"build of a fork", "/r/millworks/turbine-api/builds/1479", []string{"#212", "tomas/turbine-api, cache-keys", "no secrets: from a fork", "draft"}},
		{"settings", "/r/lena/dotfiles/settings", []string{"Switch building off", "Remove…", "14 builds"}},
		{"settings asks", "/r/lena/dotfiles/settings?confirm=delete", []string{"Type lena/dotfiles to remove it", "Keep it"}},
		{"what a repository builds", "/r/lena/dotfiles/settings", []string{`name="build_pushes" value="1" checked`, `name="auto_cancel_pushes" value="1">`, `placeholder="no limit"`}},
		{"queues", "/queues", []string{"1 queue is paused", "builds.mac", "by ines", "Resume", "No worker", "7, 9 of 16 slots busy", `value="4"`, "headrace admin queue pause builds.linux"}},
		{"trigger", "/r/lena/dotfiles/trigger", []string{`name="ref" value="main"`, "deep_merge_append"}},
		{"failed build", "/r/millworks/turbine-api/builds/1481", []string{"What failed", "exit code 1", "Restart failed job", "did not start", `<table class="matrix">`, "allowed to fail", "Line 15:"}},
		{"running build", "/r/millworks/turbine-api/builds/1483", []string{"Cancel build", "data-since"}},
		{"waiting build", "/r/millworks/turbine-api/builds/1482", []string{"Waiting", "millworks runs 4 of 4 jobs", "Put first"}},
		{"config", "/r/millworks/turbine-api/builds/1481/config", []string{"cahce", "Did you mean", `id="L15"`}},
		{"live job", "/r/millworks/turbine-api/jobs/1483.11", []string{"Go 1.24 · DB=sqlite", `data-closed="false"`, "71 %", "term-fg31", "git clone", "38.4 s", "Cancel job"}},
		{"failed job", "/r/millworks/turbine-api/jobs/1481.5", []string{`data-closed="true"`, "ln-bad", "Restart"}},
		{"job without a log", "/r/millworks/turbine-api/jobs/1482.3", []string{"The log begins when a worker has the job."}},
		{"lines out of a log", "/r/millworks/turbine-api/jobs/1481.5/log?from=100&to=120&attempt=1", []string{`id=\"L100\"`}},
		{"raw log", "/r/millworks/turbine-api/jobs/1481.5/log.txt", []string{"travis_fold:start:install"}},
		{"check a configuration", "/lint", []string{"This makes 5 jobs.", "package", "1.25 · DB=sqlite", "builds.linux", "headrace lint --report"}},
		{"tokens", "/account/tokens", []string{"release script on mill-a", "never"}},
		{"delete a token", "/account/tokens?delete=5", []string{"Delete release script on mill-a?", "Keep it"}},
		{"preferences", "/account/preferences", []string{"As the system has it"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			status, body := site{t: t, demo: s.demo, h: s.h}.get(c.path)
			if status != http.StatusOK {
				t.Errorf("GET %s answered %d", c.path, status)
			}
			for _, want := range c.want {
				if !strings.Contains(body, want) {
					t.Errorf("GET %s does not say %q", c.path, want)
				}
			}
		})
	}
}

func TestErrorPages(t *testing.T) {
	t.Parallel()
	d := webtest.Sample(noon)
	s := open(t, d)
	for path, want := range map[string]string{
		"/nowhere":                             "There is no page at /nowhere.",
		"/r/millworks/gone":                    "There is no repository millworks/gone.",
		"/r/lena/dotfiles/builds/9999":         "There is no build #9999 in dotfiles.",
		"/r/lena/dotfiles/jobs/27.9":           "has no job 27.9",
		"/r/lena/dotfiles/jobs/27.1?attempt=4": "has no attempt 4",
	} {
		status, body := s.get(path)
		if status != http.StatusNotFound || !strings.Contains(body, want) || !strings.Contains(body, "request ") {
			t.Errorf("GET %s: %d, does not say %q", path, status, want)
		}
	}
	d.Fail = errors.New("dial tcp 10.0.0.1: secret detail")
	if status, body := s.get("/"); status != http.StatusInternalServerError || strings.Contains(body, "secret detail") {
		t.Errorf("an unknown error: %d, and its text may be shown", status)
	}
	d.Fail = fault.New(fault.Unavailable, "The database is away.")
	if status, body := s.get("/"); status != http.StatusServiceUnavailable || !strings.Contains(body, "The database is away.") {
		t.Errorf("database away: %d", status)
	}
}

func TestEmptyHouseTeaches(t *testing.T) {
	t.Parallel()
	_, body := open(t, webtest.Empty(noon)).get("/")
	for _, want := range []string{"Add your first repository", "headrace up --demo", `action="/new"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the first page does not say %q", want)
		}
	}
}

func TestNobodySeesAnythingWithoutSigningIn(t *testing.T) {
	t.Parallel()
	d := webtest.Sample(noon)
	d.SetSignedIn(false)
	s := open(t, d)
	for _, path := range []string{"/", "/new", "/search?q=t", "/account/tokens", "/r/lena/dotfiles", "/r/lena/dotfiles/jobs/27.1/log.txt", "/nowhere"} {
		res := s.do(httptest.NewRequest(http.MethodGet, path, nil))
		if got, want := res.Header.Get("Location"), "/sign-in?next="+url.QueryEscape(path); res.StatusCode != http.StatusSeeOther || got != want {
			t.Errorf("GET %s: %d to %q, want a redirect to %q", path, res.StatusCode, got, want)
		}
	}
	if status, _ := s.get("/", "X-Fragment", "main"); status != http.StatusUnauthorized {
		t.Errorf("a fragment without sign-in: %d", status)
	}
	if res := s.do(httptest.NewRequest(http.MethodGet, "/events", nil)); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("events without sign-in: %d", res.StatusCode)
	}
	if res, _ := s.post("/r/lena/dotfiles/settings", url.Values{"do": {"deactivate"}}); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a post without sign-in: %d", res.StatusCode)
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	d := webtest.Sample(noon)
	d.SetSignedIn(false)
	s := open(t, d)
	res, body := s.post("/sign-in", url.Values{"login": {"lena"}, "password": {"no"}, "next": {"/new"}})
	if res.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "knows no user") || !strings.Contains(body, `value="lena"`) || !strings.Contains(body, `value="/new"`) {
		t.Errorf("a wrong password: %d, or the form has lost what was typed", res.StatusCode)
	}
	for next, want := range map[string]string{"/new": "/new", "https://evil.example/": "/", "//evil.example": "/", `/\evil.example`: "/", "": "/"} {
		res, _ := s.post("/sign-in", url.Values{"login": {"lena"}, "password": {webtest.Password}, "next": {next}})
		if got := res.Header.Get("Location"); got != want {
			t.Errorf("signed in with next=%q: sent to %q, want %q", next, got, want)
		}
		d.SetSignedIn(false)
	}
}

func TestFormsActAndReturn(t *testing.T) {
	t.Parallel()
	const turbine = "/r/millworks/turbine-api"
	cases := []struct {
		name, path, to, act string
		form                url.Values
	}{
		{"add", "/new", "/r/team/project", "add team/project", url.Values{"source_url": {"https://git.mill.example/team/project.git"}}},
		{"trigger a branch", turbine + "/trigger", turbine + "/requests#request-", `request branch=main tag= sha= message="hi" config=""`, url.Values{"ref": {"main"}, "message": {"hi"}}},
		{"trigger a tag", turbine + "/trigger", turbine + "/requests#request-", `request branch= tag=v1 sha= message="" config=""`, url.Values{"ref": {"refs/tags/v1"}}},
		{"trigger a commit", turbine + "/trigger", turbine + "/requests#request-", `request branch=main tag= sha=d40b7aa message="" config="script: x"`, url.Values{"ref": {"main"}, "sha": {"D40B7AA"}, "config": {"script: x"}}},
		{"cancel a build", turbine + "/builds/1483/cancel", turbine + "/builds/1483", "cancel build", nil},
		{"restart what did not pass", turbine + "/builds/1481/restart", turbine + "/builds/1481", "restart what did not pass of build", url.Values{"only": {"not-passed"}}},
		{"restart all", turbine + "/builds/1481/restart", turbine + "/builds/1481", "restart build", nil},
		{"cancel a job", turbine + "/jobs/1483.11/cancel", turbine + "/jobs/1483.11", "cancel job 148311 by lena", nil},
		{"restart a job", turbine + "/jobs/1481.5/restart", turbine + "/jobs/1481.5", "restart job 148105 by lena", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, webtest.Sample(noon))
			res, _ := s.post(c.path, c.form)
			if got := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(got, c.to) {
				t.Errorf("POST %s: %d to %q, want %q", c.path, res.StatusCode, got, c.to)
			}
			if acts := strings.Join(s.demo.Acts, "\n"); !strings.HasPrefix(acts, c.act) {
				t.Errorf("asked for %q, want %q", acts, c.act)
			}
		})
	}
}

func TestWrongFieldsAreSaidBesideThem(t *testing.T) {
	t.Parallel()
	s := open(t, webtest.Sample(noon))
	cases := []struct {
		path string
		form url.Values
		want []string
	}{
		{"/new", url.Values{}, []string{"Paste the address", `aria-invalid="true"`}},
		{"/new", url.Values{"source_url": {"https://git.mill.example/nothing/here"}}, []string{"there is no git repository at this address", "nothing/here"}},
		{"/new", url.Values{"source_url": {"https://git.mill.example/is/down"}}, []string{"nothing answers on port 443"}},
		{"/new", url.Values{"source_url": {"https://git.mill.example/a/b"}, "slug": {"nonsense"}}, []string{"A repository is named owner/name", `value="nonsense"`}},
		{"/r/lena/dotfiles/trigger", url.Values{"sha": {"main"}, "message": {"kept words"}}, []string{"A commit is 7 to 40 digits", "kept words"}},
		{"/r/lena/dotfiles/trigger", url.Values{"config": {"\tscript: x"}}, []string{"Line 1 begins with a tab"}},
		{"/r/lena/dotfiles/settings", url.Values{"do": {"delete"}, "slug": {"other"}}, []string{"This is not the name of the repository"}},
		{"/account/tokens", url.Values{}, []string{"Say what the token is for"}},
	}
	for _, c := range cases {
		res, body := s.post(c.path, c.form)
		if res.StatusCode < 400 {
			t.Errorf("POST %s %v: %d", c.path, c.form, res.StatusCode)
		}
		for _, want := range c.want {
			if !strings.Contains(body, want) {
				t.Errorf("POST %s %v does not say %q", c.path, c.form, want)
			}
		}
	}
}

func TestFormThatIsTooLongDoesNothing(t *testing.T) {
	t.Parallel()
	s := open(t, webtest.Sample(noon))
	res, body := s.post("/r/lena/dotfiles/trigger", url.Values{"ref": {"main"}, "config": {strings.Repeat("# long\n", 800_000)}})
	if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "longer than 1.0 MB") || len(s.demo.Acts) != 0 {
		t.Errorf("%d, acts %q", res.StatusCode, s.demo.Acts)
	}
}

func TestOnlyAdministratorsChangeSettings(t *testing.T) {
	t.Parallel()
	d := webtest.Sample(noon)
	d.SetAdmin(false)
	s := open(t, d)
	if _, body := s.get("/r/lena/dotfiles/settings"); strings.Contains(body, "Remove…") || !strings.Contains(body, "Only administrators") {
		t.Error("the page offers what is not allowed")
	}
	if res, _ := s.post("/r/lena/dotfiles/settings", url.Values{"do": {"delete"}, "slug": {"lena/dotfiles"}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("removing answered %d", res.StatusCode)
	}
	if status, _ := s.get("/r/lena/dotfiles"); status != http.StatusOK {
		t.Error("the repository is gone")
	}
	d.SetAdmin(true)
	if res, _ := s.post("/r/lena/dotfiles/settings", url.Values{"do": {"delete"}, "slug": {"lena/dotfiles"}}); res.Header.Get("Location") != "/" {
		t.Error("the administrator could not remove it")
	}
	if status, _ := s.get("/r/lena/dotfiles"); status != http.StatusNotFound {
		t.Error("the repository is still there")
	}
}

func TestTokenIsShownOnce(t *testing.T) {
	t.Parallel()
	s := open(t, webtest.Sample(noon))
	res, body := s.post("/account/tokens", url.Values{"name": {"bot"}})
	if res.StatusCode != http.StatusCreated || !strings.Contains(body, "hr_4fJ2k9QxVb7Lw3Zr8TnYc1Pd") || !strings.Contains(res.Header.Get("Cache-Control"), "no-store") {
		t.Errorf("making a token: %d, or its secret is not shown", res.StatusCode)
	}
	if _, body := s.get("/account/tokens"); strings.Contains(body, "hr_4fJ2k9") || !strings.Contains(body, "bot") {
		t.Error("the secret is shown twice, or the token is not listed")
	}
}

func TestThemeAndKeysStandInTheFirstByte(t *testing.T) {
	t.Parallel()
	s := open(t, webtest.Sample(noon))
	res, _ := s.post("/preferences", url.Values{"theme": {"dark"}, "keys": {"off"}, "next": {"/account/preferences"}})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, c := range res.Cookies() {
		r.AddCookie(c)
	}
	body := s.checked("/", s.do(r))
	for _, want := range []string{`<html lang="en" data-theme="dark"`, `data-keys="off"`, "Kept for this browser."} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestToastShowsNothingOfACookieButNames(t *testing.T) {
	t.Parallel()
	s := open(t, webtest.Sample(noon))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "said", Value: "restarted:<b>Call 555</b>"})
	body := s.checked("/", s.do(r))
	if strings.Contains(body, "<b>Call") {
		t.Error("markup of a cookie is shown")
	}
}

func TestFragmentIsTheMainPartAlone(t *testing.T) {
	t.Parallel()
	s := open(t, webtest.Sample(noon))
	r := httptest.NewRequest(http.MethodGet, "/r/millworks/turbine-api/builds/1481", nil)
	r.Header.Set("X-Fragment", "main")
	res := s.do(r)
	body := s.checked("fragment", res)
	if strings.Contains(body, "<html") || !strings.HasPrefix(strings.TrimSpace(body), `<main id="main"`) {
		t.Errorf("the fragment is %.80q", body)
	}
	title, err := url.PathUnescape(res.Header.Get("X-Title"))
	if err != nil || title != "✕ #1481 failed · turbine-api · Headrace" {
		t.Errorf("title %q, %v", title, err)
	}
	if status, _ := s.get("/", "X-Fragment", "dialogs"); status != http.StatusUnprocessableEntity {
		t.Errorf("an unknown part answered %d", status)
	}
}

func TestSlugsWithGroups(t *testing.T) {
	t.Parallel()
	d := webtest.Empty(noon)
	if _, err := d.AddRepository(t.Context(), ci.NewRepository{Slug: "a/b/c", SourceURL: "https://x/a/b/c"}); err != nil {
		t.Fatal(err)
	}
	s := open(t, d)
	for _, path := range []string{"/r/a/b/c", "/r/a/b/c/branches", "/r/a/b/c/trigger", "/r/A/B/C/requests"} {
		if status, _ := s.get(path); status != http.StatusOK {
			t.Errorf("GET %s answered %d", path, status)
		}
	}
}
