package main

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// multiply makes n more builds like the newest one, by SQL and for the same repository: its request, commit, build, stages,
// jobs, attempts and the row of its log. It reads which columns there are, so that it need not be told of new ones.
func multiply(ctx context.Context, db *sql.DB, n int) error {
	var request, build, last int64
	if err := db.QueryRowContext(ctx, "SELECT request_id, id, number FROM builds ORDER BY id DESC LIMIT 1").Scan(&request, &build, &last); err != nil {
		return err
	}
	for _, t := range []struct {
		name, where string
		id          int64
		set         map[string]string // by column, where g counts from 1
	}{
		{"requests", "t.id = $1", request, map[string]string{"id": "t.id + g", "idempotency_key": "NULL"}},
		{"commits", "t.id = (SELECT commit_id FROM builds WHERE id = $1)", build, map[string]string{"id": "t.id + g"}},
		{"builds", "t.id = $1", build, map[string]string{"id": "t.id + g", "request_id": "t.request_id + g", "commit_id": "t.commit_id + g", "number": "t.number + g"}},
		{"build_configs", "t.build_id = $1", build, map[string]string{"build_id": "t.build_id + g"}},
		{"jobs", "t.build_id = $1", build, map[string]string{"id": "t.id + g", "build_id": "t.build_id + g", "build_number": "t.build_number + g"}},
		{"attempts", "t.job_id IN (SELECT id FROM jobs WHERE build_id = $1)", build, map[string]string{"job_id": "t.job_id + g"}},
		{"logs", "t.job_id IN (SELECT id FROM jobs WHERE build_id = $1)", build, map[string]string{"job_id": "t.job_id + g"}},
	} {
		columns, values, err := columnsOf(ctx, db, t.name, t.set)
		if err != nil {
			return err
		}
		statement := fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s t, generate_series(1, %d) g WHERE %s", t.name, columns, values, t.name, n, t.where)
		if _, err := db.ExecContext(ctx, statement, t.id); err != nil {
			return fmt.Errorf("multiply %s: %w", t.name, err)
		}
		if t.set["id"] != "" {
			if _, err := db.ExecContext(ctx, fmt.Sprintf("SELECT setval(pg_get_serial_sequence('%s', 'id'), (SELECT max(id) FROM %s))", t.name, t.name)); err != nil {
				return err
			}
		}
	}
	for _, statement := range []string{
		"UPDATE repositories r SET last_number = b.number, last_build_id = b.id FROM (SELECT * FROM builds ORDER BY id DESC LIMIT 1) b WHERE r.id = b.repository_id",
		"UPDATE branches x SET last_build_id = (SELECT max(id) FROM builds WHERE repository_id = x.repository_id AND branch = x.name)",
		"ANALYZE",
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// columnsOf lists the columns of a table, and beside each its value in a copy.
func columnsOf(ctx context.Context, db *sql.DB, table string, set map[string]string) (columns, values string, err error) {
	rows, err := db.QueryContext(ctx, "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position", table)
	if err != nil {
		return "", "", err
	}
	defer rows.Close()
	var names, from []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return "", "", err
		}
		value := "t." + name
		if other := set[name]; other != "" {
			value = other
		}
		names, from = append(names, name), append(from, value)
	}
	return strings.Join(names, ", "), strings.Join(from, ", "), rows.Err()
}
