package live_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/live"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func job(id int64, s ci.State) ci.Change {
	return ci.Change{Kind: ci.ChangeJob, Job: id, State: string(s)}
}

func logTo(id int64, part int) ci.Change {
	return ci.Change{Kind: ci.ChangeLog, Job: id, Attempt: 1, Source: 1, Part: part}
}

var resync = ci.Change{Kind: ci.ChangeResync}

// reader is a subscription whose sends wait for the test.
type reader struct {
	got  chan []ci.Change
	mu   sync.Mutex
	last string
	done chan error
}

func (r *reader) lastID() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// subscribe starts a reader; it listens when subscribe returns. It must be called in a synctest bubble.
func subscribe(t *testing.T, l *live.Live, lastID string) *reader {
	t.Helper()
	r := &reader{got: make(chan []ci.Change), done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		r.done <- l.Subscribe(ctx, lastID, func(id string, changes []ci.Change) error {
			select {
			case r.got <- changes:
			case <-ctx.Done():
				return ctx.Err()
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.last = id
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-r.done; !errors.Is(err, context.Canceled) {
			t.Errorf("Subscribe = %v", err)
		}
	})
	synctest.Wait()
	return r
}

func (r *reader) want(t *testing.T, want ...ci.Change) {
	t.Helper()
	if diff := cmp.Diff(want, <-r.got); diff != "" {
		t.Errorf("hints (-want +got):\n%s", diff)
	}
	synctest.Wait()
}

func (r *reader) wantNone(t *testing.T) {
	t.Helper()
	synctest.Wait()
	select {
	case got := <-r.got:
		t.Errorf("hints %+v, want none", got)
	default:
	}
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := live.New(nil, live.Config{})
		l.Deliver([]ci.Change{job(1, ci.Queued)})
		a, b := subscribe(t, l, ""), subscribe(t, l, "")
		a.wantNone(t)
		l.Deliver([]ci.Change{job(1, ci.Started), job(2, ci.Queued)})
		a.want(t, job(1, ci.Started), job(2, ci.Queued))
		b.want(t, job(1, ci.Started), job(2, ci.Queued))
		l.Deliver(nil)
		a.want(t, resync)
		b.want(t, resync)
	})
}

// What is said about the same thing while a reader is busy is merged.
func TestHintsAreMerged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := live.New(nil, live.Config{})
		r := subscribe(t, l, "")
		l.Deliver([]ci.Change{job(9, ci.Queued)})
		synctest.Wait() // it is about to send that
		for i := range 500 {
			l.Deliver([]ci.Change{logTo(1, i), logTo(2, i)})
		}
		l.Deliver([]ci.Change{job(1, ci.Started), logTo(1, 3), job(1, ci.Passed)})
		r.want(t, job(9, ci.Queued))
		r.want(t, logTo(1, 499), logTo(2, 499), job(1, ci.Passed))
		r.wantNone(t)
	})
}

func TestReaderThatIsFarBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := live.New(nil, live.Config{})
		r := subscribe(t, l, "")
		l.Deliver([]ci.Change{job(9, ci.Queued)})
		synctest.Wait()
		for i := range int64(1025) {
			l.Deliver([]ci.Change{job(i, ci.Queued)})
		}
		r.want(t, job(9, ci.Queued))
		r.want(t, resync)
		l.Deliver([]ci.Change{job(5, ci.Started)})
		r.want(t, job(5, ci.Started))
	})
}

func TestComingBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, other := live.New(nil, live.Config{}), live.New(nil, live.Config{})
		first := subscribe(t, l, "")
		l.Deliver([]ci.Change{job(1, ci.Queued)})
		first.want(t, job(1, ci.Queued))
		id := first.lastID()
		l.Deliver([]ci.Change{job(2, ci.Queued)})
		l.Deliver([]ci.Change{job(3, ci.Queued)})

		back := subscribe(t, l, id)
		back.want(t, job(2, ci.Queued), job(3, ci.Queued))
		back.wantNone(t)
		for _, strange := range []string{"nonsense", "a.b", id + "9", strings.Split(id, ".")[0] + ".x", strings.Split(id, ".")[0]} {
			subscribe(t, l, strange).want(t, resync)
		}
		elsewhere := subscribe(t, other, id)
		elsewhere.want(t, resync)
		other.Deliver([]ci.Change{job(4, ci.Queued)})
		elsewhere.want(t, job(4, ci.Queued))
		for i := range int64(1024) {
			l.Deliver([]ci.Change{job(100+i, ci.Queued)})
		}
		subscribe(t, l, id).want(t, resync)
		first.want(t, job(2, ci.Queued), job(3, ci.Queued))
	})
}

