package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/broker/rabbitmq"
	"github.com/headrace/headrace/internal/run"
)

// perConnection is how many simulated workers share a connection: each has channels of its own.
const perConnection = 50

// simulate starts workers which claim, report and write logs as real ones do, and run nothing.
func simulate(ctx context.Context, address string, workers int) (stop func(), err error) {
	g := run.NewGroup(ctx)
	stop = func() { g.Stop(); _ = g.Wait() }
	var carrier broker.Carrier
	for i := range workers {
		if i%perConnection == 0 {
			if carrier, err = rabbitmq.New(rabbitmq.Config{URL: address, Name: "headrace bench"}); err != nil {
				stop()
				return nil, err
			}
			g.Go("broker", carrier.Run)
			if err := carrier.DeclareQueue(ctx, broker.DefaultJobQueue); err != nil {
				stop()
				return nil, err
			}
		}
		w := &simulated{carrier: carrier, id: rand.Text(), name: fmt.Sprintf("simulated-%d", i), granted: map[string]chan bool{}}
		g.Go(w.name, w.live)
	}
	return stop, nil
}

// simulated is a worker of one slot.
type simulated struct {
	carrier  broker.Carrier
	id, name string

	mu      sync.Mutex
	runs    []broker.Run         // that it has
	granted map[string]chan bool // by run: answers to claims
	beats   int64
}

func (w *simulated) live(ctx context.Context) error {
	own := broker.WorkerQueue(w.id)
	g := run.NewGroup(ctx)
	g.Go("bind", func(ctx context.Context) error { return w.carrier.Bind(ctx, own) })
	g.Go("answers", func(ctx context.Context) error {
		return w.carrier.Consume(ctx, own, 10, func(ctx context.Context, d broker.Delivery) {
			w.hear(d.Message())
			_ = d.Ack(ctx)
		})
	})
	g.Go("heartbeats", func(ctx context.Context) error {
		return run.Every(ctx, 3*time.Second, nil, func(ctx context.Context) (bool, error) { return false, w.beat(ctx) })
	})
	g.Go("jobs", func(ctx context.Context) error {
		for ctx.Err() == nil {
			d, err := w.carrier.Receive(ctx, broker.DefaultJobQueue)
			if err != nil {
				return err
			}
			if err := w.perform(ctx, d); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

func (w *simulated) hear(m broker.Message) {
	var a broker.ClaimAnswer
	if m.Type != broker.TypeClaimAnswer || broker.Decode(m, &a) != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if answer := w.granted[a.Run]; answer != nil {
		delete(w.granted, a.Run)
		answer <- a.Granted
	}
}

func (w *simulated) beat(ctx context.Context) error {
	w.mu.Lock()
	w.beats++
	b := broker.Heartbeat{WorkerID: w.id, Name: w.name, Version: "simulated", Queue: broker.DefaultJobQueue, Slots: 1, Executor: "none", Sequence: w.beats, Runs: append([]broker.Run{}, w.runs...)}
	w.mu.Unlock()
	m, err := broker.Encode(broker.HeartbeatExchange, "", broker.TypeHeartbeat, b)
	if err != nil {
		return err
	}
	return w.carrier.Publish(ctx, m)
}

// perform claims the job of a message and says of it what a worker says.
func (w *simulated) perform(ctx context.Context, d broker.Delivery) error {
	j, err := broker.DecodeJob(d.Message())
	if err != nil || j.Headrace == nil {
		return d.Ack(ctx)
	}
	r := broker.Run{JobID: j.Job.ID, Attempt: j.Headrace.Attempt, Run: rand.Text()}
	granted, err := w.claim(ctx, r)
	if err != nil {
		return err
	}
	if err := d.Ack(ctx); err != nil || !granted {
		return err
	}
	defer w.hold(nil)
	for n, state := range []string{"started", "passed"} {
		if state == "passed" {
			if err := w.carrier.Publish(ctx, broker.LogPart{JobID: r.JobID, Attempt: r.Attempt, Run: r.Run, Content: said(j), Final: true}.Message()); err != nil {
				return err
			}
		}
		m, err := broker.StateReport{
			ID: r.JobID, State: state, Meta: broker.ReportMeta{StateUpdateCount: 1000*r.Attempt + n + 1, UUID: r.Run},
			Headrace: &broker.StateExtra{Attempt: r.Attempt, Worker: w.id},
		}.Message()
		if err != nil {
			return err
		}
		if err := w.carrier.Publish(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (w *simulated) hold(runs []broker.Run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs = runs
}

func (w *simulated) claim(ctx context.Context, r broker.Run) (bool, error) {
	answer := make(chan bool, 1)
	w.mu.Lock()
	w.granted[r.Run] = answer
	w.mu.Unlock()
	w.hold([]broker.Run{r})
	m, err := broker.Encode("", broker.ClaimQueue, broker.TypeClaim, broker.Claim{JobID: r.JobID, Attempt: r.Attempt, Run: r.Run, WorkerID: w.id, Worker: w.name})
	if err != nil {
		return false, err
	}
	for {
		if err := w.carrier.Publish(ctx, m); err != nil {
			return false, err
		}
		timer := time.NewTimer(2 * time.Second)
		select {
		case granted := <-answer:
			timer.Stop()
			return granted, nil
		case <-timer.C: // asked again, as a worker does
		case <-ctx.Done():
			timer.Stop()
			return false, ctx.Err()
		}
	}
}

// said is the log of a job whose script is one echo.
func said(j broker.Job) []byte {
	var config struct {
		Script json.RawMessage `json:"script"`
	}
	_ = json.Unmarshal(j.Config, &config)
	_, after, _ := strings.Cut(string(config.Script), "echo ")
	text, _, _ := strings.Cut(after, `"`)
	return []byte("$ echo\n" + text + "\n")
}
