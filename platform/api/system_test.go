package api

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestPing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.as(t, nil, http.MethodGet, "/api/v1/ping")
	want := map[string]any{"instances": map[string]any{"primary": "mill-a", "secondaries": []any{}}, "ha": false, "role": "primary", "version": "1.2.3"}
	if diff := cmp.Diff(want, got.json(t)); diff != "" {
		t.Error(diff)
	}
	if h := got.Header().Get("X-API-Time"); len(h) != len("0.008s") || !strings.HasSuffix(h, "s") {
		t.Errorf("X-API-Time is %q", h)
	}
}

func TestPing_OfACluster(t *testing.T) {
	t.Parallel()
	b := setup(t, func(d *Deps, _ *Config) {
		d.Cluster = func(context.Context) Cluster {
			return Cluster{HA: true, Role: "active", Nodes: []string{"mill-a", "mill-b"}}
		}
	})
	want := map[string]any{
		"instances": map[string]any{"primary": "", "secondaries": []any{}}, "ha": true, "role": "active", "version": "1.2.3", "nodes": []any{"mill-a", "mill-b"},
	}
	if diff := cmp.Diff(want, b.as(t, nil, http.MethodGet, "/api/v1/ping").json(t)); diff != "" {
		t.Error(diff)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ready = Readiness{Ready: true, Services: []Service{{Name: "database", Up: true}, {Name: "broker", Detail: "mq.mill.example does not answer."}}}
	got := b.as(t, nil, http.MethodGet, "/readyz")
	want := map[string]any{"status": "ready", "services": map[string]any{
		"database": map[string]any{"up": true}, "broker": map[string]any{"up": false, "detail": "mq.mill.example does not answer."},
	}}
	if diff := cmp.Diff(want, got.json(t)); diff != "" || got.Code != http.StatusOK {
		t.Errorf("%d %s", got.Code, diff)
	}
	b.ready = Readiness{Reason: "Draining."}
	if got := b.as(t, nil, http.MethodGet, "/readyz"); got.Code != http.StatusServiceUnavailable || got.json(t)["reason"] != "Draining." {
		t.Errorf("a draining node answers %d %s", got.Code, got.Body)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		if got := b.as(t, nil, method, "/healthz"); got.Code != http.StatusOK {
			t.Errorf("%s /healthz of a draining node answers %d", method, got.Code)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	extra := prometheus.NewGauge(prometheus.GaugeOpts{Name: "headrace_extra", Help: "x"})
	b := setup(t, func(_ *Deps, c *Config) { c.Collectors = []prometheus.Collector{extra} })
	b.ready.Services = []Service{{Name: "broker", Up: true}, {Name: "coordinator"}}
	b.startJob(t)
	b.get(t, "/api/repo/acme%2Fapp")
	b.get(t, "/v3/repo/1")
	b.get(t, "/api/nothing/like/this")
	b.do(t, "BREW", "/api/user", "")
	text := b.as(t, nil, http.MethodGet, "/metrics").Body.String()
	for _, want := range []string{
		`headrace_http_requests_total{method="GET",route="/repo/:repo",status="200"} 2`,
		`headrace_http_requests_total{method="GET",route="none",status="404"} 1`,
		`headrace_http_requests_total{method="other",route="none",status="405"} 1`,
		`headrace_http_request_seconds_count{method="GET",route="/repo/:repo"} 2`,
		`headrace_queue_jobs{queue="builds.linux",state="running"} 1`,
		`headrace_queue_jobs{queue="builds.linux",state="queued"} 1`,
		`headrace_queue_workers{queue="builds.linux"} 1`,
		`headrace_queue_slots{queue="builds.linux",use="busy"}`,
		`headrace_service_up{service="broker"} 1`,
		`headrace_service_up{service="coordinator"} 0`,
		`headrace_ready 1`, `headrace_build_info{node="mill-a",version="1.2.3"} 1`, `headrace_extra 0`, `go_goroutines`, `headrace_http_streams 0`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if strings.Contains(text, "acme") {
		t.Error("/metrics names a repository")
	}
}

func TestLog_HoldsNoQuery(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	b := setup(t, func(_ *Deps, c *Config) {
		c.Log = slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	got := b.get(t, "/api/user?token=hunter2", "Authorization", "token hunter2")
	if strings.Contains(text.String(), "hunter2") || !strings.Contains(text.String(), "request_id="+got.Header().Get(requestIDHeader)) {
		t.Errorf("log is %s", text.String())
	}
}

func TestNew_NeedsItsParts(t *testing.T) {
	t.Parallel()
	if _, err := New(Deps{}, Config{}); err == nil {
		t.Error("an API without parts was made")
	}
}
