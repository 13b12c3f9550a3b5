package servers_test

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/testkit/servers"
	"github.com/redis/go-redis/v9"
)

func TestServerKeepsAddressOverKillAndStart(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := servers.StartRedis(ctx)
	skipOrFail(t, err)
	closing(t, s.Close)
	opts, err := redis.ParseURL(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	opts.MaxRetries, opts.DialerRetries, opts.ReadTimeout, opts.DialTimeout = -1, 1, 200*time.Millisecond, 200*time.Millisecond
	client := redis.NewClient(opts)
	closing(t, client.Close)

	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := client.Ping(ctx).Err(); err == nil {
		t.Error("a frozen server answers")
	}
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := s.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	if err := client.Ping(ctx).Err(); err == nil {
		t.Error("a killed server answers")
	}
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := client.Ping(ctx).Err(); err != nil {
		t.Errorf("after the start: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data is still there: %v", err)
	}
}

func TestRabbitMQBootsAndIsManaged(t *testing.T) {
	t.Parallel()
	r, err := servers.StartRabbitMQ(t.Context())
	skipOrFail(t, err)
	closing(t, r.Close)
	text, err := r.Manage(t.Context(), http.MethodGet, "/api/vhosts", "")
	if err != nil || !strings.Contains(text, `"name":"travis"`) {
		t.Errorf("virtual hosts: %s, %v", text, err)
	}
}

func skipOrFail(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, servers.ErrNotInstalled) && os.Getenv(servers.EnvRequire) != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func closing(t *testing.T, f func() error) {
	t.Helper()
	t.Cleanup(func() {
		if err := f(); err != nil {
			t.Error(err)
		}
	})
}

func TestDockerRunsContainersAndLeavesNothing(t *testing.T) {
	t.Parallel()
	d, err := servers.StartDocker(t.Context())
	if err != nil {
		t.Skipf("no Docker engine runs here: %v", err)
	}
	if err := d.Restart(t.Context()); err != nil {
		t.Error(err)
	}
	if err := d.Kill(t.Context()); err != nil {
		t.Error(err)
	}
	if err := d.Start(t.Context()); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(d.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data is still there: %v", err)
	}
}
