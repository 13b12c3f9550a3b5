// Command headrace is all of Headrace in one binary; which part of it runs is the subcommand. The files of this package
// hold one subcommand each. They choose and wire, and decide nothing: rules live in the rooms below.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/headrace/headrace/internal/fault"
)

// Set by the build: the version and the commit it was made of.
var (
	version = "dev"
	commit  = "unknown"
)

// Exit codes; see the documentation of the command line.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// commands is the command line.
type commands struct {
	Up       upCommand       `cmd:"" help:"Trial: dashboard, platform and one worker in one process. Needs no other server."`
	Platform platformCommand `cmd:"" help:"Run one platform node: pages, API, dashboard."`
	Worker   workerCommands  `cmd:"" help:"Run one worker: it takes builds over RabbitMQ and runs them. Ask it how it stands, drain it."`
	Repo     repoCommands    `cmd:"" help:"Add and list repositories."`
	Trigger  triggerCommand  `cmd:"" help:"Request a build of a repository."`
	Logs     logsCommand     `cmd:"" help:"Print the log of a job, or follow it."`
	Lint     lintCommand     `cmd:"" help:"Check a .travis.yml: messages with line numbers, and the jobs it makes."`
	Encrypt  encryptCommand  `cmd:"" help:"Encrypt a value for the .travis.yml of a repository."`
	Admin    adminCommands   `cmd:"" help:"What the dashboard does, from a shell on the node's machine."`
	Status   statusCommand   `cmd:"" help:"Health of the platform: services, queues, workers."`
	Version  versionCommand  `cmd:"" help:"Print version, commit and Go version."`
}

// terminal is what a command may touch of the world around the process.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
	dir      string
}

func main() {
	args := hideSecrets(os.Args)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	dir, err := os.Getwd()
	if err != nil {
		dir = "."
	}
	code := execute(ctx, args[1:], terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ(), dir: dir})
	stop()
	os.Exit(code)
}

// execute runs one command line and returns its exit code.
func execute(ctx context.Context, args []string, t terminal) int {
	exited := -1
	parser, err := kong.New(&commands{},
		kong.Name("headrace"),
		kong.Description("Headrace, a self-hosted CI appliance. For a first look: headrace up --demo"),
		kong.UsageOnError(),
		kong.Writers(t.out, t.err),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(t),
	)
	if err != nil {
		_, _ = fmt.Fprintln(t.err, "headrace:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 {
		return exited // --help was printed
	}
	if err != nil {
		_, _ = fmt.Fprintf(t.err, "headrace: %s. See headrace --help.\n", strings.TrimRight(err.Error(), ".?"))
		return exitUsage
	}
	if err := parsed.Run(); err != nil {
		return report(ctx, t.err, err)
	}
	return exitDone
}

// errQuiet ends a command with exit code 1 when all has been said already.
var errQuiet = errors.New("said already")

// report prints an error as one sentence and gives the exit code; the only place where errors become exit codes.
func report(ctx context.Context, w io.Writer, err error) int {
	switch {
	case errors.Is(err, errQuiet):
		return exitFailed
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	_, _ = fmt.Fprintln(w, "headrace:", sentence(err))
	if fault.Is(err, fault.Invalid) {
		return exitUsage
	}
	return exitFailed
}

// sentence is what a person at a terminal reads: the message of a fault, with its cause where that adds something.
func sentence(err error) string {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err.Error()
	}
	if f.Err != nil {
		return fmt.Sprintf("%s (%v)", f.Message, f.Err)
	}
	return f.Message
}

type versionCommand struct {
	JSON bool `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (versionCommand) Help() string { return "Example: headrace version --json" }

// Run prints the version.
func (c versionCommand) Run(t terminal) error {
	if c.JSON {
		return printJSON(t.out, map[string]string{"version": version, "commit": commit, "go": runtime.Version()})
	}
	_, err := fmt.Fprintf(t.out, "headrace %s, commit %s, %s\n", version, commit, runtime.Version())
	return err
}
