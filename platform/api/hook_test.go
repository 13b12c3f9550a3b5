package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// fakeHooks answers every hook in one way.
type fakeHooks struct {
	got    ci.HookMessage
	answer ci.HookAnswer
	err    error
}

func (f *fakeHooks) Take(_ context.Context, m ci.HookMessage) (ci.HookAnswer, error) {
	f.got = m
	return f.answer, f.err
}

func postHook(t *testing.T, h Hooks, path string, body io.Reader, header map[string]string) *httptest.ResponseRecorder {
	t.Helper()
	a := setup(t, func(d *Deps, _ *Config) { d.Hooks = h })
	r := httptest.NewRequest(http.MethodPost, path, body)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

func TestHook_message(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path   string
		header map[string]string
		want   ci.HookMessage
	}{
		"GitHub": {
			"/api/hooks/github", map[string]string{"X-GitHub-Event": "push", "X-GitHub-Delivery": "d", "X-Hub-Signature-256": "sha256=1", "Content-Type": "application/json; charset=utf-8"},
			ci.HookMessage{Forge: "github", Event: "push", Delivery: "d", Signature: "sha256=1", ContentType: "application/json", Body: []byte("{}")},
		},
		"Gitea": {
			"/api/hooks/gitea", map[string]string{"X-Gitea-Event": "pull_request", "X-Gitea-Event-Type": "pull_request_sync", "X-Gitea-Delivery": "d", "X-Gitea-Signature": "1", "X-GitHub-Event": "x"},
			ci.HookMessage{Forge: "gitea", Event: "pull_request_sync", Delivery: "d", Signature: "1", Body: []byte("{}")},
		},
		"Gitea, a push": {
			"/api/hooks/gitea", map[string]string{"X-Gitea-Event": "push", "X-Gitea-Event-Type": "push"}, ci.HookMessage{Forge: "gitea", Event: "push", Body: []byte("{}")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &fakeHooks{answer: ci.HookAnswer{Outcome: ci.HookAccepted, Repository: "acme/app", RequestID: 5, Message: "stored"}}
			w := postHook(t, h, c.path, strings.NewReader("{}"), c.header)
			if diff := cmp.Diff(c.want, h.got, cmp.Comparer(func(a, b ci.HookMessage) bool {
				return a.Forge == b.Forge && a.Event == b.Event && a.Delivery == b.Delivery && a.Signature == b.Signature && a.ContentType == b.ContentType && bytes.Equal(a.Body, b.Body)
			})); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
			if got := w.Body.String(); w.Code != http.StatusAccepted || !strings.Contains(got, `"request_id": 5`) || !strings.Contains(got, `"result": "accepted"`) {
				t.Errorf("answer %d %s", w.Code, got)
			}
		})
	}
}

func TestHook_answers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hooks *fakeHooks
		body  io.Reader
		path  string
		want  int
		again bool // when to come again is said
	}{
		"kept":          {hooks: &fakeHooks{answer: ci.HookAnswer{Outcome: ci.HookKept}}, want: 202},
		"not used":      {hooks: &fakeHooks{answer: ci.HookAnswer{Outcome: ci.HookUnused}}, want: 200},
		"not readable":  {hooks: &fakeHooks{err: fault.New(fault.Invalid, "x")}, want: 400},
		"not signed":    {hooks: &fakeHooks{err: fault.New(fault.Unauthenticated, "x")}, want: 401},
		"forged":        {hooks: &fakeHooks{err: fault.New(fault.Forbidden, "x")}, want: 403},
		"too many":      {hooks: &fakeHooks{err: fault.New(fault.Limited, "x")}, want: 429, again: true},
		"no room":       {hooks: &fakeHooks{err: fault.New(fault.Unavailable, "x")}, want: 503, again: true},
		"a defect":      {hooks: &fakeHooks{err: errors.New("x")}, want: 500},
		"25 MiB":        {hooks: &fakeHooks{answer: ci.HookAnswer{Outcome: ci.HookUnused}}, body: io.LimitReader(endless{}, 25<<20), want: 200},
		"more":          {hooks: &fakeHooks{}, body: io.LimitReader(endless{}, 25<<20+1), want: 413},
		"broken off":    {hooks: &fakeHooks{}, body: iotest.ErrReader(io.ErrUnexpectedEOF), want: 400},
		"another forge": {hooks: &fakeHooks{}, path: "/api/hooks/gitlab", want: 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.body == nil {
				c.body = strings.NewReader("{}")
			}
			if c.path == "" {
				c.path = "/api/hooks/github"
			}
			w := postHook(t, c.hooks, c.path, c.body, nil)
			if w.Code != c.want || (w.Header().Get("Retry-After") != "") != c.again {
				t.Errorf("answer %d %v %s", w.Code, w.Header(), w.Body)
			}
		})
	}
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
