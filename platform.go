package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform"
	"github.com/headrace/headrace/platform/settings"
)

// defaultConfig is where an installed node has its configuration.
const defaultConfig = "/etc/headrace/config.json"

// platformCommand runs one platform node.
type platformCommand struct {
	Config    string `help:"Configuration file." env:"HEADRACE_CONFIG" default:"/etc/headrace/config.json" placeholder:"FILE"`
	DataDir   string `help:"Where the node keeps its files." env:"HEADRACE_DATA_DIR" placeholder:"DIR"`
	HTTP      string `help:"Address of the pages and the API, plain HTTP." name:"http" placeholder:"ADDR"`
	HTTPS     string `help:"Address of the pages and the API, TLS; - for none." name:"https" placeholder:"ADDR"`
	Dashboard string `help:"Address of the admin dashboard." placeholder:"ADDR"`
}

// Help shows an example.
func (platformCommand) Help() string {
	return "Example: headrace platform --config /etc/headrace/config.json\n\nEvery key of config.json is also a variable: postgres_url is HEADRACE_POSTGRES_URL."
}

// Run runs the node until it is told to stop.
func (c platformCommand) Run(ctx context.Context, t terminal) error {
	from := settings.Sources{File: c.Config, Environment: t.environ, Flags: map[string]string{}}
	for key, value := range map[string]string{"data_dir": c.DataDir, "listen.http": c.HTTP, "listen.https": c.HTTPS, "listen.dashboard": c.Dashboard} {
		if value != "" {
			from.Flags[key] = value
		}
	}
	if c.HTTPS == "-" {
		from.Flags["listen.https"] = ""
	}
	s, err := settings.Load(from)
	if err != nil {
		return err
	}
	lock, err := platform.LockDir(ctx, s.DataDir)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	node, err := openNode(ctx, s, newLog(t, s.LogLevel.String(), s.LogFormat))
	if err != nil {
		return err
	}
	defer func() { _ = node.Close() }()
	return c.serve(ctx, t, node)
}

// serve runs the node, and says where it is and, on the first start, the password.
func (c platformCommand) serve(ctx context.Context, t terminal, node *platform.Node) error {
	g := run.NewGroup(ctx)
	g.Go("platform", func(ctx context.Context) error {
		defer g.Stop()
		return node.Run(ctx)
	})
	g.Go("welcome", func(ctx context.Context) error { return welcome(ctx, t, node) })
	return g.Wait()
}

// welcome says where everything is and, on the first start, the password.
func welcome(ctx context.Context, t terminal, node *platform.Node) error {
	if err := node.Opened(ctx); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(t.out, "Headrace %s\n  pages and API  %s\n  dashboard      %s\n  data           %s\n", version, node.WebURL(), node.DashboardURL(), node.Settings().DataDir)
	if print := node.Fingerprint(); print != "" {
		_, _ = fmt.Fprintf(t.out, "  certificate    SHA-256 %s\n", print)
	}
	password, operator, err := node.FirstStart(ctx)
	if err != nil {
		return err
	}
	if operator != "" {
		_, _ = fmt.Fprintf(t.out, "  operator       password %s of the dashboard (shown once; headrace admin reset-password --operator makes another)\n", operator)
	}
	if password != "" {
		_, _ = fmt.Fprintf(t.out, "  sign in as     admin, password %s (shown once; headrace admin reset-password makes another)\n", password)
	}
	return nil
}

// openNode opens a node with its dashboard.
func openNode(ctx context.Context, s settings.Settings, log *slog.Logger) (*platform.Node, error) {
	if err := s.Node(); err != nil {
		return nil, err
	}
	return platform.Open(ctx, s, platform.Options{Version: version, Log: log, Dashboard: newDashboard})
}
