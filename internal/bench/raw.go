package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"

	"github.com/headrace/headrace/internal/run"
)

// The raw limits, by which figures name those that bound them.
const (
	rawCommit   = "commits, 1 client"
	rawCommits  = "commits, 8 clients"
	rawCopy     = "COPY of 16 KiB rows with a key"
	rawInsert   = "INSERT of 16 KiB rows, 32 at a time"
	rawConfirm  = "publish, wait for confirm"
	rawMessages = "publish to ack, 256 in flight"
	rawDeliver  = "publish to deliver"
	rawRedis    = "Redis publish to subscriber"
	rawGin      = "gin, small JSON, 16 connections"
	rawRows     = "net/http, one query of 20 rows as JSON, 16 connections"
	rawBash     = "bash -c 'echo', 4 at a time"
)

// measureRaw measures the servers without Headrace.
func measureRaw(ctx context.Context, r *rig, o options) ([]figure, error) {
	span := time.Duration(o.n(2000, 200)) * time.Millisecond
	var all []figure
	for _, part := range []func(context.Context, *rig, time.Duration) ([]figure, error){rawSQL, rawBroker, rawPubSub, rawHTTP, rawProcesses} {
		found, err := part(ctx, r, span)
		if err != nil {
			return all, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func rawSQL(ctx context.Context, r *rig, span time.Duration) ([]figure, error) {
	address, err := r.database(ctx)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("postgres", address)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	db.SetMaxIdleConns(16)
	if _, err := db.ExecContext(ctx, "CREATE TABLE c (id BIGSERIAL PRIMARY KEY, t TEXT); CREATE TABLE p (job BIGINT, n INTEGER, content BYTEA, PRIMARY KEY (job, n))"); err != nil {
		return nil, err
	}
	var all []figure
	for _, one := range []struct {
		name    string
		clients int
	}{{rawCommit, 1}, {rawCommits, 8}} {
		f, err := commits(ctx, db, one.name, one.clients, span)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	for _, way := range []struct {
		name  string
		store func(context.Context, *sql.DB, int, int) error
	}{{rawCopy, copyRows}, {rawInsert, insertRows}} {
		f, err := storeRows(ctx, db, way.name, span, way.store)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

// commits counts transactions of one small INSERT.
func commits(ctx context.Context, db *sql.DB, name string, clients int, span time.Duration) (figure, error) {
	if _, err := db.ExecContext(ctx, "TRUNCATE c"); err != nil {
		return figure{}, err
	}
	var mu sync.Mutex
	var delays spread
	g := run.NewGroup(ctx)
	began := time.Now()
	for range clients {
		g.Go("client", func(ctx context.Context) error {
			insert, err := db.PrepareContext(ctx, "INSERT INTO c (t) VALUES ('a short text')")
			if err != nil {
				return err
			}
			defer insert.Close()
			var own spread
			for time.Since(began) < span {
				at := time.Now()
				if _, err := insert.ExecContext(ctx); err != nil {
					return err
				}
				own = append(own, time.Since(at))
			}
			mu.Lock()
			defer mu.Unlock()
			delays = append(delays, own...)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return figure{}, err
	}
	took := time.Since(began)
	var stored int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM c").Scan(&stored); err != nil {
		return figure{}, err
	}
	return figure{Name: name, Amounts: append([]amount{perSecond(stored, took, "/s")}, delays.amounts()...), Checked: stored, Of: len(delays), Things: "rows"}, nil
}

const (
	rowBytes  = 16 << 10
	batchRows = 32
)

// storeRows stores batches for a while, each in a transaction of its own.
func storeRows(ctx context.Context, db *sql.DB, name string, span time.Duration, store func(context.Context, *sql.DB, int, int) error) (figure, error) {
	if _, err := db.ExecContext(ctx, "TRUNCATE p"); err != nil {
		return figure{}, err
	}
	began, batches := time.Now(), 0
	for ; time.Since(began) < span; batches++ {
		if err := store(ctx, db, batches, batchRows); err != nil {
			return figure{}, err
		}
	}
	took := time.Since(began)
	var stored int
	if err := db.QueryRowContext(ctx, "SELECT sum(length(content)) FROM p").Scan(&stored); err != nil {
		return figure{}, err
	}
	return figure{
		Name: name, Amounts: []amount{{"", float64(stored) / 1e6 / took.Seconds(), "MB/s"}}, Checked: stored, Of: batches * batchRows * rowBytes, Things: "bytes",
	}, nil
}

func row(n int) []byte {
	text := make([]byte, rowBytes)
	for i := range text {
		text[i] = byte('a' + (i*7+n)%26)
	}
	return text
}

func copyRows(ctx context.Context, db *sql.DB, batch, rows int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	in, err := tx.PrepareContext(ctx, `COPY p (job, n, content) FROM STDIN`)
	if err != nil {
		return err
	}
	for n := range rows {
		if _, err := in.ExecContext(ctx, batch, n, row(n)); err != nil {
			return err
		}
	}
	if _, err := in.ExecContext(ctx); err != nil {
		return err
	}
	if err := in.Close(); err != nil {
		return err
	}
	return tx.Commit()
}

func insertRows(ctx context.Context, db *sql.DB, batch, rows int) error {
	statement, args := "INSERT INTO p (job, n, content) VALUES ", make([]any, 0, 3*rows)
	for n := range rows {
		if n > 0 {
			statement += ", "
		}
		statement += fmt.Sprintf("($%d, $%d, $%d)", 3*n+1, 3*n+2, 3*n+3)
		args = append(args, batch, n, row(n))
	}
	_, err := db.ExecContext(ctx, statement, args...)
	return err
}

func rawPubSub(ctx context.Context, r *rig, span time.Duration) ([]figure, error) {
	opts, err := redis.ParseURL(r.redis.URL())
	if err != nil {
		return nil, err
	}
	client := redis.NewClient(opts)
	defer client.Close()
	sub := client.Subscribe(ctx, "bench")
	defer sub.Close()
	if _, err := sub.Receive(ctx); err != nil {
		return nil, err
	}
	var delays spread
	var c checks
	for began := time.Now(); time.Since(began) < span/2; {
		at := time.Now()
		said := at.Format(time.RFC3339Nano)
		if err := client.Publish(ctx, "bench", said).Err(); err != nil {
			return nil, err
		}
		m, err := sub.ReceiveMessage(ctx)
		if err != nil {
			return nil, err
		}
		delays = append(delays, time.Since(at))
		c.check(m.Payload == said, "received %q, want %q", m.Payload, said)
	}
	return []figure{c.figure(rawRedis, "", "messages", nil, delays.amounts()...)}, nil
}

// rawHTTP measures gin, and what one query with 20 rows costs, with the client that Headrace is asked with.
func rawHTTP(ctx context.Context, r *rig, span time.Duration) ([]figure, error) {
	address, err := r.database(ctx)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("postgres", address)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	db.SetMaxIdleConns(20)
	db.SetMaxOpenConns(20)
	if _, err := db.ExecContext(ctx, "CREATE TABLE b AS SELECT n AS id, 'passed' AS state, 'A change to the wheel' AS message, now() AS at FROM generate_series(1, 1000) n; CREATE INDEX ON b (id)"); err != nil {
		return nil, err
	}
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.GET("/small", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"id": 1, "state": "passed"}) })
	e.GET("/rows", func(c *gin.Context) {
		rows, err := twentyRows(c.Request.Context(), db)
		if err != nil {
			_ = c.AbortWithError(http.StatusInternalServerError, err)
			return
		}
		c.JSON(http.StatusOK, rows)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: e, ReadHeaderTimeout: patience}
	g := run.NewGroup(ctx)
	g.Go("server", func(context.Context) error {
		_ = server.Serve(l)
		return nil
	})
	defer func() { _ = server.Close(); _ = g.Wait() }()
	var all []figure
	for _, what := range []struct{ name, path string }{{rawGin, "/small"}, {rawRows, "/rows"}} {
		a, err := newAsk(http.MethodGet, "http://"+l.Addr().String()+what.path, "", nil, same())
		if err != nil {
			return nil, err
		}
		got, err := drive(ctx, 16, 0, span, func(int) (ask, error) { return a, nil })
		if err != nil {
			return nil, err
		}
		all = append(all, got.checks.figure(what.name, "", "answers", nil, append([]amount{perSecond(got.answers, got.took, "/s")}, got.delays.amounts()...)...))
	}
	return all, nil
}

type rowShown struct {
	ID      int64     `json:"id"`
	State   string    `json:"state"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

func twentyRows(ctx context.Context, db *sql.DB) (list []rowShown, err error) {
	rows, err := db.QueryContext(ctx, "SELECT id, state, message, at FROM b ORDER BY id DESC LIMIT 20")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s rowShown
		if err := rows.Scan(&s.ID, &s.State, &s.Message, &s.At); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// rawProcesses counts how many shells can be started: each job is one.
func rawProcesses(ctx context.Context, _ *rig, span time.Duration) ([]figure, error) {
	var mu sync.Mutex
	var c checks
	g := run.NewGroup(ctx)
	began := time.Now()
	for range 4 {
		g.Go("shells", func(ctx context.Context) error {
			for time.Since(began) < span {
				out, err := exec.CommandContext(ctx, "bash", "-c", "echo hello").Output()
				mu.Lock()
				c.check(err == nil && string(out) == "hello\n", "bash said %q, %v", out, err)
				mu.Unlock()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return []figure{c.figure(rawBash, "", "shells", nil, perSecond(c.of, time.Since(began), "/s"))}, nil
}
