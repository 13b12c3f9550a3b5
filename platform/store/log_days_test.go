package store

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/platform/ci"
)

// keeper is a store whose clock the test moves.
type keeper struct {
	*Store
	t   testing.TB
	now time.Time
}

func newKeeper(t testing.TB, config Config) *keeper {
	t.Helper()
	k := &keeper{t: t, now: time.Date(2026, 3, 1, 23, 59, 0, 0, time.UTC)}
	config.Now = func() time.Time { return k.now }
	s, err := Open(context.WithoutCancel(t.Context()), config)
	k.ok(err)
	t.Cleanup(func() { k.ok(s.Close()) })
	k.Store = s
	return k
}

func (k *keeper) ok(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

func (k *keeper) count(query string) (n int64) {
	k.t.Helper()
	k.ok(k.reader.QueryRowContext(k.t.Context(), query).Scan(&n))
	return n
}

// jobs makes as many running jobs.
func (k *keeper) jobs(n int) (runs []ci.RunRef) {
	k.t.Helper()
	ctx := k.t.Context()
	r, err := k.AddRepository(ctx, ci.NewRepository{Slug: fmt.Sprintf("acme/app%d", k.now.Unix())})
	k.ok(err)
	_, _, err = k.CreateRequest(ctx, ci.NewRequest{RepositoryID: r.ID, Event: ci.EventPush, Branch: "main"})
	k.ok(err)
	q, _, err := k.ClaimRequest(ctx, "x", time.Minute)
	k.ok(err)
	b, err := k.CreateBuild(ctx, ci.NewBuild{RequestID: q.ID, RepositoryID: r.ID, Event: ci.EventPush, Trusted: true, Branch: "main", Jobs: slices.Repeat([]ci.NewJob{{Stage: -1, Queue: "q"}}, n)}, q.Tries)
	k.ok(err)
	_, err = k.Beat(ctx, ci.Heartbeat{WorkerID: "w", Queue: "q", Slots: 1000})
	k.ok(err)
	_, _, err = k.QueueJobs(ctx, 1000, func(ci.QueuedJob) ([]byte, error) { return nil, nil })
	k.ok(err)
	for _, j := range b.Jobs {
		_, _, err = k.ClaimAttempt(ctx, ci.Claim{JobID: j.ID, Attempt: 1, Run: "r", WorkerID: "w"})
		k.ok(err)
		runs = append(runs, ci.RunRef{JobID: j.ID, Attempt: 1, Run: "r"})
	}
	return runs
}

// fill stores the text as the whole log of a run, in parts of the greatest size.
func (k *keeper) fill(run ci.RunRef, text []byte) {
	k.t.Helper()
	var parts []ci.LogPart
	for rest := text; ; {
		n := min(len(rest), MostLogPart)
		parts = append(parts, ci.LogPart{
			JobID: run.JobID, Attempt: 1, Run: "r", Source: ci.LogWorker, Number: len(parts), Content: rest[:n], Final: n == len(rest),
		})
		if rest = rest[n:]; len(rest) == 0 {
			break
		}
	}
	for batch := range slices.Chunk(parts, 64) {
		_, err := k.AppendLog(k.t.Context(), batch)
		k.ok(err)
	}
	_, err := k.Report(k.t.Context(), ci.StateReport{RunRef: run, State: ci.Passed}, 3)
	k.ok(err)
}

func (k *keeper) text(job int64) []byte {
	k.t.Helper()
	var all []byte
	for pos := (ci.LogPos{}); ; {
		parts, err := k.LogParts(k.t.Context(), job, 1, pos, 0)
		k.ok(err)
		if len(parts) == 0 {
			return all
		}
		for _, p := range parts {
			all = append(all, p.Content...)
			pos = ci.LogPos{Source: p.Source, Number: p.Number + 1}
		}
	}
}

// dayNames are the tables of days.
func (k *keeper) dayNames() []string {
	k.t.Helper()
	names, err := k.dayTables(k.t.Context())
	k.ok(err)
	var all []string
	for name := range names {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// buildOutput is text as builds write it.
func buildOutput(seed, size int) []byte {
	var text []byte
	for i := seed; len(text) < size; i++ {
		text = fmt.Appendf(text, "ok  \tgithub.com/acme/app/internal/wheel%d\t0.%03ds\tcoverage: %d.%d%% of statements\n", i*7919%1000, i*104729%1000, i%100, i%10)
		text = fmt.Appendf(text, "npm http fetch GET 200 https://registry.example.org/pkg%d/-/pkg%d-1.%d.tgz %dms (cache miss)\n", i*31%977, i*31%977, i%13, i*17%499)
	}
	return text[:size]
}

// TestLogDays follows the tables of days through their life.
func TestLogDays(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	k := newKeeper(t, Config{PostgresURL: testkit.Postgres(t), MaxConns: 4})
	names := func(days ...string) (all []string) {
		for _, table := range logTables() {
			for _, day := range days {
				all = append(all, table+"_"+day)
			}
			all = append(all, table+"_default")
		}
		slices.Sort(all)
		return all
	}
	if diff := cmp.Diff(names("20260301", "20260302", "20260303"), k.dayNames()); diff != "" {
		t.Fatal(diff)
	}

	text := buildOutput(1, 3<<20)
	first := k.jobs(1)[0]
	k.now = k.now.Add(2 * time.Minute) // the log goes on after midnight
	k.fill(first, text)
	if n := k.count("SELECT count(*) FROM log_parts_20260301"); n != 48 {
		t.Errorf("%d parts are in the table of the log's first day, want 48", n)
	}

	k.now = k.now.Add(10 * 24 * time.Hour) // nobody made the day
	second := k.jobs(1)[0]
	k.fill(second, text)
	if n := k.count("SELECT count(*) FROM log_parts_default"); n != 48 {
		t.Errorf("%d parts are in the default table, want 48", n)
	}
	for range 2 {
		k.ok(k.MakeLogDays(ctx))
	}
	if n := k.count("SELECT count(*) FROM log_parts_20260312"); n != 48 || k.count("SELECT count(*) FROM log_parts_default") != 0 {
		t.Errorf("%d parts moved into the table of the day, want 48", n)
	}

	k.now = k.now.Add(time.Hour)
	done, err := k.CompactLogs(ctx, time.Minute)
	if err != nil || done != 2 {
		t.Fatal(done, err)
	}
	if n := k.count("SELECT count(*) FROM log_parts"); n != 0 {
		t.Errorf("%d parts are left", n)
	}
	for _, day := range []string{"20260301", "20260312"} {
		if n := k.count("SELECT count(*) FROM log_chunks_" + day); n != 3 {
			t.Errorf("%s has %d chunks, want 3", day, n)
		}
	}
	for _, run := range []ci.RunRef{first, second} {
		if !bytes.Equal(text, k.text(run.JobID)) {
			t.Errorf("job %d: the text is another", run.JobID)
		}
	}

	k.ok(k.RemoveLogs(ctx, 30))
	want := names("20260312", "20260313", "20260314")
	want = append(want, "log_chunks_20260301", "log_chunks_20260302", "log_chunks_20260303")
	slices.Sort(want)
	if diff := cmp.Diff(want, k.dayNames()); diff != "" {
		t.Errorf("empty tables of parts of days gone by are dropped: %s", diff)
	}
	if _, err := k.AddNote(ctx, first.JobID, 1, ci.LogEpilogue, "late"); err != nil {
		t.Error("a note without the table of its day:", err)
	}
	k.ok(k.RemoveLogs(ctx, 10))
	want = slices.DeleteFunc(want, func(name string) bool { return name == "log_chunks_20260301" })
	if diff := cmp.Diff(want, k.dayNames()); diff != "" {
		t.Error(diff)
	}
	if n := k.count("SELECT count(*) FROM log_parts_default"); n != 0 {
		t.Errorf("%d parts are left in the default table", n)
	}
}

// TestCompactLogs_space: after compaction nothing is left of the parts, and a fifth of the bytes at most.
func TestCompactLogs_space(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]Config{"sqlite": {Path: filepath.Join(t.TempDir(), "store.db")}, "postgres": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "postgres" {
				config = Config{PostgresURL: testkit.Postgres(t), MaxConns: 4}
			}
			k := newKeeper(t, config)
			const size = 2 << 20
			for i, run := range k.jobs(3) {
				k.fill(run, buildOutput(i, size))
			}
			k.now = k.now.Add(time.Hour)
			if done, err := k.CompactLogs(t.Context(), time.Minute); done != 3 || err != nil {
				t.Fatal(done, err)
			}
			raw, packed := k.count("SELECT sum(size) FROM log_chunks"), k.count("SELECT sum(length(content) + length(parts)) FROM log_chunks")
			if left := k.count("SELECT count(*) FROM log_parts"); raw != 3*size || packed*5 > raw || left != 0 {
				t.Errorf("%d bytes are packed into %d, %d parts are left", raw, packed, left)
			}
		})
	}
}

