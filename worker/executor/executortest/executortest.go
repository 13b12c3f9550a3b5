// Package executortest holds the contract of executor.Executor, with real bash. It must not know how an executor works.
package executortest

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/worker/executor"
)

// Run holds an executor to the contract. open gives one that the test may use alone, with a grace of at most 500 ms.
func Run(t *testing.T, open func(testing.TB) executor.Executor) {
	t.Helper()
	t.Run("exit", func(t *testing.T) { t.Parallel(); testExits(t, open) })
	t.Run("output", func(t *testing.T) { t.Parallel(); testOutput(t, open) })
	t.Run("surroundings", func(t *testing.T) { t.Parallel(); testSurroundings(t, open) })
	t.Run("leftovers", func(t *testing.T) { t.Parallel(); testLeftovers(t, open) })
	t.Run("kill", func(t *testing.T) { t.Parallel(); testKill(t, open) })
}

func testExits(t *testing.T, open func(testing.TB) executor.Executor) {
	cases := []struct {
		name, script string
		want         executor.Exit
	}{
		{"passes", "true", executor.Exit{}},
		{"an empty script passes", "", executor.Exit{}},
		{"fails", "exit 1", executor.Exit{Code: 1}},
		{"any code is kept", "exit 86", executor.Exit{Code: 86}},
		{"the largest code", "exit 255", executor.Exit{Code: 255}},
		{"not bash", "if then", executor.Exit{Code: 2}},
		{"killed by itself", "kill -9 $$", executor.Exit{Code: 137, Signal: "SIGKILL"}},
		{"ended by itself", "kill -TERM $$; sleep 10", executor.Exit{Code: 143, Signal: "SIGTERM"}},
		{"a child that was killed", "bash -c 'kill -9 $$'; exit $?", executor.Exit{Code: 137}},
	}
	e := open(t)
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, _ := run(t, e, i+1, c.script)
			if got != c.want {
				t.Errorf("exit = %+v, want %+v", got, c.want)
			}
		})
	}
}

func testOutput(t *testing.T, open func(testing.TB) executor.Executor) {
	cases := []struct{ name, script, want string }{
		{"none", "true", ""},
		{"both streams in the order of writing", "echo a; echo b >&2; echo c", "a\nb\nc\n"},
		{"a last line without an end", "printf 'a\nb'", "a\nb"},
		{"bytes that are no text", `printf '\xff\x00\xfe\xc3'`, "\xff\x00\xfe\xc3"},
		{"standard input is empty", "cat; echo end", "end\n"},
		{"written right before a violent end", "printf last; kill -9 $$", "last"},
		{"a tee that outlives the script", "exec > >(sed -u 's/^/> /'); echo a; echo b", "> a\n> b\n"},
	}
	e := open(t)
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, got := run(t, e, i+1, c.script); got != c.want {
				t.Errorf("output = %q, want %q", got, c.want)
			}
		})
	}
	t.Run("twenty megabytes to the last byte", func(t *testing.T) {
		const size = 20 << 20
		_, got := run(t, e, 100, "head -c 20971519 /dev/zero | tr '\\0' x; printf E")
		if len(got) != size || !strings.HasSuffix(got, "xE") {
			t.Errorf("%d bytes arrived, want %d ending in E", len(got), size)
		}
	})
}

func testSurroundings(t *testing.T, open func(testing.TB) executor.Executor) {
	e := open(t)
	t.Run("HOME and TMPDIR are its own and empty", func(t *testing.T) {
		script := `touch "$HOME/a" "$TMPDIR/b" && ls -A "$HOME" "$TMPDIR" | grep -c .; [ "$(pwd)" = "$HOME" ] && echo home`
		for i := range 2 {
			if _, got := run(t, e, i+1, script); !strings.HasSuffix(got, "home\n") || !strings.HasPrefix(got, "4\n") {
				t.Errorf("run %d: output = %q, want two directories with a file each", i, got)
			}
		}
	})
	t.Run("has the usual variables and those of the start", func(t *testing.T) {
		spec, out := newSpec(3, `echo "$CI $USER $EXTRA ${PATH:+path} ${LANG:+lang}"`)
		spec.Env = []string{"EXTRA=one two"}
		wait(t, start(t, e, spec))
		if f := strings.Fields(out.String()); len(f) != 6 || f[0] != "true" || f[2] != "one" {
			t.Errorf("output = %q", out.String())
		}
	})
	t.Run("a start whose context is over starts nothing", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		spec, _ := newSpec(4, "true")
		if _, err := e.Start(ctx, spec); err == nil {
			t.Error("Start gave no error")
		}
	})
}

