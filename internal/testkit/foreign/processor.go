package foreign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/rabbitmq/amqp091-go"
)

// obey does what commands say: it knows only the jobs that it has now.
func (w *Worker) obey(commands <-chan amqp091.Delivery) {
	for d := range commands {
		var c struct {
			Type   string `json:"type"`
			JobID  uint64 `json:"job_id"`
			Reason string `json:"reason"`
		}
		if err := json.Unmarshal(d.Body, &c); err != nil || c.Type != "cancel_job" {
			w.trouble(fmt.Errorf("command %s: %w", d.Body, errors.Join(err, errors.ErrUnsupported)))
		}
		w.mu.Lock()
		cancel := w.canceled[c.JobID]
		w.mu.Unlock()
		if cancel != nil {
			cancel(fmt.Errorf("%w: %s", errCanceled, c.Reason))
		}
		_ = d.Ack(false)
	}
}

// processor runs one job at a time.
type processor struct {
	*Worker
	jobs <-chan amqp091.Delivery
	ch   *amqp091.Channel
	logs *amqp091.Channel
}

func newProcessor(w *Worker) (*processor, error) {
	p := &processor{Worker: w}
	var err error
	if p.ch, err = w.conn.Channel(); err != nil {
		return nil, err
	}
	if p.logs, err = w.conn.Channel(); err != nil {
		return nil, err
	}
	if err := p.ch.Qos(1, 0, false); err != nil {
		return nil, err
	}
	p.jobs, err = p.ch.Consume(w.config.Queue, "build-job-consumer", false, false, false, false, amqp091.Table{"x-priority": int64(0)})
	return p, err
}

func (p *processor) run() {
	for {
		select {
		case <-p.drain:
			_ = p.ch.Close() // what was delivered and not begun goes back
			return
		case d, ok := <-p.jobs:
			if !ok {
				return
			}
			select {
			case <-p.drain:
				_ = d.Nack(false, true)
				return
			default:
				p.process(d)
			}
		}
	}
}

// payload is what the worker reads of a job message. Its types are as strict as the real one's.
type payload struct {
	Job struct {
		ID       uint64     `json:"id"`
		QueuedAt *time.Time `json:"queued_at"`
	} `json:"job"`
	Config   json.RawMessage `json:"config"`
	Timeouts struct {
		HardLimit *uint64 `json:"hard_limit"`
	} `json:"timeouts"`
	Meta struct {
		StateUpdateCount uint `json:"state_update_count"`
	} `json:"meta"`
	UUID string `json:"uuid"`
}

// attributes are the keys of the config that must be text.
type attributes struct {
	Language, Dist, Arch, Group, OS string
	OSXImage                        string `json:"osx_image"`
	ImageName                       string `json:"image_name"`
}

// task is a job in the hands of a processor.
type task struct {
	*processor
	delivery amqp091.Delivery
	payload  payload
	uuid     string
	count    uint // of the next report
	part     int  // of the log, the next
	times    map[string]any
}

func (p *processor) process(d amqp091.Delivery) {
	t := &task{processor: p, delivery: d, times: map[string]any{}}
	if err := json.Unmarshal(d.Body, &t.payload); err != nil {
		p.trouble(fmt.Errorf("a message that stalls a processor: %w: %s", err, d.Body))
		<-p.ctx.Done() // neither acknowledged nor given back: the slot is lost
		return
	}
	if string(t.payload.Config) == "null" {
		p.trouble(errors.New("a message that kills the worker: its config is null"))
		return
	}
	t.count, t.uuid = t.payload.Meta.StateUpdateCount, t.payload.UUID
	if t.uuid == "" {
		t.uuid = uuid.NewString()
	}
	ctx, cancel := context.WithCancelCause(p.ctx)
	defer cancel(nil)
	id := t.payload.Job.ID
	p.mu.Lock()
	p.runs = append(p.runs, Run{JobID: id, UUID: t.uuid})
	p.canceled[id] = cancel
	p.mu.Unlock()
	t.perform(ctx)
	p.mu.Lock()
	delete(p.canceled, id)
	p.mu.Unlock()
}

// perform takes the steps of a job.
func (t *task) perform(ctx context.Context) {
	t.at(Delivered)
	var a attributes
	if err := json.Unmarshal(t.payload.Config, &a); err != nil {
		t.trouble(fmt.Errorf("the config does not fit: %w", err))
		t.log("The config of this job cannot be read.\n", false)
		t.log("", true)
		t.finish("errored")
		return
	}
	script, err := t.script(ctx)
	if err != nil {
		t.trouble(err)
		t.log("There is no script for this job.\n", false)
		t.log("", true)
		t.finish("errored")
		return
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errCanceled) {
		return
	}
	t.times["received_at"] = now()
	t.report("job:test:receive", "received")
	t.at(Received)
	wait(ctx, t.config.Prepare)
	if t.ended(ctx) {
		return
	}
	t.times["started_at"] = now()
	if t.takeReset() {
		t.times["finished_at"] = now()
		t.report("job:test:reset", "reset")()
		_ = t.delivery.Ack(false)
		return
	}
	t.report("job:test:start", "started")
	t.at(Started)
	t.log("travis_fold:start:worker_info\r\x1b[0Kinstance: double (via amqp)\ntravis_fold:end:worker_info\r\x1b[0K", false)
	t.execute(ctx, script)
}

