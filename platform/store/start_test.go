package store_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

func TestOpen_nodesStartAtOnceOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]func(t *testing.T) store.Config{
		"sqlite":    func(t *testing.T) store.Config { return store.Config{Path: filepath.Join(t.TempDir(), "a b?.db")} },
		"postgres":  func(t *testing.T) store.Config { return store.Config{PostgresURL: testkit.Postgres(t)} },
		"pgbouncer": func(t *testing.T) store.Config { return store.Config{PostgresURL: testkit.PgBouncer(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			where := config(t)
			stores := make([]*store.Store, 6)
			errs := make([]error, len(stores))
			var group sync.WaitGroup
			for i := range stores {
				group.Go(func() { stores[i], errs[i] = store.Open(t.Context(), where) })
			}
			group.Wait()
			for _, s := range stores {
				if s != nil {
					defer s.Close() //nolint:errcheck // the test is about the beginning
				}
			}
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			for i, s := range stores {
				if _, err := s.AddRepository(t.Context(), ci.NewRepository{Slug: fmt.Sprintf("acme/app%d", i)}); err != nil {
					t.Error(err)
				}
			}
			_, total, err := stores[0].Repositories(t.Context(), ci.RepositoryFilter{})
			if err != nil || total != len(stores) {
				t.Errorf("%d repositories, %v", total, err)
			}
		})
	}
}

func TestDeleteRepository_leavesNoRow(t *testing.T) {
	t.Parallel()
	url := testkit.Postgres(t)
	keys, err := seal.ParseKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Config{PostgresURL: url, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing is lost by it
	r := liveThrough(t, s)
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	fireCron(t, s, db, r.ID)
	count := func() map[string]int {
		t.Helper()
		counts := map[string]int{}
		for _, table := range tables(t, db) {
			var n int
			if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
				t.Fatal(err)
			}
			counts[table] = n
		}
		return counts
	}
	for table, n := range count() {
		if n == 0 && table != "sessions" && table != "tokens" {
			t.Errorf("table %s is empty before, so that the test says nothing about it", table)
		}
	}
	if err := s.DeleteRepository(t.Context(), r.ID); err != nil {
		t.Fatal(err)
	}
	for table, n := range count() {
		switch table {
		case "users", "queues", "workers", "hearing", "dead_letters", "script_tokens", "log_removals":
		case "caches", "cache_trash": // until the node that has the bytes removes them: TrimCaches
		default:
			if n != 0 {
				t.Errorf("table %s has %d rows left", table, n)
			}
		}
	}
}

// fireCron lets a cron have been due.
func fireCron(t *testing.T, s *store.Store, db *sql.DB, repo int64) {
	t.Helper()
	k, err := s.CreateCron(t.Context(), ci.NewCron{RepositoryID: repo, Branch: "main", Interval: "daily"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "UPDATE crons SET next_run = created_at"); err != nil {
		t.Fatal(err)
	}
	if _, fired, err := s.FireCron(t.Context(), k.ID); err != nil || !fired {
		t.Fatalf("fired: %t, %v", fired, err)
	}
}

// liveThrough lets a repository have a row of each kind.
func liveThrough(t *testing.T, s *store.Store) ci.Repository {
	t.Helper()
	ctx := t.Context()
	var errs []error
	check := func(err error) { errs = append(errs, err) }
	u, err := s.CreateUser(ctx, ci.NewUser{Login: "ines"})
	check(err)
	r, err := s.AddRepository(ctx, ci.NewRepository{Slug: "acme/app"})
	check(err)
	check(s.SetStar(ctx, u.ID, r.ID, true))
	_, _, err = s.CreateRequest(ctx, ci.NewRequest{RepositoryID: r.ID, Branch: "main"})
	check(err)
	q, _, err := s.ClaimRequest(ctx, "x", 1e12)
	check(err)
	job := ci.NewJob{Queue: "q"}
	b, err := s.CreateBuild(ctx, ci.NewBuild{RequestID: q.ID, RepositoryID: r.ID, Branch: "main", Stages: []string{"a"}, Jobs: []ci.NewJob{job, job, job}}, q.Tries)
	check(err)
	_, err = s.Beat(ctx, ci.Heartbeat{WorkerID: "w", Queue: "q", Slots: 2})
	check(err)
	_, _, err = s.QueueJobs(ctx, 10, func(ci.QueuedJob) ([]byte, error) { return nil, nil })
	check(err)
	run := ci.RunRef{JobID: b.Jobs[0].ID, Attempt: 1, Run: "r"}
	_, _, err = s.ClaimAttempt(ctx, ci.Claim{JobID: run.JobID, Attempt: 1, Run: "r", WorkerID: "w"})
	check(err)
	_, err = s.AppendLog(ctx, []ci.LogPart{{JobID: run.JobID, Attempt: 1, Run: "r", Source: ci.LogWorker, Content: []byte("x")}})
	check(err)
	ended := ci.RunRef{JobID: b.Jobs[1].ID, Attempt: 1, Run: "r"}
	_, _, err = s.ClaimAttempt(ctx, ci.Claim{JobID: ended.JobID, Attempt: 1, Run: "r", WorkerID: "w"})
	check(err)
	_, err = s.AppendLog(ctx, []ci.LogPart{{JobID: ended.JobID, Attempt: 1, Run: "r", Source: ci.LogWorker, Content: []byte("x"), Final: true}})
	check(err)
	_, err = s.Report(ctx, ci.StateReport{RunRef: ended, State: ci.Passed}, 3)
	check(err)
	_, err = s.CompactLogs(ctx, 0)
	check(err)
	check(s.RemoveLogs(ctx, 1))
	check(s.AddDeadLetter(ctx, ci.DeadLetter{Queue: "q"}))
	_, err = s.CreateEnvVar(ctx, ci.NewEnvVar{RepositoryID: r.ID, Name: "A", Value: "1"})
	check(err)
	check(s.NoteHook(ctx, ci.HookDelivery{RepositoryID: r.ID, Forge: "github", Event: "ping", Delivery: "d", Outcome: "unused"}))
	_, err = s.RepositoryKey(ctx, r.ID)
	check(err)
	check(s.ReserveBlob(ctx, "here", "blob", s.Now().Add(time.Hour)))
	check(s.ReserveBlob(ctx, "here", "abandoned", s.Now().Add(time.Hour)))
	check(s.PutCache(ctx, ci.Cache{RepositoryID: r.ID, Branch: "main", Name: "cache", Place: "here", Blob: "blob", Size: 1, SHA256: "5a"}))
	_, err = s.SaveSSHKey(ctx, r.ID, "deploy", sshKey(t))
	check(err)
	_, err = s.ScriptToken(ctx)
	check(err)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return r
}

// sshKey is a private key, in the form of OpenSSH.
func sshKey(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}
