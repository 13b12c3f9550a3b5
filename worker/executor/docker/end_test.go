package docker_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/headrace/headrace/internal/testkit/servers"
	"github.com/headrace/headrace/worker/executor"
	"github.com/headrace/headrace/worker/executor/docker"
)

// slowly takes output only when the test lets it.
type slowly struct {
	gate <-chan struct{}
	out  *output
}

func (s slowly) Write(p []byte) (int, error) {
	<-s.gate
	return s.out.Write(p)
}

func TestEnd_burstToASlowReader(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	gate, out := make(chan struct{}), newOutput()
	p, err := e.Start(t.Context(), executor.Spec{
		JobID: 1, Attempt: 1, Output: slowly{gate, out},
		Script: []byte("head -c 3000000 /dev/zero | tr '\\0' x & head -c 3000000 /dev/zero | tr '\\0' y; wait; printf last; exit 9"),
	})
	if err != nil {
		t.Fatal(err)
	}
	// Longer than an engine waits for the reader of a container that has ended.
	time.AfterFunc(4*time.Second, func() { close(gate) })
	exit, err := finish(t, p)
	if err != nil || exit.Code != 9 {
		t.Errorf("exit = %+v, %v", exit, err)
	}
	if got := out.String(); len(got) != 6_000_004 || !strings.HasSuffix(got, "last") {
		t.Errorf("%d bytes arrived, want 6000004", len(got))
	}
}

func TestEnd_ways(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	cases := []struct {
		name, script string
		want         executor.Exit
	}{
		{"a segmentation fault", "kill -SEGV $$", executor.Exit{Code: 139, Signal: "SIGSEGV"}},
		{"an interrupt", "kill -INT $$; sleep 5", executor.Exit{Code: 130, Signal: "SIGINT"}},
		{"a trap that goes on", "trap 'echo no' TERM INT HUP; kill -TERM $$; exit 5", executor.Exit{Code: 5}},
		{"all that it may kill", "sleep 600 & kill -KILL -1; exit 5", executor.Exit{Code: 5}},
		{"a signal's number as exit code", "exit 139", executor.Exit{Code: 139}},
		{"the first process is asked to end", "trap '' TERM; kill -TERM 1; kill -KILL 1; sleep 0.2; exit 6", executor.Exit{Code: 6}},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got, _ := runScript(t, e, int64(i+1), c.script); got != c.want {
				t.Errorf("exit = %+v, want %+v", got, c.want)
			}
		})
	}
}

// ask gives a client of the tests' own.
func ask(t *testing.T, d *servers.Docker) *client.Client {
	t.Helper()
	c, err := client.NewClientWithOpts(client.WithHost(d.URL()), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// left lists what an executor has in the engine.
func left(t *testing.T, c *client.Client, home string) []string {
	t.Helper()
	ctx, mine := context.WithoutCancel(t.Context()), filters.NewArgs(filters.Arg("label", "headrace.home="+home))
	containers, err := c.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
	if err != nil {
		t.Fatal(err)
	}
	nets, err := c.NetworkList(ctx, network.ListOptions{Filters: mine})
	if err != nil {
		t.Fatal(err)
	}
	volumes, err := c.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("dangling", "true"))})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range containers {
		names = append(names, "container "+x.Names[0])
	}
	for _, x := range nets {
		names = append(names, "network "+x.Name)
	}
	for _, x := range volumes.Volumes {
		names = append(names, "volume "+x.Name)
	}
	return names
}

func TestEnd_leavesNothing(t *testing.T) {
	t.Parallel()
	jobs := 12
	if os.Getenv("HEADRACE_VERIFY") == "1" {
		jobs = 200
	}
	dir := t.TempDir()
	e := open(t, func(c *docker.Config) { c.Dir, c.Limits.Memory = dir, 64<<20 })
	scripts := []string{
		"exit 0", "exit 1", "setsid sleep 600 & exit 3", "kill -9 $$", "sleep 600", "trap '' TERM; while :; do sleep 1; done",
		`exec perl -e '$x = "a" x (1 << 30)'`, "head -c 2000000 /dev/zero", "kill -STOP $$",
	}
	var wg sync.WaitGroup
	places := make(chan struct{}, 3)
	for i := range jobs {
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(2000))*time.Millisecond)
			defer cancel()
			p, err := e.Start(ctx, executor.Spec{JobID: int64(i), Attempt: 1, Script: []byte(scripts[rand.IntN(len(scripts))]), Output: io.Discard})
			if err != nil {
				if ctx.Err() == nil {
					t.Errorf("Start = %v", err)
				}
				return
			}
			<-ctx.Done()
			_ = p.Kill(t.Context()) // most have ended by themselves
			if _, err := p.Wait(); err != nil {
				t.Errorf("Wait = %v", err)
			}
		})
	}
	wg.Wait()
	home := e.Home()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if names := left(t, ask(t, engine), home); len(names) > 0 {
		t.Errorf("left over: %v", names)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 3 { // generation, id, lock
		t.Errorf("files = %v, %v", files, err)
	}
}

const victimDir = "HEADRACE_TEST_VICTIM"