func (t *task) takeReset() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.resets--
	return t.resets >= 0
}

// ended ends the job when the worker is stopped or the job canceled.
func (t *task) ended(ctx context.Context) bool {
	cause := context.Cause(ctx)
	switch {
	case cause == nil:
		return false
	case errors.Is(cause, errCanceled):
		t.log("\n\nDone: "+cause.Error()+"\n", false)
		t.log("", true)
		t.finish("cancelled")
	case errors.Is(cause, errStopped) && t.config.FinalOnStop:
		t.log("", true)
	}
	return true
}

// execute runs the script and sends what it prints, twice a second as the real one does, but faster.
func (t *task) execute(ctx context.Context, script []byte) {
	home := filepath.Join(t.config.Dir, t.uuid)
	path := filepath.Join(home, "build.sh")
	if err := errors.Join(os.MkdirAll(home, 0o755), os.WriteFile(path, script, 0o600)); err != nil {
		t.trouble(err)
		return
	}
	cmd := exec.CommandContext(ctx, "bash", path)
	cmd.Dir, cmd.Env = home, []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out := &output{}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, out, time.Second
	ended := make(chan error, 1)
	go func() { ended <- cmd.Run() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if t.flush(out) {
				t.at(Logging)
			}
			continue
		case err := <-ended:
			if t.ended(ctx) {
				return
			}
			t.finish(result(err))
		}
		break
	}
	wait(ctx, t.config.Tail)
	if ctx.Err() == nil {
		t.flush(out)
		t.log("", true)
	}
}

func result(err error) string {
	exit, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return "passed"
	case ok && exit.ExitCode() == 1:
		return "failed"
	}
	return "errored"
}

func (t *task) finish(state string) {
	t.times["finished_at"] = now()
	t.report("job:test:finish", state)()
	t.at(Finished)
	_ = t.delivery.Ack(false)
	t.at(Acked)
}

// report publishes on any of three channels, so that reports of one job overtake one another. The answer waits until this
// one is published.
func (t *task) report(kind, state string) (published func()) {
	body := map[string]any{"id": t.payload.Job.ID, "state": state, "meta": map[string]any{"state_update_count": t.count, "uuid": t.uuid}}
	t.count++
	if t.payload.Job.QueuedAt != nil {
		body["queued_at"] = t.payload.Job.QueuedAt.UTC().Format(time.RFC3339)
	}
	for k, v := range t.times {
		body[k] = v
	}
	m := message(kind, body)
	send := func() {
		if t.config.Overtake > 0 {
			timer := time.NewTimer(rand.N(t.config.Overtake)) //nolint:gosec // a fault, no secret
			<-timer.C
		}
		ch := <-t.reports
		defer func() { t.reports <- ch }()
		if err := ch.PublishWithContext(context.Background(), "", "reporting.jobs.builds", false, false, m); err != nil {
			t.trouble(err)
		}
	}
	gone := make(chan struct{})
	t.late.Go(func() {
		defer close(gone)
		send()
	})
	if t.config.Overtake == 0 {
		<-gone
	}
	return func() { <-gone }
}

// mostText is the most bytes of a part; it is cut there also within a character.
const mostText = 1653

// flush sends what was printed, and says whether there was anything.
func (t *task) flush(out *output) bool {
	text := out.take()
	some := len(text) > 0
	for len(text) > 0 {
		n := min(len(text), mostText)
		t.log(string(text[:n]), false)
		text = text[n:]
	}
	return some
}

func (t *task) log(text string, final bool) {
	m := message("job:test:log", map[string]any{
		"id": t.payload.Job.ID, "log": strings.ToValidUTF8(text, "\ufffd"), "number": t.part, "uuid": t.uuid, "final": final,
	})
	t.part++
	if err := t.logs.PublishWithContext(context.Background(), "reporting", "reporting.jobs.logs", false, false, m); err != nil {
		t.trouble(err)
	}
}

func message(kind string, body map[string]any) amqp091.Publishing {
	var b bytes.Buffer
	_ = json.NewEncoder(&b).Encode(body) // maps of texts, numbers and booleans are always encoded
	return amqp091.Publishing{Type: kind, ContentType: "application/json", DeliveryMode: amqp091.Persistent, Timestamp: time.Now(), Body: b.Bytes()}
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
