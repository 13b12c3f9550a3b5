package hub_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/hub"
	"github.com/headrace/headrace/platform/store"
)

// stopped is the store of a node that is stopped whenever it has a heartbeat to store, as by SIGSTOP.
type stopped struct{ *store.Store }

func (s stopped) Beat(ctx context.Context, _ ci.Heartbeat) ([]ci.RunStatus, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// counting counts the heartbeats that were stored, and those of them that a run was named in.
type counting struct {
	*store.Store
	stored, named *atomic.Int64
}

func (s counting) Beat(ctx context.Context, b ci.Heartbeat) ([]ci.RunStatus, error) {
	statuses, err := s.Store.Beat(ctx, b)
	if err == nil {
		s.stored.Add(1)
		s.named.Add(int64(len(b.Runs)))
	}
	return statuses, err
}

// TestEveryNodeHears: of nodes that all hear a heartbeat one stores and answers it, and one that is stopped keeps none from the
// others.
func TestEveryNodeHears(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var stored, named atomic.Int64
	working := counting{b.store, &stored, &named}
	for name, s := range map[string]hub.Store{"a": working, "b": working, "c": stopped{b.store}} {
		b.runAs(s, hub.Config{Node: name, Probe: 200 * time.Millisecond, Lease: 3 * time.Second})
	}
	sequence := int64(1)
	for ; stored.Load() == 0; sequence++ { // until one of those that work listens
		b.say(beatMessage(sequence, nil))
		<-time.After(5 * time.Millisecond)
	}
	if a := b.claim("r"); !a.Granted {
		t.Fatalf("claim = %+v", a)
	}
	run := broker.Run{JobID: b.job.ID, Attempt: 1, Run: "r"}
	const beats = 80 // more than a node takes without settling them
	for range beats {
		sequence++
		a := b.heartbeat(sequence, run)
		if len(a.Runs) != 1 || !a.Runs[0].Owned {
			t.Fatalf("answer = %+v", a)
		}
		<-time.After(20 * time.Millisecond)
	}
	if n := named.Load(); n != beats {
		t.Errorf("of %d heartbeats %d were stored", beats, n)
	}
	heard, err := b.store.Heard(t.Context())
	if err != nil || heard < 500*time.Millisecond {
		t.Errorf("%s were heard meanwhile, %v", heard, err)
	}
	j, err := b.store.Job(t.Context(), b.job.ID)
	if err != nil || j.Attempt != 1 {
		t.Errorf("job = %+v, %v", j, err)
	}
}

func beatMessage(sequence int64, runs []broker.Run) (broker.Message, error) {
	return broker.Encode(broker.HeartbeatExchange, "", broker.TypeHeartbeat, broker.Heartbeat{
		WorkerID: "w1", Name: "mill-07", Queue: "q", Slots: 1, Sequence: sequence, Runs: runs,
	})
}

// heartbeat says that the worker lives, and waits for the answer.
func (b *bench) heartbeat(sequence int64, run broker.Run) broker.HeartbeatAnswer {
	b.t.Helper()
	b.say(beatMessage(sequence, []broker.Run{run}))
	var a broker.HeartbeatAnswer
	for a.Sequence != sequence {
		b.answer(broker.TypeHeartbeatAnswer, &a)
	}
	return a
}
