package docker_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker/executor"
	"github.com/headrace/headrace/worker/executor/docker"
)

func TestParseImages(t *testing.T) {
	t.Parallel()
	got, err := docker.ParseImages(" default=a/b:1, Go=golang:1.26 ,,jammy/ruby=r.example.com:5000/x@sha256:0 ")
	want := docker.Images{"default": "a/b:1", "go": "golang:1.26", "jammy/ruby": "r.example.com:5000/x@sha256:0"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("images (-want +got): %s, %v", diff, err)
	}
	for _, wrong := range []string{"go", "=x", "go=", "go=--rm", "go=a b", "go=a,go=b"} {
		if _, err := docker.ParseImages(wrong); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// TestStart_image looks at which image the engine is asked for.
func TestStart_image(t *testing.T) {
	t.Parallel()
	images := docker.Images{"go": "golang:1", "jammy/go": "golang:jammy", "jammy": "jammy:1", "big": "big:1"}
	cases := []struct {
		name string
		wish executor.Wish
		want string // or the words of the refusal
	}{
		{"nothing", executor.Wish{}, "/images/headrace/default:latest/json"},
		{"a language", executor.Wish{Language: "go", OS: "linux"}, "/images/golang:1/json"},
		{"a language in capitals", executor.Wish{Language: "Go"}, "/images/golang:1/json"},
		{"both", executor.Wish{Language: "go", Dist: "jammy"}, "/images/golang:jammy/json"},
		{"a dist", executor.Wish{Language: "perl", Dist: "jammy"}, "/images/jammy:1/json"},
		{"by its name", executor.Wish{Image: "big", Language: "go"}, "/images/big:1/json"},
		{"by another name", executor.Wish{Image: "evil.example.com/x"}, `asks for the image "evil.example.com/x", and this worker has none of that name`},
		{"another system", executor.Wish{OS: "osx"}, "asks for os: osx, and this worker runs containers of Linux"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			e, err := docker.Open(t.Context(), docker.Config{Host: r.listen(t), Dir: t.TempDir(), Images: images})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = e.Close() }()
			_, err = e.Start(t.Context(), executor.Spec{JobID: 1, Attempt: 1, Wish: c.wish, Output: &bytes.Buffer{}})
			if strings.HasPrefix(c.want, "/") {
				if len(r.find("GET", c.want)) == 0 {
					t.Errorf("the engine was not asked for %s: %v", c.want, err)
				}
			} else if !strings.Contains(fault.Message(err), c.want) || errors.Is(err, executor.ErrAway) {
				t.Errorf("Start = %v", err)
			}
		})
	}
}

func TestStart_pull(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, image, answer, log, words string }{
		{
			"works", "acme/ci:1", `{"status":"Pulling from acme/ci","id":"1"}{"status":"Downloading","progress":"[=>] 1MB/9MB","id":"aa"}{"status":"Pull complete","id":"aa"}`,
			"The image acme/ci:1 is not on this machine; pulling it.\naa: here\nThe image acme/ci:1 is here.\n", "received 500",
		},
		{
			"is not there", "acme/ci:1", `{"error":"manifest for acme/ci:1 not found"}`, "The image acme/ci:1 is not on this machine; pulling it.\n",
			`The image acme/ci:1, which HEADRACE_IMAGES on the worker has for "default", is not there and could not be pulled: manifest for acme/ci:1 not found. Try it on that machine with docker pull acme/ci:1, or change HEADRACE_IMAGES.`,
		},
		{
			"the default", "", `{"error":"pull access denied"}`, "The image headrace/default:latest is not on this machine; pulling it.\n",
			"This worker has no image to run jobs in. Make one with headrace worker image build, or name one in HEADRACE_IMAGES",
		},
		{"no room", "acme/ci:1", `{"error":"write /var/lib/docker/x: no space left on device"}`, "The image acme/ci:1 is not on this machine; pulling it.\n", "the Docker engine's disk is full"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{pull: c.answer}
			images := docker.Images{}
			if c.image != "" {
				images["default"] = c.image
			}
			e, err := docker.Open(t.Context(), docker.Config{Host: r.listen(t), Dir: t.TempDir(), Images: images})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = e.Close() }()
			var out bytes.Buffer
			_, err = e.Start(t.Context(), executor.Spec{JobID: 1, Attempt: 1, Output: &out})
			if !strings.Contains(fault.Message(err), c.words) {
				t.Errorf("Start = %v, want %q", err, c.words)
			}
			if diff := cmp.Diff(c.log, out.String()); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
			if why, _ := e.Trouble(); (why != "") != (c.name == "no room") {
				t.Errorf("Trouble = %q", why)
			}
		})
	}
}

// TestStart_account runs jobs in images that know no user.
func TestStart_account(t *testing.T) {
	t.Parallel()
	e := open(t, func(c *docker.Config) { c.Images["bare"], c.Images["root"] = bareImage(t), rootImage(t) })
	for name, want := range map[string]string{"bare": "1000 travis /home/travis\n", "root": "1000 travis /home/travis\n"} {
		out := newOutput()
		p, err := e.Start(t.Context(), executor.Spec{
			JobID: 1, Attempt: 1, Output: out, Wish: executor.Wish{Image: name},
			Script: []byte(`echo "$(id -u) $(id -un) $HOME"; touch ~/x "$TMPDIR/y"`),
		})
		if err != nil {
			t.Fatal(err)
		}
		if exit, err := finish(t, p); err != nil || exit.Code != 0 || out.String() != want {
			t.Errorf("%s: %+v, %v, %q", name, exit, err, out)
		}
	}
}

// TestStart_sudo runs a program that belongs to root and takes its rights on.
func TestStart_sudo(t *testing.T) {
	t.Parallel()
	needEngine(t)
	name := importImage(t, "headrace/setuid:latest", func(h *tar.Header) bool {
		if h.Name == "bin/setsid" {
			h.Mode |= 0o4000
		}
		return true
	})
	const script = "setsid --fork --wait bash -pc 'id -u' | tail -n 1; setsid bash -pc 'trap \"\" TERM; while :; do sleep 1; done' & sleep 0.1; exit 0"
	for sudo, want := range map[bool]string{true: "0", false: "1000"} {
		e := open(t, func(c *docker.Config) { c.Images, c.Sudo = docker.Images{"default": name}, sudo })
		exit, got := runScript(t, e, 1, strings.Replace(script, "id -u", "echo $EUID", 1))
		if exit.Code != 0 || strings.TrimSpace(got) != want {
			t.Errorf("sudo %v: %+v, %q", sudo, exit, got)
		}
	}
}
