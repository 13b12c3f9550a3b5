package spool_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/worker/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// publisher keeps what was published.
type publisher struct {
	mu   sync.Mutex
	fail error
	got  []broker.Message
}

func (p *publisher) Publish(_ context.Context, m broker.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return p.fail
	}
	p.got = append(p.got, m)
	return nil
}

func (p *publisher) setFail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = err
}

// said lists what was published: the numbers of parts, with ! at the final one, and states.
func (p *publisher) said(t *testing.T) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, m := range p.got {
		if m.Key == broker.StateQueue {
			r, err := broker.DecodeStateReport(m)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, r.State)
			continue
		}
		part, err := broker.DecodeLogPart(m)
		if err != nil {
			t.Fatal(err)
		}
		s := string(rune('0' + part.Number))
		if part.Final {
			s += "!"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func (p *publisher) parts(t *testing.T) []broker.LogPart {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []broker.LogPart
	for _, m := range p.got {
		if m.Key != broker.LogQueue {
			continue
		}
		part, err := broker.DecodeLogPart(m)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, part)
	}
	return out
}

var key = broker.Run{JobID: 7, Attempt: 2, Run: "r"}

// bundle is a spool with one tape that is being sent.
type bundle struct {
	pub   *publisher
	spool *spool.Spool
	tape  *spool.Tape
}

func open(t *testing.T, cfg spool.Config, form spool.Form) bundle {
	t.Helper()
	b := bundle{pub: &publisher{}}
	b.spool = spool.New(b.pub, cfg)
	b.tape = b.spool.Open(key, form)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.tape.Send(ctx); err != nil {
			t.Errorf("Send = %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

func report(state string) broker.StateReport {
	return broker.StateReport{ID: key.JobID, State: state, Headrace: &broker.StateExtra{Attempt: key.Attempt}}
}

func (b bundle) end(t *testing.T, state string) {
	t.Helper()
	if err := b.tape.End(report(state)); err != nil {
		t.Fatal(err)
	}
}

func (b bundle) write(t *testing.T, s string) {
	t.Helper()
	if _, err := b.tape.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
}

func (b bundle) confirm(state string, next int) {
	b.tape.Confirm(broker.RunStatus{Run: key, Owned: true, State: state, Next: next})
}

func TestTape_partsHoldEveryByteInOrder(t *testing.T) {
	t.Parallel()
	texts := map[string]string{
		"ascii":      strings.Repeat("line of a log\n", 20_000),
		"characters": strings.Repeat("äß水🌊", 30_000),
		"no text":    string(bytes.Repeat([]byte{0xff, 0xc3, 0x00, 0xe6, 0xb0}, 50_000)),
		"half":       "abc\xe6\xb0",
		"empty":      "",
	}
	for name, text := range texts {
		for where, cfg := range map[string]spool.Config{"memory": {}, "disk": {Dir: t.TempDir()}, "disk only": {Dir: t.TempDir(), Memory: 1, Segment: 50_000}} {
			everyByteInOrder(t, name+" "+where, text, cfg)
		}
	}
}

func everyByteInOrder(t *testing.T, name, text string, cfg spool.Config) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, cfg, spool.Headrace)
		random := rand.New(rand.NewPCG(1, uint64(len(text))))
		for rest := text; len(rest) > 0; {
			n := min(len(rest), 1+random.IntN(5000))
			b.write(t, rest[:n])
			rest = rest[n:]
			if random.IntN(10) == 0 {
				pass(time.Second)
			}
		}
		b.end(t, "passed")
		synctest.Wait()
		var got strings.Builder
		parts := b.pub.parts(t)
		for i, p := range parts {
			if p.Number != i || p.Final != (i == len(parts)-1) {
				t.Errorf("%s: part %d has number %d, final %v", name, i, p.Number, p.Final)
			}
			if utf8.ValidString(text) && !utf8.Valid(p.Content) {
				t.Errorf("%s: part %d was cut inside a character", name, i)
			}
			got.Write(p.Content)
		}
		if got.String() != text {
			t.Errorf("%s: %d bytes arrived of %d, or others", name, got.Len(), len(text))
		}
		b.tape.Drop()
	})
}

func TestTape_sendsSoonAndGathersWhileItCannot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, spool.Config{FlushEvery: 100 * time.Millisecond}, spool.Headrace)
		b.write(t, "a")
		pass(99 * time.Millisecond)
		b.write(t, "b")
		synctest.Wait()
		if got := b.pub.said(t); got != "" {
			t.Errorf("sent %q before the time", got)
		}
		pass(time.Millisecond)
		synctest.Wait()
		if got := b.pub.said(t); got != "0" {
			t.Errorf("sent %q, want one part", got)
		}
		b.pub.setFail(broker.ErrUnavailable)
		for range 100 {
			b.write(t, "c")
			pass(time.Second)
		}
		b.pub.setFail(nil)
		pass(30 * time.Second)
		if got := b.pub.said(t); got != "0 1 2" {
			t.Errorf("sent %q, want what could not leave in two parts", got)
		}
		if got := string(b.pub.parts(t)[2].Content); got != strings.Repeat("c", 99) {
			t.Errorf("gathered %q", got)
		}
		b.tape.Drop()
	})
}

