package rabbitmq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/headrace/headrace/internal/dial"
	"github.com/rabbitmq/amqp091-go"
)

// writeWithin bounds a single write to the socket.
const writeWithin = 15 * time.Second

// link is one connection.
type link struct {
	raw  net.Conn
	conn *amqp091.Connection
}

// boundedConn gives every write a time limit: the driver knows none, and holds a lock meanwhile.
type boundedConn struct{ net.Conn }

func (b boundedConn) Write(p []byte) (int, error) {
	if err := b.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return 0, err
	}
	return b.Conn.Write(p)
}

// connect makes a session with everything declared.
func (c *Carrier) connect(ctx context.Context, host string) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, c.target.timeout)
	defer cancel()
	s := newSession(c)
	var err error
	if s.con, err = c.link(ctx, host, "consume"); err != nil {
		return nil, errors.Join(err, s.end())
	}
	if s.pub, err = c.link(ctx, host, "publish"); err != nil {
		return nil, errors.Join(err, s.end())
	}
	s.watch()
	stop := context.AfterFunc(ctx, func() { s.kill(ctx.Err()) })
	defer stop()
	if err := s.setUp(); err != nil {
		s.kill(err)
		return nil, s.end()
	}
	return s, nil
}

// link makes one connection. Its limit of time is the context's.
func (c *Carrier) link(ctx context.Context, host, use string) (*link, error) {
	raw, err := dial.Dialer(c.target.timeout).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	l := &link{raw: raw}
	l.conn, err = c.open(ctx, raw, host, use)
	if err != nil {
		_ = raw.Close() // it was of no use
		return nil, errors.Join(ctx.Err(), err)
	}
	return l, nil
}

func (c *Carrier) open(ctx context.Context, raw net.Conn, host, use string) (*amqp091.Connection, error) {
	if deadline, ok := ctx.Deadline(); ok {
		if err := raw.SetDeadline(deadline); err != nil {
			return nil, fmt.Errorf("bound the handshake: %w", err)
		}
	}
	if c.target.tls != nil {
		config := c.target.tls.Clone()
		if config.ServerName == "" {
			name, _, err := net.SplitHostPort(host)
			if err != nil {
				return nil, fmt.Errorf("read host: %w", err)
			}
			config.ServerName = name
		}
		secured := tls.Client(raw, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		raw = secured
	}
	properties := amqp091.NewConnectionProperties()
	properties.SetClientConnectionName(c.config.Name + " (" + use + ")")
	conn, err := amqp091.Open(boundedConn{raw}, amqp091.Config{
		SASL:  []amqp091.Authentication{&amqp091.PlainAuth{Username: c.target.user, Password: c.target.password}},
		Vhost: c.target.vhost, Heartbeat: c.target.heartbeat, Properties: properties, Locale: "en_US",
	})
	if err != nil && c.target.tls != nil {
		return nil, errors.Join(err, errSecured)
	}
	return conn, err
}
