package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestStop: Ctrl-C ends the trial cleanly, and the next start has everything.
func TestStop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := trial(t, dir, nil, "--demo")
	api := s.api()
	var page struct {
		Builds []build `json:"builds"`
	}
	eventually(t, "build of the sample", func() (bool, string) {
		status, body, err := api.try(t.Context(), http.MethodGet, repo("demo/hello")+"/builds?include=build.jobs", nil)
		if err != nil || status != http.StatusOK || json.Unmarshal(body, &page) != nil {
			return false, string(body) // it is added when the node is ready
		}
		return len(page.Builds) > 0, string(body)
	})
	b := api.ended(t, page.Builds[0].ID)
	if b.State != "passed" || len(b.Jobs) != 4 || b.Jobs[2].State != "failed" {
		t.Fatalf("the sample's build: %+v", b)
	}
	before := api.log(t, b.Jobs[0].ID)

	out, code := command(t, nil, "up", "--data-dir", dir, "--http", freeAddress(t), "--dashboard", freeAddress(t))
	if code == 0 || !strings.Contains(out, "Another Headrace") || !strings.Contains(out, "--data-dir") {
		t.Errorf("a second one in the same directory: %d %s", code, out)
	}
	began := time.Now()
	s.nodes[0].stop()
	t.Logf("stopped in %s", time.Since(began).Round(time.Millisecond))
	if code := s.nodes[0].cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}

	again := trial(t, dir, nil, "--demo").api()
	if again.token != api.token {
		t.Error("the command line has another token after the second start")
	}
	if got := again.ended(t, b.ID); got.State != "passed" {
		t.Errorf("after the second start: %+v", got)
	}
	if after := again.log(t, b.Jobs[0].ID); after != before {
		t.Errorf("the log has changed:\n%s\n---\n%s", before, after)
	}
	again.must(t, http.StatusOK, http.MethodGet, repo("demo/hello")+"/builds", nil, &page)
	if len(page.Builds) != 1 {
		t.Errorf("the sample has %d builds after the second start", len(page.Builds))
	}
}

// TestCommands uses the command line as the README says, without an address or a token: where the trial runs.
func TestCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	api := trial(t, dir, nil).api()
	source := repository(t, map[string]string{".travis.yml": "language: shell\nscript: echo from the command line\n"})
	bad := repository(t, map[string]string{".travis.yml": "language: shell\nscript: exit 3\n"})
	run := func(want int, words string, args ...string) {
		t.Helper()
		out, code := command(t, nil, append(args, "--data-dir", dir)...)
		if code != want || !strings.Contains(out, words) {
			t.Errorf("headrace %s: exit code %d, want %d; output, which should say %q:\n%s", strings.Join(args, " "), code, want, words, out)
		}
	}
	run(0, "Added acme/app, default branch main", "repo", "add", source, "--slug", "acme/app")
	run(1, "acme/app", "repo", "add", source, "--slug", "acme/app")
	run(0, "acme/app", "repo", "list")
	run(0, "Build acme/app #1: passed", "trigger", "acme/app", "--wait")
	run(0, "from the command line", "logs", "acme/app", "1.1")
	run(0, "from the command line", "logs", "acme/app", "1.1", "--follow")
	run(1, "the newest is #1", "logs", "acme/app", "7.1")
	run(0, "Added acme/bad", "repo", "add", bad, "--slug", "acme/bad")
	run(1, "#1: errored", "trigger", "acme/bad", "--wait")
	run(1, "exited with 3", "logs", "acme/bad", "1.1", "-f")
	run(1, "made no build", "trigger", "acme/app", "--branch", "nowhere", "--wait")
	run(0, "takes traffic", "status")
	run(0, "shown only now", "admin", "create-token", "--name", "deploy")
	run(0, "shown only now", "admin", "reset-password")
	run(0, "operator", "admin", "reset-password", "--operator")
	for _, args := range [][]string{{"repo", "list"}, {"trigger", "acme/app", "--wait"}, {"admin", "create-token"}, {"status"}} {
		run(0, "{", append(args, "--json")...)
	}
	out, code := command(t, []string{"HEADRACE_URL=" + api.url, "HEADRACE_TOKEN=hr_wrong"}, "repo", "list")
	if code != 1 || !strings.Contains(out, "access denied") {
		t.Errorf("a wrong token: %d %s", code, out)
	}
}

