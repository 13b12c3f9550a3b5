package rabbitmq_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/headrace/headrace/broker/rabbitmq"
	"github.com/headrace/headrace/internal/fault"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	trusted := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	tests := []struct {
		name, url, says string
		tls             *tls.Config
	}{
		{"another scheme", "http://u:geheim@h/", "begins with amqp:// or amqps://", nil},
		{"files named in parameters", "amqps://u:geheim@h/v?cacertfile=/etc/passwd", `parameter "cacertfile"`, nil},
		{"heartbeat of none", "amqp://u:geheim@h/v?heartbeat=0", "heartbeat in the address of RabbitMQ is a number from 1 to 600", nil},
		{"a word as timeout", "amqp://u:geheim@h/v?connection_timeout=long", "connection_timeout", nil},
		{"TLS files without TLS", "amqp://u:geheim@h/v", "Write amqps://", trusted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := rabbitmq.New(rabbitmq.Config{URL: tt.url, TLS: tt.tls})
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || f.Code != fault.Invalid || !strings.Contains(f.Fields["amqp_url"], tt.says) {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), "geheim") {
				t.Errorf("shows the password: %v", err)
			}
		})
	}
}