func testLeftovers(t *testing.T, open func(testing.TB) executor.Executor) {
	e := open(t)
	cases := []struct{ name, daemon string }{
		{"a background process", "sleep 600 &"},
		{"one that ignores signals", "(trap '' HUP TERM INT; while :; do sleep 600; done) &"},
		{"one in a session of its own", "setsid sleep 600 & sleep 0.05"},
		{"one that lost its parent", "(setsid bash -c 'sleep 600' &) ; sleep 0.05"},
	}
	for i, c := range cases {
		t.Run(c.name+" holds nothing up", func(t *testing.T) {
			began := time.Now()
			exit, got := run(t, e, i+1, c.daemon+"\necho end; exit 3")
			if exit.Code != 3 || got != "end\n" {
				t.Errorf("exit = %+v, output = %q", exit, got)
			}
			if d := time.Since(began); d > 20*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
}

func testKill(t *testing.T, open func(testing.TB) executor.Executor) {
	e := open(t)
	cases := []struct{ name, script, signal string }{
		{"is asked first", "echo up; sleep 600", "SIGTERM"},
		{"is forced when it does not listen", "trap '' TERM; echo up; while :; do sleep 600; done", "SIGKILL"},
		{"also when it is stopped", "trap '' TERM; echo up; kill -STOP $$; while :; do sleep 600; done", "SIGKILL"},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			spec, out := newSpec(i+1, c.script)
			p := start(t, e, spec)
			out.await(t, "up\n")
			if err := p.Kill(deadline(t)); err != nil {
				t.Fatalf("Kill = %v", err)
			}
			if exit := wait(t, p); exit.Signal != c.signal {
				t.Errorf("exit = %+v, want %s", exit, c.signal)
			}
			if err := p.Kill(deadline(t)); err != nil {
				t.Errorf("Kill of the dead = %v", err)
			}
		})
	}
	t.Run("what it says while it ends is kept", func(t *testing.T) {
		spec, out := newSpec(10, "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done")
		p := start(t, e, spec)
		out.await(t, "up\n")
		if err := p.Kill(deadline(t)); err != nil {
			t.Fatalf("Kill = %v", err)
		}
		if exit := wait(t, p); exit.Code != 7 || !strings.HasSuffix(out.String(), "bye\n") {
			t.Errorf("exit = %+v, output = %q", exit, out.String())
		}
	})
	t.Run("an ended context forces at once", func(t *testing.T) {
		spec, out := newSpec(11, "trap 'echo bye' TERM; echo up; while :; do sleep 0.05; done")
		p := start(t, e, spec)
		out.await(t, "up\n")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = p.Kill(ctx) // it reports the context or the end, whichever it sees first
		if exit := wait(t, p); exit.Signal != "SIGKILL" || strings.Contains(out.String(), "bye") {
			t.Errorf("exit = %+v, output = %q", exit, out.String())
		}
	})
}

func run(t *testing.T, e executor.Executor, job int, script string) (executor.Exit, string) {
	t.Helper()
	spec, out := newSpec(job, script)
	exit := wait(t, start(t, e, spec))
	return exit, out.String()
}

func newSpec(job int, script string) (executor.Spec, *buffer) {
	out := newBuffer()
	return executor.Spec{JobID: int64(job), Attempt: 1, Run: "r" + time.Now().Format("150405.000000000"), Script: []byte(script), Output: out}, out
}

func start(t *testing.T, e executor.Executor, s executor.Spec) executor.Process {
	t.Helper()
	p, err := e.Start(deadline(t), s)
	if err != nil {
		t.Fatalf("Start = %v", err)
	}
	return p
}

func wait(t *testing.T, p executor.Process) executor.Exit {
	t.Helper()
	type result struct {
		exit executor.Exit
		err  error
	}
	done := make(chan result, 1)
	go func() {
		exit, err := p.Wait()
		done <- result{exit, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			t.Fatalf("Wait = %v", r.err)
		}
		return r.exit
	case <-deadline(t).Done():
		t.Fatal("Wait does not return")
	}
	return executor.Exit{}
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// buffer keeps output and lets a test wait for some of it.
type buffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{}
}

func newBuffer() *buffer { return &buffer{more: make(chan struct{})} }

// Write keeps p.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.more)
	b.more = make(chan struct{})
	return b.b.Write(p)
}

// String is all that came.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *buffer) await(t *testing.T, text string) {
	t.Helper()
	ctx := deadline(t)
	for {
		b.mu.Lock()
		found, more := strings.Contains(b.b.String(), text), b.more
		b.mu.Unlock()
		if found {
			return
		}
		select {
		case <-more:
		case <-ctx.Done():
			t.Fatalf("output has no %q: %q", text, b.String())
		}
	}
}
