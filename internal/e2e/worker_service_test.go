package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// workerState is what `headrace worker status --json` prints, as far as these tests look at it.
type workerState struct {
	Name   string `json:"name"`
	PID    int    `json:"pid"`
	Broker struct {
		Connected bool   `json:"connected"`
		LastError string `json:"last_error"`
	} `json:"broker"`
	Draining bool `json:"draining"`
	Slots    int  `json:"slots"`
	Unstored int  `json:"unstored"`
	Runs     []struct {
		Number     string `json:"number"`
		Repository string `json:"repository"`
		Attempt    int    `json:"attempt"`
	} `json:"runs"`
}

// service is a worker with its data directory, and the address of its health checks.
type service struct {
	*process
	t      *testing.T
	dir    string
	health string
}

// startService starts a worker with two slots. Its data directory has a path that is too long for the name of a socket.
func startService(t *testing.T, env []string, args ...string) service {
	t.Helper()
	s := service{t: t, dir: filepath.Join(t.TempDir(), strings.Repeat("long", 25), "worker"), health: freeAddress(t)}
	env = append(env, "HEADRACE_DATA_DIR="+s.dir, "HEADRACE_POOL_SIZE=2", "HEADRACE_WORKER_NAME=mill-07", "HEADRACE_HEALTH="+s.health)
	s.process = start(t, "headrace worker", env, append([]string{"worker"}, args...)...)
	return s
}

// status asks the worker on its socket until what it says is as it should be.
func (s service) status(what string, code int, is func(workerState) bool) workerState {
	s.t.Helper()
	var state workerState
	eventually(s.t, what, func() (bool, string) {
		out, got := command(s.t, nil, "worker", "status", "--data-dir", s.dir, "--json")
		state = workerState{}
		err := json.Unmarshal([]byte(out), &state)
		return err == nil && got == code && is(state), fmt.Sprintf("exit code %d, %s", got, out)
	})
	return state
}

