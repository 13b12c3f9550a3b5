// Package executor owns the interface between the worker and what a job's script runs in: a container, or this machine.
// It must not know brokers, logs or states. The contract is held by package executortest.
package executor

import (
	"context"
	"io"
)

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

// Spec is what to run.
type Spec struct {
	JobID   int64
	Attempt int
	// Run names the run of the attempt; no two starts have the same.
	Run string
	// Script is a bash script.
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
}
