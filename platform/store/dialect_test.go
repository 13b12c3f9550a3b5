package store

import (
	"context"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

func TestDialect_replacesWords(t *testing.T) {
	t.Parallel()
	const statement = "SELECT 1 FROM x WHERE a {{ints $2}} AND b {{texts $13}} {{skip locked}}"
	for d, want := range map[*dialect]string{
		postgresDialect(): "SELECT 1 FROM x WHERE a = ANY(ARRAY(SELECT jsonb_array_elements_text($2::jsonb)::bigint))" +
			" AND b = ANY(ARRAY(SELECT jsonb_array_elements_text($13::jsonb))) FOR NO KEY UPDATE SKIP LOCKED",
		sqliteDialect(): "SELECT 1 FROM x WHERE a IN (SELECT value FROM json_each($2)) AND b IN (SELECT value FROM json_each($13)) ",
	} {
		if got := d.text(statement); got != want {
			t.Errorf("%s: %s", d.name, got)
		}
	}
}

func TestDialect_knowsEveryWordOfTheMigrations(t *testing.T) {
	t.Parallel()
	word := regexp.MustCompile(`\{\{[^}]*\}\}`)
	for _, d := range []*dialect{postgresDialect(), sqliteDialect()} {
		files, err := fs.Glob(dialectFS{FS: migrationFiles, d: d}, "migrations/*.sql")
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, name := range files {
			text, err := fs.ReadFile(dialectFS{FS: migrationFiles, d: d}, name)
			if err != nil {
				t.Fatal(err)
			}
			if left := word.FindString(string(text)); left != "" {
				t.Errorf("%s: %s is left in %s", d.name, left, name)
			}
		}
	}
}

func TestPick_higherPriorityFirst(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{Path: t.TempDir() + "/store.db"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing is lost by it
	for _, statement := range []string{
		"PRAGMA foreign_keys = 0",
		`INSERT INTO jobs (id, repository_id, build_id, build_number, position, stage_id, stage_number, stage_name, name, allow_failure, ready, queue,
			priority, created_at, updated_at, config) SELECT value, 1 + value % 2, 1, 1, value, 0, 0, '', '', FALSE, TRUE, 'q',
			CASE value WHEN 5 THEN 9 WHEN 6 THEN -1 ELSE 0 END, '', '', '' FROM json_each('[1,3,5,7,6,8]')`,
	} {
		if _, err := s.writer.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	err = s.read(t.Context(), "pick", func(ctx context.Context, c conn) error {
		picked, err := pickFrom(ctx, c, "q", 5)
		for _, p := range picked {
			got = append(got, fmt.Sprint(p.job))
		}
		return err
	})
	// 5 is urgent and counts as the turn of the odd ones; then come 8 of the even ones, and the odd ones; 6 can wait.
	if want := "5 8 1 3 7"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("%v, %v", got, err)
	}
}
