package rabbitmq

import (
	"crypto/tls"
	"log/slog"
	"strconv"
	"time"

	"github.com/headrace/headrace/internal/dial"
	"github.com/headrace/headrace/internal/fault"
)

const (
	field            = "amqp_url"
	defaultHeartbeat = 10 * time.Second
	connectWithin    = 10 * time.Second
)

// Config says which RabbitMQ is used, and how.
type Config struct {
	// URL is amqp:// or amqps:// with user, password, one or more hosts with commas between them, and a virtual host.
	// Parameters: heartbeat (seconds, default 10), connection_timeout (milliseconds, default 10,000).
	URL string
	// TLS is for amqps://; nil: the system's authorities.
	TLS *tls.Config
	// Name is what RabbitMQ's own pages show for the connections. Default "headrace".
	Name string
	// Log defaults to none.
	Log *slog.Logger
}

// target is the server, from the URL.
type target struct {
	hosts          []string
	user, password string
	vhost          string
	heartbeat      time.Duration
	timeout        time.Duration
	tls            *tls.Config // nil: none
}

func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name = "headrace"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) target() (target, error) {
	a, err := dial.Parse(c.URL, dial.Rules{
		Field: field, Server: "RabbitMQ", Ports: map[string]int{"amqp": 5672, "amqps": 5671},
		Params: []string{"heartbeat", "connection_timeout"}, Example: "amqps://travis:PASSWORD@rabbitmq.example.com/travis",
	})
	if err != nil {
		return target{}, err
	}
	t := target{hosts: a.Hosts, user: a.User, password: a.Password, vhost: a.Path, heartbeat: defaultHeartbeat, timeout: connectWithin}
	if t.user == "" {
		t.user, t.password = "guest", "guest"
	}
	if t.vhost == "" {
		t.vhost = "/"
	}
	if err := number(a, "heartbeat", time.Second, 1, 600, &t.heartbeat); err != nil {
		return target{}, err
	}
	if err := number(a, "connection_timeout", time.Millisecond, 100, 120_000, &t.timeout); err != nil {
		return target{}, err
	}
	t.tls, err = c.tlsFor(a.Scheme)
	return t, err
}

func (c Config) tlsFor(scheme string) (*tls.Config, error) {
	switch {
	case scheme == "amqps" && c.TLS != nil:
		return c.TLS.Clone(), nil
	case scheme == "amqps":
		return &tls.Config{MinVersion: tls.VersionTLS12}, nil
	case c.TLS != nil && (c.TLS.RootCAs != nil || len(c.TLS.Certificates) > 0):
		return nil, fault.Field(field, "TLS files are given, but the address of RabbitMQ begins with amqp://. Write amqps:// to use TLS, or take the files away.")
	}
	return nil, nil //nolint:nilnil // nil is the word for no TLS
}

func number(a dial.Address, name string, unit time.Duration, least, most int, into *time.Duration) error {
	text, given := a.Params[name]
	if !given {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return fault.Field(field, "The parameter %s in the address of RabbitMQ is a number from %d to %d, not %q.", name, least, most, text)
	}
	*into = time.Duration(n) * unit
	return nil
}
