package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/worker"
)

// workerSocket is the name of the socket in the worker's data directory on which it says how it stands.
const workerSocket = "worker.sock"

// workerControl answers commands on the same machine, and health checks.
type workerControl struct {
	worker  *worker.Worker
	carrier broker.Carrier
	started time.Time
}

func newWorkerControl(w *worker.Worker, c broker.Carrier) *workerControl {
	return &workerControl{worker: w, carrier: c, started: time.Now()}
}

// workerState is what the worker says of itself.
type workerState struct {
	PID          int         `json:"pid"`
	ID           string      `json:"id"`
	Name         string      `json:"name"`
	Version      string      `json:"version"`
	StartedAt    time.Time   `json:"started_at"`
	Queue        string      `json:"queue"`
	Executor     string      `json:"executor"`
	Isolated     bool        `json:"isolated"`
	Engine       string      `json:"engine,omitempty"`
	Trouble      string      `json:"trouble,omitempty"`
	Broker       brokerState `json:"broker"`
	Draining     bool        `json:"draining"`
	Slots        int         `json:"slots"`
	Busy         int         `json:"busy"`
	Runs         []workerRun `json:"runs"`
	Unstored     int         `json:"unstored"`
	SpoolBytes   int64       `json:"spool_bytes"`
	SpoolTrouble string      `json:"spool_trouble,omitempty"`
}

type brokerState struct {
	Connected bool      `json:"connected"`
	Blocked   bool      `json:"blocked"`
	Since     time.Time `json:"since"`
	LastError string    `json:"last_error,omitempty"`
	Tries     int       `json:"tries"`
}

type workerRun struct {
	JobID      int64     `json:"job_id"`
	Number     string    `json:"number"`
	Repository string    `json:"repository"`
	Attempt    int       `json:"attempt"`
	Since      time.Time `json:"since"`
}

func (c *workerControl) state() workerState {
	s, b := c.worker.Status(), c.carrier.State()
	state := workerState{
		PID: os.Getpid(), ID: s.ID, Name: s.Name, Version: s.Version, StartedAt: c.started, Queue: s.Queue, Executor: s.Executor, Isolated: s.Isolated, Engine: s.Engine, Trouble: s.Trouble,
		Broker: brokerState(b), Draining: s.Draining, Slots: s.Slots, Busy: s.Busy, Runs: []workerRun{}, Unstored: s.Unstored, SpoolBytes: s.SpoolBytes, SpoolTrouble: s.SpoolTrouble,
	}
	for _, r := range s.Runs {
		state.Runs = append(state.Runs, workerRun(r))
	}
	return state
}

// local answers on the socket: who may open it may drain the worker.
func (c *workerControl) local() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, http.StatusOK, c.state()) })
	mux.HandleFunc("POST /drain", func(w http.ResponseWriter, _ *http.Request) {
		c.worker.Drain()
		answerJSON(w, http.StatusOK, c.state())
	})
	return mux
}

// health answers monitors on the network: it says nothing about jobs.
func (c *workerControl) health() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		b := c.carrier.State()
		r := readiness{Status: "ready", Services: map[string]service{"broker": {Up: b.Connected, Detail: b.LastError}}}
		code := http.StatusServiceUnavailable
		switch {
		case c.worker.Status().Draining:
			r.Status, r.Reason = "draining", "The worker takes no new jobs; it ends when those that run have ended."
		case !b.Connected:
			r.Status, r.Reason = "waiting", "The worker waits for RabbitMQ."
		case c.worker.Status().Trouble != "":
			r.Status, r.Reason = "waiting", "The worker takes no jobs until what runs them is back."
		default:
			code = http.StatusOK
		}
		answerJSON(w, code, r)
	})
	return mux
}

func answerJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // who asked is gone
}

// openHealth takes the address of the health checks; nil where there is none.
func openHealth(ctx context.Context, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil //nolint:nilnil // nil is the word for none
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The health address %s cannot be used. Choose another with --health, such as 127.0.0.1:8810.", address)
	}
	return l, nil
}

func closeHealth(l net.Listener) error {
	if l == nil {
		return nil
	}
	return l.Close()
}

// serveSocket answers on the socket in the data directory until ctx ends. The worker works without it too.
func (c *workerControl) serveSocket(ctx context.Context, dir string, log *slog.Logger) {
	l, err := openSocket(ctx, dir)
	if err == nil {
		err = serveHTTP(ctx, l, c.local())
		_ = os.Remove(filepath.Join(dir, workerSocket)) // one that is left over harms nobody
	}
	if err != nil {
		log.WarnContext(ctx, "no status socket; headrace worker status and drain do not reach this worker", "err", err)
	}
}

// serveHealth answers health checks until ctx ends. The worker works without them too.
func (c *workerControl) serveHealth(ctx context.Context, l net.Listener, log *slog.Logger) {
	if err := serveHTTP(ctx, l, c.health()); err != nil {
		log.WarnContext(ctx, "health checks are not answered any more", "err", err)
	}
}

// openSocket makes the socket for its owner only, in place of one that a dead worker left: the lock of the directory says
// that no other worker runs in it. It is made where nobody else can look, and moved when its mode is right.
func openSocket(ctx context.Context, dir string) (net.Listener, error) {
	private := filepath.Join(dir, ".sock")
	if err := errors.Join(os.RemoveAll(private), os.Mkdir(private, 0o700)); err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(private) }()
	path, done, err := shortPath(private, "s")
	if err != nil {
		return nil, err
	}
	defer done()
	var config net.ListenConfig
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if socket, ok := l.(*net.UnixListener); ok {
		socket.SetUnlinkOnClose(false) // it has another name by then
	}
	made := filepath.Join(private, "s")
	if err := errors.Join(os.Chmod(made, 0o600), os.Rename(made, filepath.Join(dir, workerSocket))); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// shortPath names a socket in a directory. The system takes about a hundred characters; a longer path goes by the open
// directory.
func shortPath(dir, name string) (path string, done func(), err error) {
	const most = 100
	if path = filepath.Join(dir, name); len(path) <= most {
		return path, func() {}, nil
	}
	open, err := os.Open(dir) //nolint:gosec // the person who runs the worker names it
	if err != nil {
		return "", nil, err
	}
	return "/proc/self/fd/" + strconv.Itoa(int(open.Fd())) + "/" + name, func() { _ = open.Close() }, nil
}

// serveHTTP serves until ctx ends, and lets answers that were begun end.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	const limit = 5 * time.Second
	server := &http.Server{Handler: h, ReadTimeout: limit, WriteTimeout: limit, IdleTimeout: time.Minute, MaxHeaderBytes: 1 << 14}
	g := run.NewGroup(ctx)
	g.Go("serve", func(context.Context) error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", l.Addr(), err)
		}
		return nil
	})
	g.Go("stop", func(ctx context.Context) error {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		return server.Shutdown(last)
	})
	return g.Wait()
}
