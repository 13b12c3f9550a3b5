package platform

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/broker/inproc"
	"github.com/headrace/headrace/broker/rabbitmq"
	"github.com/headrace/headrace/internal/dial"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/coord"
	coordinproc "github.com/headrace/headrace/platform/coord/inproc"
	coordredis "github.com/headrace/headrace/platform/coord/redis"
	"github.com/headrace/headrace/platform/settings"
	"github.com/headrace/headrace/platform/store"
)

// DefaultQueue is the queue that jobs go to where nothing else is said.
const DefaultQueue = broker.DefaultJobQueue

// seams are the three servers, or what stands in for them inside the process.
type seams struct {
	store   *store.Store
	coord   coord.Coordinator
	carrier broker.Carrier
}

// choose, with OpenStore for the database, is the only place that asks whether there are other servers: a URL in the settings means the server, none means
// the implementation inside the process.
func choose(s settings.Settings, log *slog.Logger) (seams, error) {
	var chosen seams
	var err error
	if chosen.coord, err = chooseCoordinator(s, log); err != nil {
		return chosen, fmt.Errorf("coordinator: %w", err)
	}
	if chosen.carrier, err = chooseCarrier(s, log); err != nil {
		return chosen, fmt.Errorf("broker: %w", err)
	}
	return chosen, nil
}

// OpenStore opens the database of a node, also for commands that run beside it.
func OpenStore(ctx context.Context, s settings.Settings, log *slog.Logger) (*store.Store, error) {
	config := store.Config{PostgresURL: string(s.PostgresURL), Path: s.Path("headrace.db"), Lease: s.Lease, ForeignLimit: foreignLimit(s), MaxTries: s.Attempts,
		Concurrency: s.Concurrency, OwnerConcurrency: s.OwnerConcurrency, Log: log}
	var err error
	if config.TLS, err = tlsOf(s.PostgresTLS); err != nil {
		return nil, fmt.Errorf("postgres_tls: %w", err)
	}
	if config.Keys, err = keysOf(s); err != nil {
		return nil, err
	}
	return store.Open(ctx, config)
}

// keysOf are the keys of the cluster; none for commands beside a node which open nothing that is sealed.
func keysOf(s settings.Settings) (*seal.Keys, error) {
	if s.ClusterKey == "" {
		return nil, nil //nolint:nilnil // nil keys open nothing
	}
	return seal.ParseKeys(string(s.ClusterKey))
}

// foreignLimit is how long a worker that does not claim may have a job: as long as the job may run, and some time to begin
// and to end.
func foreignLimit(s settings.Settings) time.Duration {
	const own, around = 50 * time.Minute, 10 * time.Minute
	if s.JobTimeout <= 0 {
		return own + around // own is such a worker's own limit
	}
	return s.JobTimeout + around
}

func chooseCoordinator(s settings.Settings, log *slog.Logger) (coord.Coordinator, error) {
	if s.RedisURL == "" {
		return coordinproc.New(), nil
	}
	config, err := tlsOf(s.RedisTLS)
	if err != nil {
		return nil, fmt.Errorf("redis_tls: %w", err)
	}
	return coordredis.New(coordredis.Config{URL: string(s.RedisURL), TLS: config, Log: log})
}

func chooseCarrier(s settings.Settings, log *slog.Logger) (broker.Carrier, error) {
	if s.AMQPURL == "" {
		return inproc.New(), nil
	}
	config, err := tlsOf(s.AMQPTLS)
	if err != nil {
		return nil, fmt.Errorf("amqp_tls: %w", err)
	}
	return rabbitmq.New(rabbitmq.Config{URL: string(s.AMQPURL), TLS: config, Name: "headrace platform " + s.NodeName, Log: log})
}

// tlsOf is nil where no file is named: then the URL says whether there is TLS, and the system's authorities count.
func tlsOf(f settings.TLSFiles) (*tls.Config, error) {
	if f == (settings.TLSFiles{}) {
		return nil, nil //nolint:nilnil // nil is the word for "as the URL says"
	}
	return dial.TLS(dial.TLSFiles{CA: f.CA, Cert: f.Cert, Key: f.Key})
}

// shut closes what was opened.
func (s seams) shut() error {
	var errs []error
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}
