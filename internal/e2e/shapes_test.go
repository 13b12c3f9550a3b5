package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/internal/testkit"
)

// shape is one way to run Headrace: the trial, or nodes and workers on real servers.
type shape struct {
	// nodes are the processes that serve the API, workers those that run jobs; in the trial they are one and the same.
	nodes, workers []*process
	apis           []platformAPI
	amqp           string // the variable by which a worker finds RabbitMQ
}

// api is the API of the first node.
func (s shape) api() platformAPI { return s.apis[0] }

// trial starts `headrace up` with its data in dir.
func trial(t *testing.T, dir string, env []string, args ...string) shape {
	t.Helper()
	ui, dashboard := freeAddress(t), freeAddress(t)
	args = append([]string{"up", "--data-dir", dir, "--http", ui, "--dashboard", dashboard, "--pool-size", "2"}, args...)
	p := start(t, "headrace up", append([]string{"HEADRACE_LOG_LEVEL=debug"}, env...), args...)
	url := "http://" + ui
	ready(t, url)
	return shape{nodes: []*process{p}, workers: []*process{p}, apis: []platformAPI{{url: url, token: localToken(t, dir)}}}
}

// localToken waits for the token that a trial leaves for the commands of its user.
func localToken(t *testing.T, dir string) string {
	t.Helper()
	var found struct {
		Token string `json:"token"`
	}
	eventually(t, "token in cli.json", func() (bool, string) {
		body, err := os.ReadFile(filepath.Join(dir, "cli.json"))
		if err != nil {
			return false, err.Error()
		}
		return json.Unmarshal(body, &found) == nil && found.Token != "", string(body)
	})
	return found.Token
}

// standard starts nodes and workers on fresh parts of the real servers.
func standard(t *testing.T, nodes, workers int, env ...string) shape {
	t.Helper()
	servers := []string{
		"HEADRACE_POSTGRES_URL=" + testkit.Postgres(t),
		"HEADRACE_REDIS_URL=" + testkit.Redis(t),
		"HEADRACE_AMQP_URL=" + testkit.AMQP(t),
		"HEADRACE_CLUSTER_KEY=" + seal.NewKey(),
	}
	env = append(servers, env...)
	s := shape{amqp: servers[2]}
	for i := range nodes {
		s.addNode(t, "node-"+string(rune('a'+i)), env)
	}
	for i := range workers {
		s.addWorker(t, "mill-"+string(rune('1'+i)), 2)
	}
	return s
}

// addNode starts a platform node with the servers that env names.
func (s *shape) addNode(t *testing.T, name string, env []string) {
	t.Helper()
	ui := freeAddress(t)
	own := append([]string{
		"HEADRACE_DATA_DIR=" + filepath.Join(t.TempDir(), "node"), "HEADRACE_LISTEN_HTTP=" + ui, "HEADRACE_LISTEN_HTTPS=",
		"HEADRACE_LISTEN_DASHBOARD=" + freeAddress(t), "HEADRACE_HA_NODE_NAME=" + name,
	}, env...)
	p := start(t, "headrace platform "+ui, own, "platform")
	ready(t, "http://"+ui)
	token := ""
	if len(s.apis) > 0 {
		token = s.apis[0].token
	} else {
		out, code := command(t, own, "admin", "create-token")
		if code != 0 {
			t.Fatalf("create-token: %s", out)
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		token = lines[len(lines)-1]
	}
	s.nodes = append(s.nodes, p)
	s.apis = append(s.apis, platformAPI{url: "http://" + ui, token: token})
}

// addWorker starts a worker that runs so many jobs at a time.
func (s *shape) addWorker(t *testing.T, name string, slots int) *process {
	t.Helper()
	p := start(t, "headrace worker "+name, []string{
		s.amqp, "HEADRACE_DATA_DIR=" + filepath.Join(t.TempDir(), "worker"), fmt.Sprintf("HEADRACE_POOL_SIZE=%d", slots), "HEADRACE_WORKER_NAME=" + name,
	}, "worker")
	s.workers = append(s.workers, p)
	return p
}

// everyShape runs a test on the trial and on the real servers.
func everyShape(t *testing.T, f func(t *testing.T, s shape)) {
	t.Helper()
	t.Run("trial", func(t *testing.T) {
		t.Parallel()
		f(t, trial(t, t.TempDir(), nil))
	})
	t.Run("servers", func(t *testing.T) {
		t.Parallel()
		f(t, standard(t, 2, 2))
	})
}
