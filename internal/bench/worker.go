package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/broker/rabbitmq"
	"github.com/headrace/headrace/internal/run"
)

// measureWorker measures one worker without a platform: what the platform answers is answered here, at once and from memory.
func measureWorker(ctx context.Context, r *rig, o options) ([]figure, error) {
	address, err := r.vhost(ctx)
	if err != nil {
		return nil, err
	}
	carrier, err := rabbitmq.New(rabbitmq.Config{URL: address, Name: "headrace bench"})
	if err != nil {
		return nil, err
	}
	n := o.n(2000, 20)
	desk := newDesk(carrier, n)
	g := run.NewGroup(ctx)
	defer func() { g.Stop(); _ = g.Wait() }()
	g.Go("broker", carrier.Run)
	desk.serve(g)
	if err := carrier.DeclareQueue(ctx, broker.DefaultJobQueue); err != nil {
		return nil, err
	}
	if err := offer(ctx, carrier, n); err != nil {
		return nil, err
	}
	worker, err := r.worker("alone", address, 8)
	if err != nil {
		return nil, err
	}
	defer worker.stop()
	select {
	case <-desk.claimed:
	case <-desk.done:
	case <-time.After(patience):
		return nil, fmt.Errorf("the worker claims nothing: %s", worker.tail())
	}
	began := time.Now()
	before, err := cpuOf(worker.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(5 * patience)
	defer timer.Stop()
	select {
	case <-desk.done:
	case <-timer.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	took := time.Since(began)
	after, err := cpuOf(worker.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	c := desk.check(n)
	beside := []string{rawMessages, rawDeliver, rawBash}
	per := 1000 / float64(n)
	own, shells := per*(after.own-before.own).Seconds(), per*(after.children-before.children).Seconds()
	return []figure{
		c.figure("trivial jobs, worker alone", "1,000 /s", "jobs with their logs", beside, perSecond(n, took, "/s")),
		c.figure("worker CPU per 1,000 trivial jobs", "0.6 s", "jobs with their logs", beside, amount{"", own, "s"}, amount{"and its shells", shells, "s"}),
	}, nil
}

// offer puts jobs into the queue.
func offer(ctx context.Context, carrier broker.Carrier, n int) error {
	for i := range n {
		config, err := json.Marshal(map[string]any{"language": "shell", "os": "linux", "git": map[string]bool{"clone": false}, "script": []string{wheel(i)}})
		if err != nil {
			return err
		}
		m, err := broker.Job{
			Type: broker.TypeJob, Job: broker.JobDetails{ID: int64(i + 1), Number: "1." + strconv.Itoa(i+1), Commit: "0123456789", Branch: "main", PullRequest: false},
			Source: broker.Source{ID: 1, Number: "1", EventType: "api"}, Repository: broker.Repository{ID: 1, Slug: "acme/app"}, Queue: broker.DefaultJobQueue,
			Config: config, Meta: broker.JobMeta{StateUpdateCount: 1000}, Headrace: &broker.JobExtra{Attempt: 1},
		}.Message()
		if err != nil {
			return err
		}
		if err := carrier.Publish(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func wheel(i int) string { return fmt.Sprintf("echo hello %d of the wheel", i) }

// desk answers workers as a platform does, and remembers what they say.
type desk struct {
	carrier broker.Carrier
	claimed chan struct{} // closed at the first claim
	done    chan struct{} // closed when all jobs have ended and their logs are whole
	want    int

	mu    sync.Mutex
	jobs  map[int64]*deskJob
	ended int
}

// deskJob is what a worker has said about a job.
type deskJob struct {
	claims, finals int
	state          string
	parts          map[int][]byte
	last           int // the final part, -1: not yet
	whole          bool
}

func newDesk(carrier broker.Carrier, n int) *desk {
	return &desk{carrier: carrier, claimed: make(chan struct{}), done: make(chan struct{}), want: n, jobs: map[int64]*deskJob{}}
}

// serve consumes the queues of the platform.
func (d *desk) serve(g *run.Group) {
	for queue, handle := range map[string]func(context.Context, broker.Message) error{
		broker.ClaimQueue: d.claim, broker.HeartbeatExchange: d.beat, broker.StateQueue: d.report, broker.LogQueue: d.log,
	} {
		take := d.carrier.Consume
		if queue == broker.HeartbeatExchange {
			take = d.carrier.Listen
		}
		g.Go(queue, func(ctx context.Context) error {
			return take(ctx, queue, 200, func(ctx context.Context, in broker.Delivery) {
				if err := handle(ctx, in.Message()); err == nil {
					_ = in.Ack(ctx)
				}
			})
		})
	}
}

func (d *desk) job(id int64) *deskJob {
	if d.jobs[id] == nil {
		d.jobs[id] = &deskJob{parts: map[int][]byte{}, last: -1}
	}
	return d.jobs[id]
}

func (d *desk) claim(ctx context.Context, m broker.Message) error {
	var c broker.Claim
	if err := broker.Decode(m, &c); err != nil {
		return err
	}
	d.mu.Lock()
	if len(d.jobs) == 0 {
		close(d.claimed)
	}
	d.job(c.JobID).claims++
	d.mu.Unlock()
	return d.answer(ctx, c.WorkerID, broker.TypeClaimAnswer, broker.ClaimAnswer{JobID: c.JobID, Attempt: c.Attempt, Run: c.Run, Granted: true})
}

func (d *desk) answer(ctx context.Context, worker, kind string, v any) error {
	m, err := broker.Encode("", broker.WorkerQueue(worker), kind, v)
	if err != nil {
		return err
	}
	return d.carrier.Publish(ctx, m)
}

func (d *desk) beat(ctx context.Context, m broker.Message) error {
	var b broker.Heartbeat
	if err := broker.Decode(m, &b); err != nil {
		return err
	}
	answer := broker.HeartbeatAnswer{Sequence: b.Sequence, Runs: []broker.RunStatus{}}
	d.mu.Lock()
	for _, r := range b.Runs {
		j := d.job(r.JobID)
		next := 0
		for ; j.parts[next] != nil; next++ {
			continue
		}
		answer.Runs = append(answer.Runs, broker.RunStatus{Run: r, Owned: j.finals == 0, State: j.state, Next: next, Closed: j.whole})
	}
	d.mu.Unlock()
	return d.answer(ctx, b.WorkerID, broker.TypeHeartbeatAnswer, answer)
}

func (d *desk) report(_ context.Context, m broker.Message) error {
	s, err := broker.DecodeStateReport(m)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	j := d.job(s.ID)
	j.state = s.State
	if m.Type == broker.TypeFinish {
		j.finals++
	}
	d.look(j)
	return nil
}

func (d *desk) log(_ context.Context, m broker.Message) error {
	p, err := broker.DecodeLogPart(m)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	j := d.job(p.JobID)
	j.parts[p.Number] = append([]byte{}, p.Content...)
	if p.Final {
		j.last = p.Number
	}
	d.look(j)
	return nil
}

// look closes done when the last job has ended and its log is whole.
func (d *desk) look(j *deskJob) {
	if j.whole || j.finals == 0 || j.last < 0 || len(j.parts) != j.last+1 {
		return
	}
	j.whole = true
	if d.ended++; d.ended == d.want {
		close(d.done)
	}
}

// check looks at each job: claimed, passed once, with a log that says which one it was.
func (d *desk) check(n int) (c checks) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range n {
		j := d.job(int64(i + 1))
		var text bytes.Buffer
		for k := 0; k <= j.last; k++ {
			text.Write(j.parts[k])
		}
		said := bytes.Contains(text.Bytes(), fmt.Appendf(nil, "\nhello %d of the wheel", i))
		c.check(j.claims > 0 && j.finals == 1 && j.state == "passed" && j.whole && said,
			"job %d: %d claims, %d ends, %s, log whole: %t, %.300q", i+1, j.claims, j.finals, j.state, j.whole, text.Bytes())
	}
	return c
}

// path is a file of the rig.
func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }
