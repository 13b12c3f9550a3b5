// Command testrun runs the tests of this module against private servers: it installs with apt-get what is missing, starts
// PostgreSQL, PgBouncer, Redis and RabbitMQ on free ports, runs `go test` with their addresses in the environment, shows
// what failed and a table of all suites, and stops the servers, also when it is interrupted.
//
//	testrun [PACKAGES]     runs the tests of the packages (default ./...)
//	testrun -- COMMAND     runs a command with the same servers and variables
//
// It must not know what the tests test. Exit codes: 0 all passed, 1 not, 130 interrupted; a command's own code otherwise.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/internal/testkit/servers"
)

const (
	codeFailed      = 1
	codeInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once, and its servers with it
	os.Exit(program(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func program(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	code := codeFailed
	g := run.NewGroup(ctx)
	g.Go("parent", stopWithParent)
	g.Go("tests", func(ctx context.Context) (err error) {
		defer g.Stop()
		code, err = withServers(ctx, args, stdout, stderr)
		return err
	})
	err := g.Wait()
	if ctx.Err() != nil {
		return codeInterrupted
	}
	if err != nil {
		fmt.Fprintln(stderr, "testrun:", err)
		return max(code, codeFailed)
	}
	return code
}

// stopWithParent returns an error, which stops everything, when the process that started this one is gone.
func stopWithParent(ctx context.Context) error {
	parent := os.Getppid()
	return run.Every(ctx, time.Second, nil, func(context.Context) (bool, error) {
		if os.Getppid() != parent {
			return false, errors.New("the process that started the tests is gone")
		}
		return false, nil
	})
}

func withServers(ctx context.Context, args []string, stdout, stderr io.Writer) (code int, err error) {
	if err := install(ctx, servers.MissingPackages(), stderr); err != nil {
		return codeFailed, err
	}
	began := time.Now()
	set, err := servers.Start(ctx)
	if err != nil {
		return codeFailed, err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	fmt.Fprintf(stderr, "servers for tests are up after %.1f s\n", time.Since(began).Seconds())
	env := append(os.Environ(), set.Environ()...)
	if len(args) > 0 && args[0] == "--" {
		return command(ctx, args[1:], env, stdout, stderr)
	}
	return goTest(ctx, args, env, stdout, stderr)
}

// command runs any program with the servers.
func command(ctx context.Context, argv, env []string, stdout, stderr io.Writer) (int, error) {
	if len(argv) == 0 {
		return codeFailed, errors.New("no command after --; example: testrun -- go test ./platform/store")
	}
	cmd := prepare(ctx, argv, env)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, stderr
	return exitCode(cmd.Run())
}

// prepare returns a command that gets an interrupt, and a kill some seconds later, with all that it started, when ctx ends.
func prepare(ctx context.Context, argv, env []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

func exitCode(err error) (int, error) {
	if err == nil {
		return 0, nil
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() > 0 {
		return exit.ExitCode(), nil
	}
	return codeFailed, err
}
