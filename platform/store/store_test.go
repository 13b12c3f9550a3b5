package store_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/platform/store"
	"github.com/headrace/headrace/platform/store/storetest"
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

func TestPostgres(t *testing.T) {
	t.Parallel()
	pool := &databases{suite: t, create: testkit.Postgres}
	pool.lend(t) // skips the suite without a server
	storetest.Run(t, pool.open)
}

func TestPgBouncer(t *testing.T) {
	t.Parallel()
	pool := &databases{suite: t, create: testkit.PgBouncer}
	pool.lend(t)
	storetest.Run(t, pool.open)
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

// databases lends PostgreSQL databases to the tests of a suite. One that a test is done with is emptied for the next one:
// that is much faster than making a new one.
type databases struct {
	suite  *testing.T
	create func(testing.TB) (url string)
	mu     sync.Mutex
	free   []string
}

func (d *databases) open(t *testing.T) storetest.Database {
	t.Helper()
	return opener(t, store.Config{PostgresURL: d.lend(t), MaxConns: 8})
}

// lend gives a database without rows to the test, until it ends.
func (d *databases) lend(t *testing.T) (url string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.free); n > 0 {
		url, d.free = d.free[n-1], d.free[:n-1]
	} else {
		url = d.create(d.suite)
	}
	if t == d.suite {
		d.free = append(d.free, url)
		return url
	}
	t.Cleanup(func() {
		empty(t, url)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.free = append(d.free, url)
	})
	return url
}

// empty takes all rows out of a database but those that the migrations put in, and counts ids from 1 again.
func empty(t *testing.T, url string) {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	statements := []string{
		"UPDATE hearing SET counter = 0, raw = 0, settled = 0, heard_at = NULL",
		"SELECT setval(c.oid, 1, false) FROM pg_class c WHERE c.relkind = 'S' AND c.relname NOT LIKE 'goose%'",
	}
	for _, table := range tables(t, db) {
		if table != "hearing" {
			statements = append(statements, "DELETE FROM "+table)
		}
	}
	if _, err := db.ExecContext(context.WithoutCancel(t.Context()), strings.Join(statements, ";")); err != nil {
		t.Fatal(err)
	}
}

// tables are the tables of a PostgreSQL database that hold what the store stores, without those that are parts of others.
func tables(t *testing.T, db *sql.DB) []string {
	t.Helper()
	var all string
	err := db.QueryRowContext(context.WithoutCancel(t.Context()), `SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables
		WHERE schemaname = 'public' AND tablename NOT LIKE 'goose%' AND NOT (SELECT relispartition FROM pg_class WHERE oid = tablename::regclass)`).Scan(&all)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(all)
}
