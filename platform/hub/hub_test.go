package hub_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/hub"
)

func TestClaims(t *testing.T) {
	t.Parallel()
	question := broker.Claim{JobID: 4, Attempt: 2, Run: "r", WorkerID: "w1", Worker: "mill-07"}
	for name, c := range map[string]struct {
		err  error
		want broker.ClaimAnswer
	}{
		"granted":      {nil, broker.ClaimAnswer{JobID: 4, Attempt: 2, Run: "r", Granted: true, Next: 3}},
		"another's":    {fmt.Errorf("claim job 4: %w", ci.ErrOwned), broker.ClaimAnswer{JobID: 4, Attempt: 2, Run: "r", Reason: "Another worker owns this attempt of the job."}},
		"no such job":  {fault.New(fault.NotFound, "There is no such job."), broker.ClaimAnswer{JobID: 4, Attempt: 2, Run: "r", Reason: "There is no such job."}},
		"already over": {ci.ErrStale, broker.ClaimAnswer{JobID: 4, Attempt: 2, Run: "r", Reason: ci.ErrStale.Message}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			carrier := newFakeCarrier()
			s := &fakeStore{ClaimFunc: func(got ci.Claim) (ci.Claimed, ci.Moved, error) {
				want := ci.Claim{JobID: question.JobID, Attempt: question.Attempt, Run: question.Run, WorkerID: question.WorkerID, Worker: question.Worker}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("asked (-want +got):\n%s", diff)
				}
				return ci.Claimed{Next: 3}, ci.Moved{Job: ci.Job{ID: 4, BuildID: 9, State: ci.Received, Attempt: 2}, BuildState: ci.Received}, c.err
			}}
			x, h := start(t, s, carrier, hub.Config{})
			d := carrier.put(broker.ClaimQueue, encode(t, broker.TypeClaim, question))
			m := <-carrier.published
			var got broker.ClaimAnswer
			if err := broker.Decode(m, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" || m.Key != "headrace.worker.w1" || m.Type != broker.TypeClaimAnswer || !m.Transient {
				t.Errorf("answer %+v (-want +got):\n%s", m, diff)
			}
			<-d.settled
			if c.want.Granted {
				if a, b := <-h, <-h; a.State != "received" || b.Kind != ci.ChangeBuild {
					t.Errorf("announced %+v, %+v", a, b)
				}
			} else if x.Counters().Refused != 1 {
				t.Errorf("counters %+v, want one refusal", x.Counters())
			}
		})
	}
}

func TestClaimIsNotAnsweredWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	carrier := newFakeCarrier()
	s := &fakeStore{ClaimFunc: func(ci.Claim) (ci.Claimed, ci.Moved, error) {
		return ci.Claimed{}, ci.Moved{}, fault.New(fault.Unavailable, "away")
	}}
	start(t, s, carrier, hub.Config{})
	d := carrier.put(broker.ClaimQueue, encode(t, broker.TypeClaim, broker.Claim{JobID: 4, Attempt: 2, Run: "r", WorkerID: "w1"}))
	<-d.settled
	if len(carrier.published) > 0 {
		t.Errorf("answered %+v", <-carrier.published)
	}
}

