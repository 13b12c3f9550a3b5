package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
)

// workerFlags find the worker on this machine.
type workerFlags struct {
	DataDir string `help:"Data directory of the worker." env:"HEADRACE_DATA_DIR" default:"/var/lib/headrace-worker" placeholder:"DIR"`
	JSON    bool   `help:"Print JSON." name:"json"`
}

type workerStatusCommand struct{ workerFlags }

// Help shows an example.
func (workerStatusCommand) Help() string {
	return "Example: headrace worker status --data-dir /var/lib/headrace-worker\n\nExit code 0: it is connected to RabbitMQ."
}

// Run asks the worker how it stands.
func (c workerStatusCommand) Run(ctx context.Context, t terminal) error {
	state, err := c.ask(ctx, http.MethodGet, "/status")
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(t.out, state)
	} else {
		err = state.print(t.out, time.Now())
	}
	if err == nil && !state.Broker.Connected {
		err = errQuiet
	}
	return err
}

type workerDrainCommand struct {
	workerFlags
	Wait bool `help:"Wait until the worker has ended."`
}

// Help shows an example.
func (workerDrainCommand) Help() string { return "Example: headrace worker drain --wait" }

// Run asks the worker to drain.
func (c workerDrainCommand) Run(ctx context.Context, t terminal) error {
	state, err := c.ask(ctx, http.MethodPost, "/drain")
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(t.out, state)
	} else {
		_, err = fmt.Fprintf(t.out, "Worker %s takes no new jobs. Running jobs: %d; it ends when they have.\n", state.Name, state.Busy)
	}
	if err != nil || !c.Wait {
		return err
	}
	return c.awaitEnd(ctx, state.ID)
}

// awaitEnd returns when the worker is gone, or another is in its place.
func (f workerFlags) awaitEnd(ctx context.Context, id string) error {
	for {
		now, err := f.ask(ctx, http.MethodGet, "/status")
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) || (err == nil && now.ID != id) {
			return nil
		}
		if err := run.Pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// ask asks the worker on its socket.
func (f workerFlags) ask(ctx context.Context, method, path string) (workerState, error) {
	var state workerState
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://worker"+path, nil)
	if err != nil {
		return state, err
	}
	resp, err := f.client().Do(req)
	if err != nil {
		return state, fault.Wrap(fault.Unavailable, err, "No worker answers in %s. Is it running, with this data directory and this user?", f.DataDir)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&state); err != nil {
		return state, fault.Wrap(fault.Unavailable, err, "What answers in %s is not a worker of this version.", f.DataDir)
	}
	return state, nil
}

func (f workerFlags) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			path, done, err := shortPath(f.DataDir, workerSocket)
			if err != nil {
				return nil, err
			}
			defer done()
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}
}

func (s workerState) print(w io.Writer, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintf(table, "Worker %s, headrace %s, process %d, up for %s\n", s.Name, s.Version, s.PID, now.Sub(s.StartedAt).Round(time.Second))
	_, _ = fmt.Fprintf(table, "  RabbitMQ\t%s\n", s.Broker.words(now))
	_, _ = fmt.Fprintf(table, "  queue\t%s\n", s.Queue)
	isolation := "isolated"
	if !s.Isolated {
		isolation = "no isolation"
	}
	if s.Engine != "" {
		isolation = s.Engine + ", " + isolation
	}
	_, _ = fmt.Fprintf(table, "  executor\t%s, %s\n", s.Executor, isolation)
	if s.Trouble != "" {
		_, _ = fmt.Fprintf(table, "  no jobs are taken\t%s\n", s.Trouble)
	}
	jobs := fmt.Sprintf("%d of %d slots", s.Busy, s.Slots)
	if s.Draining {
		jobs += "; draining: no new jobs are taken"
	}
	_, _ = fmt.Fprintf(table, "  jobs\t%s\n", jobs)
	for _, r := range s.Runs {
		_, _ = fmt.Fprintf(table, "    %s\t%s, attempt %d, for %s\n", r.Number, r.Repository, r.Attempt, now.Sub(r.Since).Round(time.Second))
	}
	if s.Unstored > 0 || s.SpoolBytes > 0 {
		_, _ = fmt.Fprintf(table, "  not stored yet\tends of %d jobs, %d bytes of output\n", s.Unstored, s.SpoolBytes)
	}
	if s.SpoolTrouble != "" {
		_, _ = fmt.Fprintf(table, "  spool\tcannot keep output on disk; jobs that write much wait: %s\n", s.SpoolTrouble)
	}
	return table.Flush()
}

func (b brokerState) words(now time.Time) string {
	since := now.Sub(b.Since).Round(time.Second)
	switch {
	case !b.Connected:
		return fmt.Sprintf("not connected for %s, after %d tries: %s", since, b.Tries, b.LastError)
	case b.Blocked:
		return fmt.Sprintf("connected. %s", b.LastError)
	}
	return fmt.Sprintf("connected for %s", since)
}
