// Package testkit owns what tests of several packages need: a fresh database, broker or Redis on the private servers that
// `make test` starts, or a server of one's own to stop and kill. It must not know any package that is tested.
//
// Without the servers' addresses in the environment, a test that asks for one is skipped; where HEADRACE_TEST_REQUIRE is
// 1, as under `make test`, it fails instead.
package testkit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/headrace/headrace/internal/testkit/servers"
	_ "github.com/lib/pq" // the driver with which databases are made
	"github.com/redis/go-redis/v9"
)

const patience = 30 * time.Second

// Postgres returns the URL of a new, empty PostgreSQL database, which is dropped after the test.
func Postgres(tb testing.TB) string {
	tb.Helper()
	return database(tb, address(tb, servers.EnvPostgres))
}

// PgBouncer returns the URL of a new, empty PostgreSQL database that is reached through PgBouncer with transaction pooling.
func PgBouncer(tb testing.TB) string {
	tb.Helper()
	return database(tb, address(tb, servers.EnvPgBouncer))
}

// Redis returns the URL of an empty Redis database. Channels are common to all databases of a server: name yours by the
// number of the database.
func Redis(tb testing.TB) string {
	tb.Helper()
	base := address(tb, servers.EnvRedis)
	opts, err := redis.ParseURL(base)
	if err != nil {
		tb.Fatalf("read %s: %v", servers.EnvRedis, err)
	}
	client := redis.NewClient(opts)
	defer client.Close()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	n, err := client.Incr(ctx, "headrace:testkit:databases").Result()
	if err != nil {
		tb.Fatalf("count the test databases of Redis: %v", err)
	}
	u, err := url.Parse(base)
	if err != nil {
		tb.Fatalf("read %s: %v", servers.EnvRedis, err)
	}
	opts.DB = int(1 + (n-1)%(servers.RedisDatabases-1)) // database 0 holds the counter
	u.Path = fmt.Sprintf("/%d", opts.DB)
	fresh := redis.NewClient(opts)
	defer fresh.Close()
	if err := fresh.FlushDB(ctx).Err(); err != nil {
		tb.Fatalf("empty database %d of Redis: %v", opts.DB, err)
	}
	return u.String()
}

// AMQP returns the URL of a new RabbitMQ virtual host, which is deleted after the test with all its connections.
func AMQP(tb testing.TB) string {
	tb.Helper()
	base := address(tb, servers.EnvAMQP)
	management := address(tb, servers.EnvManagement)
	u, err := url.Parse(base)
	if err != nil {
		tb.Fatalf("%s is not a URL", servers.EnvAMQP)
	}
	name := unique()
	manage := func(method, path, body string) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience)
		defer cancel()
		_, err := servers.Manage(ctx, management, method, path, body)
		return err
	}
	if err := manage(http.MethodPut, "/api/vhosts/"+name, "{}"); err != nil {
		tb.Fatalf("make a virtual host: %v", err)
	}
	tb.Cleanup(func() {
		if err := manage(http.MethodDelete, "/api/vhosts/"+name, ""); err != nil {
			tb.Errorf("delete a virtual host: %v", err)
		}
	})
	all := `{"configure":".*","write":".*","read":".*"}`
	if err := manage(http.MethodPut, "/api/permissions/"+name+"/"+url.PathEscape(u.User.Username()), all); err != nil {
		tb.Fatalf("open a virtual host: %v", err)
	}
	u.Path = "/" + name
	return u.String()
}

// RabbitMQManagement returns the address of the management API of RabbitMQ, with user and password.
func RabbitMQManagement(tb testing.TB) string {
	tb.Helper()
	return address(tb, servers.EnvManagement)
}

// Chromium returns the path of the browser.
func Chromium(tb testing.TB) string {
	tb.Helper()
	return address(tb, servers.EnvChromium)
}

// OwnPostgres returns a PostgreSQL server of the test's own.
func OwnPostgres(tb testing.TB, d servers.Durability, certificates ...servers.Certificates) *servers.Server {
	tb.Helper()
	s, err := servers.StartPostgres(tb.Context(), d, certificates...)
	return own(tb, s, err)
}

// OwnRedis returns a Redis server of the test's own.
func OwnRedis(tb testing.TB, certificates ...servers.Certificates) *servers.Server {
	tb.Helper()
	s, err := servers.StartRedis(tb.Context(), certificates...)
	return own(tb, s, err)
}

// OwnRabbitMQ returns a RabbitMQ server of the test's own. It takes several seconds to start.
func OwnRabbitMQ(tb testing.TB, certificates ...servers.Certificates) *servers.RabbitMQ {
	tb.Helper()
	s, err := servers.StartRabbitMQ(tb.Context(), certificates...)
	return own(tb, s, err)
}

func own[S interface{ Close() error }](tb testing.TB, s S, err error) S {
	tb.Helper()
	if errors.Is(err, servers.ErrNotInstalled) {
		lacking(tb, err.Error())
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("stop the server: %v", err)
		}
	})
	return s
}

func address(tb testing.TB, name string) string {
	tb.Helper()
	value := os.Getenv(name)
	if value == "" {
		lacking(tb, name+" is not set; make test sets it")
	}
	return value
}

func lacking(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv(servers.EnvRequire) == "1" {
		tb.Fatal(what)
	}
	tb.Skip(what)
}

func database(tb testing.TB, base string) string {
	tb.Helper()
	u, err := url.Parse(base)
	if err != nil {
		tb.Fatal("the address of PostgreSQL is not a URL")
	}
	name := unique()
	// CREATE DATABASE goes past PgBouncer as a single statement, outside a transaction.
	perform := func(statement string) {
		db, err := sql.Open("postgres", base)
		if err != nil {
			tb.Errorf("open PostgreSQL: %v", err)
			return
		}
		defer db.Close()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience)
		defer cancel()
		if _, err := db.ExecContext(ctx, statement); err != nil {
			tb.Errorf("%s: %v", statement, err)
		}
	}
	perform("CREATE DATABASE " + name)
	tb.Cleanup(func() { perform("DROP DATABASE " + name + " WITH (FORCE)") })
	u.Path = "/" + name
	return u.String()
}

// unique returns a name that is new on every server.
func unique() string { return "t" + strings.ReplaceAll(uuid.NewString(), "-", "") }
