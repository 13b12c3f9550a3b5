package redis

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/platform/coord"
	"github.com/headrace/headrace/platform/coord/coordtest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	t.Parallel()
	coordtest.Run(t, nodesOf(testkit.Redis))
}

// nodesOf opens coordinators on the Redis of each test, with keys of the test's own.
func nodesOf(url func(testing.TB) string) func(t *testing.T) func() coord.Coordinator {
	return func(t *testing.T) func() coord.Coordinator {
		config := Config{URL: url(t), Prefix: "headrace-test:" + rand.Text() + ":", Timeout: 10 * time.Second}
		return func() coord.Coordinator { return coordtest.Start(t, open(t, config)) }
	}
}

func open(t *testing.T, config Config) *Coordinator {
	t.Helper()
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	c.pingEvery = 200 * time.Millisecond
	return c
}

// within fails the test when f takes longer than it should.
func within(t *testing.T, most time.Duration, what string, f func()) {
	t.Helper()
	begin := time.Now()
	f()
	if took := time.Since(begin); took > most {
		t.Errorf("%s took %s, want less than %s", what, took, most)
	}
}

// awayAtOnce expects each call to fail at once, in words.
func awayAtOnce(t *testing.T, c coord.Coordinator, words string) {
	t.Helper()
	ctx := t.Context()
	within(t, time.Second, "all calls", func() {
		_, _, lock := c.TryLock(ctx, "l", time.Minute)
		ok, _, rate := c.Allow(ctx, "r", 1, time.Minute)
		if !ok {
			t.Error("an event is refused while Redis is away")
		}
		_, present := c.Present(ctx, "k")
		for name, err := range map[string]error{
			"Publish": c.Publish(ctx, "t", []byte("x")), "TryLock": lock, "Allow": rate,
			"Appear": c.Appear(ctx, "k", "i", nil, time.Minute), "Present": present,
		} {
			if !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Message(err), words) {
				t.Errorf("%s: got %v, want that Redis is away because %s", name, err, words)
			}
		}
	})
	if state := c.State(); state.Connected || !strings.Contains(state.LastError, words) {
		t.Errorf("the state is %+v, want away because %s", state, words)
	}
}

func TestKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	server := testkit.OwnRedis(t)
	a := coordtest.Start(t, open(t, Config{URL: server.URL()}))
	b := coordtest.Start(t, open(t, Config{URL: server.URL()}))
	l := coordtest.Listen(t, b, a, "changes")
	connected := a.State().Since
	for range 2 {
		if err := server.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		coordtest.Eventually(t, "both know that Redis is away", func() bool { return !a.State().Connected && !b.State().Connected })
		awayAtOnce(t, a, "nothing listens there")
		if !a.State().Since.After(connected) {
			t.Error("the state does not say since when it is so")
		}
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := l.Next(t); got != nil {
			t.Fatalf("the first message after the gap is %q, want the gap", got)
		}
		coordtest.Eventually(t, "both know that Redis is back", func() bool { return a.State().Connected && b.State().Connected })
		if state := a.State(); state.LastError != "" {
			t.Errorf("connected, and %s", state.LastError)
		}
		if err := a.Publish(t.Context(), "changes", []byte("after")); err != nil {
			t.Fatal(err)
		}
		for got := l.Next(t); string(got) != "after"; got = l.Next(t) {
			if got != nil {
				t.Errorf("got %q, want after", got)
			}
		}
		connected = a.State().Since
	}
}

func TestHangsAndGoesOn(t *testing.T) {
	t.Parallel()
	server := testkit.OwnRedis(t)
	said := &lines{}
	c := coordtest.Start(t, open(t, Config{URL: server.URL(), Timeout: 500 * time.Millisecond, Log: slog.New(slog.NewTextHandler(said, nil))}))
	l := coordtest.Listen(t, c, c, "changes")
	if err := server.Freeze(); err != nil {
		t.Fatal(err)
	}
	defer server.Thaw() //nolint:errcheck // it may run again already
	within(t, 3*time.Second, "a call of a server that hangs", func() {
		if _, err := c.Present(t.Context(), "nodes"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("got %v, want that Redis is away", err)
		}
	})
	coordtest.Eventually(t, "it is known that Redis hangs", func() bool { return !c.State().Connected })
	awayAtOnce(t, c, "does not answer within 500ms")
	coordtest.Eventually(t, "the subscription gives its connection up", func() bool { return strings.Contains(said.String(), "subscription has lost") })
	if err := server.Thaw(); err != nil {
		t.Fatal(err)
	}
	if got := l.Next(t); got != nil {
		t.Errorf("the first message after the gap is %q, want the gap", got)
	}
	coordtest.Eventually(t, "a message gets through", func() bool { return c.Publish(t.Context(), "changes", []byte("x")) == nil })
}

