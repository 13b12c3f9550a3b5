package rabbitmq_test

import (
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/broker/brokertest"
	"github.com/headrace/headrace/broker/rabbitmq"
	"github.com/headrace/headrace/internal/testkit"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCarrier(t *testing.T) {
	t.Parallel()
	brokertest.Run(t, func(t *testing.T) func() broker.Carrier {
		url := testkit.AMQP(t)
		return func() broker.Carrier { return open(t, url) }
	})
}

func open(t testing.TB, url string) *rabbitmq.Carrier {
	t.Helper()
	c, err := rabbitmq.New(rabbitmq.Config{URL: url, Name: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
