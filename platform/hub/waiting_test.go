package hub_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/hub"
)

func lastReport(t *testing.T) broker.Message {
	t.Helper()
	return reportMessage(t, broker.StateReport{
		ID: 4, State: "passed", Meta: broker.ReportMeta{UUID: "r"}, Headrace: &broker.StateExtra{Attempt: 1, LogParts: 3},
	})
}

// TestALastStateWaitsForItsLog: who sees the end of a job can read its whole log.
func TestALastStateWaitsForItsLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var next, reported atomic.Int64
		carrier := newFakeCarrier()
		s := &fakeStore{
			LogFunc:    func(int64, int) (ci.Log, error) { return ci.Log{Next: int(next.Load())}, nil },
			ReportFunc: func(ci.StateReport, int) (ci.Moved, error) { reported.Add(1); return ci.Moved{}, nil },
			AppendFunc: func([]ci.LogPart) ([]ci.LogStored, error) {
				next.Store(3)
				return []ci.LogStored{{JobID: 4, Attempt: 1, Next: 3}}, nil
			},
		}
		start(t, s, carrier, hub.Config{})
		first := carrier.put(broker.StateQueue, lastReport(t))
		<-time.After(5 * time.Second) // of the bubble: the worker sends it again
		second := carrier.put(broker.StateQueue, lastReport(t))
		synctest.Wait()
		if reported.Load() != 0 || second.acked() || !first.acked() {
			t.Fatalf("before the log: reported %d times, first acknowledged %v, second %v", reported.Load(), first.acked(), second.acked())
		}
		carrier.put(broker.LogQueue, logMessage(2, "the end"))
		<-second.settled
		if reported.Load() != 1 {
			t.Errorf("reported %d times", reported.Load())
		}
	})
}

// TestALastStateDoesNotWaitForEver: a log whose end is lost does not keep its job running.
func TestALastStateDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var reported atomic.Int64
		carrier := newFakeCarrier()
		s := &fakeStore{
			LogFunc:    func(int64, int) (ci.Log, error) { return ci.Log{Next: 1}, nil },
			ReportFunc: func(ci.StateReport, int) (ci.Moved, error) { reported.Add(1); return ci.Moved{}, nil },
		}
		start(t, s, carrier, hub.Config{Quiet: 30 * time.Second})
		began := time.Now()
		d := carrier.put(broker.StateQueue, lastReport(t))
		<-d.settled
		if waited := time.Since(began); reported.Load() != 1 || waited < 30*time.Second || waited > 31*time.Second {
			t.Errorf("reported %d times after %s", reported.Load(), waited)
		}
	})
}

// TestALastStateDoesNotEndWhileTheStoreIsAway: an outage is no sign that the rest of a log will never come.
func TestALastStateDoesNotEndWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var reported atomic.Int64
		var back, whole atomic.Bool
		carrier := newFakeCarrier()
		s := &fakeStore{
			LogFunc: func(int64, int) (ci.Log, error) {
				switch {
				case !back.Load():
					return ci.Log{}, fault.New(fault.Unavailable, "away")
				case whole.Load():
					return ci.Log{Next: 3}, nil
				}
				return ci.Log{Next: 1}, nil
			},
			ReportFunc: func(ci.StateReport, int) (ci.Moved, error) { reported.Add(1); return ci.Moved{}, nil },
			HeardFunc: func() (time.Duration, error) {
				if !back.Load() {
					return 0, fault.New(fault.Unavailable, "away")
				}
				return time.Duration(time.Now().UnixNano()), nil
			},
		}
		start(t, s, carrier, hub.Config{Quiet: 30 * time.Second})
		d := carrier.put(broker.StateQueue, lastReport(t))
		<-time.After(10 * time.Minute)
		back.Store(true)
		<-time.After(20 * time.Second)
		if reported.Load() != 0 || d.acked() {
			t.Fatalf("reported %d times before the log had a chance to come", reported.Load())
		}
		whole.Store(true)
		<-d.settled
		if reported.Load() != 1 {
			t.Errorf("reported %d times", reported.Load())
		}
	})
}
