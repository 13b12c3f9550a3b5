package historytest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

// Read reads a history. What happens meanwhile may stand in it by half.
func Read(ctx context.Context, config store.Config) (h History, err error) {
	s, err := store.Open(ctx, config)
	if err != nil {
		return h, fmt.Errorf("open the database: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	driver, source := "postgres", config.PostgresURL
	if source == "" {
		driver, source = "sqlite", "file:"+config.Path+"?_pragma=busy_timeout(5000)"
	}
	raw, err := sql.Open(driver, source)
	if err != nil {
		return h, fmt.Errorf("open the database: %w", err)
	}
	defer func() { err = errors.Join(err, raw.Close()) }()
	return read(ctx, s, raw)
}

func read(ctx context.Context, s *store.Store, raw *sql.DB) (h History, err error) {
	h.Builds, err = pages(func(p ci.Page) ([]ci.Build, int, error) {
		return s.Builds(ctx, ci.BuildFilter{Ascending: true, WithJobs: true, Page: p})
	})
	if err != nil {
		return h, err
	}
	h.Requests, err = pages(func(p ci.Page) ([]ci.Request, int, error) {
		return s.Requests(ctx, ci.RequestFilter{Page: p})
	})
	if err != nil {
		return h, err
	}
	h.Attempts = map[int64][]Attempt{}
	for _, b := range h.Builds {
		for _, j := range b.Jobs {
			if !j.State.Final() {
				continue
			}
			if h.Attempts[j.ID], err = attempts(ctx, s, raw, j.ID); err != nil {
				return h, err
			}
		}
	}
	// The store has no question for what is left over: nobody but a test asks it.
	if err := raw.QueryRowContext(ctx, "SELECT count(*) FROM outbox").Scan(&h.Outbox); err != nil {
		return h, err
	}
	h.DeadLetters, err = deadLetters(ctx, raw)
	return h, err
}

func deadLetters(ctx context.Context, raw *sql.DB) (all []string, err error) {
	rows, err := raw.QueryContext(ctx, "SELECT queue, type, reason FROM dead_letters ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var queue, kind, reason string
		if err := rows.Scan(&queue, &kind, &reason); err != nil {
			return nil, err
		}
		all = append(all, fmt.Sprintf("%s of %s: %s", kind, queue, reason))
	}
	return all, rows.Err()
}

// pages reads a list to its end.
func pages[T any](page func(ci.Page) ([]T, int, error)) (all []T, err error) {
	const most = 100
	for {
		some, total, err := page(ci.Page{Limit: most, Offset: len(all)})
		if err != nil {
			return all, err
		}
		if all = append(all, some...); len(some) == 0 || len(all) >= total {
			return all, nil
		}
	}
}

func attempts(ctx context.Context, s *store.Store, raw *sql.DB, job int64) (all []Attempt, err error) {
	rows, err := s.Attempts(ctx, job)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		a := Attempt{Attempt: row}
		err := raw.QueryRowContext(ctx, "SELECT unclaimed FROM attempts WHERE job_id = $1 AND number = $2", job, row.Number).Scan(&a.Unclaimed)
		if err != nil {
			return nil, err
		}
		if a.Log, err = readLog(ctx, s, job, row.Number); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

func readLog(ctx context.Context, s *store.Store, job int64, attempt int) (Log, error) {
	var r reader
	var err error
	if r.log.Log, err = s.Log(ctx, job, attempt); err != nil {
		return r.log, err
	}
	for from := (ci.LogPos{}); ; {
		parts, err := s.LogParts(ctx, job, attempt, from, 1<<20)
		if err != nil || len(parts) == 0 {
			return r.log, err
		}
		for _, p := range parts {
			r.take(p)
			from = ci.LogPos{Source: p.Source, Number: p.Number + 1}
		}
	}
}