func TestSendFails(t *testing.T) {
	t.Parallel()
	l := live.New(nil, live.Config{})
	gone := errors.New("the browser is gone")
	done := make(chan error, 1)
	go func() {
		done <- l.Subscribe(t.Context(), "elsewhere.1", func(string, []ci.Change) error { return gone })
	}()
	if err := <-done; !errors.Is(err, gone) {
		t.Errorf("Subscribe = %v, want the error of send", err)
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := live.New(nil, live.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		changes, err := l.Changes(ctx)
		if err != nil {
			t.Fatal(err)
		}
		l.Deliver([]ci.Change{job(1, ci.Queued), job(2, ci.Queued)})
		if a, b := <-changes, <-changes; a.Job != 1 || b.Job != 2 {
			t.Errorf("changes %+v, %+v", a, b)
		}
		l.Deliver([]ci.Change{job(3, ci.Queued)})
		synctest.Wait()
		cancel()
		for range changes { // it is closed
		}
	})
}

// coord is a coordinator made of a function.
type coord func(payload []byte) error

func (c coord) Publish(_ context.Context, topic string, payload []byte) error {
	if topic != live.Topic {
		return errors.New("another topic")
	}
	return c(payload)
}

func runPublisher(t *testing.T, p *live.Publisher) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

func TestPublisher(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var payloads [][]ci.Change
		p := live.NewPublisher(coord(func(b []byte) error {
			payloads = append(payloads, live.Decode(b))
			return nil
		}), nil)
		p.Announce(t.Context())
		p.Announce(t.Context(), job(1, ci.Queued), logTo(1, 1))
		p.Announce(t.Context(), logTo(1, 2), job(1, ci.Started))
		runPublisher(t, p)
		synctest.Wait()
		p.Announce(t.Context(), job(2, ci.Queued))
		synctest.Wait()
		want := [][]ci.Change{{job(1, ci.Started), logTo(1, 2)}, {job(2, ci.Queued)}}
		if diff := cmp.Diff(want, payloads); diff != "" {
			t.Errorf("published (-want +got):\n%s", diff)
		}
	})
}

func TestPublisherOutlivesTheCoordinator(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		away, tries := true, 0
		var got []ci.Change
		p := live.NewPublisher(coord(func(b []byte) error {
			mu.Lock()
			defer mu.Unlock()
			if tries++; away {
				return errors.New("away")
			}
			got = append(got, live.Decode(b)...)
			return nil
		}), nil)
		runPublisher(t, p)
		for i := range int64(700) {
			p.Announce(t.Context(), job(i, ci.Queued))
		}
		<-time.After(time.Minute)
		p.Announce(t.Context(), job(3, ci.Passed))
		mu.Lock()
		if tries < 5 || tries > 40 {
			t.Errorf("%d tries in a minute", tries)
		}
		away = false
		mu.Unlock()
		<-time.After(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if len(got) != 700 || got[0] != job(0, ci.Queued) || got[3] != job(3, ci.Passed) || got[699] != job(699, ci.Queued) {
			t.Errorf("%d hints came", len(got))
		}
	})
}

func TestTooMuchPendingBecomesAResync(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []ci.Change
		p := live.NewPublisher(coord(func(b []byte) error { got = append(got, live.Decode(b)...); return nil }), nil)
		for i := range int64(10_001) {
			p.Announce(t.Context(), job(i, ci.Queued))
		}
		p.Announce(t.Context(), job(1, ci.Passed))
		runPublisher(t, p)
		synctest.Wait()
		if diff := cmp.Diff([]ci.Change{resync, job(1, ci.Passed)}, got); diff != "" {
			t.Errorf("published (-want +got):\n%s", diff)
		}
	})
}

func TestDecode(t *testing.T) {
	t.Parallel()
	want := []ci.Change{logTo(1, 2), job(3, ci.Passed)}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, live.Decode(b)); diff != "" {
		t.Errorf("Decode (-want +got):\n%s", diff)
	}
	for _, odd := range []string{"", "null", "{}", "[1]", "["} {
		if got := live.Decode([]byte(odd)); got != nil {
			t.Errorf("Decode(%q) = %+v, want nothing", odd, got)
		}
	}
}
