// Package executor owns the interface between the worker and what a job's script runs in: a container, or this machine.
// It must not know brokers, logs or states. The contract is held by package executortest.
package executor

import (
	"context"
	"errors"
	"io"
)

// ErrAway is in the errors of [Executor.Start] and [Process.Wait] when what runs the jobs is away, or has no room: the job
// itself is not to blame, and may run elsewhere.
var ErrAway = errors.New("what runs jobs is away")

// Executor starts scripts. Its methods are safe for concurrent use.
type Executor interface {
	// Name is the short name that people and the platform see: "docker", "local".
	Name() string
	// Isolated says whether a job is kept apart from the machine and from other jobs.
	Isolated() bool
	// Start runs the script. ctx bounds the start only; the process lives until it ends or is killed. An error that people
	// can act upon is a fault.Error.
	Start(ctx context.Context, s Spec) (Process, error)
}

// Dependent is an executor that depends on something which may be away, such as a container engine.
type Dependent interface {
	// Engine names it for people, with its version; empty while that is not known.
	Engine() string
	// Trouble says, in a sentence for people, why no job can be started now; empty means that it can. changed is closed when
	// there is another answer.
	Trouble() (why string, changed <-chan struct{})
}

// Wish is what a job asks of its surroundings; an executor that has no choice does not look at it.
type Wish struct {
	Image, Language, Dist, OS string
	// Services are servers that it wants to find at 127.0.0.1. An executor that starts some names them to the script in
	// HEADRACE_SERVICES, with spaces between them.
	Services []string
}

// Spec is what to run.
type Spec struct {
	JobID   int64
	Attempt int
	// Run names the run of the attempt; no two starts have the same.
	Run string
	// Wish is what the job asks of its surroundings.
	Wish Wish
	// Untrusted says that strangers wrote what runs: it gets the least rights that the executor has to give.
	Untrusted bool
	// Script is a bash script. It may hold secrets.
	Script []byte
	// Env are variables ("NAME=value") beyond the executor's own.
	Env []string
	// Output takes standard output and standard error, mixed as they were written, one Write at a time. While it blocks, the
	// script is held up as soon as it writes more than a pipe holds. Its errors are ignored.
	Output io.Writer
}

// Process is a script that runs.
type Process interface {
	// ID names where it runs, for people.
	ID() string
	// Wait returns once the script has ended, nothing that it left behind runs any more, and every byte that was written
	// before its end is in Output. Each call returns the same.
	Wait() (Exit, error)
	// Kill ends the script and all that it started: first asked, then forced. It returns when Wait may, or with the context's
	// error. Killing what has ended does nothing.
	Kill(ctx context.Context) error
}

// Exit is how a script ended.
type Exit struct {
	// Code is the exit code; 128 + n when signal n killed the script.
	Code int
	// Signal is the name of that signal ("SIGKILL"), else empty.
	Signal string
	// Note says, in sentences for people, what else is known of the end: that memory was short, for instance.
	Note string
	// Stopped says that the executor ended the script for the reason in Note.
	Stopped bool
}
