package hub_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/hub"
)

// strictCarrier gives no more messages than may be unsettled, as brokers do.
type strictCarrier struct{ *fakeCarrier }

func (c strictCarrier) Consume(ctx context.Context, queue string, prefetch int, handle func(context.Context, broker.Delivery)) error {
	room := make(chan struct{}, prefetch)
	return c.fakeCarrier.Consume(ctx, queue, prefetch, func(ctx context.Context, d broker.Delivery) {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return
		}
		go func() {
			select {
			case <-d.(*delivery).settled:
				<-room
			case <-ctx.Done():
			}
		}()
		handle(ctx, d)
	})
}

// TestSlowStore: while logs are stored slowly, or not at all, the node holds a bounded part of them; states and heartbeats go
// their way, and no log is closed because nothing was added to it.
func TestSlowStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		back := make(chan struct{})
		var closed, stored, heard atomic.Int64
		begin := time.Now()
		s := &fakeStore{
			AppendFunc: func(parts []ci.LogPart) ([]ci.LogStored, error) {
				<-back
				stored.Add(int64(len(parts)))
				return nil, nil
			},
			LogFunc: func(job int64, attempt int) (ci.Log, error) {
				return ci.Log{JobID: job, Attempt: attempt}, nil
			},
			HeardFunc:  func() (time.Duration, error) { return time.Since(begin), nil },
			ReportFunc: func(ci.StateReport, int) (ci.Moved, error) { return ci.Moved{}, nil },
			BeatFunc: func(ci.Heartbeat) ([]ci.RunStatus, error) {
				heard.Add(1)
				return nil, nil
			},
			CloseFunc: func(time.Duration) ([]ci.LogStored, error) {
				closed.Add(1)
				return nil, nil
			},
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- hub.New(s, strictCarrier{carrier}, make(heardAll), hub.Config{Node: "a"}).Run(ctx) }()

		const parts, most = 4000, 512
		content := string(make([]byte, broker.MaxPart))
		for i := range parts {
			carrier.put(broker.LogQueue, logMessage(i, content))
		}
		<-time.After(10 * time.Second)
		before := closed.Load()
		var last []*delivery
		for job := range int64(1000) {
			last = append(last, carrier.put(broker.StateQueue, reportMessage(t, broker.StateReport{
				ID: job + 10, State: "passed", Meta: broker.ReportMeta{UUID: "r"}, Headrace: &broker.StateExtra{Attempt: 1, LogParts: 7},
			})))
		}
		started := carrier.put(broker.StateQueue, reportMessage(t, broker.StateReport{
			ID: 5, State: "started", Meta: broker.ReportMeta{UUID: "r"}, Headrace: &broker.StateExtra{Attempt: 1},
		}))
		<-started.settled
		<-carrier.put(broker.HeartbeatExchange, encode(t, broker.TypeHeartbeat, broker.Heartbeat{WorkerID: "w1", Name: "mill-07", Queue: "q", Slots: 1, Sequence: 1})).settled
		<-time.After(time.Minute)

		if left := len(carrier.queue(broker.LogQueue)); left < parts-most-1 {
			t.Errorf("%d parts are in memory, want %d at most", parts-left, most)
		}
		if n := closed.Load() - before; n != 0 || heard.Load() != 1 {
			t.Errorf("logs were closed %d times; %d heartbeats were heard", n, heard.Load())
		}
		waiting := 0
		for _, d := range last {
			if !d.acked() {
				waiting++
			}
		}
		if waiting != 128 {
			t.Errorf("%d last states wait for their logs, want 128", waiting)
		}
		close(back)
		<-time.After(time.Minute)
		if stored.Load() != parts || closed.Load() == before {
			t.Errorf("%d parts are stored in the end; logs were closed: %t", stored.Load(), closed.Load() > before)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

// heardAll hears what is announced and does nothing.
type heardAll chan struct{}

func (heardAll) Announce(context.Context, ...ci.Change) {}
