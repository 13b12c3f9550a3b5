package store

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/lib/pq"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/store/logchunk"
)

// sqliteOptions are not optional: without immediate transactions concurrent writers fail instead of waiting, and without
// the time format texts of times sort wrongly. FULL keeps every commit over a power cut.
const sqliteOptions = "_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)" +
	"&_txlock=immediate&_time_format=sqlite&_timezone=UTC"

// Config says where the database is.
type Config struct {
	// PostgresURL is the URL of a PostgreSQL server, or of PgBouncer before one. Empty: SQLite.
	PostgresURL string
	// Path is the SQLite file; it is created if it is not there.
	Path string
	// TLS replaces what the URL says about encryption, if set.
	TLS *tls.Config
	// MaxConns bounds the connections to PostgreSQL. Default 20, at least 2.
	MaxConns int
	// Lease is how long, in hearing time, a worker may be silent before it counts as lost in lists and for dispatch. Default 15 s.
	Lease time.Duration
	// ForeignLimit is how long, in hearing time, a worker that does not claim may have a job. Default 60 min.
	ForeignLimit time.Duration
	// MaxTries bounds the attempts of a job that the broker takes from workers which do not claim. Default [ci.MaxTries].
	MaxTries int
	// Concurrency bounds how many jobs may be queued or with a worker at a time, OwnerConcurrency how many of one owner. 0: no
	// limit. Nodes of one database are given the same.
	Concurrency, OwnerConcurrency int
	// Keys seal what is secret. Nil: the store keeps no secrets, and opens none.
	Keys *seal.Keys
	// Settle is how long after a gap in hearing the time heard does not count. Default 30 s, negative: none.
	Settle time.Duration
	// Now replaces the store's clock, for tests.
	Now func() time.Time
	// Log takes what an operator should know. Default: nothing is logged.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.MaxConns <= 0 {
		c.MaxConns = 20
	}
	c.MaxConns = max(c.MaxConns, 2)
	if c.Lease <= 0 {
		c.Lease = 15 * time.Second
	}
	if c.ForeignLimit <= 0 {
		c.ForeignLimit = time.Hour
	}
	if c.Settle == 0 {
		c.Settle = 30 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Store is the database. Its methods may be called from any goroutine, and on any number of nodes at once.
type Store struct {
	config  Config
	dialect *dialect
	writer  *sql.DB // on SQLite one connection, so that writers queue up in order
	reader  *sql.DB
	clock   *clock
	hearers hearers
	codec   *logchunk.Codec
	masks   masks
	log     *slog.Logger
}

// Open connects to the database and brings its tables up to date; when several nodes start at once, one of them does.
func Open(ctx context.Context, config Config) (*Store, error) {
	config = config.withDefaults()
	s := &Store{config: config, clock: &clock{source: config.Now}, log: config.Log.With("component", "store")}
	var err error
	if s.codec, err = logchunk.NewCodec(); err != nil {
		return nil, err
	}
	open := s.openSQLite
	if config.PostgresURL != "" {
		open = s.openPostgres
	}
	if err := open(ctx); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare checks the server, brings the tables up to date and sets the clock.
func (s *Store) prepare(ctx context.Context) error {
	if err := s.checkServer(ctx); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return explain(fmt.Errorf("bring the tables up to date: %w", err))
	}
	if err := s.Ping(ctx); err != nil {
		return err
	}
	if err := s.MakeLogDays(ctx); err != nil { // parts of logs have the default table meanwhile
		s.log.WarnContext(ctx, "the tables of the next days' logs could not be made", "err", err)
	}
	return nil
}

func (s *Store) openSQLite(context.Context) error {
	if s.config.Path == "" {
		return fault.New(fault.Invalid, "There is neither the URL of a PostgreSQL server nor the path of an SQLite file.")
	}
	s.dialect = sqliteDialect()
	file := "file:" + (&url.URL{Path: s.config.Path}).EscapedPath() + "?" + sqliteOptions
	// The file holds what others on this machine shall not read; SQLite gives its own files beside it the same mode.
	made, err := os.OpenFile(s.config.Path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The database file %s cannot be opened. Check that its folder exists and belongs to this user.", s.config.Path)
	}
	if err := made.Close(); err != nil {
		return fmt.Errorf("open %s: %w", s.config.Path, err)
	}
	if s.writer, err = sql.Open("sqlite", file); err != nil {
		return fmt.Errorf("open %s: %w", s.config.Path, err)
	}
	s.writer.SetMaxOpenConns(1)
	s.writer.SetMaxIdleConns(1)
	if s.reader, err = sql.Open("sqlite", file+"&_pragma=query_only(1)"); err != nil {
		return fmt.Errorf("open %s: %w", s.config.Path, err)
	}
	s.reader.SetMaxOpenConns(8)
	s.reader.SetMaxIdleConns(8)
	return nil
}

func (s *Store) openPostgres(context.Context) error {
	s.dialect = postgresDialect()
	config, err := postgresConfig(s.config.PostgresURL, s.config.TLS)
	if err != nil {
		return err
	}
	connector, err := pq.NewConnectorConfig(config)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "The URL of the PostgreSQL server cannot be used.")
	}
	s.writer = sql.OpenDB(connector)
	s.writer.SetMaxOpenConns(s.config.MaxConns)
	s.writer.SetMaxIdleConns(s.config.MaxConns)
	s.writer.SetConnMaxLifetime(5 * time.Minute) // so that no connection stays with a server that was demoted
	s.writer.SetConnMaxIdleTime(time.Minute)
	s.reader = s.writer
	return nil
}