func TestAwayFromTheBeginning(t *testing.T) {
	t.Parallel()
	server := testkit.OwnRedis(t)
	if err := server.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := open(t, Config{URL: server.URL()})
	if state := c.State(); state.Connected || state.LastError == "" {
		t.Errorf("before Run the state is %+v", state)
	}
	if _, _, err := c.TryLock(t.Context(), "l", time.Minute); !fault.Is(err, fault.Unavailable) {
		t.Errorf("before Run a lock gives %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan []byte, 100)
	ended := make(chan error, 2)
	go func() { ended <- c.Run(ctx) }()
	go func() { ended <- c.Subscribe(ctx, "changes", func(p []byte) { got <- p }) }()
	coordtest.Eventually(t, "it is known why", func() bool { return strings.Contains(c.State().LastError, "nothing listens") })
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	coordtest.Eventually(t, "something is told", func() bool { return len(got) > 0 })
	if first := <-got; first != nil {
		t.Errorf("the first message is %q, want the gap", first)
	}
	cancel()
	<-ended
	<-ended
}

func TestAPublisherThatWasAwayIsMadeUpFor(t *testing.T) {
	t.Parallel()
	server := testkit.OwnRedis(t)
	way := newWay(t, server.URL(), nil)
	far := coordtest.Start(t, open(t, Config{URL: "redis://" + way.address, Timeout: time.Second}))
	near := coordtest.Start(t, open(t, Config{URL: server.URL()}))
	l := coordtest.Listen(t, near, far, "changes")
	way.cut()
	if err := far.Publish(t.Context(), "changes", []byte("lost")); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("got %v, want that Redis is away", err)
	}
	if err := near.Publish(t.Context(), "changes", []byte("seen")); err != nil {
		t.Fatal(err)
	}
	if got := string(l.Next(t)); got != "seen" {
		t.Errorf("got %q, want seen", got)
	}
	way.mend(t)
	if got := l.Next(t); got != nil {
		t.Errorf("got %q, want the gap that stands for the lost message", got)
	}
}

func TestAConnectionThatBreaksUnderACall(t *testing.T) {
	t.Parallel()
	server := testkit.OwnRedis(t)
	way := newWay(t, server.URL(), nil)
	c := open(t, Config{URL: "redis://" + way.address}) // it does not run: the only messages are ours
	defer c.client.Close()
	if _, err := c.Present(t.Context(), "nodes"); err != nil {
		t.Fatal(err)
	}
	way.breakNext.Store(true)
	if _, ok, err := c.TryLock(t.Context(), "cron", time.Minute); !ok || err != nil {
		t.Errorf("what can be done twice is not: %t, %v", ok, err)
	}
	way.breakNext.Store(true)
	if ok, _, err := c.Allow(t.Context(), "api", 1, time.Minute); !ok || !fault.Is(err, fault.Unavailable) {
		t.Errorf("what cannot be done twice gives %t, %v", ok, err)
	}
}

func TestPresenceLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	c := open(t, Config{URL: testkit.Redis(t)})
	defer c.client.Close()
	say := func(id string, ttl time.Duration) {
		t.Helper()
		if err := c.Appear(t.Context(), "nodes", id, nil, ttl); err != nil {
			t.Fatal(err)
		}
	}
	say("short", time.Millisecond)
	coordtest.Eventually(t, "only who is there is kept", func() bool {
		say("long", time.Minute)
		return c.client.HLen(t.Context(), "headrace:presence:nodes").Val() == 1
	})
	if left := c.client.PTTL(t.Context(), "headrace:presence:nodes").Val(); left <= 0 || left > time.Minute {
		t.Errorf("the key ends in %s, want within a minute", left)
	}
}

