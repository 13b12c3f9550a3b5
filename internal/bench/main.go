// Command bench measures Headrace: real processes of it on PostgreSQL, Redis and RabbitMQ of its own, and beside each figure
// what the same servers do alone in the same run. A figure is printed only where every job, byte and answer behind it was
// checked; otherwise what was missed is printed in its place, and the exit code is 1. It must not know any package of the
// platform or the worker: it speaks to them as users, workers and databases do.
//
//	bench [-only NAMES] [-quick] [-json FILE]   measures
//	bench -scale                                measures with 10^4 to 10^6 builds, 10 to 1,000 simulated workers
//	bench emit BYTES-PER-SECOND SECONDS         writes lines that say when they were written, for a job to run
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	code, err := program(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
	}
	os.Exit(code)
}

// options are what the command line says.
type options struct {
	headrace string
	only     []string
	json     string
	quick    bool
	scale    bool
}

// n is how much is measured: less where a quick look is enough.
func (o options) n(usual, quick int) int {
	if o.quick {
		return quick
	}
	return usual
}

// scenario measures some figures on a rig.
type scenario struct {
	name    string
	measure func(ctx context.Context, r *rig, o options) ([]figure, error)
}

func scenarios(scale bool) []scenario {
	if scale {
		return []scenario{{"builds", measureManyBuilds}, {"workers", measureManyWorkers}}
	}
	return []scenario{
		{"trigger", measureTrigger}, {"jobs", measureJobs}, {"worker", measureWorker}, {"log", measureLog}, {"keep", measureKeep}, {"hooks", measureHooks}, {"list", measureList}, {"memory", measureMemory},
	}
}

func program(ctx context.Context, args []string, stdout, stderr io.Writer) (code int, err error) {
	if len(args) > 0 && args[0] == "emit" {
		return emit(ctx, args[1:], stdout)
	}
	o, err := parse(args, stderr)
	if err != nil {
		return 2, err
	}
	began := time.Now()
	r, err := openRig(ctx, o.headrace, stderr)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	report := report{Machine: machine(), Began: began.UTC(), LoadBefore: load()}
	if report.Raw, err = measureRaw(ctx, r, o); err != nil {
		return 1, fmt.Errorf("raw limits: %w", err)
	}
	for _, s := range scenarios(o.scale) {
		if len(o.only) > 0 && !slices.Contains(o.only, s.name) {
			continue
		}
		_, _ = fmt.Fprintf(stderr, "%s …\n", s.name)
		found, err := s.measure(ctx, r, o)
		if err != nil {
			found = append(found, figure{Name: s.name, Trouble: []string{err.Error()}})
		}
		if ctx.Err() != nil {
			return 130, ctx.Err()
		}
		report.Figures = append(report.Figures, found...)
	}
	report.LoadAfter, report.Took = load(), time.Since(began).Round(time.Second).String()
	if err := report.write(stdout, o.json); err != nil {
		return 1, err
	}
	if !report.whole() {
		return 1, nil
	}
	return 0, nil
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.headrace, "headrace", "./headrace", "the program that is measured")
	flags.StringVar(&o.json, "json", "", "file that takes the figures as JSON")
	flags.BoolVar(&o.quick, "quick", false, "smaller numbers: shows that it works, not how fast")
	flags.BoolVar(&o.scale, "scale", false, "how figures change with the number of builds and of workers")
	only := flags.String("only", "", "names of scenarios with commas between them; default: all")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	for _, name := range o.only {
		if !slices.ContainsFunc(scenarios(o.scale), func(s scenario) bool { return s.name == name }) {
			return o, fmt.Errorf("there is no scenario %q", name)
		}
	}
	return o, nil
}
