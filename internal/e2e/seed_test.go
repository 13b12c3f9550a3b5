package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The tests of this file are named after rows of the documents that Headrace began with; `make seeds` prints the table.

// TestSeed_TravisBuildNeedsAWorker: a build is accepted without a worker, says what it waits for, and runs when one comes.
func TestSeed_TravisBuildNeedsAWorker(t *testing.T) {
	t.Parallel()
	s := standard(t, 1, 0)
	api := s.api()
	api.addRepository(t, "acme/waits", repository(t, map[string]string{".travis.yml": "language: shell\nscript: echo at last\n"}))
	b := api.built(t, "acme/waits", api.trigger(t, "acme/waits", nil))
	api.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/build/%d?include=build.jobs", b.ID), nil, &b)
	if b.State != "created" || b.Jobs[0].State != "created" {
		t.Fatalf("without a worker: %+v", b)
	}
	start(t, "worker", []string{s.amqp, "HEADRACE_DATA_DIR=" + filepath.Join(t.TempDir(), "worker")}, "worker")
	if b = api.ended(t, b.ID); b.State != "passed" {
		t.Errorf("with a worker: %+v", b)
	}
}

// TestSeed_TravisDashboard: the admin dashboard has an address of its own and lets nobody in without its password.
func TestSeed_TravisDashboard(t *testing.T) {
	t.Parallel()
	dashboard := freeAddress(t)
	dir := t.TempDir()
	p := start(t, "up", nil, "up", "--data-dir", dir, "--http", freeAddress(t), "--dashboard", dashboard)
	eventually(t, "the dashboard answers", func() (bool, string) {
		resp, err := http.Get("http://" + dashboard + "/")
		if err != nil {
			return false, err.Error()
		}
		defer func() { _ = resp.Body.Close() }()
		return resp.Request.URL.Path == "/sign-in", resp.Request.URL.String()
	})
	p.stop()
}

// TestSeed_SemaphoreEveryNodeServes: each of three nodes takes requests, and each shows all builds and logs.
func TestSeed_SemaphoreEveryNodeServes(t *testing.T) {
	t.Parallel()
	s := standard(t, 3, 1)
	s.apis[0].addRepository(t, "acme/all", repository(t, map[string]string{".travis.yml": "language: shell\nscript: echo seen everywhere\n"}))
	for i, api := range s.apis {
		b := api.ended(t, api.built(t, "acme/all", api.trigger(t, "acme/all", nil)).ID)
		if b.State != "passed" || b.Number != fmt.Sprint(i+1) {
			t.Fatalf("asked on node %d: %+v", i, b)
		}
		other := s.apis[(i+1)%len(s.apis)]
		if text := other.log(t, b.Jobs[0].ID); !strings.Contains(text, "seen everywhere") {
			t.Errorf("log of a build of node %d on the next node: %s", i, text)
		}
	}
}

// TestSeed_SemaphoreNodeFails: a node dies while a job runs; the job runs on, and the other node takes over.
func TestSeed_SemaphoreNodeFails(t *testing.T) {
	t.Parallel()
	s := standard(t, 2, 1)
	gate := t.TempDir() + "/gate"
	s.apis[0].addRepository(t, "acme/fail", repository(t, map[string]string{".travis.yml": "language: shell\nscript: echo started once; while [ ! -e " + gate + " ]; do sleep 0.1; done\n"}))
	b := s.apis[0].built(t, "acme/fail", s.apis[0].trigger(t, "acme/fail", nil))
	other := s.apis[1]
	other.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/build/%d?include=build.jobs", b.ID), nil, &b)
	awaitJob(t, other, b.Jobs[0].ID, "started")
	s.nodes[0].kill()
	touch(t, gate)
	if b = other.ended(t, b.ID); b.State != "passed" {
		t.Fatalf("after a node died: %+v", b)
	}
	if text := other.log(t, b.Jobs[0].ID); strings.Count(text, "\nstarted once") != 1 || !strings.Contains(text, "attempt 1") {
		t.Errorf("the job did not run once: %s", text)
	}
}

