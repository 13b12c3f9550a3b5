package hub_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/hub"
)

var errAway = fault.New(fault.Unavailable, "away")

func TestDroppedMessagesAreKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		message broker.Message // its key or exchange is the queue
		reason  string
	}{
		"claim":     {broker.Message{Key: broker.ClaimQueue, Type: broker.TypeClaim, Body: []byte(`{"job_id":4}`)}, "read claim: it names no job, attempt, run or worker"},
		"heartbeat": {broker.Message{Exchange: broker.HeartbeatExchange, Type: broker.TypeHeartbeat, Body: []byte(`{}`)}, "read heartbeat: it names no worker"},
		"probe":     {broker.Message{Exchange: broker.HeartbeatExchange, Type: broker.TypeProbe, Body: []byte(`?`)}, "read headrace:probe: invalid character '?' looking for beginning of value"},
		"state":     {broker.Message{Key: broker.StateQueue, Type: broker.TypeStart, Body: []byte(`{"id":4,"state":"purple","headrace":{}}`)}, `read state report: job 4 cannot be reported as "purple"`},
		"log part": {
			broker.Message{Key: broker.LogQueue, Type: broker.TypeRawLog, ContentType: "text/plain", Headers: map[string]string{"job": "x"}, Body: []byte{0xff}},
			`read log part: header job: strconv.ParseInt: parsing "x": invalid syntax`,
		},
		"reject": {broker.Message{Key: broker.RejectQueue, Type: broker.TypeReject, Body: []byte(`{}`)}, "read reject: it names no queue"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			carrier := newFakeCarrier()
			kept := make(chan ci.DeadLetter, 1)
			stored := make(chan struct{})
			x, _ := start(t, &fakeStore{AddFunc: func(d ci.DeadLetter) error {
				kept <- d
				<-stored
				return nil
			}}, carrier, hub.Config{})
			m := c.message
			queue := m.Key + m.Exchange
			d := carrier.put(queue, m)
			want := ci.DeadLetter{Queue: queue, Type: m.Type, ContentType: m.ContentType, Headers: m.Headers, Body: m.Body, Reason: c.reason}
			if diff := cmp.Diff(want, <-kept); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
			if d.acked() {
				t.Error("the message was acknowledged before it was kept")
			}
			close(stored)
			<-d.settled
			if got := x.Counters().Dropped; got != 1 {
				t.Errorf("%d messages were counted as dropped, want 1", got)
			}
		})
	}
}

func TestWhatTheStoreRefusesForGoodIsKept(t *testing.T) {
	t.Parallel()
	report := broker.StateReport{ID: 4, State: "passed", Meta: broker.ReportMeta{UUID: "r"}, Headrace: &broker.StateExtra{Attempt: 1, Worker: "w"}}
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		defect := errors.New("out of range")
		var kept []string
		s := &fakeStore{
			ClaimFunc:  func(ci.Claim) (ci.Claimed, ci.Moved, error) { return ci.Claimed{}, ci.Moved{}, defect },
			ReportFunc: func(ci.StateReport, int) (ci.Moved, error) { return ci.Moved{}, defect },
			AppendFunc: func([]ci.LogPart) ([]ci.LogStored, error) { return nil, defect },
			AddFunc:    func(d ci.DeadLetter) error { kept = append(kept, d.Type+": "+d.Reason); return nil },
		}
		start(t, s, carrier, hub.Config{})
		<-carrier.put(broker.ClaimQueue, encode(t, broker.TypeClaim, broker.Claim{JobID: 4, Attempt: 2, Run: "r", WorkerID: "w1"})).settled
		<-carrier.put(broker.StateQueue, reportMessage(t, report)).settled
		<-carrier.put(broker.LogQueue, logMessage(0, "x")).settled
		want := []string{"headrace:claim: out of range", "job:test:finish: out of range", "headrace:log: out of range"}
		if diff := cmp.Diff(want, kept); diff != "" || len(carrier.published) > 0 {
			t.Errorf("kept (-want +got):\n%s", diff)
		}
	})
}

// A store that hangs holds up the keeping of dead letters, and nothing else.
func TestDeadLettersHoldUpNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		hangs := make(chan struct{})
		stored := make(chan int, 1)
		s := &fakeStore{
			AddFunc: func(ci.DeadLetter) error { <-hangs; return errAway },
			AppendFunc: func(parts []ci.LogPart) ([]ci.LogStored, error) {
				stored <- parts[0].Number
				return nil, nil
			},
		}
		x, _ := start(t, s, carrier, hub.Config{})
		var all []*delivery
		for range 1000 {
			all = append(all, carrier.put(broker.LogQueue, broker.Message{Body: []byte("?")}))
		}
		carrier.put(broker.LogQueue, logMessage(7, "x"))
		if n := <-stored; n != 7 {
			t.Errorf("part %d was stored", n)
		}
		synctest.Wait()
		waiting := 0
		for _, d := range all {
			if !d.acked() {
				waiting++
			}
		}
		if waiting == 0 || waiting > 100 {
			t.Errorf("%d dropped messages wait for the store, want a few", waiting)
		}
		close(hangs)
		for _, d := range all {
			<-d.settled
		}
		if got := x.Counters().Dropped; got != 1000 {
			t.Errorf("%d messages were counted as dropped", got)
		}
	})
}

func TestRejectsOfWorkersAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		var kept ci.DeadLetter
		back := make(chan struct{})
		s := &fakeStore{AddFunc: func(d ci.DeadLetter) error {
			select {
			case <-back:
				kept = d
				return nil
			default:
				return errAway
			}
		}}
		start(t, s, carrier, hub.Config{})
		m, err := broker.NewReject("builds.linux", "mill-07", broker.Message{Type: "test", Headers: map[string]string{"a": "b"}, Body: []byte("<xml>")}, errors.New("it is no job")).Message()
		if err != nil || m.Transient || m.Expires != 0 {
			t.Fatal(m, err)
		}
		d := carrier.put(broker.RejectQueue, m)
		<-time.After(time.Hour)
		if d.acked() {
			t.Fatal("a reject was acknowledged that the store does not have")
		}
		close(back)
		<-d.settled
		want := ci.DeadLetter{
			Queue: "builds.linux", Type: "test", Headers: map[string]string{"a": "b"}, Body: []byte("<xml>"), Size: 5, Reason: "worker mill-07: it is no job",
		}
		if diff := cmp.Diff(want, kept); diff != "" {
			t.Errorf("kept (-want +got):\n%s", diff)
		}
	})
}

func TestDeadLettersAreSentAgain(t *testing.T) {
	t.Parallel()
	letter := ci.DeadLetter{ID: 7, Queue: "q", Type: "test", ContentType: "text/plain", Headers: map[string]string{"a": "b"}, Body: []byte("x"), Reason: "old"}
	for name, c := range map[string]struct {
		refuse error
		sent   int64
		reason string
	}{
		"sent":           {nil, 7, ""},
		"no such queue":  {broker.ErrUnroutable, 0, "send again: there is no queue q"},
		"broker is away": {broker.ErrUnavailable, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				carrier := newFakeCarrier()
				carrier.refuse = c.refuse
				asked, sent, reason := false, int64(0), ""
				s := &fakeStore{
					SendFunc: func() []ci.DeadLetter {
						if asked {
							return nil
						}
						asked = true
						return []ci.DeadLetter{letter}
					},
					SentFunc: func(id int64) { sent = id },
					AddFunc:  func(d ci.DeadLetter) error { reason = d.Reason; return nil },
				}
				start(t, s, carrier, hub.Config{})
				<-time.After(time.Minute)
				if sent != c.sent || reason != c.reason {
					t.Errorf("noted as sent: %d, want %d; kept again because %q, want %q", sent, c.sent, reason, c.reason)
				}
				if c.refuse != nil {
					return
				}
				want := broker.Message{Key: "q", Type: "test", ContentType: "text/plain", Headers: map[string]string{"a": "b"}, Body: []byte("x")}
				if diff := cmp.Diff(want, <-carrier.published); diff != "" {
					t.Errorf("published (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// What goes back to its queue and still makes no sense is the same dead letter again, or a new one; it is never lost.
func TestADeadLetterOnARealStore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.run(b.store, hub.Config{Node: "a", Probe: 10 * time.Millisecond})
	b.publish(broker.Message{Key: broker.StateQueue, Type: broker.TypeFinish, Body: []byte("<xml>")}, nil)
	first := b.letter(func(d ci.DeadLetter) bool { return d.Tries == 1 })
	if err := b.store.RequeueDeadLetter(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	again := b.letter(func(d ci.DeadLetter) bool { return d.ID != first.ID || d.Tries == 2 })
	if again.Queue != first.Queue || again.Type != first.Type || again.Reason != first.Reason || again.Requeued {
		t.Errorf("came back as %+v, was %+v", again, first)
	}
}

// letter waits for a dead letter.
func (b *bench) letter(is func(ci.DeadLetter) bool) ci.DeadLetter {
	b.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		found, _, err := b.store.DeadLetters(b.t.Context(), ci.Page{})
		if err != nil {
			b.t.Fatal(err)
		}
		if len(found) == 1 && is(found[0]) {
			return found[0]
		}
		select {
		case <-tick.C:
		case <-b.t.Context().Done():
			b.t.Fatal("no such dead letter")
		}
	}
}
