package testkit_test

import (
	"database/sql"
	"testing"

	"github.com/headrace/headrace/internal/testkit"
	"github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"
)

func TestDatabasesAreFresh(t *testing.T) {
	t.Parallel()
	for name, fresh := range map[string]func(testing.TB) string{"postgres": testkit.Postgres, "pgbouncer": testkit.PgBouncer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 2 {
				db, err := sql.Open("postgres", fresh(t))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := db.ExecContext(t.Context(), "CREATE TABLE t (id int)"); err != nil {
					t.Errorf("a new database is not empty: %v", err)
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestRedisDatabasesAreFresh(t *testing.T) {
	t.Parallel()
	for range 2 {
		opts, err := redis.ParseURL(testkit.Redis(t))
		if err != nil {
			t.Fatal(err)
		}
		client := redis.NewClient(opts)
		if was, err := client.SetNX(t.Context(), "key", 1, 0).Result(); err != nil || !was {
			t.Errorf("a new database holds a key already (%v)", err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestVirtualHostsAreFresh(t *testing.T) {
	t.Parallel()
	for range 2 {
		conn, err := amqp091.Dial(testkit.AMQP(t))
		if err != nil {
			t.Fatal(err)
		}
		ch, err := conn.Channel()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ch.QueueDeclarePassive("q", false, false, false, false, nil); err == nil {
			t.Error("a new virtual host has a queue already")
		}
		ch, err = conn.Channel()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ch.QueueDeclare("q", false, false, false, false, nil); err != nil {
			t.Error(err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}
