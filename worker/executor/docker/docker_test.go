package docker_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/testkit/servers"
	"github.com/headrace/headrace/worker/executor"
	"github.com/headrace/headrace/worker/executor/docker"
	"github.com/headrace/headrace/worker/executor/executortest"
)

// engine is the Docker engine of this package's tests; nil with the reason where none runs.
var (
	engine   *servers.Docker
	noEngine error
)

func TestMain(m *testing.M) { os.Exit(withEngine(m)) }

func withEngine(m *testing.M) int {
	if dir := os.Getenv(victimDir); dir != "" {
		return victim(dir)
	}
	if engine, noEngine = servers.StartDocker(context.Background()); noEngine != nil {
		fmt.Fprintln(os.Stderr, "no Docker engine runs here; the tests that need one are skipped:", noEngine)
		return m.Run()
	}
	code := m.Run()
	if err := engine.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

func needEngine(tb testing.TB) {
	tb.Helper()
	if noEngine != nil {
		tb.Skipf("no Docker engine runs here: %v", noEngine)
	}
}

// open gives an executor of the tests' engine; change may be nil.
func open(tb testing.TB, change func(*docker.Config)) *docker.Executor {
	tb.Helper()
	needEngine(tb)
	cfg := docker.Config{
		Host: engine.URL(), Dir: tb.TempDir(), Images: docker.Images{"default": servers.DockerImage},
		Grace: 500 * time.Millisecond, FreeDisk: 1, OpenNetwork: true,
	}
	if change != nil {
		change(&cfg)
	}
	e, err := docker.Open(context.WithoutCancel(tb.Context()), cfg)
	if err != nil {
		tb.Fatalf("Open = %v", err)
	}
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Errorf("Close = %v", err)
		}
	})
	return e
}

func TestContract(t *testing.T) {
	t.Parallel()
	executortest.Run(t, func(tb testing.TB) executor.Executor { return open(tb, nil) })
}