// postgresConfig reads the URL and sets what is not the user's choice.
func postgresConfig(rawURL string, secure *tls.Config) (pq.Config, error) {
	config, err := pq.NewConfig(spreadHosts(rawURL))
	if err != nil {
		return config, fault.Wrap(fault.Invalid, err, "The URL of the PostgreSQL server cannot be read. It looks like postgres://user:password@host:5432/database?sslmode=require.")
	}
	config.BinaryParameters = true // one round trip each, and the only way that is right behind PgBouncer
	if config.SSLMode == "" {
		config.SSLMode = pq.SSLModeRequire
		if loopback(config.Host) {
			config.SSLMode = pq.SSLModeDisable
		}
	}
	if secure != nil {
		config.SSLMode = pq.SSLMode("pqgo-headrace")
		if err := pq.RegisterTLSConfig("headrace", secure); err != nil {
			return config, fmt.Errorf("set up TLS: %w", err)
		}
	}
	if config.TargetSessionAttrs == "" {
		config.TargetSessionAttrs = pq.TargetSessionAttrsReadWrite
	}
	if config.ApplicationName == "" {
		config.ApplicationName = "headrace"
	}
	if config.ConnectTimeout <= 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	return config, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasPrefix(host, "/") || (ip != nil && ip.IsLoopback())
}

// spreadHosts rewrites host1:1,host2:2 in a URL, which no parser of URLs reads rightly, into parameters.
func spreadHosts(rawURL string) string {
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok {
		return rawURL
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	at := strings.LastIndexByte(authority, '@') + 1
	if !strings.Contains(authority[at:], ",") {
		return rawURL
	}
	var hosts, ports []string
	for each := range strings.SplitSeq(authority[at:], ",") {
		host, port, err := net.SplitHostPort(each)
		if err != nil {
			host, port = strings.Trim(each, "[]"), "5432"
		}
		hosts, ports = append(hosts, host), append(ports, port)
	}
	query := url.Values{"host": {strings.Join(hosts, ",")}, "port": {strings.Join(ports, ",")}}.Encode()
	joiner := "?"
	if strings.Contains(tail, "?") {
		joiner = "&"
	}
	return scheme + "://" + authority[:at] + tail + joiner + query
}

// checkServer refuses what the statements cannot run on.
func (s *Store) checkServer(ctx context.Context) error {
	if s.dialect.name != Postgres {
		return nil
	}
	var version int
	if err := s.writer.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return explain(fmt.Errorf("connect to PostgreSQL: %w", err))
	}
	if version < 140000 {
		return fault.New(fault.Invalid, "PostgreSQL %d is too old. Headrace needs version 14 or newer.", version/10000)
	}
	return nil
}

// Close closes the connections.
func (s *Store) Close() error {
	err := s.writer.Close()
	if s.reader != s.writer {
		err = errors.Join(s.reader.Close(), err)
	}
	return errors.Join(err, s.codec.Close())
}

// Ping says whether the database answers, and sets the clock by it.
func (s *Store) Ping(ctx context.Context) error {
	return s.read(ctx, "ping", func(ctx context.Context, c conn) error {
		if s.dialect.name == Postgres {
			return s.clock.measure(ctx, c)
		}
		var one int
		return c.row(ctx, "SELECT 1").Scan(&one)
	})
}

// Dialect is "postgres" or "sqlite".
func (s *Store) Dialect() string { return s.dialect.name }

// Now is the store's clock: UTC, whole microseconds, on PostgreSQL the database's. It never steps back.
func (s *Store) Now() time.Time { return s.clock.now() }
