package settings_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/platform/settings"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad_layers(t *testing.T) {
	t.Parallel()
	file := write(t, `{"listen": {"http": ":1", "https": "", "dashboard": ":3"}, "limits": {"job_timeout": "5m", "jobs": 7}, "trusted_proxies": ["10.0.0.0/8", "::1"]}`)
	s, err := settings.Load(settings.Sources{
		File:        file,
		Environment: []string{"HEADRACE_LISTEN_HTTP=:2", "HEADRACE_TOKEN=x", "PATH=/bin"},
		Flags:       map[string]string{"listen.dashboard": ":4"},
		Defaults:    map[string]string{"limits.jobs": "9", "limits.attempts": "2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := []any{s.ListenHTTP, s.ListenHTTPS, s.ListenDashboard, s.JobTimeout, s.Jobs, s.Attempts, len(s.TrustedProxies)}
	want := []any{":2", "", ":4", 5 * time.Minute, 7, 2, 2}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for key, want := range map[string]string{"listen.http": "HEADRACE_LISTEN_HTTP", "listen.https": file, "listen.dashboard": "flag", "log.level": "default"} {
		if got := s.Origin(key); got != want {
			t.Errorf("origin of %s: got %s, want %s", key, got, want)
		}
	}
}

func TestLoad_faults(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		file string
		env  []string
		want []string
	}{
		"unknown key":       {file: `{"listen": {"htp": ":1"}}`, want: []string{`"listen.htp"`, "Did you mean listen.http?"}},
		"not JSON":          {file: "{\n\"a\": 1,\n}", want: []string{"not JSON", "line 3"}},
		"wrong scheme":      {env: []string{"HEADRACE_REDIS_URL=http://u:hunter2@h"}, want: []string{"HEADRACE_REDIS_URL", "starts with http://", "redis://"}},
		"wrong number":      {file: `{"limits": {"jobs": "many"}}`, want: []string{"limits.jobs", `"many"`}},
		"zero":              {file: `{"limits": {"job_timeout": "0s"}}`, want: []string{"limits.job_timeout must be more than 0"}},
		"HA without Redis":  {env: []string{"HEADRACE_HA_ENABLED=true", "HEADRACE_POSTGRES_URL=postgres://h/x", "HEADRACE_AMQP_URL=amqp://h"}, want: []string{"redis_url", "High availability"}},
		"HA on SQLite":      {env: []string{"HEADRACE_HA_ENABLED=true"}, want: []string{"postgres_url", "ha.enabled"}},
		"key without cert":  {file: `{"tls": {"key": "k.pem"}}`, want: []string{"tls.cert", "both"}},
		"secret file gone":  {env: []string{"HEADRACE_POSTGRES_URL_FILE=/does/not/exist"}, want: []string{"HEADRACE_POSTGRES_URL_FILE", "/does/not/exist"}},
		"not a proxy":       {file: `{"trusted_proxies": "everyone"}`, want: []string{"trusted_proxies", "neither an address"}},
		"days back":         {file: `{"retention": {"log_days": -1}}`, want: []string{"retention.log_days", "0 to keep"}},
		"no address at all": {file: `{"listen": {"http": "", "https": ""}}`, want: []string{"listen.http"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := settings.Sources{Environment: tt.env}
			if tt.file != "" {
				from.File = write(t, tt.file)
			}
			_, err := settings.Load(from)
			if err == nil {
				t.Fatal("got no error")
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %q shows the password", err)
			}
		})
	}
}

func TestLoad_secretFromFile(t *testing.T) {
	t.Parallel()
	path := write(t, "postgres://u:p@h/x\n")
	s, err := settings.Load(settings.Sources{Environment: []string{"HEADRACE_POSTGRES_URL_FILE=" + path}})
	if err != nil {
		t.Fatal(err)
	}
	if s.PostgresURL != "postgres://u:p@h/x" {
		t.Errorf("got %q", string(s.PostgresURL))
	}
	if got := fmt.Sprint(s.PostgresURL); strings.Contains(got, "p@h") {
		t.Errorf("printing shows %q", got)
	}
}

func TestNode_keepsItsID(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var ids []string
	for range 2 {
		s, err := settings.Load(settings.Sources{Flags: map[string]string{"data_dir": dir}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Node(); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, s.NodeID)
	}
	if ids[0] == "" || ids[0] != ids[1] {
		t.Errorf("got ids %q", ids)
	}
}
