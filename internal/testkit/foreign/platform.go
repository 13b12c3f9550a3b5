package foreign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rabbitmq/amqp091-go"
)

// Platform is a double of the platform that the open-source worker was written for: it publishes jobs and cancels, and takes
// reports and logs, in that platform's words, and is strict about what it is told.
type Platform struct {
	conn  *amqp091.Connection
	queue string
	done  sync.WaitGroup

	mu       sync.Mutex
	out      *amqp091.Channel // publishes
	jobs     map[uint64]*Job
	changed  chan struct{} // closed, and replaced, when something came
	troubles []error
	marked   []func() error // what is to be done for each marker on its way; see behindLogs
}

// Job is a job as the platform knows it.
type Job struct {
	State   string // in this platform's spelling: canceled
	Resets  int
	Runs    []*PlatformRun
	Cancels int // commands that were sent

	payload map[string]any
}

// PlatformRun is what one run of a job said.
type PlatformRun struct {
	UUID   string
	States []string // in the order of their counts
	Log    string
	Final  bool // the log is complete
	Late   int  // log parts after the last state

	first, count, part int
	ended              bool
}

// StartPlatform connects and takes what workers report, until Close.
func StartPlatform(amqp, queue string) (*Platform, error) {
	conn, err := amqp091.Dial(amqp)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	p := &Platform{conn: conn, queue: queue, jobs: map[uint64]*Job{}, changed: make(chan struct{})}
	if err := p.open(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return p, nil
}

// open declares what this platform declares, in its own words.
func (p *Platform) open() error {
	var err error
	if p.out, err = p.conn.Channel(); err != nil {
		return err
	}
	for _, name := range []string{p.queue, "reporting.jobs.builds", "reporting.jobs.logs"} {
		if _, err := p.out.QueueDeclare(name, true, false, false, false, nil); err != nil {
			return fmt.Errorf("declare %s: %w", name, err)
		}
	}
	if err := p.out.ExchangeDeclare("reporting", "topic", true, false, false, false, nil); err != nil {
		return err
	}
	if err := p.out.QueueBind("reporting.jobs.builds", "reporting.jobs.builds", "reporting", false, nil); err != nil {
		return err
	}
	if err := p.out.ExchangeDeclare("worker.commands", "fanout", false, false, false, false, nil); err != nil {
		return err
	}
	for name, take := range map[string]func(amqp091.Delivery) error{"reporting.jobs.builds": p.report, "reporting.jobs.logs": p.logPart} {
		ch, err := p.conn.Channel()
		if err != nil {
			return err
		}
		all, err := ch.Consume(name, "", false, false, false, false, nil)
		if err != nil {
			return err
		}
		p.done.Go(func() {
			for d := range all {
				p.take(d, take)
			}
		})
	}
	return nil
}

// take hands a message on and acknowledges it, whatever it was.
func (p *Platform) take(d amqp091.Delivery, f func(amqp091.Delivery) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := f(d); err != nil {
		p.troubles = append(p.troubles, fmt.Errorf("%s: %w: %s", d.Type, err, d.Body))
	}
	close(p.changed)
	p.changed = make(chan struct{})
	_ = d.Ack(false)
}

// Close ends the connection.
func (p *Platform) Close() error {
	err := p.conn.Close()
	p.done.Wait()
	return err
}

// Queue publishes a job: the payload's keys are those of the original scheduler.
func (p *Platform) Queue(id uint64, payload map[string]any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jobs[id] = &Job{State: "queued", payload: payload}
	return p.publish(p.jobs[id])
}

func (p *Platform) publish(j *Job) error {
	body, err := json.Marshal(j.payload)
	if err != nil {
		return err
	}
	return p.out.PublishWithContext(context.Background(), "", p.queue, false, false, amqp091.Publishing{
		Type: "test", DeliveryMode: amqp091.Persistent, MessageId: strconv.FormatInt(time.Now().UnixNano(), 10),
		ContentType: "application/octet-stream", Body: body,
	})
}

// Cancel cancels a job, which is told to all workers.
func (p *Platform) Cancel(id uint64, reason string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jobs[id].State = "canceled"
	return p.command(id, reason)
}

func (p *Platform) command(id uint64, reason string) error {
	p.jobs[id].Cancels++
	body, err := json.Marshal(map[string]any{"type": "cancel_job", "job_id": id, "source": "hub", "reason": reason})
	if err != nil {
		return err
	}
	return p.out.PublishWithContext(context.Background(), "worker.commands", "", false, false, amqp091.Publishing{Body: body})
}

// Await waits until so holds of a job, and returns a copy of it.
func (p *Platform) Await(ctx context.Context, id uint64, so func(Job) bool) (Job, error) {
	for {
		p.mu.Lock()
		j, changed := p.jobs[id].copied(), p.changed
		p.mu.Unlock()
		if so(j) {
			return j, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return j, ctx.Err()
		}
	}
}

func (j *Job) copied() Job {
	c := *j
	c.Runs = nil
	for _, r := range j.Runs {
		run := *r
		run.States = slices.Clone(r.States)
		c.Runs = append(c.Runs, &run)
	}
	return c
}

// Troubles are what the platform could not make sense of.
func (p *Platform) Troubles() []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.troubles)
}

// run finds a run of a job by its id; a new one begins.
func (j *Job) run(id string) *PlatformRun {
	for _, r := range j.Runs {
		if r.UUID == id {
			return r
		}
	}
	first := 0
	if meta, ok := j.payload["meta"].(map[string]any); ok {
		first, _ = meta["state_update_count"].(int)
	}
	r := &PlatformRun{UUID: id, first: first, count: first}
	j.Runs = append(j.Runs, r)
	return r
}