func TestNoErrorHoldsAPassword(t *testing.T) {
	t.Parallel()
	c := open(t, Config{URL: "redis+sentinel://:hunter2@h?master=m&sentinel_password=watch0ut"})
	defer c.client.Close()
	err := c.unavailable(errors.New("AUTH hunter2 and watch0ut"))
	if got := err.Error() + err.Message; strings.Contains(got, "hunter2") || strings.Contains(got, "watch0ut") {
		t.Errorf("%q holds a password", got)
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	server := testkit.OwnRedis(t)
	admin := open(t, Config{URL: server.URL()})
	defer admin.client.Close()
	if err := admin.client.Do(t.Context(), "ACL", "SETUSER", "ada", "on", ">p@ss/w#rd?%", "~*", "&*", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	if err := admin.client.ConfigSet(t.Context(), "requirepass", "hunter2").Err(); err != nil {
		t.Fatal(err)
	}
	with := func(credentials string) string {
		return strings.Replace(server.URL(), "redis://", "redis://"+credentials, 1)
	}
	for _, url := range []string{with(":hunter2@"), with("default:hunter2@"), with("ada:p@ss/w#rd?%25@")} {
		c := coordtest.Start(t, open(t, Config{URL: url}))
		if err := c.Publish(t.Context(), "changes", []byte("x")); err != nil {
			t.Errorf("with the right password: %v", err)
		}
	}
	for url, want := range map[string]string{
		with(""):                   "wants a password",
		with(":wr0ngsecret@"):      "refuses the user name or the password",
		with("eve:wr0ngsecret@"):   "refuses the user name or the password",
		with("ada:wr0ngs%65cret@"): "refuses the user name or the password",
	} {
		text := &lines{}
		c := open(t, Config{URL: url, Log: slog.New(slog.NewTextHandler(text, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		coordtest.Eventually(t, "the refusal is told", func() bool { return strings.Contains(c.State().LastError, want) })
		err := c.Publish(ctx, "changes", []byte("x"))
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want that it %s", err, want)
		}
		cancel()
		<-done
		if said := text.String() + err.Error() + c.State().LastError; strings.Contains(said, "wr0ngsecret") || !strings.Contains(said, want) {
			t.Errorf("the password is told, or the reason is not:\n%s", said)
		}
	}
}

func TestServerThatTakesNoChanges(t *testing.T) {
	t.Parallel()
	server := testkit.OwnRedis(t)
	admin := open(t, Config{URL: server.URL()})
	defer admin.client.Close()
	c := coordtest.Start(t, open(t, Config{URL: server.URL()}))
	set := func(args ...any) {
		t.Helper()
		if err := admin.client.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set("CONFIG", "SET", "maxmemory", "1")
	coordtest.Eventually(t, "it is told that the memory is full", func() bool { return strings.Contains(c.State().LastError, "memory is full") })
	if _, _, err := c.TryLock(t.Context(), "l", time.Minute); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a lock gives %v", err)
	}
	if err := c.Publish(t.Context(), "changes", []byte("x")); err != nil {
		t.Errorf("what needs no memory is not tried: %v", err)
	}
	set("CONFIG", "SET", "maxmemory", "0")
	coordtest.Eventually(t, "it is well again", func() bool { return c.State().Connected })
	set("REPLICAOF", "127.0.0.1", "1")
	coordtest.Eventually(t, "it is told that it is a replica", func() bool { return strings.Contains(c.State().LastError, "replica") })
	set("REPLICAOF", "NO", "ONE")
	coordtest.Eventually(t, "it is well again", func() bool { return c.State().Connected })
}

func TestAfterRun(t *testing.T) {
	t.Parallel()
	c := open(t, Config{URL: testkit.Redis(t)})
	ctx, cancel := context.WithCancel(t.Context())
	ran, subscribed := make(chan error, 1), make(chan error, 1)
	go func() { ran <- c.Run(ctx) }()
	coordtest.Eventually(t, "it is connected", func() bool { return c.State().Connected })
	got := make(chan []byte, 1000)
	go func() { subscribed <- c.Subscribe(t.Context(), "changes", func(p []byte) { got <- p }) }()
	coordtest.Eventually(t, "it listens", func() bool {
		_ = c.Publish(ctx, "changes", []byte("x"))
		return len(got) > 0
	})
	cancel()
	if err := <-ran; err != nil {
		t.Errorf("Run ends with %v", err)
	}
	if err := c.Publish(t.Context(), "changes", []byte("x")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("publish after Run: %v", err)
	}
	if err := <-subscribed; !fault.Is(err, fault.Unavailable) {
		t.Errorf("the subscription ends with %v", err)
	}
}

func TestTLSFilesWithoutTLS(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{URL: "redis://h", TLS: &tls.Config{}}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "rediss://") {
		t.Errorf("got %v, want that rediss:// is needed", err)
	}
	c, err := New(Config{URL: "redis+cluster://h", TLS: &tls.Config{}})
	if err != nil || !c.target.tls {
		t.Errorf("a cluster with TLS files goes without TLS: %v", err)
	}
}

// lines is a buffer that many may write to.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
