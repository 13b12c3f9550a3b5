package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform"
	"github.com/headrace/headrace/platform/settings"
)

// upCommand is the trial: everything in one process.
type upCommand struct {
	DataDir   string      `help:"Where all data is kept." env:"HEADRACE_DATA_DIR" default:"./.headrace"`
	HTTP      string      `help:"Address of the pages and the API." name:"http" placeholder:"ADDR"`
	Dashboard string      `help:"Address of the admin dashboard." placeholder:"ADDR"`
	Config    string      `help:"Configuration file; default: config.json in the data directory." placeholder:"FILE"`
	PoolSize  int         `help:"How many jobs at a time; default: the number of CPUs." env:"HEADRACE_POOL_SIZE"`
	Demo      bool        `help:"Add a small sample repository and build it."`
	Executor  string      `help:"What runs the jobs: local (no isolation), or docker." env:"HEADRACE_EXECUTOR" default:"local" enum:"docker,local"`
	Docker    dockerFlags `embed:""`
}

// Help shows an example.
func (upCommand) Help() string {
	return "Example: headrace up --demo\n\nJobs of the trial run on this machine as you, without isolation: build only what you trust. With --executor docker they run in containers."
}

// Run runs the trial until it is told to stop.
func (c upCommand) Run(ctx context.Context, t terminal) error {
	s, err := c.settings(t)
	if err != nil {
		return err
	}
	lock, err := platform.LockDir(ctx, s.DataDir)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	log := newLog(t, s.LogLevel.String(), s.LogFormat)
	node, err := openNode(ctx, s, log)
	if err != nil {
		return err
	}
	defer func() { _ = node.Close() }()
	w, done, err := newWorker(ctx, node.Carrier(), workerPlan{
		dir: s.Path("worker"), name: s.NodeName, queue: platform.DefaultQueue, slots: c.PoolSize, executor: c.Executor, docker: c.Docker,
		timeout: s.JobTimeout, silence: s.LogSilence, logLimit: s.LogBytes,
	}, log)
	if err != nil {
		return err
	}
	defer done()
	return c.serve(ctx, t, s, node, w.Run)
}

func (c upCommand) settings(t terminal) (settings.Settings, error) {
	flags := map[string]string{"data_dir": c.DataDir}
	if c.HTTP != "" {
		flags["listen.http"] = c.HTTP
	}
	if c.Dashboard != "" {
		flags["listen.dashboard"] = c.Dashboard
	}
	file := c.Config
	if file == "" {
		file = settings.Settings{DataDir: c.DataDir}.Path("config.json")
	}
	return settings.Load(settings.Sources{
		Defaults:    map[string]string{"listen.http": "127.0.0.1:8080", "listen.https": "", "listen.dashboard": "127.0.0.1:8800", "log.level": "warn"},
		File:        file,
		FileNeeded:  c.Config != "",
		Environment: t.environ,
		Flags:       flags,
	})
}

// serve runs node and worker. The worker stops first and gives its jobs back; then the node stores that and stops.
func (c upCommand) serve(ctx context.Context, t terminal, s settings.Settings, node *platform.Node, runWorker func(context.Context) error) error {
	nodes := run.NewGroup(context.WithoutCancel(ctx))
	guests := run.NewGroup(ctx)
	nodes.Go("platform", func(ctx context.Context) error {
		defer guests.Stop()
		return node.Run(ctx)
	})
	guests.Go("worker", runWorker)
	guests.Go("welcome", func(ctx context.Context) error { return c.welcome(ctx, t, s, node) })
	err := guests.Wait()
	nodes.Stop()
	return errors.Join(err, nodes.Wait())
}

// welcome says where everything is and, on the first start, the password; then it makes the demo.
func (c upCommand) welcome(ctx context.Context, t terminal, s settings.Settings, node *platform.Node) error {
	if err := welcome(ctx, t, node); err != nil {
		return err
	}
	if c.Executor == "local" {
		_, _ = fmt.Fprintln(t.out, "  jobs run on this machine without isolation: build only what you trust")
	}
	if err := writeLocal(ctx, s, node); err != nil {
		return err
	}
	if !c.Demo {
		return nil
	}
	if err := demo(ctx, node.Intake(), s.Path("demo", "hello")); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(t.out, "  sample         %s/r/%s\n", node.WebURL(), demoSlug)
	return nil
}

// writeLocal leaves address and a token for the commands of the same user on this machine.
func writeLocal(ctx context.Context, s settings.Settings, node *platform.Node) error {
	found, err := readLocal(s.DataDir, s.DataDir)
	if err != nil {
		found = trialAccess{} // damaged; it is written anew
	}
	found.TokenID, found.Token, err = node.LocalToken(ctx, found.TokenID, found.Token)
	if err != nil {
		return fmt.Errorf("token for the command line: %w", err)
	}
	found.URL = node.WebURL()
	body, err := json.Marshal(found)
	if err != nil {
		return err
	}
	return os.WriteFile(localPath(s.DataDir), body, 0o600)
}

func newLog(t terminal, level, format string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(t.err, options))
	}
	return slog.New(slog.NewTextHandler(t.err, options))
}
