package docker_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/testkit/servers"
	"github.com/headrace/headrace/worker/executor"
	"github.com/headrace/headrace/worker/executor/docker"
)

// serverImage is an image whose program says hello to whoever connects, and has a volume.
func serverImage(t *testing.T) string {
	t.Helper()
	needEngine(t)
	const name = "headrace/hello:latest"
	var files bytes.Buffer
	if err := servers.WriteImage(t.Context(), &files); err != nil {
		t.Fatal(err)
	}
	const server = `socket(S, 2, 1, 6) or die; bind(S, pack("SnNx8", 2, 6379, 0)) or die; listen(S, 5) or die; while (accept(C, S)) { syswrite(C, "hello $<\n"); close C }`
	body, err := ask(t, engine).ImageImport(t.Context(), image.ImportSource{Source: &files, SourceName: "-"}, name, image.ImportOptions{
		Changes: []string{`CMD ["perl", "-e", "` + strings.NewReplacer(`"`, `\"`, "\n", " ", `\n`, `\\n`).Replace(server) + `"]`, "VOLUME /data"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	if _, err := io.Copy(io.Discard, body); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestServices(t *testing.T) {
	t.Parallel()
	name := serverImage(t)
	e := open(t, func(c *docker.Config) {
		c.Services = docker.Services{"redis": name, "mysql": "127.0.0.1:1/no/such:1", "memcached": name}
	})
	out := newOutput()
	p, err := e.Start(t.Context(), executor.Spec{
		JobID: 1, Attempt: 1, Output: out, Wish: executor.Wish{Services: []string{"redis", "mysql", "postgresql", "redis"}},
		Script: []byte(`echo "beside: $HEADRACE_SERVICES"; n=0; until (exec 3<>/dev/tcp/127.0.0.1/6379) 2>/dev/null || ((n++ > 100)); do sleep 0.1; done
			exec 3<>/dev/tcp/127.0.0.1/6379; cat <&3; ps ax 2>/dev/null | grep -c perl`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if exit, err := finish(t, p); err != nil {
		t.Errorf("exit = %+v, %v", exit, err)
	}
	got := out.String()
	if !strings.Contains(got, "beside: redis\nhello 0\n") || !strings.Contains(got, "services: mysql could not be started beside this job: its image 127.0.0.1:1/no/such:1, which HEADRACE_SERVICES") {
		t.Errorf("output = %q", got)
	}
	home := e.Home()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if names := left(t, ask(t, engine), home); len(names) > 0 {
		t.Errorf("left over: %v", names)
	}
}

func TestParseServices(t *testing.T) {
	t.Parallel()
	if _, err := docker.ParseServices("redis=redis:7,redis=x"); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Message(err), "HEADRACE_SERVICES") {
		t.Errorf("err = %v", err)
	}
}