// check asks for a health check.
func (s service) check(path string) (code int, status string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.health+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var body struct {
		Status string `json:"status"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		s.t.Errorf("%s: %v", path, err)
	}
	return resp.StatusCode, body.Status
}

// exited waits until the worker has ended by itself.
func (s service) exited(code int) {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(patience):
		s.t.Fatal("the worker does not end")
	}
	if got := s.cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("the worker ended with exit code %d, want %d", got, code)
	}
}

// TestWorkerService_drain: the worker says how it stands, and drains when it is told to on its socket.
func TestWorkerService_drain(t *testing.T) {
	t.Parallel()
	s := standard(t, 1, 0)
	w := startService(t, []string{s.amqp})
	w.status("connected", 0, func(st workerState) bool { return st.Broker.Connected && st.Name == "mill-07" && st.Slots == 2 })
	if code, status := w.check("/readyz"); code != http.StatusOK || status != "ready" {
		t.Errorf("/readyz: %d %s", code, status)
	}
	socket, err := os.Stat(filepath.Join(w.dir, "worker.sock"))
	if err != nil || socket.Mode().Type() != os.ModeSocket || socket.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v %v", socket.Mode(), err)
	}

	gate := filepath.Join(t.TempDir(), "gate")
	api := s.api()
	api.addRepository(t, "acme/gate", repository(t, map[string]string{".travis.yml": "language: shell\nscript: while [ ! -e " + gate + " ]; do sleep 0.1; done\n"}))
	b := api.built(t, "acme/gate", api.trigger(t, "acme/gate", nil))
	w.status("a running job", 0, func(st workerState) bool {
		return len(st.Runs) == 1 && st.Runs[0].Number == "1.1" && st.Runs[0].Repository == "acme/gate" && st.Runs[0].Attempt == 1
	})
	if out, code := command(t, nil, "worker", "status", "--data-dir", w.dir); code != 0 || !strings.Contains(out, "1 of 2 slots") || !strings.Contains(out, "acme/gate, attempt 1") {
		t.Errorf("status for people: %d %s", code, out)
	}
	if out, code := command(t, nil, "worker", "drain", "--data-dir", w.dir); code != 0 || !strings.Contains(out, "Running jobs: 1") {
		t.Errorf("drain: %d %s", code, out)
	}
	w.status("draining", 0, func(st workerState) bool { return st.Draining && len(st.Runs) == 1 })
	if code, status := w.check("/readyz"); code != http.StatusServiceUnavailable || status != "draining" {
		t.Errorf("/readyz while draining: %d %s", code, status)
	}
	if code, _ := w.check("/healthz"); code != http.StatusOK {
		t.Errorf("/healthz while draining: %d", code)
	}
	touch(t, gate)
	if out, code := command(t, nil, "worker", "drain", "--data-dir", w.dir, "--wait"); code != 0 && !strings.Contains(out, "No worker answers") {
		t.Errorf("drain --wait: %d %s", code, out)
	}
	w.exited(0)
	if b := api.ended(t, b.ID); b.State != "passed" || b.Jobs[0].Attempt > 1 {
		t.Errorf("the job that ran while it drained: %+v", b)
	}
	if out, code := command(t, nil, "worker", "status", "--data-dir", w.dir); code != 1 || !strings.Contains(out, "No worker answers in "+w.dir) {
		t.Errorf("status of no worker: %d %s", code, out)
	}
}

// TestWorkerService_secondSignal: SIGTERM drains, a second one gives the job back at once, and it runs again elsewhere.
func TestWorkerService_secondSignal(t *testing.T) {
	t.Parallel()
	s := standard(t, 1, 0)
	w := startService(t, []string{s.amqp})
	gate := filepath.Join(t.TempDir(), "gate")
	api := s.api()
	api.addRepository(t, "acme/gate", repository(t, map[string]string{".travis.yml": "language: shell\nscript: while [ ! -e " + gate + " ]; do sleep 0.1; done\n"}))
	b := api.built(t, "acme/gate", api.trigger(t, "acme/gate", nil))
	w.status("a running job", 0, func(st workerState) bool { return len(st.Runs) == 1 })
	terminate := func() {
		t.Helper()
		if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	terminate()
	w.status("draining", 0, func(st workerState) bool { return st.Draining && len(st.Runs) == 1 })
	terminate()
	w.exited(0)
	touch(t, gate)
	s.addWorker(t, "mill-08", 1)
	if b := api.ended(t, b.ID); b.State != "passed" || b.Jobs[0].Attempt != 2 || b.Jobs[0].Worker != "mill-08" {
		t.Errorf("the job that was given back: %+v", b)
	}
}

// TestWorkerService_hosts: of several hosts in one address the worker finds the one that is there, also after it was killed.
func TestWorkerService_hosts(t *testing.T) {
	t.Parallel()
	s := standard(t, 1, 0)
	user, host, found := strings.Cut(s.amqp, "@")
	if !found {
		t.Fatalf("no user in %s", s.amqp)
	}
	w := startService(t, []string{user + "@" + freeAddress(t) + "," + freeAddress(t) + "," + host})
	before := w.status("connected", 0, func(st workerState) bool { return st.Broker.Connected })
	w.kill() // its socket is left over
	w.process.start()
	w.status("connected after a kill", 0, func(st workerState) bool { return st.Broker.Connected && st.PID != before.PID })
}

// TestWorkerService_secrets: what is secret on the command line stands in no list of processes, and the worker says what it
// waits for.
func TestWorkerService_secrets(t *testing.T) {
	t.Parallel()
	nobody := freeAddress(t)
	for name, args := range map[string][]string{
		"password":        {"--platform-host", nobody, "--rabbitmq-password", "canary-7", "--queue", "builds.other"},
		"password joined": {"--platform-host", nobody, "--rabbitmq-password=canary-7", "--queue", "builds.other"},
		"url":             {"--amqp-url", "amqp://u:canary-7@" + nobody + "/v", "--queue", "builds.other"},
		"url joined":      {"--amqp-url=amqp://u:canary-7@" + nobody + "/v", "--queue", "builds.other"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startService(t, nil, args...)
			state := w.status("it waits", 1, func(st workerState) bool {
				return !st.Broker.Connected && strings.Contains(st.Broker.LastError, nobody)
			})
			title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", state.PID))
			if err != nil {
				t.Fatal(err)
			}
			if shown := string(title); strings.Contains(shown, "canary") || strings.Contains(shown, "7@") || !strings.Contains(shown, "***") || !strings.Contains(shown, "builds.other") {
				t.Errorf("the list of processes shows %q", shown)
			}
			if code, status := w.check("/readyz"); code != http.StatusServiceUnavailable || status != "waiting" {
				t.Errorf("/readyz: %d %s", code, status)
			}
			w.stop()
			if strings.Contains(w.out.String(), "canary") {
				t.Errorf("the log shows the secret:\n%s", w.out.String())
			}
		})
	}
}
