package worker

import (
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
)

// Generate turns a job into the bash script that runs it. An error means that the job's configuration cannot be run; its
// text stands in the log.
type Generate func(broker.Job) ([]byte, error)

// Config says who the worker is and what bounds its jobs. Durations and sizes of 0 mean the default.
type Config struct {
	// ID names this process; no two have the same. Default: random.
	ID string
	// Home names the work directory, which one process at a time may use (local.Executor.Home): by it the platform knows at
	// once that the process before is dead. Empty: not known.
	Home string
	// Generation counts the processes that have had the home, this one included (local.Executor.Generation).
	Generation int64
	// Name is what people call the worker. Default: ID.
	Name    string
	Version string
	// Queue is where jobs come from. Default broker.DefaultJobQueue.
	Queue string
	// Slots is how many jobs run at once. Default 1.
	Slots int
	// Generate makes the scripts. Required.
	Generate Generate

	// HardTimeout, LogSilence and LogLimit hold for jobs that bring no limits of their own: 50 min, 10 min, 100 MB.
	HardTimeout, LogSilence time.Duration
	LogLimit                int64
	// SpoolDir is where output and states are kept until the platform has stored them; one worker at a time may use it.
	// Empty: in memory. SpoolBytes bounds what is kept: default 1 GiB, in memory 64 MiB.
	SpoolDir   string
	SpoolBytes int64

	// Heartbeat is the time between heartbeats. Default 3 s.
	Heartbeat time.Duration
	// ClaimRetry is the first pause before a claim is asked again; default 2 s. ClaimPatience is how long to ask; default 20 min: a claim
	// that was given up may still be granted, to nobody; brokers take an unsettled delivery back after 30 min.
	ClaimRetry, ClaimPatience time.Duration
	// KillPatience is how long a job that is killed may take to end before it is reported all the same. Default 30 s.
	KillPatience time.Duration
	// GiveBack bounds what a stopping worker spends on its last reports; default 5 s. DrainPatience is how long a drained one
	// waits for the platform to store them; default 30 s.
	GiveBack, DrainPatience time.Duration
	// FlushEvery is how long output waits for more of it before it is sent; default 100 ms. Resend is how long what was sent
	// may stay unstored before it is sent again; default 5 s.
	FlushEvery, Resend time.Duration
	// Backoff spaces tries that fail.
	Backoff run.Backoff
	Log     *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.Generate == nil {
		return c, fault.Field("generate", "A worker needs a generator of scripts.")
	}
	if c.Slots < 0 {
		return c, fault.Field("slots", "A worker runs at least one job at a time; %d is not possible.", c.Slots)
	}
	orText(&c.ID, rand.Text())
	orText(&c.Name, c.ID)
	orText(&c.Queue, broker.DefaultJobQueue)
	c.Slots = max(c.Slots, 1)
	if c.LogLimit <= 0 {
		c.LogLimit = 100_000_000
	}
	for _, d := range []struct {
		at    *time.Duration
		usual time.Duration
	}{
		{&c.HardTimeout, 50 * time.Minute},
		{&c.LogSilence, 10 * time.Minute},
		{&c.Heartbeat, 3 * time.Second},
		{&c.ClaimRetry, 2 * time.Second},
		{&c.ClaimPatience, 20 * time.Minute},
		{&c.KillPatience, 30 * time.Second},
		{&c.GiveBack, 5 * time.Second},
		{&c.DrainPatience, 30 * time.Second},
	} {
		if *d.at <= 0 {
			*d.at = d.usual
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Log = c.Log.With("component", "worker", "worker", c.Name)
	return c, nil
}

func orText(at *string, usual string) {
	if *at == "" {
		*at = usual
	}
}
