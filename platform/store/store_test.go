package store_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "github.com/lib/pq"

	"github.com/headrace/headrace/platform/store"
	"github.com/headrace/headrace/platform/store/storetest"
)

// The servers that the suite needs; without them it is skipped, or fails where HEADRACE_TEST_REQUIRE is 1.
const (
	postgresVariable  = "HEADRACE_TEST_POSTGRES"  // URL of a server where databases may be created
	pgbouncerVariable = "HEADRACE_TEST_PGBOUNCER" // URL, without database, of a PgBouncer before it, in transaction mode
)

func TestSQLite(t *testing.T) {
	t.Parallel()
	empty := sqliteFile(t)
	storetest.Run(t, func(t *testing.T) storetest.Database {
		t.Helper()
		path := filepath.Join(t.TempDir(), "store.db")
		if err := os.WriteFile(path, empty, 0o600); err != nil {
			t.Fatal(err)
		}
		return opener(t, store.Config{Path: path})
	})
}

// sqliteFile is a database whose tables are there.
func sqliteFile(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := store.Open(t.Context(), store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	server := newPostgres(t)
	storetest.Run(t, func(t *testing.T) storetest.Database {
		t.Helper()
		return opener(t, store.Config{PostgresURL: server.lend(t), MaxConns: 8})
	})
}

func TestPgBouncer(t *testing.T) {
	t.Parallel()
	bouncer := serverURL(t, pgbouncerVariable)
	server := newPostgres(t)
	storetest.Run(t, func(t *testing.T) storetest.Database {
		t.Helper()
		return opener(t, store.Config{PostgresURL: withDatabase(t, bouncer, databaseOf(t, server.lend(t))), MaxConns: 8})
	})
}

// opener opens handles on one database and closes them when the test ends.
func opener(t *testing.T, where store.Config) storetest.Database {
	t.Helper()
	return func(config store.Config) *store.Store {
		config.PostgresURL, config.Path, config.MaxConns = where.PostgresURL, where.Path, where.MaxConns
		s, err := store.Open(context.WithoutCancel(t.Context()), config)
		if err != nil {
			panic(err) // the handle may be wanted on a goroutine, which cannot end the test
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
}

func serverURL(t *testing.T, variable string) string {
	t.Helper()
	found := os.Getenv(variable)
	switch {
	case found != "":
	case os.Getenv("HEADRACE_TEST_REQUIRE") == "1":
		t.Fatalf("%s is not set, and HEADRACE_TEST_REQUIRE=1 demands it", variable)
	default:
		t.Skipf("%s is not set", variable)
	}
	return found
}

// postgres makes databases on a server. One that a test is done with is emptied for the next: that is much faster than a new one.
type postgres struct {
	suite  *testing.T
	url    string
	admin  *sql.DB
	prefix string
	mu     sync.Mutex
	free   []string
}

func newPostgres(t *testing.T) *postgres {
	t.Helper()
	p := &postgres{suite: t, url: serverURL(t, postgresVariable), prefix: "headrace_" + strings.ToLower(rand.Text()[:10])}
	var err error
	if p.admin, err = sql.Open("postgres", plain(t, p.url)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.admin.Close() })
	return p
}

// lend gives a database with empty tables to the test, until it ends.
func (p *postgres) lend(t *testing.T) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var server string
	if n := len(p.free); n > 0 {
		server, p.free = p.free[n-1], p.free[:n-1]
	} else {
		server = p.create(t)
	}
	t.Cleanup(func() {
		p.empty(t, server)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.free = append(p.free, server)
	})
	return server
}

// create makes a database without tables. It is dropped when the suite ends.
func (p *postgres) create(t *testing.T) string {
	t.Helper()
	name := p.prefix + "_" + strings.ToLower(rand.Text()[:10])
	p.exec(t, "CREATE DATABASE "+name)
	p.suite.Cleanup(func() { p.exec(p.suite, "DROP DATABASE "+name+" WITH (FORCE)") })
	return withDatabase(t, p.url, name)
}

// empty takes every row out of the tables but those that the migrations put in.
func (p *postgres) empty(t *testing.T, server string) {
	t.Helper()
	db, err := sql.Open("postgres", plain(t, server))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var tables string
	err = db.QueryRow(`SELECT string_agg(tablename, ', ') FROM pg_tables WHERE schemaname = 'public'
		AND tablename NOT IN ('goose_db_version', 'hearing')`).Scan(&tables)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"TRUNCATE " + tables + " RESTART IDENTITY", "UPDATE hearing SET counter = 0, heard_at = NULL, settled_at = NULL",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *postgres) exec(t testing.TB, statement string) {
	t.Helper()
	if _, err := p.admin.ExecContext(context.WithoutCancel(t.Context()), statement); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}

// plain is the URL with TLS off where it does not say.
func plain(t *testing.T, server string) string {
	t.Helper()
	u := parse(t, server)
	q := u.Query()
	if !q.Has("sslmode") {
		q.Set("sslmode", "disable")
		u.RawQuery = q.Encode()
	}
	return u.String()
}

func withDatabase(t *testing.T, server, name string) string {
	t.Helper()
	u := parse(t, server)
	u.Path = "/" + name
	return u.String()
}

func databaseOf(t *testing.T, server string) string {
	t.Helper()
	return strings.TrimPrefix(parse(t, server).Path, "/")
}

func parse(t *testing.T, server string) *url.URL {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
