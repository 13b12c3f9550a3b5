package rabbitmq_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/internal/testkit/servers"
)

func TestServerGoesAndComes(t *testing.T) {
	t.Parallel()
	server := testkit.OwnRabbitMQ(t)
	platform, worker := start(t, server.URL()), start(t, server.URL())
	queue := broker.WorkerQueue("one")
	if err := worker.Bind(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	commands := make(chan string, 100)
	g := run.NewGroup(t.Context())
	g.Go("commands", func(ctx context.Context) error {
		return worker.Consume(ctx, queue, 1, func(ctx context.Context, d broker.Delivery) {
			commands <- string(d.Message().Body)
			_ = d.Ack(ctx) // what is gone comes again
		})
	})
	t.Cleanup(func() {
		g.Stop()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
	l := traffic(t, worker, platform, broker.StateQueue)
	l.await(t, 100)
	for _, fault := range []struct {
		name string
		stop func(context.Context) error
	}{{"stopped", server.Stop}, {"killed", server.Kill}} {
		if err := fault.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		await(t, worker, "the loss", away)
		await(t, worker, "a refused try", func(s broker.State) bool {
			return s.Tries > 0 && strings.Contains(s.LastError, "nothing listens there")
		})
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if err := platform.Publish(ctx, broker.Message{Key: broker.StateQueue}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: publish: %v", fault.name, err)
		}
		cancel()
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		await(t, worker, "the return of the worker", connected)
		await(t, platform, "the return of the platform", connected)
		l.await(t, l.count()+100)
		if err := platform.Publish(limited(t), broker.Message{Exchange: broker.CommandsExchange, Body: []byte(fault.name)}); err != nil {
			t.Errorf("command after the server was %s: %v", fault.name, err)
		}
		select {
		case got := <-commands:
			if got != fault.name {
				t.Errorf("command %q, want %q", got, fault.name)
			}
		case <-time.After(patience):
			t.Errorf("no command comes after the server was %s", fault.name)
		}
	}
}

func TestConnectionsAreCut(t *testing.T) {
	t.Parallel()
	proxy, through := testkit.NewProxy(t, testkit.AMQP(t))
	platform, worker := start(t, through), start(t, through)
	await(t, platform, "the connection", connected)
	l := traffic(t, worker, platform, broker.StateQueue)
	if err := worker.DeclareQueue(t.Context(), broker.DefaultJobQueue); err != nil {
		t.Fatal(err)
	}
	if err := platform.Publish(limited(t), broker.Message{Key: broker.DefaultJobQueue, Body: []byte("job")}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		l.await(t, l.count()+50)
		held, err := worker.Receive(limited(t), broker.DefaultJobQueue)
		if err != nil {
			t.Fatal(err)
		}
		lost := worker.Changed()
		proxy.Cut()
		<-lost
		if err := held.Ack(t.Context()); !errors.Is(err, broker.ErrGone) {
			t.Errorf("acknowledge on a connection that is gone: %v", err)
		}
		again, err := worker.Receive(limited(t), broker.DefaultJobQueue)
		if err != nil {
			t.Fatal(err)
		}
		if !again.Redelivered() {
			t.Error("the job does not count as redelivered")
		}
		if err := again.Requeue(t.Context()); err != nil {
			t.Error(err)
		}
	}
	l.await(t, l.count()+50)
}

// TestDeadNetwork is about connections that hang without an end, while the broker still holds their queues.
func TestDeadNetwork(t *testing.T) {
	t.Parallel()
	address := testkit.AMQP(t)
	proxy, through := testkit.NewProxy(t, address)
	worker, platform := start(t, through+"?heartbeat=2"), start(t, address)
	queue := broker.WorkerQueue("one")
	if err := worker.Bind(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	proxy.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := worker.Publish(ctx, broker.Message{Key: broker.StateQueue}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publish into a dead network: %v", err)
	}
	s := await(t, worker, "the loss", away)
	if !strings.Contains(s.LastError, "does not answer") {
		t.Errorf("the state says %q", s.LastError)
	}
	await(t, worker, "the return", connected)
	if err := worker.Publish(limited(t), broker.Message{Key: broker.StateQueue}); err != nil {
		t.Errorf("publish while the broker holds the last connection: %v", err)
	}
	if err := platform.Publish(limited(t), broker.Message{Key: queue, Body: []byte("x")}); err != nil && !errors.Is(err, broker.ErrUnroutable) {
		t.Error(err)
	}
	got := make(chan broker.Delivery, 10)
	g := run.NewGroup(limited(t))
	g.Go("worker", func(ctx context.Context) error {
		return worker.Consume(ctx, queue, 1, func(ctx context.Context, d broker.Delivery) {
			_ = d.Ack(ctx)
			got <- d
		})
	})
	g.Go("platform", func(ctx context.Context) error {
		for ctx.Err() == nil {
			_ = platform.Publish(ctx, broker.Message{Key: queue, Body: []byte("after")}) // until the queue is back
			_ = run.Pause(ctx, 50*time.Millisecond)
		}
		return nil
	})
	select {
	case <-got:
	case <-time.After(patience):
		t.Error("the worker's queue does not come back")
	}
	g.Stop()
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

func TestServerTakesNoMessages(t *testing.T) {
	t.Parallel()
	server := testkit.OwnRabbitMQ(t)
	c := start(t, server.URL())
	await(t, c, "the connection", connected)
	if err := server.Control(t.Context(), "set_vm_memory_high_watermark", "0.00000001"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- c.Publish(ctx, broker.Message{Key: broker.StateQueue}) }()
	s := await(t, c, "the alarm", func(s broker.State) bool { return s.Blocked })
	if !s.Connected || !strings.Contains(s.LastError, "takes no messages for now") {
		t.Errorf("the state is %+v", s)
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("publish while blocked: %v", err)
	}
	if _, err := c.Inspect(limited(t), broker.StateQueue); err != nil {
		t.Errorf("ask while blocked: %v", err)
	}
	if err := server.Control(t.Context(), "set_vm_memory_high_watermark", "0.4"); err != nil {
		t.Fatal(err)
	}
	await(t, c, "the end of the alarm", func(s broker.State) bool { return !s.Blocked && s.LastError == "" })
	if err := c.Publish(limited(t), broker.Message{Key: broker.StateQueue}); err != nil {
		t.Errorf("publish after: %v", err)
	}
}

// manage calls the management API about the virtual host of the address.
func manage(t *testing.T, address, method, thing, name, body string) {
	t.Helper()
	base := testkit.RabbitMQManagement(t)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	path := "/api/" + thing + "/" + url.PathEscape(strings.TrimPrefix(u.Path, "/")) + "/" + url.PathEscape(name)
	if _, err := servers.Manage(limited(t), base, method, path, body); err != nil {
		t.Fatal(err)
	}
}

func TestDeletedQueueIsDeclaredAgain(t *testing.T) {
	t.Parallel()
	address := testkit.AMQP(t)
	c := start(t, address)
	if err := c.DeclareQueue(t.Context(), broker.DefaultJobQueue); err != nil {
		t.Fatal(err)
	}
	for _, queue := range []string{broker.StateQueue, broker.DefaultJobQueue} {
		t.Run(queue, func(t *testing.T) {
			t.Parallel()
			got := make(chan string, 1000)
			g := run.NewGroup(limited(t))
			g.Go("consumer", func(ctx context.Context) error {
				return c.Consume(ctx, queue, 1, func(ctx context.Context, d broker.Delivery) {
					_ = d.Ack(ctx)
					got <- string(d.Message().Body)
				})
			})
			send := func(text string) {
				for limited(t).Err() == nil {
					err := c.Publish(limited(t), broker.Message{Key: queue, Body: []byte(text)})
					if err == nil {
						return
					}
					if !errors.Is(err, broker.ErrUnroutable) {
						t.Fatal(err)
					}
				}
			}
			send("before")
			<-got
			manage(t, address, http.MethodDelete, "queues", queue, "")
			send("after")
			select {
			case text := <-got:
				if text != "after" {
					t.Errorf("got %q", text)
				}
			case <-time.After(patience):
				t.Error("the consumer does not come back")
			}
			g.Stop()
			if err := g.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestQueueWithOtherPropertiesIsUsed(t *testing.T) {
	t.Parallel()
	address := testkit.AMQP(t)
	for _, queue := range []string{broker.LogQueue, broker.DefaultJobQueue} {
		manage(t, address, http.MethodPut, "queues", queue, `{"durable":true,"arguments":{"x-queue-type":"quorum"}}`)
	}
	c := start(t, address)
	if err := c.DeclareQueue(limited(t), broker.DefaultJobQueue); err != nil {
		t.Fatal(err)
	}
	for _, queue := range []string{broker.LogQueue, broker.DefaultJobQueue} {
		if err := c.Publish(limited(t), broker.Message{Key: queue, Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		d, err := c.Receive(limited(t), queue)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Ack(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestStateSaysWhy(t *testing.T) {
	t.Parallel()
	address := testkit.AMQP(t)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // nobody accepts
	tests := []struct{ name, url, says string }{
		{"password", "amqp://travis:geheim@" + u.Host + u.Path, "refuses the user name or the password"},
		{"virtual host", "amqp://travis:travis-test@" + u.Host + "/nowhere", "vhost nowhere not found"},
		{"nothing there", "amqp://travis:geheim@127.0.0.1:1/travis", "nothing listens there"},
		{"no such host", "amqp://travis:geheim@rabbit.test.invalid/travis", "is not known"},
		{"no TLS there", "amqps://travis:geheim@" + u.Host + "/travis", "does not speak TLS"},
		{"silence", "amqp://travis:geheim@" + l.Addr().String() + "/travis?connection_timeout=200", "does not answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := start(t, tt.url)
			s := await(t, c, "a try", func(s broker.State) bool { return s.Tries > 0 })
			if !strings.Contains(s.LastError, tt.says) || strings.Contains(s.LastError, "geheim") {
				t.Errorf("the state says %q", s.LastError)
			}
		})
	}
}

func TestSeveralHosts(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(testkit.AMQP(t))
	if err != nil {
		t.Fatal(err)
	}
	u.Host = "127.0.0.1:1," + u.Host
	c := start(t, u.Scheme+"://"+u.User.String()+"@"+u.Host+u.Path)
	await(t, c, "the connection", connected)
}
