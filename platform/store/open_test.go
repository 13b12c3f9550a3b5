package store

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lib/pq"

	"github.com/headrace/headrace/internal/fault"
)

func TestPostgresConfig_setsWhatIsNotTheUsersChoice(t *testing.T) {
	t.Parallel()
	type result struct {
		Host string
		Port uint16
		More []string
		TLS  pq.SSLMode
	}
	for url, want := range map[string]result{
		"postgres://u:p@127.0.0.1:5433/db":                                 {Host: "127.0.0.1", Port: 5433, TLS: "disable"},
		"postgres://u:p@localhost/db?binary_parameters=no":                 {Host: "localhost", Port: 5432, TLS: "disable"},
		"postgres://u:p@db.example/db":                                     {Host: "db.example", Port: 5432, TLS: "require"},
		"postgres://u:p@db.example/db?sslmode=verify-full":                 {Host: "db.example", Port: 5432, TLS: "verify-full"},
		"postgres:///db?host=/run/postgresql":                              {Host: "/run/postgresql", Port: 5432, TLS: "disable"},
		"postgres://u:p,@one:5433,two:5434/db?sslmode=require":             {Host: "one", Port: 5433, More: []string{"two:5434"}, TLS: "require"},
		"postgres://u:p@one,[::1]:6000,three?application_name=x":           {Host: "one", Port: 5432, More: []string{"::1:6000", "three:5432"}, TLS: "require"},
		"host=one port=5433 user=u dbname=db target_session_attrs=primary": {Host: "one", Port: 5433, TLS: "require"},
	} {
		c, err := postgresConfig(url, nil)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		got := result{Host: c.Host, Port: c.Port, TLS: c.SSLMode}
		for _, m := range c.Multi {
			got.More = append(got.More, m.Host+":"+itoa(m.Port))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", url, diff)
		}
		if !c.BinaryParameters || c.ConnectTimeout <= 0 || c.TargetSessionAttrs == "" || c.ApplicationName == "" {
			t.Errorf("%s: %+v", url, c)
		}
	}
}

func itoa(port uint16) string { return placeholder(int(port))[1:] }

func TestOpen_saysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config Config
		want   fault.Code
	}{
		"nothing given":        {Config{}, fault.Invalid},
		"not a URL":            {Config{PostgresURL: "postgres://u:p@h:port/db"}, fault.Invalid},
		"nobody listens":       {Config{PostgresURL: "postgres://u:secret@127.0.0.1:1/db"}, fault.Unavailable},
		"a folder as the file": {Config{Path: t.TempDir()}, fault.Unavailable},
		"no folder":            {Config{Path: filepath.Join(t.TempDir(), "none", "store.db")}, fault.Unavailable},
	} {
		s, err := Open(t.Context(), c.config)
		if fault.CodeOf(err) != c.want {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}

func TestOpen_sqliteKeepsCommitsAndSecrets(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing is lost by it
	for name, db := range map[string]*sql.DB{"writer": s.writer, "reader": s.reader} {
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
			var got string
			if err := db.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %s is %s, want %s (%v)", name, pragma, got, want, err)
			}
		}
	}
	if _, err := s.reader.ExecContext(t.Context(), "DELETE FROM users"); err == nil {
		t.Error("the reader may write")
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", file, info.Mode(), err)
		}
	}
}

func BenchmarkOpen_emptySQLite(b *testing.B) {
	folder := b.TempDir()
	for n := 0; b.Loop(); n++ {
		s, err := Open(b.Context(), Config{Path: filepath.Join(folder, placeholder(n))})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