// TestMigrate_logsOfBefore: logs that were stored before there were days are read after.
func TestMigrate_logsOfBefore(t *testing.T) {
	t.Parallel()
	for _, name := range []string{SQLite, Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, driver, source := Config{Path: filepath.Join(t.TempDir(), "store.db")}, "sqlite", ""
			d, kind := sqliteDialect(), goose.DialectSQLite3
			source = config.Path
			if name == Postgres {
				config = Config{PostgresURL: testkit.Postgres(t), MaxConns: 4}
				d, kind, driver, source = postgresDialect(), goose.DialectPostgres, "postgres", config.PostgresURL
			}
			before(t, driver, source, kind, d)
			k := newKeeper(t, config)
			if got := string(k.text(1)); got != "part 0\npart 1\npart 2\n" {
				t.Errorf("text is %q", got)
			}
			if done, err := k.CompactLogs(t.Context(), time.Minute); err != nil || done != 1 {
				t.Fatal(done, err)
			}
			if got := string(k.text(1)); got != "part 0\npart 1\npart 2\n" {
				t.Errorf("text is %q after it was compacted", got)
			}
			k.ok(k.RemoveLogs(t.Context(), 7))
			if log, err := k.Log(t.Context(), 1, 1); err != nil || log.RemovedAt.IsZero() {
				t.Errorf("log is %+v, %v", log, err)
			}
			if left := k.count("SELECT count(*) FROM log_chunks"); left != 0 {
				t.Errorf("%d chunks are left", left)
			}
		})
	}
}

