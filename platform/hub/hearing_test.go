package hub_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/hub"
)

// ear counts the time that a hub says it could hear.
type ear struct {
	mu    sync.Mutex
	total time.Duration
	times int
}

func (e *ear) hear(_ string, gap time.Duration) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.total += gap
	e.times++
	return nil
}

func (e *ear) heard() (total time.Duration, times int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.total, e.times
}

func (c *fakeCarrier) setDeaf(deaf bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaf = deaf
}

func TestHearing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		carrier.deaf = false
		var e ear
		// The store's clock goes wild, which nobody may notice.
		wild := func() time.Time { return time.Unix(time.Now().UnixNano()%1_000_003, 0) }
		start(t, &fakeStore{HearFunc: e.hear, NowFunc: wild}, carrier, hub.Config{})
		<-time.After(60*time.Second + time.Millisecond)
		synctest.Wait()
		if total, times := e.heard(); total != time.Minute || times != 61 {
			t.Errorf("in a minute %s were heard in %d probes", total, times)
		}
		carrier.setDeaf(true)
		<-time.After(time.Hour)
		if total, _ := e.heard(); total != time.Minute {
			t.Errorf("an hour without probes counted as %s", total-time.Minute)
		}
		for _, another := range []broker.Probe{{Node: "a", Hub: "another", Number: 3661}, {Node: "a", Number: 3661}} {
			<-carrier.put(broker.HeartbeatExchange, encode(t, broker.TypeProbe, another)).settled
		}
		if _, times := e.heard(); times != 61 {
			t.Error("the probe of another process counted")
		}
	})
}

// TestALateProbeCountsNothing: what is behind it was not heard yet.
func TestALateProbeCountsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		carrier.deaf = false
		carrier.delay = 3 * time.Second
		var e ear
		start(t, &fakeStore{HearFunc: e.hear}, carrier, hub.Config{})
		<-time.After(time.Minute)
		if _, times := e.heard(); times != 0 {
			t.Errorf("%d probes counted although each was 3 s on its way", times)
		}
	})
}

// TestAProbeWaitsForTheHeartbeatsBeforeIt: time is heard only when what was said in it is stored.
func TestAProbeWaitsForTheHeartbeatsBeforeIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		carrier.deaf = false
		var e ear
		release := make(chan struct{})
		var fail atomic.Bool
		s := &fakeStore{HearFunc: e.hear, BeatFunc: func(ci.Heartbeat) ([]ci.RunStatus, error) {
			if fail.Load() {
				return nil, fault.New(fault.Unavailable, "away")
			}
			<-release
			return nil, nil
		}}
		start(t, s, carrier, hub.Config{})
		<-time.After(10*time.Second + time.Millisecond)
		beat := func() *delivery {
			return carrier.put(broker.HeartbeatExchange, encode(t, broker.TypeHeartbeat, broker.Heartbeat{WorkerID: "w1"}))
		}
		beat()
		<-time.After(10 * time.Second)
		before, _ := e.heard()
		if before > 10*time.Second {
			t.Errorf("while a heartbeat was not stored %s were heard", before-10*time.Second)
		}
		close(release)
		<-time.After(10 * time.Second)
		if after, _ := e.heard(); after <= before {
			t.Error("nothing is heard when it is stored")
		}
		fail.Store(true)
		<-time.After(time.Second)
		before, _ = e.heard()
		for range 10 {
			<-beat().settled
			<-time.After(time.Second)
		}
		if after, _ := e.heard(); after != before {
			t.Errorf("while no heartbeat could be stored %s were heard", after-before)
		}
	})
}

// TestAHeartbeatThatIsStoredIsNotAnswered: the node that stored it has answered.
func TestAHeartbeatThatIsStoredIsNotAnswered(t *testing.T) {
	t.Parallel()
	carrier := newFakeCarrier()
	s := &fakeStore{BeatFunc: func(b ci.Heartbeat) ([]ci.RunStatus, error) {
		if b.Sequence != 8 {
			t.Errorf("stored heartbeat %d", b.Sequence)
		}
		return nil, ci.ErrBeatStored
	}}
	_, h := start(t, s, carrier, hub.Config{})
	<-carrier.put(broker.HeartbeatExchange, encode(t, broker.TypeHeartbeat, broker.Heartbeat{WorkerID: "w1", Sequence: 8})).settled
	if len(carrier.published) > 0 || len(h) > 0 {
		t.Error("it was answered, or announced")
	}
}

// TestAMuteNodeStepsAside: a node that cannot reach its store takes nothing from the broker, and begins again by itself.
func TestAMuteNodeStepsAside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		var away, hangs atomic.Bool
		trouble := fault.New(fault.Unavailable, "The database does not answer.")
		s := &fakeStore{
			PingFunc: func(ctx context.Context) error {
				if hangs.Load() {
					<-ctx.Done()
					return ctx.Err()
				}
				if away.Load() {
					return trouble
				}
				return nil
			},
			ReportFunc: func(ci.StateReport, int) (ci.Moved, error) {
				if away.Load() {
					return ci.Moved{}, trouble
				}
				return ci.Moved{}, nil
			},
			LogFunc: func(int64, int) (ci.Log, error) {
				if away.Load() {
					return ci.Log{}, trouble
				}
				return ci.Log{Closed: true}, nil
			},
		}
		x, _ := start(t, s, carrier, hub.Config{})
		report := func() *delivery {
			return carrier.put(broker.StateQueue, reportMessage(t, broker.StateReport{ID: 4, State: "started", Headrace: &broker.StateExtra{Attempt: 1}}))
		}
		<-report().settled
		away.Store(true)
		held := report()
		carrier.put(broker.StateQueue, lastReport(t))
		<-time.After(4 * time.Second)
		if x.Standing().Aside {
			t.Error("it steps aside for a short outage")
		}
		<-time.After(4 * time.Second)
		if is := x.Standing(); !is.Aside || is.Reason != trouble.Message {
			t.Errorf("after 8 s without a store: %+v", is)
		}
		waiting := report()
		<-time.After(time.Hour)
		if n := len(carrier.queue(broker.StateQueue)); n != 1 || held.acked() {
			t.Errorf("%d messages wait for other nodes, want 1; what was held is acknowledged: %v", n, held.acked())
		}
		away.Store(false)
		<-waiting.settled
		if x.Standing().Aside {
			t.Error("it stays aside")
		}
		hangs.Store(true)
		<-time.After(20 * time.Second)
		if !x.Standing().Aside {
			t.Error("it does not step aside when the store hangs")
		}
		hangs.Store(false)
	})
}

// TestALastStateWaitsInHearingTime: while nobody can be heard, nothing can arrive.
func TestALastStateWaitsInHearingTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var counter atomic.Int64
		carrier := newFakeCarrier()
		s := &fakeStore{
			LogFunc:    func(int64, int) (ci.Log, error) { return ci.Log{Next: 1}, nil },
			ReportFunc: func(ci.StateReport, int) (ci.Moved, error) { return ci.Moved{}, nil },
			HeardFunc:  func() (time.Duration, error) { return time.Duration(counter.Load()), nil },
		}
		start(t, s, carrier, hub.Config{Quiet: 30 * time.Second})
		counter.Store(int64(time.Hour))
		d := carrier.put(broker.StateQueue, lastReport(t))
		<-time.After(time.Hour)
		if d.acked() {
			t.Fatal("the log was given up while nobody could be heard")
		}
		counter.Add(int64(29 * time.Second))
		<-time.After(time.Minute)
		if d.acked() {
			t.Fatal("the log was given up too early")
		}
		counter.Add(int64(time.Second))
		<-d.settled
	})
}