func TestHeartbeats(t *testing.T) {
	t.Parallel()
	carrier := newFakeCarrier()
	beat := broker.Heartbeat{
		WorkerID: "w1", Name: "mill-07", Version: "1", Queue: "q", Slots: 2, Draining: true, Executor: "local", Sequence: 8,
		Runs: []broker.Run{{JobID: 4, Attempt: 2, Run: "r"}},
	}
	s := &fakeStore{BeatFunc: func(got ci.Heartbeat) ([]ci.RunStatus, error) {
		want := ci.Heartbeat{
			WorkerID: "w1", Name: "mill-07", Version: "1", Queue: "q", Slots: 2, Draining: true, Executor: "local", Sequence: 8,
			Runs: []ci.RunRef{{JobID: 4, Attempt: 2, Run: "r"}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
		return []ci.RunStatus{{RunRef: got.Runs[0], Owned: true, Canceled: true, State: ci.Started, Next: 7, Closed: true}}, nil
	}}
	_, h := start(t, s, carrier, hub.Config{})
	for range 2 {
		<-carrier.put(broker.HeartbeatExchange, encode(t, broker.TypeHeartbeat, beat)).settled
		m := <-carrier.published
		var got broker.HeartbeatAnswer
		if err := broker.Decode(m, &got); err != nil {
			t.Fatal(err)
		}
		want := broker.HeartbeatAnswer{Sequence: 8, Runs: []broker.RunStatus{{
			Run: beat.Runs[0], Owned: true, Canceled: true, State: "started", Next: 7, Closed: true,
		}}}
		if diff := cmp.Diff(want, got); diff != "" || m.Key != "headrace.worker.w1" || m.Type != broker.TypeHeartbeatAnswer {
			t.Errorf("answer %+v (-want +got):\n%s", m, diff)
		}
	}
	if c := <-h; c.Kind != ci.ChangeWorker || c.Worker != "w1" || len(h) > 0 {
		t.Errorf("announced %+v and %d more, want the worker once", c, len(h))
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	exit := 3
	for name, c := range map[string]struct {
		in   broker.StateReport
		want ci.StateReport
	}{
		"started": {
			broker.StateReport{State: "started", Headrace: &broker.StateExtra{Attempt: 2, Worker: "w"}},
			ci.StateReport{State: ci.Started},
		},
		"failed": {
			broker.StateReport{State: "failed", Headrace: &broker.StateExtra{Attempt: 2, Worker: "w", ExitCode: &exit, Reason: "setup", Note: "said no"}},
			ci.StateReport{State: ci.Failed, ExitCode: &exit, Reason: ci.ReasonSetup, Note: "said no"},
		},
		"canceled": {
			broker.StateReport{State: "cancelled", Headrace: &broker.StateExtra{Attempt: 2, Worker: "w"}},
			ci.StateReport{State: ci.Canceled},
		},
		"reset": {
			broker.StateReport{State: "reset", Headrace: &broker.StateExtra{Attempt: 2, Worker: "w", Note: "stopping"}},
			ci.StateReport{Reset: true, Note: "stopping"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			carrier := newFakeCarrier()
			c.in.ID, c.in.Meta.UUID = 4, "r"
			c.want.RunRef = ci.RunRef{JobID: 4, Attempt: 2, Run: "r"}
			var d *delivery
			s := &fakeStore{ReportFunc: func(got ci.StateReport, maxTries int) (ci.Moved, error) {
				if diff := cmp.Diff(c.want, got); diff != "" || maxTries != 5 {
					t.Errorf("stored, at most %d tries (-want +got):\n%s", maxTries, diff)
				}
				return ci.Moved{
					Job: ci.Job{ID: 4, BuildID: 9, State: ci.Failed}, BuildState: ci.Failed, Dropped: []ci.Job{{ID: 5, BuildID: 9, State: ci.Canceled}},
				}, nil
			}}
			_, h := start(t, s, carrier, hub.Config{MaxTries: 5})
			d = carrier.put(broker.StateQueue, reportMessage(t, c.in))
			<-d.settled
			var got []string
			for range 3 {
				change := <-h
				got = append(got, fmt.Sprint(change.Kind, " ", change.Job, " ", change.State))
			}
			if diff := cmp.Diff([]string{"job 4 failed", "job 5 canceled", "build 0 failed"}, got); diff != "" {
				t.Errorf("announced (-want +got):\n%s", diff)
			}
		})
	}
}

// A report is acknowledged only when the store has it.
func TestReportWaitsForTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		var d *delivery
		var calls atomic.Int64
		back := make(chan struct{})
		s := &fakeStore{ReportFunc: func(ci.StateReport, int) (ci.Moved, error) {
			calls.Add(1)
			select {
			case <-back:
				return ci.Moved{}, nil
			default:
				return ci.Moved{}, fault.New(fault.Unavailable, "away")
			}
		}}
		start(t, s, carrier, hub.Config{})
		d = carrier.put(broker.StateQueue, reportMessage(t, broker.StateReport{ID: 4, State: "passed", Headrace: &broker.StateExtra{Attempt: 1}}))
		<-time.After(time.Hour)
		if n := calls.Load(); d.acked() || n < 100 || n > 3000 {
			t.Errorf("after an hour without a store: acknowledged %v, %d calls", d.acked(), n)
		}
		close(back)
		<-d.settled
	})
}