// TestServersAway: a server that is not there at the start is named, or waited for.
func TestServersAway(t *testing.T) {
	t.Parallel()
	nobody := freeAddress(t)
	base := []string{"HEADRACE_LISTEN_HTTP=" + freeAddress(t), "HEADRACE_LISTEN_HTTPS=", "HEADRACE_LISTEN_DASHBOARD=" + freeAddress(t), "HEADRACE_DATA_DIR=" + t.TempDir()}
	out, code := command(t, append(base, "HEADRACE_POSTGRES_URL=postgres://u:hunter2@"+nobody+"/x"), "platform")
	if code == 0 || !strings.Contains(out, nobody) || strings.Contains(out, "hunter2") {
		t.Errorf("without PostgreSQL: %d %s", code, out)
	}
	out, code = command(t, append(base, "HEADRACE_HA_ENABLED=true"), "platform")
	if code != 2 || !strings.Contains(out, "High availability needs a PostgreSQL") {
		t.Errorf("HA on SQLite: %d %s", code, out)
	}
	taken := trial(t, t.TempDir(), nil)
	address := strings.TrimPrefix(taken.api().url, "http://")
	out, code = command(t, nil, "up", "--data-dir", t.TempDir(), "--http", address, "--dashboard", nobody)
	if code == 0 || !strings.Contains(out, address) || !strings.Contains(out, "taken") {
		t.Errorf("an address that is taken: %d %s", code, out)
	}

	node := start(t, "platform without RabbitMQ and Redis", append(base, "HEADRACE_AMQP_URL=amqp://u:hunter2@"+nobody+"/v", "HEADRACE_REDIS_URL=redis://:hunter2@"+nobody), "platform")
	ready(t, "http://"+strings.TrimPrefix(base[0], "HEADRACE_LISTEN_HTTP="))
	worker := start(t, "worker without RabbitMQ", []string{"HEADRACE_AMQP_URL=amqp://u:hunter2@" + nobody + "/v", "HEADRACE_DATA_DIR=" + t.TempDir()}, "worker")
	eventually(t, "the worker says what it waits for", func() (bool, string) {
		return strings.Contains(worker.out.String(), "waiting for the message broker"), worker.out.String()
	})
	worker.stop()
	node.stop()
	if all := node.out.String() + worker.out.String(); strings.Contains(all, "hunter2") {
		t.Errorf("a log shows a password:\n%s", all)
	}
}

// TestLimits: a job that runs, is silent, or writes for too long ends with a sentence in its log.
func TestLimits(t *testing.T) {
	t.Parallel()
	limits := []string{"HEADRACE_LIMITS_JOB_TIMEOUT=4s", "HEADRACE_LIMITS_LOG_SILENCE=2s", "HEADRACE_LIMITS_LOG_BYTES=200000"}
	api := trial(t, t.TempDir(), limits).api()
	api.addRepository(t, "acme/limits", repository(t, map[string]string{".travis.yml": `language: shell
jobs:
  include:
    - script: while true; do echo tick; sleep 0.2; done
    - script: sleep 60
    - script: yes a line that is written again and again
`}))
	b := api.ended(t, api.built(t, "acme/limits", api.trigger(t, "acme/limits", nil)).ID)
	for i, words := range []string{"job_timeout", "log_silence", "log_bytes"} {
		j := b.Jobs[i]
		if text := api.log(t, j.ID); j.State != "errored" || !strings.Contains(tail(text, 600), words) {
			t.Errorf("job %s is %s; the end of its log should name limits.%s:\n%s", j.Number, j.State, words, tail(text, 600))
		}
	}
}

// TestBigLog: 50 MB of output arrive to the last byte, and the page of the job stays small.
func TestBigLog(t *testing.T) {
	t.Parallel()
	everyShape(t, func(t *testing.T, s shape) {
		api := s.api()
		api.addRepository(t, "acme/big", repository(t, map[string]string{".travis.yml": "language: shell\nscript: seq 1 500000 | awk '{printf \"%099d\\n\", $1}'\n"}))
		b := api.ended(t, api.built(t, "acme/big", api.trigger(t, "acme/big", nil)).ID)
		if b.State != "passed" {
			t.Fatalf("got %+v", b)
		}
		text, next := api.log(t, b.Jobs[0].ID), 1
		for line := range strings.SplitSeq(text, "\n") {
			if len(line) == 99 && strings.Trim(line, "0123456789") == "" {
				if !strings.HasSuffix(line, lastDigits(next)) {
					t.Fatalf("line %d is %q", next, line)
				}
				next++
			}
		}
		if next != 500_001 {
			t.Errorf("got %d of 500000 lines, %d bytes", next-1, len(text))
		}
	})
}

func lastDigits(n int) string {
	const width = 8
	digits := make([]byte, width)
	for i := width - 1; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	return string(digits)
}
