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

func logMessage(number int, content string) broker.Message {
	return broker.LogPart{JobID: 4, Attempt: 2, Run: "r", Number: number, Content: []byte(content), Elapsed: time.Second}.Message()
}

func TestLogPartsAreStoredTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		var batches [][]ci.LogPart
		var all []*delivery
		for i := range 300 {
			all = append(all, carrier.put(broker.LogQueue, logMessage(i, "x")))
		}
		s := &fakeStore{AppendFunc: func(parts []ci.LogPart) ([]ci.LogStored, error) {
			for _, p := range parts {
				if all[p.Number].acked() {
					t.Errorf("part %d was acknowledged before it was stored", p.Number)
				}
			}
			batches = append(batches, parts)
			return []ci.LogStored{{JobID: 4, RepositoryID: 7, BuildID: 9, Attempt: 2, Next: parts[len(parts)-1].Number + 1}}, nil
		}}
		_, h := start(t, s, carrier, hub.Config{})
		for _, d := range all {
			<-d.settled
		}
		synctest.Wait()
		if len(batches) != 2 || len(batches[0]) != 256 || len(batches[1]) != 44 {
			t.Errorf("%d batches", len(batches))
		}
		want := ci.LogPart{JobID: 4, Attempt: 2, Run: "r", Source: ci.LogWorker, Number: 256, Content: []byte("x"), Elapsed: time.Second}
		if diff := cmp.Diff(want, batches[1][0]); diff != "" {
			t.Errorf("part (-want +got):\n%s", diff)
		}
		<-h
		wantChange := ci.Change{Kind: ci.ChangeLog, Repository: 7, Build: 9, Job: 4, Attempt: 2, Source: 1, Part: 300}
		if diff := cmp.Diff(wantChange, <-h); diff != "" {
			t.Errorf("announced (-want +got):\n%s", diff)
		}
	})
}

func TestLogPartsAreBoundedByBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		var sizes []int
		s := &fakeStore{AppendFunc: func(parts []ci.LogPart) ([]ci.LogStored, error) {
			sizes = append(sizes, len(parts))
			return nil, nil
		}}
		start(t, s, carrier, hub.Config{})
		var last *delivery
		for i := range 65 {
			last = carrier.put(broker.LogQueue, logMessage(i, string(make([]byte, broker.MaxPart))))
		}
		<-last.settled
		if diff := cmp.Diff([]int{64, 1}, sizes); diff != "" {
			t.Errorf("sizes of batches (-want +got):\n%s", diff)
		}
	})
}

func TestALonelyPartIsStoredSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		s := &fakeStore{AppendFunc: func([]ci.LogPart) ([]ci.LogStored, error) { return nil, nil }}
		start(t, s, carrier, hub.Config{})
		begin := time.Now()
		<-carrier.put(broker.LogQueue, logMessage(0, "x")).settled
		if took := time.Since(begin); took != 20*time.Millisecond {
			t.Errorf("it took %s, want 20 ms", took)
		}
	})
}

func TestLogPartsWaitForTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		back := make(chan struct{})
		s := &fakeStore{AppendFunc: func([]ci.LogPart) ([]ci.LogStored, error) {
			select {
			case <-back:
				return nil, nil
			default:
				return nil, fault.New(fault.Unavailable, "away")
			}
		}}
		start(t, s, carrier, hub.Config{})
		var all []*delivery
		for i := range 2000 {
			all = append(all, carrier.put(broker.LogQueue, logMessage(i, "x")))
		}
		<-time.After(time.Hour)
		for _, d := range all {
			if d.acked() {
				t.Fatal("a part was acknowledged that the store does not have")
			}
		}
		if left := len(carrier.queue(broker.LogQueue)); left < 1000 {
			t.Errorf("%d of 2000 messages were left in the broker, want most of them", left)
		}
		close(back)
		for _, d := range all {
			<-d.settled
		}
	})
}

// One part that the store cannot take holds up no other.
func TestOneBadPart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		stored := map[int]bool{}
		s := &fakeStore{AppendFunc: func(parts []ci.LogPart) ([]ci.LogStored, error) {
			for _, p := range parts {
				if p.Number == 3 {
					return nil, errors.New("it cannot be stored")
				}
			}
			for _, p := range parts {
				stored[p.Number] = true
			}
			return nil, nil
		}}
		x, _ := start(t, s, carrier, hub.Config{})
		var all []*delivery
		for i := range 8 {
			all = append(all, carrier.put(broker.LogQueue, logMessage(i, "x")))
		}
		for _, d := range all {
			<-d.settled
		}
		if len(stored) != 7 || stored[3] || x.Counters().Dropped != 1 {
			t.Errorf("stored %v, counters %+v", stored, x.Counters())
		}
	})
}

func TestPartsOfOthersAreNotUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		s := &fakeStore{AppendFunc: func([]ci.LogPart) ([]ci.LogStored, error) {
			return []ci.LogStored{{JobID: 4, Refused: true}}, nil
		}}
		x, h := start(t, s, carrier, hub.Config{})
		<-carrier.put(broker.LogQueue, logMessage(0, "x")).settled
		synctest.Wait()
		if diff := cmp.Diff(hub.Counters{Stale: 1}, x.Counters()); diff != "" || len(h) > 0 {
			t.Errorf("%d announcements, counters (-want +got):\n%s", len(h), diff)
		}
	})
}
