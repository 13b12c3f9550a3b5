package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/internal/seal"
)

// limits of a transaction.
const (
	mostTries   = 20
	mostTime    = 30 * time.Second
	mostTimeBig = 10 * time.Minute // of one that deletes a lot
)

// retryPause is the policy between the tries of a transaction that lost against another.
var retryPause = run.Backoff{First: 2 * time.Millisecond, Most: 200 * time.Millisecond}

// conn is a transaction; the words of the dialect stand in for {{those}} in statements.
type conn struct {
	tx   *sql.Tx
	d    *dialect
	keys *seal.Keys
}

func (c conn) exec(ctx context.Context, statement string, args ...any) (changed int64, err error) {
	result, err := c.tx.ExecContext(ctx, c.d.text(statement), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (c conn) row(ctx context.Context, statement string, args ...any) *sql.Row {
	return c.tx.QueryRowContext(ctx, c.d.text(statement), args...)
}

// list runs a query and returns what scan makes of each row.
func list[T any](ctx context.Context, c conn, scan func(scanner) (T, error), statement string, args ...any) ([]T, error) {
	rows, err := c.tx.QueryContext(ctx, c.d.text(statement), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has said all
	var found []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, v)
	}
	return found, rows.Err()
}

// write runs f in a transaction that is committed, on disk, when write returns nil. f may run several times.
func (s *Store) write(ctx context.Context, what string, f func(context.Context, conn) error) error {
	return s.writeFor(ctx, mostTime, what, f)
}

func (s *Store) writeFor(ctx context.Context, limit time.Duration, what string, f func(context.Context, conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return s.try(ctx, what, s.writer, nil, func(ctx context.Context, c conn) error {
		if s.dialect.name == Postgres && s.clock.due() {
			if err := s.clock.measure(ctx, c); err != nil {
				return err
			}
		}
		return f(ctx, c)
	})
}

// read runs f on one snapshot of the database; writers do not hold it up.
func (s *Store) read(ctx context.Context, what string, f func(context.Context, conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, mostTime)
	defer cancel()
	return s.try(ctx, what, s.reader, &sql.TxOptions{ReadOnly: true, Isolation: s.dialect.snapshot}, f)
}

// try runs a transaction, anew when it lost against another one.
func (s *Store) try(ctx context.Context, what string, db *sql.DB, options *sql.TxOptions, f func(context.Context, conn) error) error {
	var err error
	for n := 1; n <= mostTries; n++ {
		if err = s.once(ctx, db, options, f); err == nil || !again(err) {
			break
		}
		if pauseErr := run.Pause(ctx, retryPause.After(n)); pauseErr != nil {
			break
		}
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, explain(err))
}

func (s *Store) once(ctx context.Context, db *sql.DB, options *sql.TxOptions, f func(context.Context, conn) error) error {
	tx, err := db.BeginTx(ctx, options)
	if err != nil {
		return err
	}
	if err := f(ctx, conn{tx: tx, d: s.dialect, keys: s.config.Keys}); err != nil {
		if rollbackErr := tx.Rollback(); rollbackErr != nil && !errors.Is(rollbackErr, sql.ErrTxDone) {
			s.log.DebugContext(ctx, "roll back", "err", rollbackErr)
		}
		return err
	}
	return tx.Commit()
}
