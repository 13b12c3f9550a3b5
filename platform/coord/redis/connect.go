package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	poolSize = 20
	idleFor  = 5 * time.Minute
)

// connector makes the driver's client. The driver repeats nothing by itself: what can be done twice is known here only.
type connector struct {
	target  target
	tls     *tls.Config
	timeout time.Duration
}

func (k connector) client() redis.UniversalClient {
	switch k.target.shape {
	case sentinel:
		return redis.NewFailoverClient(k.sentinel())
	case cluster:
		return redis.NewClusterClient(k.cluster())
	default:
		return redis.NewClient(k.single())
	}
}

func (k connector) single() *redis.Options {
	t := k.target
	return &redis.Options{
		Addr: t.hosts[0], Username: t.user, Password: t.password, DB: t.db, Dialer: k.dial, Protocol: 2,
		MaxRetries: -1, DialTimeout: k.timeout, DialerRetries: 1, ReadTimeout: k.timeout, WriteTimeout: k.timeout, PoolTimeout: k.timeout,
		ContextTimeoutEnabled: true, PoolSize: poolSize, ConnMaxIdleTime: idleFor, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

func (k connector) sentinel() *redis.FailoverOptions {
	t := k.target
	return &redis.FailoverOptions{
		MasterName: t.master, SentinelAddrs: t.hosts, SentinelUsername: t.sentinelUser, SentinelPassword: t.sentinelPassword,
		Username: t.user, Password: t.password, DB: t.db, Dialer: k.dial, Protocol: 2,
		MaxRetries: -1, DialTimeout: k.timeout, DialerRetries: 1, ReadTimeout: k.timeout, WriteTimeout: k.timeout, PoolTimeout: k.timeout,
		ContextTimeoutEnabled: true, PoolSize: poolSize, ConnMaxIdleTime: idleFor, DisableIdentity: true,
	}
}

func (k connector) cluster() *redis.ClusterOptions {
	t := k.target
	return &redis.ClusterOptions{
		Addrs: t.hosts, Username: t.user, Password: t.password, Dialer: k.dial, Protocol: 2, DisableRoutingPolicies: true,
		MaxRetries: -1, DialTimeout: k.timeout, DialerRetries: 1, ReadTimeout: k.timeout, WriteTimeout: k.timeout, PoolTimeout: k.timeout,
		ContextTimeoutEnabled: true, PoolSize: poolSize, ConnMaxIdleTime: idleFor, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// dial connects to one server, with the TLS that the URL asks for; the server's certificate must hold the name or address
// that is connected to, unless the configuration names another.
func (k connector) dial(ctx context.Context, network, address string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: k.timeout}
	if !k.target.tls {
		return plain.DialContext(ctx, network, address)
	}
	config := k.tls
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	ctx, cancel := context.WithTimeout(ctx, k.timeout*3/4) // before the call itself ends, to tell why
	defer cancel()
	conn, err := (&tls.Dialer{NetDialer: plain, Config: config}).DialContext(ctx, network, address)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return nil, fmt.Errorf("%w: %w", errNoHandshake, err)
	}
	return conn, err
}

// errNoHandshake: there was neither a connection nor a refusal in time.
var errNoHandshake = errors.New("no TLS connection came about in time")

// driverLog takes what the driver says. All that matters of it comes back as an error of a call too.
type driverLog struct{ log *slog.Logger }

// Printf is the driver's.
func (l driverLog) Printf(ctx context.Context, format string, args ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.DebugContext(ctx, "the driver of Redis says", "text", fmt.Sprintf(format, args...))
	}
}
