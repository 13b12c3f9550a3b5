package dashboard_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/dashboard"
	"github.com/headrace/headrace/internal/fault"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// door lets in whoever knows the word.
type door struct{ in bool }

func (d *door) SignIn(_ http.ResponseWriter, _ *http.Request, password string) error {
	if password != "open sesame" {
		return fault.New(fault.Unauthenticated, "This is not the operator's password.")
	}
	d.in = true
	return nil
}
func (d *door) SignOut(http.ResponseWriter, *http.Request) error { d.in = false; return nil }
func (d *door) SignedIn(*http.Request) bool                      { return d.in }

func serve(t *testing.T, d *door, h dashboard.Health) http.Handler {
	t.Helper()
	handler, err := dashboard.New(dashboard.Deps{Auth: d, Health: func(context.Context) dashboard.Health { return h }, Now: func() time.Time { return noon },
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Config: dashboard.Config{Host: "ci.mill.example", Node: "mill-a", CIURL: "https://ci.mill.example", Version: "0.1.0"}})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

var inline = regexp.MustCompile(`(?i)<style|\sstyle\s*=|<script(?:\s+[^>]*)?>[^<]|\son[a-z]+\s*=\s*["']`)

func get(t *testing.T, h http.Handler, r *http.Request) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body := w.Body.String()
	if found := inline.FindString(body); found != "" {
		t.Errorf("%s holds %q, which the policy forbids", r.URL, found)
	}
	if !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%s has no policy", r.URL)
	}
	return w.Result(), body
}

// Good and bad looks at an installation.
func healthy() dashboard.Health {
	return dashboard.Health{At: noon, Parts: []dashboard.Part{
		{Name: "PostgreSQL", Status: dashboard.OK, Value: "1.2 ms", Note: "last answer"}, {Name: "RabbitMQ", Status: dashboard.OK, Value: "connected"},
		{Name: "Redis", Status: dashboard.OK, Value: "0.4 ms", Note: "last answer"}, {Name: "Workers", Status: dashboard.OK, Value: "4", Note: "9 of 16 slots busy"},
		{Name: "Queue", Status: dashboard.OK, Value: "11", Note: "jobs waiting"}}}
}

func sick() dashboard.Health {
	h := healthy()
	h.Parts[2] = dashboard.Part{Name: "Redis", Status: dashboard.Warning, Value: "away", Problem: "Redis does not answer.", Remedy: "Pages of other nodes are a little late until it does. Nothing is lost."}
	h.Parts[3] = dashboard.Part{Name: "Workers", Status: dashboard.Failed, Value: "0", Note: "slots", Blocks: true, Problem: "No worker is there.", Remedy: "Start one with: headrace worker."}
	return h
}

func TestOverviewSaysTheVerdictFirst(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		health dashboard.Health
		want   []string
	}{
		{"all is well", healthy(), []string{"<h1>Builds are flowing.</h1>", "Nothing needs you.", "1.2 ms", "9 of 16 slots busy", "headrace status", "on mill-a", "Open CI"}},
		{"nothing runs", sick(), []string{"<h1>Nothing is built now. No worker is there.</h1>", "Redis does not answer.", "Start one with", "(2) Overview"}},
		{"not known yet", dashboard.Health{At: noon}, []string{"This node is starting."}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, body := get(t, serve(t, &door{in: true}, c.health), httptest.NewRequest(http.MethodGet, "/", nil))
			for _, want := range c.want {
				if !strings.Contains(body, want) {
					t.Errorf("the overview does not say %q", want)
				}
			}
		})
	}
}

func TestOnlyTheOperatorGetsIn(t *testing.T) {
	t.Parallel()
	d := &door{}
	h := serve(t, d, healthy())
	if res, body := get(t, h, httptest.NewRequest(http.MethodGet, "/", nil)); res.Header.Get("Location") != "/sign-in" || strings.Contains(body, "PostgreSQL") {
		t.Errorf("signed out: %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	fragment := httptest.NewRequest(http.MethodGet, "/", nil)
	fragment.Header.Set("X-Fragment", "main")
	if res, _ := get(t, h, fragment); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a fragment: %d", res.StatusCode)
	}
	for password, want := range map[string]int{"no": http.StatusUnauthorized, "open sesame": http.StatusSeeOther} {
		r := httptest.NewRequest(http.MethodPost, "/sign-in", strings.NewReader(url.Values{"password": {password}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if res, _ := get(t, h, r); res.StatusCode != want {
			t.Errorf("password %q: %d, want %d", password, res.StatusCode, want)
		}
		d.in = false
	}
	if res, body := get(t, h, httptest.NewRequest(http.MethodGet, "/nowhere", nil)); res.StatusCode != http.StatusNotFound || !strings.Contains(body, "There is no page at /nowhere.") {
		t.Errorf("an unknown page: %d", res.StatusCode)
	}
}
