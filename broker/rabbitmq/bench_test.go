package rabbitmq_test

import (
	"context"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/testkit"
)

// benchCarrier returns a carrier that runs until the benchmark ends.
func benchCarrier(b *testing.B) broker.Carrier {
	b.Helper()
	c := open(b, testkit.AMQP(b))
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	if err := c.DeclareQueue(b.Context(), broker.DefaultJobQueue); err != nil {
		b.Fatal(err)
	}
	return c
}

func BenchmarkCarrier_Publish(b *testing.B) {
	for name, transient := range map[string]bool{"durable": false, "transient": true} {
		b.Run(name, func(b *testing.B) {
			c := benchCarrier(b)
			body := make([]byte, 1024)
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := c.Publish(b.Context(), broker.Message{Key: broker.DefaultJobQueue, Body: body, Transient: transient}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func BenchmarkCarrier_PublishReceiveAck(b *testing.B) {
	c := benchCarrier(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Publish(b.Context(), broker.Message{Key: broker.DefaultJobQueue, Body: []byte("{}")}); err != nil {
			b.Fatal(err)
		}
		d, err := c.Receive(b.Context(), broker.DefaultJobQueue)
		if err != nil {
			b.Fatal(err)
		}
		if err := d.Ack(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
