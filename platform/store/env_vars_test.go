package store_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

// canary is a value that may stand nowhere in plain.
const canary = "canary-9f8e7d6c5b4a"

// writeCanary stores a secret and a public variable with that value, and changes one of them.
func writeCanary(t *testing.T, where store.Config) {
	t.Helper()
	var err error
	if where.Keys, err = seal.ParseKeys(seal.NewKey()); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	r, err := s.AddRepository(t.Context(), ci.NewRepository{Slug: "acme/app", SourceURL: "https://git.example/acme/app", DefaultBranch: "main"})
	if err != nil {
		t.Fatal(err)
	}
	for _, public := range []bool{true, false} {
		n := ci.NewEnvVar{RepositoryID: r.ID, Name: map[bool]string{true: "OPEN", false: "CLOSED"}[public], Value: canary, Public: public}
		v, err := s.CreateEnvVar(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		again := canary + canary
		if _, err := s.UpdateEnvVar(t.Context(), r.ID, v.ID, ci.EnvVarChange{Value: &again}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEnvVars_sealedInSQLite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeCanary(t, store.Config{Path: filepath.Join(dir, "store.db")})
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := false
	for _, e := range entries {
		body, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		seen = seen || bytes.Contains(body, []byte("CLOSED"))
		if bytes.Contains(body, []byte(canary)) {
			t.Errorf("%s holds the value in plain", e.Name())
		}
	}
	if !seen {
		t.Error("no file holds the name of the variable; was the right one read?")
	}
}

func TestEnvVars_sealedInPostgres(t *testing.T) {
	t.Parallel()
	url := testkit.Postgres(t)
	writeCanary(t, store.Config{PostgresURL: url})
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var rows string
	if err := db.QueryRowContext(t.Context(), "SELECT string_agg(e::text, ' ') FROM env_vars e").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(rows, canary) || strings.Count(rows, "v1.") != 2 || !strings.Contains(rows, "CLOSED") {
		t.Errorf("the rows are %s", rows)
	}
}
