package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/testkit/servers"
)

// withDocker gives an engine and the variables by which a worker uses it; it skips where none runs.
func withDocker(t *testing.T) (*servers.Docker, []string) {
	t.Helper()
	d, err := servers.StartDocker(t.Context())
	if err != nil {
		t.Skipf("no Docker engine runs here: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, []string{"HEADRACE_EXECUTOR=docker", "HEADRACE_DOCKER_HOST=" + d.URL(), "HEADRACE_IMAGES=default=" + servers.DockerImage, "HEADRACE_FREE_DISK=1MiB"}
}

// containers counts what headrace has in the engine.
func containers(t *testing.T, d *servers.Docker) int {
	t.Helper()
	var found []struct{ ID string }
	if err := d.Ask(t.Context(), "/containers/json?all=1&filters="+url.QueryEscape(`{"label":["headrace.home"]}`), &found); err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// TestDocker_endsOfJobs runs jobs that end in every way, in containers, and looks at state and log of each.
func TestDocker_endsOfJobs(t *testing.T) {
	t.Parallel()
	d, env := withDocker(t)
	cases := []struct{ name, script, state, log string }{
		{"good", "id -u; echo $HOME; ls -A; echo ${TRAVIS_BUILD_DIR:+there}", "passed", "Your build exited with 0"},
		{"bad", "false", "failed", "Your build exited with 1"},
		{"memory", `perl -e '$x = "a" x (1 << 30)'`, "failed", "Memory ran out, and processes of the job were killed for it: a job may have 96 MiB"},
		{"violent", "kill -9 $$", "errored", "ended by the signal SIGKILL (exit code 137)."},
		{"fault", "kill -SEGV $$", "errored", "ended by the signal SIGSEGV"},
		{"daemon", "(trap '' TERM HUP; setsid sleep 600 &) ; echo begun", "passed", "begun"},
		{"flood", "head -c 1000000000 /dev/zero | tr '\\0' '.'", "errored", "Stopped because the log passed 3000 kB"},
		{"picture", "true\n      image: nowhere", "errored", `asks for the image "nowhere", and this worker has none of that name. HEADRACE_IMAGES on the worker lists what there is: default=` + servers.DockerImage},
		{"bytes", `printf 'one\r\ntwo\nthr\xc3\xa9e\n'`, "passed", "one\r\ntwo\nthrée\n"},
	}
	var yml strings.Builder
	yml.WriteString("language: shell\ngit: {clone: false}\njobs:\n  include:\n")
	for _, c := range cases {
		fmt.Fprintf(&yml, "    - name: %s\n      script: |\n        %s\n", c.name, c.script)
	}
	env = append(env, "HEADRACE_JOB_MEMORY=96MiB", "HEADRACE_LIMITS_LOG_BYTES=3000000")
	s := trial(t, t.TempDir(), env)
	api := s.api()
	api.addRepository(t, "acme/ends", repository(t, map[string]string{".travis.yml": yml.String()}))
	b := api.ended(t, api.built(t, "acme/ends", api.trigger(t, "acme/ends", nil)).ID)
	if len(b.Jobs) != len(cases) {
		t.Fatalf("got build %+v", b)
	}
	for i, c := range cases {
		j := b.Jobs[i]
		text := api.log(t, j.ID)
		if j.State != c.state || !strings.Contains(text, c.log) || !strings.Contains(text, "executor: docker") || strings.Contains(text, "Not isolated") {
			t.Errorf("%s: %s, want %s with %q:\n%s", c.name, j.State, c.state, c.log, tail(text, 1500))
		}
	}
	if text := api.log(t, b.Jobs[0].ID); !strings.Contains(text, "1000\n/home/travis\n") {
		t.Errorf("the job is not the user of its container:\n%s", text)
	}
	eventually(t, "containers to be gone", func() (bool, string) { n := containers(t, d); return n == 0, fmt.Sprint(n) })
}

// TestDocker_cancelAndEngineOutage cancels a job that does not listen, and takes the engine away under another.
func TestDocker_cancelAndEngineOutage(t *testing.T) {
	t.Parallel()
	d, env := withDocker(t)
	s := trial(t, t.TempDir(), env)
	api := s.api()
	const yml = "language: shell\ngit: {clone: false}\nscript: trap '' TERM INT HUP; echo waiting; while [ ! -e /tmp/x ]; do sleep 0.2; done\n"
	api.addRepository(t, "acme/stuck", repository(t, map[string]string{".travis.yml": yml}))
	waiting := func() (build, job) {
		b := api.built(t, "acme/stuck", api.trigger(t, "acme/stuck", nil))
		var now build
		eventually(t, "the job to run", func() (bool, string) {
			api.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/build/%d?include=build.jobs", b.ID), nil, &now)
			text := ""
			if len(now.Jobs) > 0 && now.Jobs[0].State == "started" {
				text = api.log(t, now.Jobs[0].ID)
			}
			return strings.Contains(text, "\nwaiting"), text
		})
		return b, now.Jobs[0]
	}

	b, j := waiting()
	began := time.Now()
	api.must(t, http.StatusAccepted, http.MethodPost, fmt.Sprintf("/job/%d/cancel", j.ID), nil, nil)
	if b = api.ended(t, b.ID); b.State != "canceled" {
		t.Errorf("got build %+v", b)
	}
	eventually(t, "the container to be gone", func() (bool, string) { n := containers(t, d); return n == 0, fmt.Sprint(n) })
	t.Logf("canceled and gone after %s", time.Since(began).Round(time.Millisecond))

	b, j = waiting()
	if err := d.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the job to be given back", func() (bool, string) {
		var now job
		api.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/job/%d", j.ID), nil, &now)
		return now.State == "created" || now.State == "queued", fmt.Sprintf("%+v", now)
	})
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the job to run again", func() (bool, string) {
		text := api.log(t, j.ID)
		return strings.Contains(text, "attempt 2") && strings.Contains(text, "\nwaiting"), text
	})
	api.must(t, http.StatusAccepted, http.MethodPost, fmt.Sprintf("/build/%d/cancel", b.ID), nil, nil)
	api.ended(t, b.ID)
}