func TestTape_orderSurvivesFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, spool.Config{}, spool.Headrace)
		b.pub.setFail(errors.New("away"))
		if err := b.tape.Report(report("started")); err != nil {
			t.Fatal(err)
		}
		b.write(t, "text")
		b.end(t, "failed")
		pass(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.tape.Published(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Published = %v while nothing was", err)
		}
		b.pub.setFail(nil)
		if err := b.tape.Published(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.pub.said(t); got != "started 0! failed" {
			t.Errorf("said %q", got)
		}
		b.confirm("failed", 1)
		if err := b.tape.Stored(t.Context()); err != nil {
			t.Error(err)
		}
		if used := b.spool.Used(); used != 0 {
			t.Errorf("%d bytes are kept of what is stored", used)
		}
	})
}

func TestTape_resendsWhatDoesNotArrive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, spool.Config{Resend: 5 * time.Second}, spool.Headrace)
		if err := b.tape.Report(report("started")); err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{"a", "b", "c"} {
			b.write(t, s)
			pass(time.Second)
		}
		steps := []struct {
			wait  time.Duration
			state string
			next  int
			want  string // published since the step before
		}{
			{0, "started", 1, "started 0 1 2"},
			{4 * time.Second, "started", 1, ""},
			{2 * time.Second, "started", 1, "1 2"}, // 6 s without progress
			{6 * time.Second, "started", 1, ""},    // the patience has doubled
			{5 * time.Second, "started", 1, "1 2"}, // 11 s
			{25 * time.Second, "started", 2, ""},   // progress
			{4 * time.Second, "started", 2, ""},    // patience begins anew
			{2 * time.Second, "started", 2, "2"},   // 6 s
			{100 * time.Second, "started", 3, ""},  // all is there
			{100 * time.Second, "started", 3, ""},  // and stays there
			{time.Second, "received", 0, ""},       // an old answer changes nothing
		}
		seen := 0
		for i, s := range steps {
			pass(s.wait)
			b.confirm(s.state, s.next)
			synctest.Wait()
			all := strings.Fields(b.pub.said(t))
			if got := strings.Join(all[seen:], " "); got != s.want {
				t.Errorf("step %d: published %q, want %q", i, got, s.want)
			}
			seen = len(all)
		}
		b.end(t, "passed")
		synctest.Wait()
		b.tape.Confirm(broker.RunStatus{Run: key, State: "canceled", Closed: true})
		if err := b.tape.Stored(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestTape_droppedSaysNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, spool.Config{}, spool.Headrace)
		b.pub.setFail(broker.ErrUnavailable)
		b.write(t, "a")
		pass(time.Second)
		b.tape.Drop()
		b.tape.Drop()
		b.pub.setFail(nil)
		b.write(t, "b")
		b.end(t, "passed")
		pass(time.Minute)
		if got := b.pub.said(t); got != "" {
			t.Errorf("said %q", got)
		}
		if err := b.tape.Published(t.Context()); err != nil {
			t.Error(err)
		}
		if used := b.spool.Used(); used != 0 {
			t.Errorf("%d bytes used", used)
		}
	})
}

func TestTape_foreignNeedsNoAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, spool.Config{}, spool.Foreign)
		text := strings.Repeat("水", 2000)
		b.write(t, text[:1])
		pass(time.Second)
		b.write(t, text[1:])
		b.end(t, "passed")
		if err := b.tape.Stored(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got string
		parts := b.pub.parts(t)
		var numbers []int
		for _, p := range parts {
			got += string(p.Content)
			numbers = append(numbers, p.Number)
		}
		if got != text || !parts[len(parts)-1].Final || len(parts[len(parts)-1].Content) > 0 || parts[0].Final {
			t.Errorf("%d bytes arrived of %d", len(got), len(text))
		}
		if diff := cmp.Diff([]int{0, 1, 2, 3, 4}, numbers); diff != "" {
			t.Errorf("numbers (-want +got):\n%s", diff)
		}
		if used := b.spool.Used(); used != 0 {
			t.Errorf("%d bytes used", used)
		}
	})
}

// pass lets the time of a synctest bubble pass.
func pass(d time.Duration) { <-time.After(d) }