func TestReportsThatChangeNothingAreSettled(t *testing.T) {
	t.Parallel()
	stale := broker.StateReport{ID: 4, State: "passed", Meta: broker.ReportMeta{UUID: "r"}, Headrace: &broker.StateExtra{Attempt: 1, Worker: "w"}}
	odd := stale
	odd.State = "purple"
	received := stale
	received.State = "received"
	for name, c := range map[string]struct {
		message broker.Message
		moved   ci.Moved
		err     error
		want    hub.Counters
	}{
		"stale":        {reportMessage(t, stale), ci.Moved{Stale: true}, nil, hub.Counters{Stale: 1}},
		"refused":      {reportMessage(t, stale), ci.Moved{}, fmt.Errorf("x: %w", ci.ErrStale), hub.Counters{Stale: 1}},
		"deleted job":  {reportMessage(t, stale), ci.Moved{}, fault.New(fault.NotFound, "gone"), hub.Counters{Stale: 1}},
		"not a state":  {reportMessage(t, odd), ci.Moved{}, nil, hub.Counters{Dropped: 1}},
		"not a report": {broker.Message{Body: []byte("<xml>")}, ci.Moved{}, nil, hub.Counters{Dropped: 1}},
		"empty":        {broker.Message{}, ci.Moved{}, nil, hub.Counters{Dropped: 1}},
		"received":     {reportMessage(t, received), ci.Moved{}, nil, hub.Counters{}},
		"a defect":     {reportMessage(t, stale), ci.Moved{}, errors.New("nil map"), hub.Counters{Dropped: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				carrier := newFakeCarrier()
				s := &fakeStore{ReportFunc: func(ci.StateReport, int) (ci.Moved, error) { return c.moved, c.err }}
				x, h := start(t, s, carrier, hub.Config{})
				<-carrier.put(broker.StateQueue, c.message).settled
				synctest.Wait()
				if diff := cmp.Diff(c.want, x.Counters()); diff != "" || len(h) > 0 {
					t.Errorf("%d announcements, counters (-want +got):\n%s", len(h), diff)
				}
			})
		})
	}
}

func TestOddMessagesAreSettled(t *testing.T) {
	t.Parallel()
	for queue, bodies := range map[string][]string{
		broker.ClaimQueue:        {"", "{}", `{"job_id":1}`, "[1]", `{"job_id":"1"}`},
		broker.HeartbeatExchange: {"", "{}", `{"worker_id":5}`},
		broker.LogQueue:          {"", "{}", `{"id":-1}`},
	} {
		t.Run(queue, func(t *testing.T) {
			t.Parallel()
			carrier := newFakeCarrier()
			x, _ := start(t, &fakeStore{}, carrier, hub.Config{})
			for _, body := range bodies {
				<-carrier.put(queue, broker.Message{Body: []byte(body)}).settled
			}
			if x.Counters().Dropped != int64(len(bodies)) || len(carrier.published) > 0 {
				t.Errorf("counters %+v, want %d dropped", x.Counters(), len(bodies))
			}
		})
	}
	carrier := newFakeCarrier()
	start(t, &fakeStore{}, carrier, hub.Config{})
	<-carrier.put(broker.HeartbeatExchange, broker.Message{Type: broker.TypeProbe, Body: []byte("?")}).settled
}

func TestLostWorkersAndQuietLogs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		reaped, closed := false, false
		s := &fakeStore{
			ReapFunc: func(lease time.Duration, maxTries int) ([]ci.Lost, error) {
				if lease != 15*time.Second || maxTries != 3 {
					t.Errorf("asked with a lease of %s and %d tries", lease, maxTries)
				}
				if reaped {
					return nil, nil
				}
				reaped = true
				return []ci.Lost{{Moved: ci.Moved{Job: ci.Job{ID: 4, BuildID: 9, State: ci.Created, Attempt: 2}, BuildState: ci.Started}, WorkerName: "mill-07"}}, nil
			},
			CloseFunc: func(quiet time.Duration) ([]ci.LogStored, error) {
				if quiet != 30*time.Second {
					t.Errorf("asked for logs quiet for %s", quiet)
				}
				if closed {
					return nil, errors.New("trouble is outlived")
				}
				closed = true
				return []ci.LogStored{{JobID: 4, Attempt: 1, Next: 12, Closed: true}}, nil
			},
		}
		_, h := start(t, s, carrier, hub.Config{})
		<-time.After(30 * time.Second)
		got := map[ci.ChangeKind]ci.Change{}
		for range 3 {
			c := <-h
			got[c.Kind] = c
		}
		want := map[ci.ChangeKind]ci.Change{
			ci.ChangeJob:   {Kind: ci.ChangeJob, Job: 4, Build: 9, Attempt: 2, State: "created"},
			ci.ChangeBuild: {Kind: ci.ChangeBuild, Build: 9, State: "started"},
			ci.ChangeLog:   {Kind: ci.ChangeLog, Job: 4, Attempt: 1, Source: 1, Part: 12, Final: true},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("announced (-want +got):\n%s", diff)
		}
	})
}
