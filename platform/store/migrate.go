package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/headrace/headrace/internal/run"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrationLock is the key of the advisory lock, of the transaction, under which one node at a time changes the tables.
const migrationLock = 0x6865616472616365 // "headrace"

// migrate brings the tables up to date.
func (s *Store) migrate(ctx context.Context) error {
	if s.dialect.name == Postgres {
		return s.migratePostgres(ctx)
	}
	// Two processes on one SQLite file are not meant to be; should they start at once, the second finds a table that the
	// first has just made, and looks again.
	var err error
	for n := 1; n <= 5; n++ {
		if err = s.goose(ctx); err == nil {
			return nil
		}
		if pauseErr := run.Pause(ctx, (run.Backoff{First: 50 * time.Millisecond}).After(n)); pauseErr != nil {
			return pauseErr
		}
	}
	return err
}

// migratePostgres takes turns with other nodes. The lock belongs to a transaction, so that it works through PgBouncer and
// ends with the connection whatever happens; who waits for it asks again and again and holds no connection meanwhile.
func (s *Store) migratePostgres(ctx context.Context) error {
	for n := 1; ; n++ {
		done, err := s.migrateIfFirst(ctx)
		if done || err != nil {
			return err
		}
		if err := run.Pause(ctx, (run.Backoff{First: 20 * time.Millisecond, Most: 500 * time.Millisecond}).After(n)); err != nil {
			return fmt.Errorf("wait for another node that changes the tables: %w", err)
		}
	}
}

func (s *Store) migrateIfFirst(ctx context.Context) (first bool, err error) {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() {
		if rollbackErr := tx.Rollback(); rollbackErr != nil && !errors.Is(rollbackErr, sql.ErrTxDone) {
			err = errors.Join(err, rollbackErr)
		}
	}()
	if err := tx.QueryRowContext(ctx, "SELECT pg_try_advisory_xact_lock($1)", int64(migrationLock)).Scan(&first); err != nil || !first {
		return false, err
	}
	if _, err := tx.ExecContext(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
		return false, err
	}
	return true, s.goose(ctx)
}

func (s *Store) goose(ctx context.Context) error {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	dialect := goose.DialectSQLite3
	if s.dialect.name == Postgres {
		dialect = goose.DialectPostgres
	}
	provider, err := goose.NewProvider(dialect, s.writer, dialectFS{FS: files, d: s.dialect},
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(s.log))
	if err != nil {
		return err
	}
	applied, err := provider.Up(ctx)
	if err != nil {
		return err
	}
	for _, m := range applied {
		s.log.InfoContext(ctx, "tables brought up to date", "migration", m.Source.Path, "duration", m.Duration)
	}
	return nil
}
