package store

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/platform/ci"
)

// seedMany fills the tables by SQL: two jobs a build, all passed, and then as many jobs that wait.
const seedMany = `
INSERT INTO users (id, login, login_key, name, email, admin, password_hash, created_at) VALUES (1, 'ines', 'ines', '', '', FALSE, '', $now);
INSERT INTO repositories (id, slug, slug_key, owner_key, source_url, default_branch, private, active, added_by, created_at, updated_at)
	SELECT n, 'acme/app' || n, 'acme/app' || n, 'acme', '', 'main', FALSE, TRUE, 1, $now, $now FROM ($upto201) x;
INSERT INTO requests (id, repository_id, event, branch, tag, sha, merge_mode, created_by, state, result, until, created_at,
		reason, message, messages, config)
	SELECT n, CASE WHEN n % 2 = 0 THEN 1 ELSE 2 + n / 2 % 200 END, 'push', 'main', '', '', '', 1, 'finished', 'approved', $now, $now, '', '', '[]', ''
	FROM ($uptoN) x;
INSERT INTO commits (id, repository_id, sha, ref, message, compare_url, author_name, author_email)
	SELECT id, repository_id, 'abc', 'refs/heads/main', 'A change', '', 'Ines', 'i@x' FROM requests;
INSERT INTO builds (id, repository_id, request_id, commit_id, number, state, previous_state, event, branch, tag, fast_finish, created_by,
		created_at, started_at, finished_at, updated_at)
	SELECT id, repository_id, id, id, ROW_NUMBER() OVER (PARTITION BY repository_id ORDER BY id), 'passed', 'passed', 'push',
		CASE WHEN id % 10 = 0 THEN 'b' || id % 1000 ELSE 'main' END, '', FALSE, 1, $now, $now, $now, $now FROM requests;
UPDATE repositories SET last_number = (SELECT max(number) FROM builds WHERE repository_id = repositories.id),
	last_build_id = (SELECT max(id) FROM builds WHERE repository_id = repositories.id);
INSERT INTO branches (repository_id, name, last_build_id) SELECT repository_id, branch, max(id) FROM builds GROUP BY repository_id, branch;
INSERT INTO jobs (repository_id, build_id, build_number, position, stage_id, stage_number, stage_name, name, state, allow_failure, ready, queue,
		created_at, updated_at, config)
	SELECT repository_id, id, number, p.n, 0, 0, '', '', CASE WHEN p.n = 1 THEN 'passed' ELSE 'created' END, FALSE, p.n = 2, 'q', $now, $now, '{"os":"linux"}'
	FROM builds, ($upto2) p;
INSERT INTO build_configs (build_id, messages, config, config_text) SELECT id, '[]', '{}', '' FROM builds;
INSERT INTO queues (name) VALUES ('q')`

func upTo(n string) string {
	return "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < " + n + ") SELECT n FROM c"
}

func openMany(b *testing.B, config Config) *Store {
	b.Helper()
	s, err := Open(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	seed := strings.NewReplacer("$now", "'2026-03-01 12:00:00+00:00'", "$upto201", upTo("201"), "$uptoN", upTo("100000"), "$upto2", upTo("2")).Replace(seedMany)
	for statement := range strings.SplitSeq(seed, ";\n") {
		if _, err := s.writer.ExecContext(b.Context(), statement); err != nil {
			b.Fatalf("%s: %v", statement, err)
		}
	}
	if _, err := s.writer.ExecContext(b.Context(), "ANALYZE"); err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkMany measures what pages and dispatch ask for, with 100,000 builds and as many jobs that wait.
func BenchmarkMany(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		benchmarkMany(b, openMany(b, Config{Path: filepath.Join(b.TempDir(), "store.db")}))
	})
	b.Run("postgres", func(b *testing.B) { benchmarkMany(b, openMany(b, Config{PostgresURL: testkit.Postgres(b)})) })
}

func benchmarkMany(b *testing.B, s *Store) {
	for _, c := range []struct {
		name string
		f    func(context.Context) error
	}{
		{"Repositories", func(ctx context.Context) error {
			_, _, err := s.Repositories(ctx, ci.RepositoryFilter{ForUser: 1, Recent: 20, SortByLast: true})
			return err
		}},
		{"Builds of a repository with jobs", func(ctx context.Context) error {
			_, _, err := s.Builds(ctx, ci.BuildFilter{RepositoryID: 1, WithJobs: true})
			return err
		}},
		{"Builds of all, not counted", func(ctx context.Context) error {
			_, _, err := s.Builds(ctx, ci.BuildFilter{SkipCount: true})
			return err
		}},
		{"Builds of a branch", func(ctx context.Context) error {
			_, _, err := s.Builds(ctx, ci.BuildFilter{RepositoryID: 1, Branch: "b10"})
			return err
		}},
		{"Build", func(ctx context.Context) error { _, err := s.Build(ctx, 50_000); return err }},
		{"Jobs of a build", func(ctx context.Context) error { _, _, err := s.Jobs(ctx, ci.JobFilter{BuildID: 777}); return err }},
		{"Branches", func(ctx context.Context) error { _, _, err := s.Branches(ctx, 1, ci.Page{}); return err }},
		{"Requests", func(ctx context.Context) error {
			_, _, err := s.Requests(ctx, ci.RequestFilter{RepositoryID: 1})
			return err
		}},
		{"UsualDuration", func(ctx context.Context) error { _, err := s.UsualDuration(ctx, 1, "main"); return err }},
		{"Queues", func(ctx context.Context) error { _, err := s.Queues(ctx); return err }},
		{"ClaimRequest, none", func(ctx context.Context) error { _, _, err := s.ClaimRequest(ctx, "x", time.Minute); return err }},
		{"Beat", func(ctx context.Context) error {
			_, err := s.Beat(ctx, ci.Heartbeat{WorkerID: "w", Queue: "q", Slots: 5})
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if err := c.f(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	slots := 0
	b.Run("QueueJobs, 100 at a time", func(b *testing.B) {
		for b.Loop() {
			slots += 100
			if _, err := s.Beat(b.Context(), ci.Heartbeat{WorkerID: "w", Queue: "q", Slots: slots}); err != nil {
				b.Fatal(err)
			}
			queued, _, err := s.QueueJobs(b.Context(), 100, func(ci.QueuedJob) ([]byte, error) { return nil, nil })
			if err != nil || len(queued) != 100 {
				b.Fatal(len(queued), err)
			}
		}
		b.ReportMetric(100*float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
	})
	b.Run("QueueJobs, one at a time", func(b *testing.B) {
		for b.Loop() {
			slots++
			if _, err := s.Beat(b.Context(), ci.Heartbeat{WorkerID: "w", Queue: "q", Slots: slots}); err != nil {
				b.Fatal(err)
			}
			queued, _, err := s.QueueJobs(b.Context(), 100, func(ci.QueuedJob) ([]byte, error) { return nil, nil })
			if err != nil || len(queued) == 0 {
				b.Fatal(len(queued), err)
			}
		}
	})
}