// before makes a database as it was before migration 9, with a log.
func before(t *testing.T, driver, source string, kind goose.Dialect, d *dialect) {
	t.Helper()
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	defer db.Close() //nolint:errcheck // nothing is lost by it
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(kind, db, dialectFS{FS: files, d: d}, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 8); err != nil {
		t.Fatal(err)
	}
	statements := []string{
		`INSERT INTO jobs (id, repository_id, build_id, build_number, position, stage_id, stage_number, stage_name, name, state, allow_failure, ready, queue,
			created_at, updated_at, config) VALUES (1, 1, 1, 1, 1, 0, 0, '', '', 'passed', FALSE, TRUE, 'q', $now, $now, '{}')`,
		"INSERT INTO attempts (job_id, number, state, run, finished_at) VALUES (1, 1, 'passed', 'r', $now)",
		`INSERT INTO logs (job_id, attempt, worker_next, worker_bytes, worker_lines, worker_highest, worker_last, closed, updated_at)
			VALUES (1, 1, 3, 21, 3, 2, 2, TRUE, $now)`,
	}
	if kind == goose.DialectPostgres {
		statements = append([]string{"SET session_replication_role = replica"}, statements...) // no foreign keys
	}
	for _, statement := range statements {
		statement = strings.ReplaceAll(statement, "$now", "'2026-02-01 12:00:00.123456+00:00'")
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	for i := range 3 {
		_, err := db.ExecContext(t.Context(), `INSERT INTO log_parts (job_id, attempt, source, number, lines_before, lines, size, final, elapsed, stored_at, content)
			VALUES (1, 1, 1, $1, $2, 1, 7, FALSE, 0, '2026-02-01 12:00:00.123456+00:00', $3)`, i, i, fmt.Appendf(nil, "part %d\n", i))
		if err != nil {
			t.Fatal(err)
		}
	}
}
