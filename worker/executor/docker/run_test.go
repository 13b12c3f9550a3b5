package docker_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/worker/executor"
)

// output keeps what a job writes, and lets a test wait for some of it.
type output struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{}
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (o *output) await(t *testing.T, text string) {
	t.Helper()
	late := time.After(time.Minute)
	for {
		o.mu.Lock()
		found, more := strings.Contains(o.b.String(), text), o.more
		o.mu.Unlock()
		if found {
			return
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("the output has no %q: %q", text, o.String())
		}
	}
}

// begin starts a script.
func begin(t *testing.T, e executor.Executor, job int64, script string) (executor.Process, *output) {
	t.Helper()
	out := newOutput()
	p, err := e.Start(t.Context(), executor.Spec{JobID: job, Attempt: 1, Run: "r", Script: []byte(script), Output: out})
	if err != nil {
		t.Fatalf("Start = %v", err)
	}
	return p, out
}

// finish waits for the end.
func finish(t *testing.T, p executor.Process) (executor.Exit, error) {
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
		return r.exit, r.err
	case <-time.After(time.Minute):
		t.Fatal("Wait does not return")
		return executor.Exit{}, errors.New("no end")
	}
}

// runScript runs a script to its end.
func runScript(t *testing.T, e executor.Executor, job int64, script string) (executor.Exit, string) {
	t.Helper()
	p, out := begin(t, e, job, script)
	exit, err := finish(t, p)
	if err != nil {
		t.Fatalf("Wait = %v; output: %s", err, out)
	}
	return exit, out.String()
}

// kill ends a run and says how long its container took to be gone.
func kill(t *testing.T, p executor.Process) time.Duration {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := p.Kill(ctx); err != nil {
		t.Errorf("Kill = %v", err)
	}
	return time.Since(began)
}