// TestSeed_SemaphoreLiveOnEveryNode: a log that is written is followed on another node, from the beginning, to its end.
func TestSeed_SemaphoreLiveOnEveryNode(t *testing.T) {
	t.Parallel()
	s := standard(t, 2, 1)
	s.apis[0].addRepository(t, "acme/live", repository(t, map[string]string{".travis.yml": "language: shell\nscript: for i in 1 2 3 4 5; do echo drop $i; sleep 0.2; done\n"}))
	b := s.apis[0].built(t, "acme/live", s.apis[0].trigger(t, "acme/live", nil))
	s.apis[0].must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/build/%d?include=build.jobs", b.ID), nil, &b)
	text := s.apis[1].follow(t, b.Jobs[0].ID)
	for i := 1; i <= 5; i++ {
		if !strings.Contains(text, fmt.Sprintf("\ndrop %d\n", i)) {
			t.Errorf("drop %d is missing:\n%s", i, text)
		}
	}
}

// follow reads a log's event stream to its end.
func (a platformAPI) follow(t *testing.T, id int64) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/api/job/%d/log/stream", a.url, id), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "token "+a.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var text strings.Builder
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if lines.Text() == "event: end" {
			return text.String()
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var part struct {
				Content string `json:"content"`
			}
			if err := json.Unmarshal([]byte(data), &part); err != nil {
				t.Fatal(err)
			}
			text.WriteString(part.Content)
		}
	}
	t.Fatalf("the stream broke off (%v) after:\n%s", lines.Err(), text.String())
	return ""
}

// TestSeed_SemaphoreRunsOnce: two nodes hand jobs to three workers, and each job is run by exactly one of them.
func TestSeed_SemaphoreRunsOnce(t *testing.T) {
	t.Parallel()
	const builds = 20
	s := standard(t, 2, 3)
	ledger := t.TempDir()
	s.apis[0].addRepository(t, "acme/once", repository(t, map[string]string{".travis.yml": "language: shell\nscript: echo x >> " + ledger + "/$TRAVIS_JOB_ID\n"}))
	asked := map[int64]platformAPI{}
	for i := range builds {
		api := s.apis[i%2]
		asked[api.trigger(t, "acme/once", nil)] = api
	}
	for id, api := range asked {
		b := api.ended(t, api.built(t, "acme/once", id).ID)
		runs, err := os.ReadFile(filepath.Join(ledger, fmt.Sprint(b.Jobs[0].ID)))
		if err != nil || string(runs) != "x\n" || b.State != "passed" {
			t.Errorf("build %s is %s; its job was run %d times (%v)", b.Number, b.State, len(runs)/2, err)
		}
	}
}

// TestSeed_SemaphoreSQLiteRefused: high availability on SQLite is refused, with the reason.
func TestSeed_SemaphoreSQLiteRefused(t *testing.T) {
	t.Parallel()
	out, code := command(t, []string{"HEADRACE_HA_ENABLED=true", "HEADRACE_REDIS_URL=redis://h", "HEADRACE_AMQP_URL=amqp://h", "HEADRACE_DATA_DIR=" + t.TempDir()}, "platform")
	if code != 2 || !strings.Contains(out, "postgres_url") {
		t.Errorf("got %d %s", code, out)
	}
}

// TestSeed_TowerPing: who the instances are, without signing in.
func TestSeed_TowerPing(t *testing.T) {
	t.Parallel()
	api := trial(t, t.TempDir(), []string{"HEADRACE_HA_NODE_NAME=mill-a"}).api()
	api.token = ""
	var ping struct {
		Instances struct {
			Primary     string   `json:"primary"`
			Secondaries []string `json:"secondaries"`
		} `json:"instances"`
		HA      bool   `json:"ha"`
		Role    string `json:"role"`
		Version string `json:"version"`
	}
	api.must(t, http.StatusOK, http.MethodGet, "/v1/ping", nil, &ping)
	if ping.Instances.Primary != "mill-a" || ping.Instances.Secondaries == nil || ping.HA || ping.Role != "primary" || ping.Version == "" {
		t.Errorf("got %+v", ping)
	}
}
