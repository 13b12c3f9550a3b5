package servers

import (
	"context"
	"errors"
	"fmt"

	"github.com/headrace/headrace/internal/run"
)

// The environment variables by which tests find the servers, each a URL.
const (
	EnvPostgres   = "HEADRACE_TEST_POSTGRES"
	EnvPgBouncer  = "HEADRACE_TEST_PGBOUNCER"
	EnvRedis      = "HEADRACE_TEST_REDIS"
	EnvAMQP       = "HEADRACE_TEST_AMQP"
	EnvManagement = "HEADRACE_TEST_RABBITMQ_MANAGEMENT"
	// EnvChromium is the path of the browser.
	EnvChromium = "HEADRACE_TEST_CHROMIUM"
	// EnvRequire, set to 1, turns a test that cannot run for want of a server from skipped into failed.
	EnvRequire = "HEADRACE_TEST_REQUIRE"
)

// Set is one server of each kind.
type Set struct {
	Postgres, PgBouncer, Redis *Server
	RabbitMQ                   *RabbitMQ
	chromium                   string
}

// Start starts one server of each kind, side by side. It either returns all of them or none.
func Start(ctx context.Context) (*Set, error) {
	s := new(Set)
	g := run.NewGroup(ctx)
	g.Go("postgres", func(ctx context.Context) (err error) {
		if s.Postgres, err = StartPostgres(ctx, Fast); err != nil {
			return err
		}
		s.PgBouncer, err = StartPgBouncer(ctx, s.Postgres)
		return err
	})
	g.Go("redis", func(ctx context.Context) (err error) {
		s.Redis, err = StartRedis(ctx)
		return err
	})
	g.Go("rabbitmq", func(ctx context.Context) (err error) {
		s.RabbitMQ, err = StartRabbitMQ(ctx)
		return err
	})
	g.Go("chromium", func(context.Context) (err error) {
		s.chromium, err = lookup("chromium")
		return err
	})
	if err := errors.Join(g.Wait(), ctx.Err()); err != nil {
		return nil, errors.Join(fmt.Errorf("start the servers for tests: %w", err), s.Close())
	}
	return s, nil
}

// Environ returns the variables by which tests find the servers.
func (s *Set) Environ() []string {
	return []string{
		EnvPostgres + "=" + s.Postgres.URL(), EnvPgBouncer + "=" + s.PgBouncer.URL(), EnvRedis + "=" + s.Redis.URL(),
		EnvAMQP + "=" + s.RabbitMQ.URL(), EnvManagement + "=" + s.RabbitMQ.ManagementURL(),
		EnvChromium + "=" + s.chromium, EnvRequire + "=1",
	}
}

// Close stops all servers and removes their data.
func (s *Set) Close() error {
	g := run.NewGroup(context.Background())
	closing := func(name string, f func() error) { g.Go(name, func(context.Context) error { return f() }) }
	if s.PgBouncer != nil {
		closing("pgbouncer", s.PgBouncer.Close)
	}
	if s.Postgres != nil {
		closing("postgres", s.Postgres.Close)
	}
	if s.Redis != nil {
		closing("redis", s.Redis.Close)
	}
	if s.RabbitMQ != nil {
		closing("rabbitmq", s.RabbitMQ.Close)
	}
	return g.Wait()
}
