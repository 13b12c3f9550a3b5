// Package worker owns the life of jobs on a worker: it takes them from the broker, asks to own them, runs them, watches
// their limits, and reports until the platform has stored what it said. It must not know the platform but through the
// messages of package broker, nor what a script runs in.
//
//	Receive -> decode -> claim --refused--> ack, forget
//	                       |
//	                    granted -> ack -> script -> process -> log parts -> last state -> slot is free
//	                                         |                     |
//	                    limits, cancel, loss, stop: killed         spool: sent again until a heartbeat's answer has it
package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/worker/executor"
	"github.com/headrace/headrace/worker/spool"
)

// Worker takes and runs jobs.
type Worker struct {
	carrier broker.Carrier
	exec    executor.Executor
	cfg     Config
	spool   *spool.Spool
	claims  *claims
	beats   *beats
	bound   chan struct{} // closed when answers can reach us
	gate    *gate

	drainOnce sync.Once
	drain     chan struct{}

	mu    sync.Mutex
	tasks map[broker.Run]*task
}

// New returns a worker that runs jobs with exec. The carrier must be running, and outlive the worker's Run.
func New(carrier broker.Carrier, exec executor.Executor, cfg Config) (*Worker, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	w := &Worker{
		carrier: carrier, exec: exec, cfg: cfg, beats: newBeats(), gate: newGate(),
		bound: make(chan struct{}), drain: make(chan struct{}), tasks: map[broker.Run]*task{},
	}
	if d, ok := exec.(executor.Dependent); ok {
		why, _ := d.Trouble()
		w.gate.set(why)
	}
	w.claims = newClaims(carrier, cfg)
	w.spool = spool.New(carrier, spool.Config{
		Dir: cfg.SpoolDir, Bytes: cfg.SpoolBytes, FlushEvery: cfg.FlushEvery, Resend: cfg.Resend, Backoff: cfg.Backoff,
		Pressed: w.beats.wake.Wake, Log: cfg.Log,
	})
	for _, r := range w.spool.Recover() {
		w.add(recoveredTask(r))
	}
	return w, nil
}

// Drain lets the running jobs end and takes no new ones; Run returns when all is reported.
func (w *Worker) Drain() {
	w.drainOnce.Do(func() {
		close(w.drain)
		w.beats.wake.Wake()
	})
}

func (w *Worker) draining() bool {
	select {
	case <-w.drain:
		return true
	default:
		return false
	}
}

// Run takes jobs until ctx ends, then kills what runs and gives it back; or until it is drained. It is called once.
func (w *Worker) Run(ctx context.Context) error {
	life := run.NewGroup(context.WithoutCancel(ctx))
	stop, halt := context.WithCancel(ctx)
	defer halt()
	defer context.AfterFunc(life.Context(), halt)() // without answers, or after a defect, there is nothing to go on with
	life.Go("connection", w.watchConnection)
	life.Go("set-up", w.setUp)
	life.Go("answers", w.takeAnswers)
	life.Go("heartbeats", w.beatUntil)
	life.Go("engine", w.watchEngine)

	intake, closeIntake := context.WithCancel(stop)
	defer closeIntake()
	life.Go("drain", func(ctx context.Context) error {
		select {
		case <-w.drain:
			closeIntake()
		case <-ctx.Done():
		}
		return nil
	})
	w.resume(life)
	slots := run.NewGroup(context.WithoutCancel(ctx))
	for n := range w.cfg.Slots {
		slots.Go(fmt.Sprintf("slot %d", n+1), func(context.Context) error {
			w.slot(intake, stop, life)
			return nil
		})
	}
	err := slots.Wait()
	w.settle(stop)
	w.sayGoodbye(ctx)
	life.Stop()
	return errors.Join(err, life.Wait())
}

// sayGoodbye tells the platform that nobody takes jobs here any more, so that it does not go on counting this worker's slots.
func (w *Worker) sayGoodbye(ctx context.Context) {
	w.Drain()
	if !w.carrier.State().Connected {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := w.beat(ctx); err != nil {
		w.cfg.Log.DebugContext(ctx, "the last heartbeat did not reach the platform", "err", err)
	}
}

// setUp declares the queues, as soon as there is a broker.
func (w *Worker) setUp(ctx context.Context) error {
	err := w.retry(ctx, func() error { return w.carrier.DeclareQueue(ctx, w.cfg.Queue) })
	if err == nil {
		err = w.retry(ctx, func() error { return w.carrier.Bind(ctx, broker.WorkerQueue(w.cfg.ID)) })
	}
	if err == nil {
		close(w.bound)
	}
	return err
}

// retry calls f until it works, ctx ends or the carrier is closed.
func (w *Worker) retry(ctx context.Context, f func() error) error {
	for n := 1; ; n++ {
		err := f()
		if err == nil || ctx.Err() != nil || errors.Is(err, broker.ErrClosed) {
			return err
		}
		w.cfg.Log.DebugContext(ctx, "the broker refused; trying again", "err", err)
		if err := run.Pause(ctx, w.cfg.Backoff.After(n)); err != nil {
			return err
		}
	}
}

// settle waits, when no stop hurries it, until the platform has stored everything.
func (w *Worker) settle(stop context.Context) {
	if stop.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(stop, w.cfg.DrainPatience)
	defer cancel()
	for _, t := range w.all() {
		if err := t.tape.Stored(ctx); err != nil {
			w.cfg.Log.WarnContext(ctx, "the broker has reports of a job which the platform has not stored yet", "job_id", t.key.JobID, "attempt", t.key.Attempt)
		}
	}
}

// watchConnection says, for people, that the worker waits for the broker, and that it waits no more.
func (w *Worker) watchConnection(ctx context.Context) error {
	const again = 30 * time.Second
	timer := time.NewTimer(again)
	defer timer.Stop()
	said := false
	for {
		changed := w.carrier.Changed()
		due := (<-chan time.Time)(nil)
		switch st := w.carrier.State(); {
		case !st.Connected:
			w.cfg.Log.WarnContext(ctx, "waiting for the message broker", "since", st.Since, "tries", st.Tries, "last_error", st.LastError)
			timer.Reset(again)
			due, said = timer.C, false
		case !said:
			w.cfg.Log.InfoContext(ctx, "connected to the message broker; taking jobs", "queue", w.cfg.Queue, "slots", w.cfg.Slots)
			said = true
		}
		if err := waitChange(ctx, w.carrier, changed, due); err != nil {
			return err
		}
	}
}

// waitChange returns when the carrier is connected or not as before, or when due. Other changes say nothing new.
func waitChange(ctx context.Context, c broker.Carrier, changed <-chan struct{}, due <-chan time.Time) error {
	before := c.State().Connected
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-due:
			return nil
		case <-changed:
			changed = c.Changed()
			if c.State().Connected != before {
				return nil
			}
		}
	}
}

func (w *Worker) add(t *task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tasks[t.key] = t
}

func (w *Worker) remove(t *task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.tasks, t.key)
}

func (w *Worker) find(key broker.Run) *task {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tasks[key]
}

// all are the tasks that are not stored wholly, oldest first.
func (w *Worker) all() []*task {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]*task, 0, len(w.tasks))
	for _, t := range w.tasks {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *task) int { return a.since.Compare(b.since) })
	return out
}
