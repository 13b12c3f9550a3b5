package main

import (
	"strings"
	"testing"

	"github.com/headrace/headrace/broker/rabbitmq"
	"github.com/headrace/headrace/internal/fault"
)

func TestWorkerAddress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		command workerCommand
		want    string
	}{
		"a host":        {workerCommand{PlatformHost: "ci.example.com", RabbitMQPassword: "a b/@:"}, "amqps://travis:a%20b%2F%40%3A@ci.example.com:5671/travis"},
		"several":       {workerCommand{PlatformHost: "a, b:5673,c", RabbitMQPassword: "p"}, "amqps://travis:p@a:5671,b:5673,c:5671/travis"},
		"IPv6":          {workerCommand{PlatformHost: "::1,[::2]:99,[::3]", RabbitMQPassword: "p"}, "amqps://travis:p@[::1]:5671,[::2]:99,[::3]:5671/travis"},
		"file":          {workerCommand{PlatformHost: "a", RabbitMQFile: "-", RabbitMQPassword: "other"}, "amqps://travis:from-stdin@a:5671/travis"},
		"whole URL":     {workerCommand{AMQPURL: "amqp://u:p@h/v", PlatformHost: "a"}, "amqp://u:p@h/v"},
		"URL in a file": {workerCommand{AMQPURLFile: "-"}, "from-stdin"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := c.command.address(terminal{in: strings.NewReader("from-stdin\n")})
			if err != nil || got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
			if strings.Contains(got, "://") {
				if _, err := rabbitmq.New(rabbitmq.Config{URL: got}); err != nil {
					t.Errorf("%s cannot be used: %v", got, err)
				}
			}
		})
	}
	for name, c := range map[string]workerCommand{
		"nothing": {}, "no password": {PlatformHost: "a"}, "no host": {RabbitMQPassword: "p"}, "a gap": {PlatformHost: "a,,b", RabbitMQPassword: "p"},
		"a URL": {PlatformHost: "https://a", RabbitMQPassword: "p"},
	} {
		if _, err := c.address(terminal{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
