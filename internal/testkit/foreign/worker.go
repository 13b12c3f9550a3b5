// Package foreign is a double of the open-source travis-worker, for tests: it speaks to RabbitMQ and to the script endpoint as
// that worker does, with its habits and its faults, and knows nothing of Headrace. It must not import any package that is
// tested, not even the one that names queues.
package foreign

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rabbitmq/amqp091-go"
)

// Config says what a [Worker] is and which faults it has.
type Config struct {
	// AMQP is the URL of RabbitMQ, Queue the job queue, BuildAPI the script endpoint with the token as user.
	AMQP, Queue, BuildAPI string
	// Pool is how many jobs run at a time. Default 1.
	Pool int
	// Dir takes the scripts and home directories.
	Dir string
	// Overtake is the longest that a report is on its way to the broker: reports that follow one another within it change places.
	Overtake time.Duration
	// Tail is how long after the last report and the acknowledgement the rest of the log comes.
	Tail time.Duration
	// Prepare is how long a job is prepared between receive and start.
	Prepare time.Duration
	// Resets is how many jobs are given back, the first ones.
	Resets int
	// ScriptTries is how often the script is asked for, with pauses that grow by 50 ms. Default 8.
	ScriptTries int
	// HoldAt is the step of a job at which the worker stands still until it is killed; empty: none. With it, no report may be
	// overtaken.
	HoldAt Step
	// FinalOnStop: a stopped worker still says of each running job's log that it is complete.
	FinalOnStop bool
}

// Run is a run of a job.
type Run struct {
	JobID uint64
	UUID  string
}

// Worker is a running double.
type Worker struct {
	config  Config
	conn    *amqp091.Connection
	ctx     context.Context //nolint:containedctx // ends when the worker is stopped at once
	stop    context.CancelCauseFunc
	drain   chan struct{} // closed: no more jobs are taken
	drained sync.Once
	held    chan struct{} // closed at the step at which it is held
	holding sync.Once
	done    sync.WaitGroup
	reports chan *amqp091.Channel // three, none of which knows of the others
	late    sync.WaitGroup        // reports on their way

	mu       sync.Mutex
	runs     []Run
	resets   int
	canceled map[uint64]context.CancelCauseFunc
	troubles []error
}

// The causes for which a run ends early.
var (
	errStopped  = errors.New("the worker is stopped")
	errKilled   = errors.New("the worker is killed")
	errCanceled = errors.New("the job is canceled")
)

const reportChannels = 3

// Start connects and takes jobs until the worker is stopped.
func Start(c Config) (*Worker, error) {
	c.Pool = max(c.Pool, 1)
	if c.ScriptTries <= 0 {
		c.ScriptTries = 8
	}
	conn, err := amqp091.Dial(c.AMQP)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	w := &Worker{
		config: c, conn: conn, drain: make(chan struct{}), held: make(chan struct{}), reports: make(chan *amqp091.Channel, reportChannels),
		resets: c.Resets, canceled: map[uint64]context.CancelCauseFunc{},
	}
	w.ctx, w.stop = context.WithCancelCause(context.Background())
	if err := w.open(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return w, nil
}

// open declares what the worker uses, in its own words, and starts its processors.
func (w *Worker) open() error {
	for range reportChannels {
		ch, err := w.conn.Channel()
		if err != nil {
			return err
		}
		w.reports <- ch
	}
	ch, err := w.conn.Channel()
	if err != nil {
		return err
	}
	for _, name := range []string{w.config.Queue, "reporting.jobs.builds", "reporting.jobs.logs"} {
		if _, err := ch.QueueDeclare(name, true, false, false, false, nil); err != nil {
			return fmt.Errorf("declare %s: %w", name, err)
		}
	}
	if err := ch.ExchangeDeclare("reporting", "topic", true, false, false, false, nil); err != nil {
		return fmt.Errorf("declare reporting: %w", err)
	}
	if err := ch.QueueBind("reporting.jobs.logs", "reporting.jobs.logs", "reporting", false, nil); err != nil {
		return err
	}
	commands, err := w.listen(ch)
	if err != nil {
		return fmt.Errorf("commands: %w", err)
	}
	w.done.Go(func() { w.obey(commands) })
	for range w.config.Pool {
		p, err := newProcessor(w)
		if err != nil {
			return err
		}
		w.done.Go(p.run)
	}
	return nil
}

func (w *Worker) listen(ch *amqp091.Channel) (<-chan amqp091.Delivery, error) {
	if err := ch.ExchangeDeclare("worker.commands", "fanout", false, false, false, false, nil); err != nil {
		return nil, err
	}
	q, err := ch.QueueDeclare("", true, false, true, false, nil)
	if err != nil {
		return nil, err
	}
	if err := ch.QueueBind(q.Name, "", "worker.commands", false, nil); err != nil {
		return nil, err
	}
	if err := ch.Qos(1, 0, false); err != nil {
		return nil, err
	}
	return ch.Consume(q.Name, "commands", false, true, false, false, nil)
}

// Stop is SIGTERM: running jobs end at once, without a report, and nothing is acknowledged.
func (w *Worker) Stop() error {
	w.Drain()
	w.stop(errStopped)
	return w.close()
}

// Kill is SIGKILL: the connection is gone, and what ran is gone with it.
func (w *Worker) Kill() error {
	w.stop(errKilled)
	err := w.conn.Close()
	w.Drain()
	w.done.Wait()
	w.late.Wait()
	return err
}

// Drain is SIGINT: running jobs go on, no other is taken.
func (w *Worker) Drain() { w.drained.Do(func() { close(w.drain) }) }

// Finish drains the worker and waits until its jobs have ended.
func (w *Worker) Finish() error {
	w.Drain()
	return w.close()
}

func (w *Worker) close() error {
	jobs := make(chan struct{})
	go func() {
		defer close(jobs)
		w.done.Wait()
		w.late.Wait()
	}()
	// The listener for commands ends with the connection.
	idle := time.NewTicker(10 * time.Millisecond)
	defer idle.Stop()
	for w.busy() {
		<-idle.C
	}
	w.late.Wait()
	err := w.conn.Close()
	w.stop(errStopped)
	<-jobs
	return err
}

func (w *Worker) busy() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.canceled) > 0
}

// Runs are the runs that were begun, in order.
func (w *Worker) Runs() []Run {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Run(nil), w.runs...)
}

// Troubles are what the worker could not make sense of.
func (w *Worker) Troubles() []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]error(nil), w.troubles...)
}

func (w *Worker) trouble(err error) {
	if w.ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.troubles = append(w.troubles, err)
}
