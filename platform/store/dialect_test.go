package store

import (
	"io/fs"
	"regexp"
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
