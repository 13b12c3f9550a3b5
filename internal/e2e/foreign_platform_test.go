package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/internal/testkit/foreign"
)

// theirs is a platform that speaks only the original protocol, with workers of ours.
type theirs struct {
	*foreign.Platform
	shape
	source, sha string
}

// foreignPlatform starts a double of the original platform; what it is told that it does not know fails the test.
func foreignPlatform(t *testing.T) *theirs {
	t.Helper()
	address := testkit.AMQP(t)
	p, err := foreign.StartPlatform(address, "builds.linux")
	if err != nil {
		t.Fatal(err)
	}
	source := repository(t, map[string]string{"README": "hello\n"})
	f := &theirs{Platform: p, source: source, sha: git(t, strings.TrimPrefix(source, "file://"), "rev-parse", "HEAD")}
	f.amqp = "HEADRACE_AMQP_URL=" + address
	t.Cleanup(func() {
		_ = p.Close()
		for _, err := range p.Troubles() {
			t.Errorf("the platform's double: %v", err)
		}
	})
	return f
}

// queue publishes a job with all that the original scheduler says.
func (f *theirs) queue(t *testing.T, id uint64, script ...string) {
	t.Helper()
	type object = map[string]any
	err := f.Queue(id, object{
		"type": "test", "vm_config": object{}, "vm_type": "default", "queue": "builds.linux",
		"config":   object{"language": "shell", "os": "linux", "dist": "focal", "arch": "amd64", "group": "stable", "script": script},
		"env_vars": []object{{"name": "TOKEN", "value": canary, "public": false, "branch": nil}, {"name": "REGION", "value": "eu north", "public": true, "branch": nil}},
		"job": object{
			"id": id, "number": "445.1", "commit": f.sha, "commit_range": nil, "commit_message": "First commit", "branch": "main", "ref": nil, "tag": nil,
			"pull_request": false, "state": "queued", "secure_env_enabled": true, "secure_env_removed": false, "debug_options": object{},
			"queued_at": "2026-11-20T04:44:50Z", "allow_failure": false, "stage_name": nil, "name": nil, "restarted_at": false, "restarted_by": nil,
		},
		"host": "ci.example.com", "source": object{"id": 9, "number": "445", "event_type": "push"},
		"repository": object{
			"id": 3, "github_id": 33, "vcs_id": "33", "vcs_type": "GithubRepository", "url": "https://git.example.com/acme/app", "private": false,
			"slug": "acme/app", "source_url": f.source, "source_host": "git.example.com", "default_branch": "main", "server_type": "git",
		},
		"ssh_key": nil, "timeouts": object{"hard_limit": 600, "log_silence": nil}, "cache_settings": object{}, "workspace": object{},
		"enterprise": true, "prefer_https": false, "keep_netrc": true, "secrets": []string{canary}, "allowed_repositories": []int{3}, "triggerer_id": 1,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (f *theirs) await(t *testing.T, id uint64, what string, so func(foreign.Job) bool) foreign.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	j, err := f.Await(ctx, id, so)
	if err != nil {
		t.Fatalf("job %d, %s: %v; it is %+v; troubles: %v", id, what, err, j, f.Troubles())
	}
	return j
}

// ended waits until a job has ended and the log of its last run is complete.
func (f *theirs) ended(t *testing.T, id uint64) foreign.Job {
	t.Helper()
	return f.await(t, id, "its end", func(j foreign.Job) bool {
		if len(j.Runs) == 0 {
			return false
		}
		r := j.Runs[len(j.Runs)-1]
		switch last := r.States[max(len(r.States)-1, 0):]; strings.Join(last, "") {
		case "passed", "failed", "errored", "cancelled":
			return r.Final
		}
		return false
	})
}

// says waits until the last of so many runs has said something.
func (f *theirs) says(t *testing.T, id uint64, runs int, text string) foreign.Job {
	t.Helper()
	return f.await(t, id, fmt.Sprintf("%q in run %d", text, runs), func(j foreign.Job) bool {
		return len(j.Runs) == runs && strings.Contains(j.Runs[runs-1].Log, text)
	})
}

// TestForeignPlatform_Results: jobs end as their scripts do, in the platform's words; their logs are whole, cut between
// characters, before their ends, and without secrets.
func TestForeignPlatform_Results(t *testing.T) {
	t.Parallel()
	f := foreignPlatform(t)
	w := f.addWorker(t, "mill-1", 2)
	var all strings.Builder
	for i := range 400 {
		fmt.Fprintf(&all, "line %d of 400 <水🙂ü>\n", i+1)
	}
	for i, c := range []struct{ state, last string }{{"passed", "true"}, {"failed", "false"}, {"errored", "kill -9 $$"}} {
		id := uint64(301 + i)
		f.queue(t, id, `for i in $(seq 1 400); do echo "line $i of 400 <水🙂ü>"; done`, `echo "in $REGION with $TOKEN"`, c.last)
		j := f.ended(t, id)
		r := j.Runs[0]
		if states := strings.Join(r.States, " "); j.State != c.state || states != "received started "+c.state || len(j.Runs) != 1 || r.Late > 0 {
			t.Errorf("job %d is %s: %q, %d runs, %d late parts", id, j.State, states, len(j.Runs), r.Late)
		}
		if log := strings.ReplaceAll(r.Log, "\r\n", "\n"); !strings.Contains(log, all.String()) || !strings.Contains(log, "in eu north with [secure]\n") {
			t.Errorf("the log of job %d: %s", id, tail(log, 3000))
		}
		checkText(t, "the log", r.Log)
	}
	checkText(t, "what the worker logs", w.out.String())
}

// TestForeignPlatform_Cancel: a running job is canceled, and one that was canceled too early when it begins all the same.
func TestForeignPlatform_Cancel(t *testing.T) {
	t.Parallel()
	f := foreignPlatform(t)
	f.queue(t, 7, "echo begun; sleep 300")
	f.queue(t, 8, "echo begun; sleep 300")
	if err := f.Cancel(8, "too early"); err != nil { // nobody has it: nobody hears
		t.Fatal(err)
	}
	f.addWorker(t, "mill-1", 2)
	early := f.ended(t, 8)
	if r := early.Runs[0]; r.States[len(r.States)-1] != "cancelled" || early.Cancels < 2 {
		t.Errorf("canceled too early: %+v", r)
	}
	f.says(t, 7, 1, "begun\n")
	if err := f.Cancel(7, "Job Cancelled manually by User with id: jane"); err != nil {
		t.Fatal(err)
	}
	j := f.ended(t, 7)
	if r := j.Runs[0]; strings.Join(r.States, " ") != "received started cancelled" || !strings.Contains(r.Log, "id: jane") || r.Late > 0 {
		t.Errorf("got %+v", r)
	}
}

// TestForeignPlatform_Moves: when a worker stops it gives its job back, and when it dies or loses its connection the broker
// does; the job begins again elsewhere, from the beginning.
func TestForeignPlatform_Moves(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end    func(t *testing.T, w *process, cut func())
		resets int
		last   string // state of the first run
	}{
		"stopped": {func(t *testing.T, w *process, _ func()) { w.stop() }, 1, "reset"},
		"killed":  {func(_ *testing.T, w *process, _ func()) { w.kill() }, 0, "started"},
		"cut off": {func(_ *testing.T, _ *process, cut func()) { cut() }, 0, "started"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := foreignPlatform(t)
			gate, dir := filepath.Join(t.TempDir(), "gate"), t.TempDir()
			direct := f.amqp
			proxy, through := testkit.NewProxy(t, strings.TrimPrefix(f.amqp, "HEADRACE_AMQP_URL="))
			f.amqp = "HEADRACE_AMQP_URL=" + through
			w := f.addWorker(t, "mill-1", 1)
			f.queue(t, 7, "touch "+dir+"/$$; echo begun; while [ ! -e "+gate+" ]; do sleep 0.05; done; rm "+dir+"/$$; echo done")
			f.says(t, 7, 1, "begun\n")
			if name == "stopped" { // SIGTERM drains first
				if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
			}
			f.amqp = direct
			if name != "cut off" {
				f.addWorker(t, "mill-2", 1)
			}
			c.end(t, w, proxy.Cut)
			second := f.says(t, 7, 2, "begun\n")
			if first := second.Runs[0]; first.States[len(first.States)-1] != c.last || second.Resets != c.resets {
				t.Errorf("after the first run: %+v, %d resets", first, second.Resets)
			}
			touch(t, gate)
			j := f.ended(t, 7)
			if r := j.Runs[1]; j.State != "passed" || strings.Join(r.States, " ") != "received started passed" || !strings.Contains(r.Log, "done\n") {
				t.Errorf("got %s: %+v", j.State, r)
			}
			if left, err := filepath.Glob(dir + "/*"); err != nil || len(left) != 1 { // of the first run, which was killed before it could remove it
				t.Errorf("the first run went on to its end: %v %v", left, err)
			}
			if took := j.Runs[1].UUID; took == j.Runs[0].UUID {
				t.Errorf("both runs are %s", took)
			}
		})
	}
}
