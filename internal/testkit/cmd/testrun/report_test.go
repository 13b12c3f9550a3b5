package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReport(t *testing.T) {
	t.Parallel()
	const pkg = `"Package":"github.com/headrace/headrace/`
	tests := []struct {
		name   string
		events string
		want   counts
		shows  []string
		hides  []string
	}{
		{
			name: "subtests stand for their parent",
			events: `{"Action":"run",` + pkg + `a","Test":"TestA"}
{"Action":"run",` + pkg + `a","Test":"TestA/one"}
{"Action":"output",` + pkg + `a","Test":"TestA/one","Output":"said by one\n"}
{"Action":"pass",` + pkg + `a","Test":"TestA/one"}
{"Action":"run",` + pkg + `a","Test":"TestA/two"}
{"Action":"output",` + pkg + `a","Test":"TestA/two","Output":"said by two\n"}
{"Action":"fail",` + pkg + `a","Test":"TestA/two"}
{"Action":"fail",` + pkg + `a","Test":"TestA"}
{"Action":"fail",` + pkg + `a","Elapsed":1.25}`,
			want:  counts{passed: 1, failed: 1},
			shows: []string{"FAILED a TestA/two\nsaid by two\n", "\n1 passed, 1 failed, 0 skipped\n"},
			hides: []string{"said by one", "FAILED a TestA\n"},
		},
		{
			name: "a parent that fails alone counts",
			events: `{"Action":"run",` + pkg + `a","Test":"TestA"}
{"Action":"run",` + pkg + `a","Test":"TestA/one"}
{"Action":"pass",` + pkg + `a","Test":"TestA/one"}
{"Action":"output",` + pkg + `a","Test":"TestA","Output":"afterwards\n"}
{"Action":"fail",` + pkg + `a","Test":"TestA"}
{"Action":"fail",` + pkg + `a"}`,
			want:  counts{passed: 1, failed: 1},
			shows: []string{"FAILED a TestA\nafterwards\n"},
		},
		{
			name: "a skipped test shows its reason",
			events: `{"Action":"output",` + pkg + `a","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output",` + pkg + `a","Test":"TestA","Output":"    a_test.go:7: no browser\n"}
{"Action":"output",` + pkg + `a","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip",` + pkg + `a","Test":"TestA"}
{"Action":"pass",` + pkg + `a"}`,
			want:  counts{skipped: 1},
			shows: []string{"a TestA: a_test.go:7: no browser"},
		},
		{
			name: "a package that does not build counts as one failure",
			events: `{"Action":"build-output","ImportPath":"github.com/headrace/headrace/a [github.com/headrace/headrace/a.test]","Output":"a.go:1: wrong\n"}
{"Action":"build-fail","ImportPath":"github.com/headrace/headrace/a [github.com/headrace/headrace/a.test]"}
{"Action":"fail",` + pkg + `a"}`,
			want:  counts{failed: 1},
			shows: []string{"FAILED a\na.go:1: wrong\n"},
		},
		{
			name: "a test that never ends counts as failed",
			events: `{"Action":"run",` + pkg + `a","Test":"TestA"}
{"Action":"output",` + pkg + `a","Test":"TestA","Output":"panic: timed out\n"}
{"Action":"fail",` + pkg + `a"}`,
			want:  counts{failed: 1},
			shows: []string{"FAILED a TestA\npanic: timed out\n"},
		},
		{
			name: "a repeated result is called so",
			events: `{"Action":"pass",` + pkg + `a","Test":"TestA"}
{"Action":"output",` + pkg + `a","Output":"ok  \tgithub.com/headrace/headrace/a\t(cached)\n"}
{"Action":"pass",` + pkg + `a"}`,
			want:  counts{passed: 1},
			shows: []string{"a      1      0       0        cached\n"},
		},
		{
			name:   "a package without tests is no suite",
			events: `{"Action":"skip",` + pkg + `a"}`,
			hides:  []string{"\na "},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			r := newReport(&out)
			if err := r.read(strings.NewReader(tt.events)); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, r.print(), cmp.AllowUnexported(counts{})); d != "" {
				t.Error(d)
			}
			for _, s := range tt.shows {
				if !strings.Contains(out.String(), s) {
					t.Errorf("does not show %q:\n%s", s, out.String())
				}
			}
			for _, s := range tt.hides {
				if strings.Contains(out.String(), s) {
					t.Errorf("shows %q:\n%s", s, out.String())
				}
			}
		})
	}
}
