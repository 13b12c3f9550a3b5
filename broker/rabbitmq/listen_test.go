package rabbitmq_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/internal/testkit"
)

// TestListeningGoesOn: who listens hears again after its connection was cut, and also while the broker has not noticed yet that
// the one before is dead.
func TestListeningGoesOn(t *testing.T) {
	t.Parallel()
	url := testkit.AMQP(t)
	proxy, through := testkit.NewProxy(t, url)
	through += "?heartbeat=1"
	platform, worker := start(t, through), start(t, url)
	heard := make(chan string, 1000)
	g := run.NewGroup(t.Context())
	g.Go("listen", func(ctx context.Context) error {
		return platform.Listen(ctx, broker.HeartbeatExchange, 2, func(ctx context.Context, d broker.Delivery) {
			heard <- string(d.Message().Body)
			_ = d.Ack(ctx) // what is gone is said again
		})
	})
	t.Cleanup(func() {
		g.Stop()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for name, fault := range map[string]func(){"first": func() {}, "cut": proxy.Cut, "frozen and cut by its own side": func() {
		lost := platform.Changed()
		proxy.Freeze()
		<-lost // by its heartbeats; the broker sees nothing of it for a while
	}} {
		fault()
		await(t, platform, "the connection", connected)
		deadline := time.After(patience)
		for got := ""; got != name; {
			err := worker.Publish(limited(t), broker.Message{Exchange: broker.HeartbeatExchange, Body: []byte(name), Transient: true})
			if err != nil && !errors.Is(err, broker.ErrUnroutable) {
				t.Fatal(err)
			}
			select {
			case got = <-heard:
			case <-tick.C:
			case <-deadline:
				t.Fatalf("nothing is heard after the fault %q", name)
			}
		}
	}
}