// victim is a worker with a job, until it is killed.
func victim(dir string) int {
	e, err := docker.Open(context.Background(), docker.Config{Host: os.Getenv("DOCKER_HOST"), Dir: dir, Images: docker.Images{"default": servers.DockerImage}, FreeDisk: 1, OpenNetwork: true})
	if err == nil {
		var p executor.Process
		p, err = e.Start(context.Background(), executor.Spec{JobID: 1, Attempt: 1, Script: []byte("trap '' TERM; echo up; while :; do sleep 1; done"), Output: os.Stdout})
		if err == nil {
			_, _ = p.Wait() // it is killed before
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func TestEnd_workerIsKilled(t *testing.T) {
	t.Parallel()
	needEngine(t)
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimDir+"="+dir, "DOCKER_HOST="+engine.URL())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "up\n" {
		t.Fatalf("the job said %q, %v", line, err)
	}
	id, err := os.ReadFile(filepath.Join(dir, "id"))
	if err != nil {
		t.Fatal(err)
	}
	home, c := strings.TrimSpace(string(id)), ask(t, engine)
	found, err := c.ContainerList(t.Context(), container.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "headrace.home="+home))})
	if err != nil || len(found) != 1 {
		t.Fatalf("containers = %v, %v", found, err)
	}
	ended, failed := c.ContainerWait(t.Context(), found[0].ID, container.WaitConditionNotRunning)
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it says that it was killed
	select {
	case <-ended:
	case err := <-failed:
		t.Error(err)
	case <-time.After(time.Minute):
		t.Error("the job outlives its worker")
	}
	e := open(t, func(c *docker.Config) { c.Dir = dir })
	if e.Home() != home || e.Generation() != 2 {
		t.Errorf("home %s, generation %d; want %s, 2", e.Home(), e.Generation(), home)
	}
	if names := left(t, c, home); len(names) > 0 {
		t.Errorf("left over: %v", names)
	}
}

func TestEnd_engineIsKilled(t *testing.T) {
	t.Parallel()
	needEngine(t)
	d, err := servers.StartDocker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	e := open(t, func(c *docker.Config) { c.Host, c.Look = d.URL(), 100*time.Millisecond })
	p, out := begin(t, e, 1, "echo up; sleep 600")
	out.await(t, "up")
	if err := d.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if exit, err := finish(t, p); !errors.Is(err, executor.ErrAway) {
		t.Errorf("Wait = %+v, %v", exit, err)
	}
	awaitTrouble(t, e, true)
	if _, err := e.Start(t.Context(), executor.Spec{JobID: 2, Attempt: 1, Output: io.Discard}); !errors.Is(err, executor.ErrAway) {
		t.Errorf("Start = %v", err)
	}
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitTrouble(t, e, false)
	if exit, got := runScript(t, e, 3, "echo again"); exit.Code != 0 || got != "again\n" {
		t.Errorf("exit = %+v, output = %q", exit, got)
	}
	home := e.Home()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if names := left(t, ask(t, d), home); len(names) > 0 {
		t.Errorf("left over: %v", names)
	}
}

// awaitTrouble returns when the executor has trouble, or none.
func awaitTrouble(t *testing.T, e *docker.Executor, want bool) {
	t.Helper()
	late := time.After(time.Minute)
	for {
		why, changed := e.Trouble()
		if (why != "") == want {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("Trouble = %q", why)
		}
	}
}

func TestEnd_secretsAreNowhere(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	dir := t.TempDir()
	e := open(t, func(c *docker.Config) {
		c.Dir, c.Log = dir, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	secret := fmt.Sprintf("canary-%d", rand.Uint64())
	out := newOutput()
	p, err := e.Start(t.Context(), executor.Spec{
		JobID: 1, Attempt: 1, Output: out, Env: []string{"TOKEN=" + secret},
		Script: []byte("deploy() { echo ${#TOKEN} ${#1}; }; deploy " + secret + "; sleep 600"),
	})
	if err != nil {
		t.Fatal(err)
	}
	size := fmt.Sprintf("%d %[1]d\n", len(secret))
	out.await(t, size)
	c := ask(t, engine)
	name := strings.TrimPrefix(p.ID(), "docker:")
	_, raw, err := c.ContainerInspectWithRaw(t.Context(), name, true)
	if err != nil {
		t.Fatal(err)
	}
	top, err := c.ContainerTop(t.Context(), name, []string{"axww"})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), secret) || strings.Contains(fmt.Sprint(top), secret) {
		t.Error("the engine shows the secret")
	}
	holds(t, engine.Dir(), secret)
	kill(t, p)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	holds(t, engine.Dir(), secret)
	holds(t, dir, secret)
	if strings.Contains(log.String(), secret) {
		t.Error("the worker's log has the secret")
	}
}

// holds reports files below dir that have the text in them.
func holds(t *testing.T, dir, text string) {
	t.Helper()
	found, _ := exec.CommandContext(t.Context(), "grep", "-rlsaF", "--devices=skip", text, dir).Output() // exit code 1: none
	if len(found) > 0 {
		t.Errorf("files with the secret: %s", found)
	}
}
