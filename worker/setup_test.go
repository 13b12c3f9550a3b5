package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/worker"
	"github.com/headrace/headrace/worker/executor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bundle is a worker that runs, with a broker and a platform around it.
type bundle struct {
	c      *carrier
	hub    *hub
	exec   *fakeExecutor
	w      *worker.Worker
	stop   context.CancelFunc
	done   chan error
	logged *logBuffer
}

// setup runs a worker. change edits its configuration and may give another executor.
func setup(t *testing.T, exec executor.Executor, change func(*worker.Config)) *bundle {
	t.Helper()
	c := newCarrier()
	b := setupOn(t, c, exec, change)
	b.c = c
	return b
}

// setupOn runs a worker on a carrier.
func setupOn(t *testing.T, c broker.Carrier, exec executor.Executor, change func(*worker.Config)) *bundle {
	t.Helper()
	b := &bundle{done: make(chan error, 1), logged: &logBuffer{}}
	b.hub = newHub(t, c)
	if exec == nil {
		b.exec = &fakeExecutor{started: make(chan *fakeProcess, 100)}
		exec = b.exec
	}
	cfg := worker.Config{
		ID: "w1", Name: "mill-07", Version: "0.1", Slots: 2,
		Generate: func(j broker.Job) ([]byte, error) { return []byte(scriptOf(j)), nil },
		Log:      slog.New(slog.NewTextHandler(b.logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&cfg)
	}
	w, err := worker.New(c, exec, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	b.w, b.stop = w, stop
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		b.done <- w.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-finished })
	return b
}

// await waits until Run has returned.
func (b *bundle) await(t *testing.T) {
	t.Helper()
	select {
	case err := <-b.done:
		if err != nil {
			t.Errorf("Run = %v", err)
		}
	case <-t.Context().Done():
		t.Fatal("Run does not return")
	}
}

// config is the configuration of a job in these tests: the script itself.
type config struct {
	Script string `json:"script"`
}

func scriptOf(j broker.Job) string {
	var c config
	_ = json.Unmarshal(j.Config, &c) // an empty script is fine
	return c.Script
}

func newJob(id int64, script string) broker.Job {
	cfg, _ := json.Marshal(config{script}) //nolint:errchkjson // a string always encodes
	return broker.Job{
		Type: "test", Job: broker.JobDetails{ID: id, Number: "12.3"}, Repository: broker.Repository{Slug: "acme/app"},
		Queue: broker.DefaultJobQueue, Config: cfg, Meta: broker.JobMeta{StateUpdateCount: 1000},
		Headrace: &broker.JobExtra{Attempt: 1},
	}
}

// offer puts a job into the queue.
func (b *bundle) offer(t *testing.T, j broker.Job) *delivery {
	t.Helper()
	m, err := j.Message()
	if err != nil {
		t.Fatal(err)
	}
	return b.c.deliver(m.Key, m)
}

func (b *bundle) cancel(t *testing.T, c broker.Cancel) {
	t.Helper()
	m, err := broker.Encode(broker.CommandsExchange, "", broker.TypeCancel, c)
	if err != nil {
		t.Fatal(err)
	}
	b.c.deliver(broker.WorkerQueue("w1"), m)
}

// fakeExecutor runs nothing; the test plays the processes.
type fakeExecutor struct {
	started chan *fakeProcess
	mu      sync.Mutex
	fail    error
	stuck   bool // processes cannot be killed
}

func (e *fakeExecutor) Name() string   { return "fake" }
func (e *fakeExecutor) Isolated() bool { return true }

func (e *fakeExecutor) Start(ctx context.Context, s executor.Spec) (executor.Process, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := errors.Join(ctx.Err(), e.fail); err != nil {
		return nil, err
	}
	p := &fakeProcess{spec: s, ended: make(chan executor.Exit, 1), killed: make(chan struct{}), stuck: e.stuck}
	e.started <- p
	return p, nil
}

type fakeProcess struct {
	spec   executor.Spec
	ended  chan executor.Exit
	once   sync.Once
	killed chan struct{}
	stuck  bool
}

func (p *fakeProcess) ID() string { return "fake:1" }

func (p *fakeProcess) Wait() (executor.Exit, error) {
	select {
	case e := <-p.ended:
		return e, nil
	case <-p.killed:
		return executor.Exit{Code: 137, Signal: "SIGKILL"}, nil
	}
}

func (p *fakeProcess) Kill(ctx context.Context) error {
	if p.stuck {
		<-ctx.Done()
		return ctx.Err()
	}
	p.once.Do(func() { close(p.killed) })
	return nil
}

func (p *fakeProcess) say(text string) { _, _ = p.spec.Output.Write([]byte(text)) }

func (p *fakeProcess) end(code int) { p.ended <- executor.Exit{Code: code} }

func (p *fakeProcess) wasKilled() bool {
	select {
	case <-p.killed:
		return true
	default:
		return false
	}
}

// logBuffer keeps what the worker logs.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.b.Bytes(), []byte(text))
}

const second = time.Second
