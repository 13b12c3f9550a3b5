package survey_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/travisyml/survey"
)

func folder() fstest.MapFS {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	return fstest.MapFS{
		"good/.travis.yml":              file("language: go\nimport: ci/x.yml\n"),
		"good/ci/x.yml":                 file("script: make"),
		"typo/.travis.yml":              file("scirpt: make"),
		"typo2/.travis.yml":             file("scirpt: make\nscript: [a]\nimport: x/y:z.yml"),
		"vault/.travis.yml":             file("vault: {token: {secure: x}}\nscirpt: make"),
		"lost/.travis.yml":              file("import: ci/nope.yml"),
		"broken/.travis.yml":            file("a: ["),
		"big/.travis.yml":               file("env: [A=1, A=1]\njobs: {include: []}"),
		"skip/.travis.yml":              file("branches: {only: release}"),
		"many/one.travis.yml":           file("language: c"),
		"good/node_modules/.travis.yml": file("a: ["),
		"good/README.yml":               file("a: ["),
	}
}

func TestLook(t *testing.T) {
	t.Parallel()
	r, err := survey.Look(t.Context(), folder(), "main", "src")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]survey.Verdict{}
	for _, f := range r.Files {
		got[f.Path] = f.Verdict
		if (f.Jobs == 0) != (f.Reason != "") {
			t.Errorf("%s has %d jobs and the reason %q", f.Path, f.Jobs, f.Reason)
		}
	}
	want := map[string]survey.Verdict{
		"src/good/.travis.yml": survey.Runs, "src/typo/.travis.yml": survey.Warns, "src/typo2/.travis.yml": survey.Warns, "src/vault/.travis.yml": survey.Partly,
		"src/broken/.travis.yml": survey.Stops, "src/lost/.travis.yml": survey.Stops, "src/big/.travis.yml": survey.Runs, "src/skip/.travis.yml": survey.Runs, "src/many/one.travis.yml": survey.Runs,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	if f := r.Findings[0]; f.Code != "find_key" || f.Subject != "scirpt" || f.Files != 3 {
		t.Errorf("the first finding is %+v, want scirpt in 3 files", f)
	}
	if want := "9 files: 4 run as they are, 2 run with warnings, 1 runs without what is not supported, 2 make no build."; r.Sum() != want {
		t.Errorf("sum is %q, want %q", r.Sum(), want)
	}
	if twice := r.With(r); len(twice.Files) != 18 || twice.Findings[0].Files != 6 {
		t.Errorf("two reports have %d files and %d with the first finding", len(twice.Files), twice.Findings[0].Files)
	}
}

func TestShown(t *testing.T) {
	t.Parallel()
	r, err := survey.Look(t.Context(), folder(), "main", "<b>")
	if err != nil {
		t.Fatal(err)
	}
	var table, html strings.Builder
	if err := r.Table(&table); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"<b>/good/.travis.yml", "stops", "find_key scirpt", r.Sum()} {
		if !strings.Contains(table.String(), words) {
			t.Errorf("the table lacks %q:\n%s", words, table.String())
		}
	}
	if err := r.HTML(&html); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"&lt;b&gt;/good/.travis.yml", "flex-grow: 4", "scirpt"} {
		if !strings.Contains(html.String(), words) {
			t.Errorf("the page lacks %q", words)
		}
	}
	if strings.Contains(html.String(), "<b>/") || strings.Contains(html.String(), "ZgotmplZ") {
		t.Error("the page repeats a name as markup, or a style that it cannot trust")
	}
}

func TestCorpusIsSurveyed(t *testing.T) {
	t.Parallel()
	corpus := os.Getenv("HEADRACE_CORPUS")
	if corpus == "" {
		corpus = filepath.Join("..", "..", "..", "..", "shared", "corpus", "travisyml")
	}
	if _, err := os.Stat(corpus); err != nil {
		t.Skip("the corpus of real files is not there: set HEADRACE_CORPUS, or put it at ../shared/corpus/travisyml beside the repository")
	}
	r, err := survey.Look(t.Context(), os.DirFS(corpus), "master", "corpus")
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r.Sum())
	if len(r.Files) < 333 {
		t.Errorf("%d files were found", len(r.Files))
	}
}
