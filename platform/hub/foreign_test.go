package hub_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/hub"
)

// foreignMessage is a report of a worker that knows nothing of Headrace.
func foreignMessage(state string, count int, run string) broker.Message {
	return broker.Message{Type: "job:test:x", Body: fmt.Appendf(nil, `{"id":4,"state":%q,"meta":{"state_update_count":%d,"uuid":%q}}`, state, count, run)}
}

// textMessage is a log part of such a worker.
func textMessage(run string, number int) broker.Message {
	return broker.Message{Type: broker.TypeLog, Body: fmt.Appendf(nil, `{"id":4,"log":"hello","number":%d,"uuid":%q,"final":false}`, number, run)}
}

func TestForeignReports(t *testing.T) {
	t.Parallel()
	gone := fault.New(fault.NotFound, "gone")
	for name, c := range map[string]struct {
		state   string
		adopted ci.Adopted
		err     error
		want    ci.State // reported, "" for none
		stop    bool
		count   hub.Counters
	}{
		"received":                 {"received", ci.Adopted{Attempt: 2}, nil, "", false, hub.Counters{Foreign: 1}},
		"started":                  {"started", ci.Adopted{Attempt: 2}, nil, ci.Started, false, hub.Counters{Foreign: 1}},
		"passed":                   {"passed", ci.Adopted{Attempt: 2}, nil, ci.Passed, false, hub.Counters{Foreign: 1}},
		"in its own spelling":      {"cancelled", ci.Adopted{Attempt: 2}, nil, ci.Canceled, false, hub.Counters{Foreign: 1}},
		"start of a canceled job":  {"started", ci.Adopted{Attempt: 2, Stop: true}, nil, ci.Started, true, hub.Counters{Foreign: 1}},
		"begin of an unwanted run": {"received", ci.Adopted{Stop: true}, nil, "", true, hub.Counters{Foreign: 1, Stale: 1}},
		"end of an unwanted run":   {"passed", ci.Adopted{Stop: true}, nil, "", false, hub.Counters{Foreign: 1, Stale: 1}},
		"beside another run":       {"received", ci.Adopted{}, nil, "", false, hub.Counters{Foreign: 1, Stale: 1}},
		"refused by the store":     {"received", ci.Adopted{}, gone, "", false, hub.Counters{Foreign: 1, Dropped: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				carrier := newFakeCarrier()
				var reported ci.State
				s := &fakeStore{
					AdoptFunc: func(r ci.ForeignRun) (ci.Adopted, error) {
						if diff := cmp.Diff(ci.ForeignRun{JobID: 4, Offer: 2, Run: "u"}, r); diff != "" {
							t.Errorf("adopted (-want +got):\n%s", diff)
						}
						return c.adopted, c.err
					},
					ReportFunc: func(r ci.StateReport, _ int) (ci.Moved, error) {
						if diff := cmp.Diff(ci.RunRef{JobID: 4, Attempt: 2, Run: "u"}, r.RunRef); diff != "" {
							t.Errorf("reported (-want +got):\n%s", diff)
						}
						reported = r.State
						return ci.Moved{}, nil
					},
				}
				x, _ := start(t, s, carrier, hub.Config{})
				<-carrier.put(broker.StateQueue, foreignMessage(c.state, 2001, "u")).settled
				synctest.Wait()
				if reported != c.want {
					t.Errorf("reported %q, want %q", reported, c.want)
				}
				if diff := cmp.Diff(c.count, x.Counters()); diff != "" {
					t.Errorf("counters (-want +got):\n%s", diff)
				}
				stopped := false
				for len(carrier.published) > 0 {
					m := <-carrier.published
					stopped = stopped || m.Exchange == broker.ForeignCommands && m.Type == "cancel_job"
				}
				if stopped != c.stop {
					t.Errorf("told to stop: %v, want %v", stopped, c.stop)
				}
			})
		})
	}
}

// TestForeignPartsWaitForTheirRun: parts that come before the first report of their run are kept until it is known.
func TestForeignPartsWaitForTheirRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		var mu sync.Mutex
		known, stored := false, map[int]bool{}
		s := &fakeStore{
			AppendFunc: func(parts []ci.LogPart) ([]ci.LogStored, error) {
				mu.Lock()
				defer mu.Unlock()
				for _, p := range parts {
					stored[p.Number] = known
				}
				return []ci.LogStored{{JobID: 4, Run: "u", Unknown: !known}}, nil
			},
			AdoptFunc: func(ci.ForeignRun) (ci.Adopted, error) {
				mu.Lock()
				defer mu.Unlock()
				known = true
				return ci.Adopted{Attempt: 1}, nil
			},
		}
		x, _ := start(t, s, carrier, hub.Config{})
		var parts []*delivery
		for i := range 5 {
			parts = append(parts, carrier.put(broker.LogQueue, textMessage("u", i)))
		}
		<-time.After(10 * time.Second)
		synctest.Wait()
		for i, d := range parts {
			if d.acked() {
				t.Fatalf("part %d was acknowledged before its run was known", i)
			}
		}
		carrier.put(broker.StateQueue, foreignMessage("received", 1000, "u"))
		for _, d := range parts {
			<-d.settled
		}
		if len(stored) != 5 || !stored[4] || x.Counters().Dropped != 0 {
			t.Errorf("stored %v, counters %+v", stored, x.Counters())
		}
	})
}

// TestForeignPartsWaitBounded: neither many parts of unknown runs nor old ones hold up the others.
func TestForeignPartsWaitBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		carrier := newFakeCarrier()
		s := &fakeStore{
			AppendFunc: func(parts []ci.LogPart) ([]ci.LogStored, error) {
				var all []ci.LogStored
				for _, p := range parts {
					all = append(all, ci.LogStored{JobID: p.JobID, Attempt: p.Attempt, Run: p.Run, Unknown: p.Attempt == 0})
				}
				return all, nil
			},
			AdoptFunc: func(ci.ForeignRun) (ci.Adopted, error) { return ci.Adopted{}, nil },
		}
		x, _ := start(t, s, carrier, hub.Config{})
		const many = 600
		var parts []*delivery
		for i := range many {
			parts = append(parts, carrier.put(broker.LogQueue, textMessage("u", i)))
		}
		<-carrier.put(broker.LogQueue, logMessage(0, "ours")).settled
		synctest.Wait()
		waiting := 0
		for _, d := range parts {
			if !d.acked() {
				waiting++
			}
		}
		if waiting == 0 || waiting > 300 {
			t.Errorf("%d parts wait", waiting)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		for i, d := range parts {
			if !d.acked() {
				t.Fatalf("part %d still waits", i)
			}
		}
		if x.Counters().Dropped != many {
			t.Errorf("counters %+v", x.Counters())
		}
		<-carrier.put(broker.StateQueue, foreignMessage("received", 1000, "v")).settled
		late := carrier.put(broker.LogQueue, textMessage("v", 0))
		<-time.After(time.Second)
		synctest.Wait()
		if !late.acked() || x.Counters().Stale != 2 {
			t.Errorf("the part of a run that was refused waits: counters %+v", x.Counters())
		}
	})
}
