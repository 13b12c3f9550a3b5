package travisyml

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPlainScalars(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"3.10", `"3.10"`}, {"1.50", `"1.50"`}, {"1e3", `"1e3"`}, {".5", `".5"`}, {"1.", `"1."`},
		{"yes", `"yes"`}, {"no", `"no"`}, {"on", `"on"`}, {"off", `"off"`}, {"y", `"y"`}, {"n", `"n"`},
		{"true", "true"}, {"TRUE", "true"}, {"On", "true"}, {"Yes", "true"}, {"NO", "false"}, {"Off", "false"},
		{"0777", "511"}, {"0x1F", "31"}, {"0b11", "3"}, {"1_000", "1000"}, {"1,000", "1000"}, {"12:30", "45000"},
		{"12:30:45", "45045"}, {"0o17", `"0o17"`}, {"+1", "1"}, {"-0", "0"}, {"08", `"08"`}, {"12", "12"},
		{"~", "null"}, {"null", "null"}, {"Null", "null"}, {"''", `""`}, {`"12"`, `"12"`},
		{"2019-01-01", `"2019-01-01"`}, {":sym", `"sym"`}, {"!!str 12", `"12"`}, {"!ruby/object:X abc", `"abc"`},
		{strings.Repeat("9", 100), `"` + strings.Repeat("9", 100) + `"`},
	} {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			d, _, err := Parse("f", []byte("_k: "+tt.text), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if got := string(d.root.get("_k").json()); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestParseTrees(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", `{}`},
		{"comments only", "# nothing\n", `{}`},
		{"byte order mark", "\ufeffa: 1", `{"a":1}`},
		{"indented as a whole", "\n    a: 1\n    b:\n      c: 2\n", `{"a":1,"b":{"c":2}}`},
		{"non-breaking spaces", "a:\n\u00a0\u00a0b: 1", `{"a":{"b":1}}`},
		{"broken UTF-8", "a: x\xffy", `{"a":"xy"}`},
		{"keys as written", "1: a\n2.0: b\non: c\ntrue: d\n:e: f", `{"1":"a","2.0":"b","on":"c","true":"d","e":"f"}`},
		{"first document only", "a: 1\n---\na: 2", `{"a":1}`},
		{"unknown alias", "a: *nope\nb: [*nope, 1]\nc: echo *nope", `{"a":null,"b":[null,1],"c":"echo *nope"}`},
		{"key twice", "a: 1\na: 2", `{"a":2}`},
		{"two merge keys", "_x: &x {a: 1}\n_y: &y {a: 2}\nz:\n  <<: *x\n  <<: *y", `{"_x":{"a":1},"_y":{"a":2},"z":{"a":2}}`},
		{"block without its last line break", "a: |\n  b\n  c\n", `{"a":"b\nc"}`},
		{"non-ASCII letters", "a: ’•é", `{"a":"’•é"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, _, err := Parse("f", []byte(tt.text), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if got := string(d.root.json()); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestSyntaxErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text   string
		line, column int
		says         string
	}{
		{"tab", "a: 1\nscript:\n\t- make\n", 3, 1, "Indent with spaces"},
		{"tab inside a list", "script:\n  - a\n  \t- b: c\n  - d\n", 3, 3, "Indent with spaces"},
		{"quote that does not end", "a: 1\nb: \"two\nc: 3\n", 2, 4, "closing quote"},
		{"list item out of line", "a:\n  - b\n - c\n", 3, 2, ""},
		{"item without dash", "a:\n  - b\n  c: d\n", 3, 3, ""},
		{"two colons", "a: b: c\n", 1, 5, "Put the whole value in quotes"},
		{"character that starts nothing", "a: @b\n", 1, 4, "quotes"},
		{"list as root", "- a\n- b\n", 1, 1, "it is a list"},
		{"word as root", "hello\n", 1, 1, "a single value"},
		{"list as key", "a: 1\n[b]: c\n", 2, 1, "A key must be a word"},
		{"alias of itself", "a: &x [*x]\n", 1, 8, "contains it"},
		{"place in an indented file", "  a: 1\n  b: \"two\n", 2, 6, "closing quote"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := Parse("f.yml", []byte(tt.text), Limits{})
			var e *SyntaxError
			if !errors.As(err, &e) {
				t.Fatalf("error is %v, want a *SyntaxError", err)
			}
			if e.Line != tt.line || e.Column != tt.column || !strings.Contains(e.Text, tt.says) {
				t.Errorf("got line %d column %d %q, want line %d column %d saying %q", e.Line, e.Column, e.Text, tt.line, tt.column, tt.says)
			}
			if !strings.Contains(e.Snippet, "^") {
				t.Errorf("snippet without caret: %q", e.Snippet)
			}
		})
	}
}

func TestSnippet(t *testing.T) {
	t.Parallel()
	_, _, err := Parse("f.yml", []byte("a: 1\nscript:\n\t- make\n"), Limits{})
	var e *SyntaxError
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	want := "   2 | script:\n   3 | →- make\n     | ^"
	if diff := cmp.Diff(want, e.Snippet); diff != "" {
		t.Errorf("snippet (-want +got):\n%s", diff)
	}
	if got, want := e.Error(), "f.yml line 3 column 1: The line is indented with a tab. Indent with spaces."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Files made to cost much end in an error soon.
func TestBombs(t *testing.T) {
	t.Parallel()
	aliases := "_a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 12; i++ {
		aliases += fmt.Sprintf("_a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	axis := func(name string) string {
		var b strings.Builder
		b.WriteString(name + ":\n")
		for i := range 300 {
			fmt.Fprintf(&b, "  - v%d\n", i)
		}
		return b.String()
	}
	var unknown, entries strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&unknown, "scirpt%dx: 1\n", i)
	}
	entries.WriteString("jobs:\n  include:\n")
	for i := range 20_000 {
		fmt.Fprintf(&entries, "    - name: n%d\n", i)
	}
	excludes := "python: [" + strings.Repeat("a, ", 1000) + "b]\nlanguage: python\njobs:\n  exclude:\n" + strings.Repeat("    - {python: c, if: 'tag =~ ^(a+)+$ OR tag =~ ^(b+)+$'}\n", 1500)
	for _, tt := range []struct{ name, text, says string }{
		{"5 MB", strings.Repeat("script: a\n", 500_000), "at most 1048576 are read"},
		{"alias bomb", aliases, "more than 100000 values"},
		{"deep lists", "a: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "nested more than 100 deep"},
		{"very deep lists", "a: " + strings.Repeat("[", 500_000), "too deep"},
		{"deep blocks", "a:\n" + strings.Repeat("- ", 3000) + "b", "nested more than 100 deep"},
		{"huge matrix", "language: ruby\n" + axis("rvm") + axis("gemfile") + axis("jdk"), "more than 2000 jobs"},
		{"many entries", entries.String(), "20000 jobs"},
		{"many keys in many jobs", unknown.String() + "language: ruby\n" + axis("rvm"), "too long to compare"},
		{"many excludes", excludes, ""},
		{"many unknown keys", unknown.String(), ""},
		{"nested condition", "if: '" + strings.Repeat("(", 100_000) + "a'", "condition of the whole build is false"},
		{"regex that backtracks", "if: commit_message =~ ^(a+)+$", "condition of the whole build is false"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := pushToMaster()
			r.CommitMessage = strings.Repeat("a", 60) + "!"
			start := time.Now()
			_, plan, err := Load(t.Context(), Input{Source: "f.yml", Text: []byte(tt.text)}, r, Limits{})
			got := plan.Skip
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tt.says) {
				t.Errorf("got %q, want something saying %q", got, tt.says)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
			if len(plan.Messages) > 2*maxMessages+2 {
				t.Errorf("%d messages", len(plan.Messages))
			}
		})
	}
}

func TestJobLimit(t *testing.T) {
	t.Parallel()
	text := []byte("language: ruby\nrvm: [1, 2, 3, 4]")
	if _, plan, err := Load(t.Context(), Input{Source: "f", Text: text}, pushToMaster(), Limits{Jobs: 4}); err != nil || len(plan.Jobs) != 4 {
		t.Errorf("4 jobs of 4: %d jobs, %v", len(plan.Jobs), err)
	}
	_, _, err := Load(t.Context(), Input{Source: "f", Text: text}, pushToMaster(), Limits{Jobs: 3})
	var limit *LimitError
	if !errors.As(err, &limit) || limit.Limit != 3 || !strings.Contains(limit.Text, "expands to 4 jobs, and a build can have at most 3") {
		t.Errorf("4 jobs of 3: %v", err)
	}
}