// TestDocker_images makes an image without a registry, and looks at it.
func TestDocker_images(t *testing.T) {
	t.Parallel()
	_, env := withDocker(t)
	var files bytes.Buffer
	if err := servers.WriteImage(t.Context(), &files); err != nil {
		t.Fatal(err)
	}
	rootfs := filepath.Join(t.TempDir(), "rootfs.tar")
	if err := os.WriteFile(rootfs, files.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	env = append(env, "HEADRACE_IMAGES=go=acme/go:1")
	if out, code := command(t, env, "worker", "image", "check"); code != 1 || !strings.Contains(out, "headrace worker image build makes it") || !strings.Contains(out, "acme/go:1 (go): not on this machine") {
		t.Errorf("check before: %d, %s", code, out)
	}
	if out, code := command(t, env, "worker", "image", "build", "--rootfs", rootfs); code != 0 || !strings.Contains(out, "headrace/default:latest: jobs can run in it.\nIt has bash 5") {
		t.Errorf("build: %d, %s", code, out)
	}
	out, code := command(t, env, "worker", "image", "list", "--json")
	var found []struct {
		Image, User string
		Keys        []string
		Present     bool
		Programs    []struct{ Name, Version string }
	}
	if err := json.Unmarshal([]byte(out), &found); err != nil || code != 0 || len(found) != 2 {
		t.Fatalf("list: %d, %v, %s", code, err, out)
	}
	if mine := found[1]; mine.Image != "headrace/default:latest" || !mine.Present || mine.Keys[0] != "default" || len(mine.Programs) < 3 || found[0].Present {
		t.Errorf("list: %+v", found)
	}
	out, code = command(t, env, "worker", "image", "build", "--dockerfile", "--suite", "trixie")
	if code != 0 || !strings.HasPrefix(out, "FROM debian:trixie-slim\nRUN apt-get update") || !strings.Contains(out, "USER travis") {
		t.Errorf("dockerfile: %d, %s", code, out)
	}
}
