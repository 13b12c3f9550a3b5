package travisyml

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shelf holds files by their places.
type shelf map[string]string

func (s shelf) Import(_ context.Context, at, _ Place) ([]byte, error) {
	text, ok := s[at.String()]
	if !ok {
		return nil, errors.New("no such file")
	}
	return []byte(text), nil
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	here := Place{Repo: "acme/app", Path: ".travis.yml"}
	there := Place{Repo: "acme/ci", Path: "go/all.yml", Ref: "v1"}
	for _, tt := range []struct {
		source string
		from   Place
		want   string // empty: refused
	}{
		{"ci/go.yml", here, "acme/app:ci/go.yml"},
		{"ci/go.yml@next", here, "acme/app:ci/go.yml@next"},
		{"acme/ci:go.yml", here, "acme/ci:go.yml"},
		{"acme/ci:go.yml@v1", here, "acme/ci:go.yml@v1"},
		{"lint.yml", there, "acme/ci:lint.yml@v1"},
		{"./lint.yml", there, "acme/ci:go/lint.yml@v1"},
		{"../lint.yml", there, "acme/ci:lint.yml@v1"},
		{"acme/ci:lint.yml", there, "acme/ci:lint.yml@v1"},
		{"acme/app:lint.yml", there, "acme/app:lint.yml"},
		{"/ci/go.yml", here, "acme/app:ci/go.yml"},
		{"../secret.yml", here, ""},
		{"a/../../secret.yml", here, ""},
		{"go.yml@--upload-pack=x", here, ""},
		{"go.json", here, ""},
		{"", here, ""},
	} {
		got, ok := parsePlace(tt.source, tt.from)
		if ok != (tt.want != "") || ok && got.String() != tt.want {
			t.Errorf("%q from %s is %s, %v; want %q", tt.source, tt.from, got, ok, tt.want)
		}
	}
}

func TestImportOrder(t *testing.T) {
	t.Parallel()
	files := shelf{
		"owner/name:a.yml": "script: [a]\nimport: [c.yml, .travis.yml]\nlanguage: ruby", "owner/name:b.yml": "script: [b]\nimport: c.yml\nlanguage: go\nos: osx",
		"owner/name:c.yml": "script: [c]\nafter_script: c", "owner/name:Fix.yml": "script: fix",
	}
	for _, tt := range []struct{ name, text, want string }{
		{"depth first, each once, no circles", "import: [a.yml, b.yml]\nscript: [main]", "ruby [osx] [b,c,a,main] [c]"},
		{"the first of two wins", "import: [b.yml, a.yml]\nscript: [main]", "go [osx] [a,c,b,main] [c]"},
		{"mode", "import: {source: a.yml, mode: deep_merge}\nscript: [main]", "ruby [linux] [main] [c]"},
		{"prepend", "import: [{source: c.yml, mode: deep-merge-prepend}]\nscript: [main]", "ruby [linux] [main,c] [c]"},
		{"a condition that holds", "import: {source: c.yml, if: branch = master}\nscript: [main]", "ruby [linux] [c,main] [c]"},
		{"a condition that does not", "import: {source: c.yml, if: branch = x}\nscript: [main]", "ruby [linux] [main] -"},
		{"misspelled", "imports: c.yml\nscript: [main]", "ruby [linux] [c,main] [c]"},
		{"the message of the commit", "import: '%{commit_message}.yml'", "ruby [linux] [fix] -"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := pushToMaster()
			r.CommitMessage = "Fix"
			c, plan, err := Load(t.Context(), Input{Source: ".travis.yml", Text: []byte(tt.text), Imports: files}, r, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, key := range []string{"language", "os", "script", "after_script"} {
				got = append(got, shortValue(c.root.get(key)))
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
			if c.root.has("import") {
				t.Error("the key import goes on")
			}
			if plan.Files[0].Source != ".travis.yml" {
				t.Errorf("the first file is %q", plan.Files[0].Source)
			}
		})
	}
}

func TestImportFailures(t *testing.T) {
	t.Parallel()
	files := shelf{"owner/name:bad.yml": "a: [", "x/y:far.yml": "import: near.yml", "x/y:near.yml": "script: near"}
	for i := range 30 {
		files[fmt.Sprintf("owner/name:%d.yml", i)] = fmt.Sprintf("import: %d.yml", i+1)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"no such file", "script: x\nimport:\n  - nope.yml", ".travis.yml line 3 column 5: owner/name:nope.yml cannot be imported"},
		{"no file at all", "import: nope", `line 1 column 9: "nope" is no file to import`},
		{"unknown mode", "import: {source: bad.yml, mode: blend}", `merge mode "blend" is not known`},
		{"a file that cannot be read", "import: bad.yml", "bad.yml line 1"},
		{"too many", "import: 0.yml", "at most 24 files"},
		{"relative to another repository", "import: x/y:far.yml", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := Load(t.Context(), Input{Source: ".travis.yml", Text: []byte(tt.text), Imports: files}, pushToMaster(), Limits{})
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one saying %q", err, tt.want)
			}
		})
	}
}

func TestImportsOutOfReachAreLeftOut(t *testing.T) {
	t.Parallel()
	_, plan, err := Load(t.Context(), Input{Source: ".travis.yml", Text: []byte("import: x/y:a.yml\nscript: a")}, pushToMaster(), Limits{})
	if err != nil || len(plan.Jobs) != 1 {
		t.Fatalf("%d jobs, %v", len(plan.Jobs), err)
	}
	if got := codes(plan.Messages); got[0] != "warn import not_read" {
		t.Errorf("messages are %q", got)
	}
}

func TestOverrideWithImports(t *testing.T) {
	t.Parallel()
	files := shelf{"owner/name:a.yml": "script: [a]"}
	over, _, err := Parse("request", []byte("import: a.yml\nscript: [over]"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[string]string{"": "[main,a,over]", "replace": "[a,over]", "merge": "[a,over]", "deep_merge_prepend": "[a,over,main]"} {
		in := Input{Source: ".travis.yml", Text: []byte("script: [main]"), Overrides: []Fragment{{Document: over, Mode: mode}}, Imports: files}
		c, _, err := Load(t.Context(), in, pushToMaster(), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got := shortValue(c.root.get("script")); got != want {
			t.Errorf("with mode %q the script is %s, want %s", mode, got, want)
		}
	}
}
