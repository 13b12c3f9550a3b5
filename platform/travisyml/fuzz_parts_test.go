package travisyml

import (
	"strings"
	"testing"
	"time"
)

// quickly fails where something that reads a text of a few kilobytes takes long.
func quickly(t *testing.T, do func()) {
	t.Helper()
	start := time.Now()
	do()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func FuzzCondition(f *testing.F) {
	for _, seed := range []string{
		"", "branch = master", "type!=push", "NOT (a = b AND c IN (x, y)) OR env(A) IS present", "concat(a, 'b', env(C)) =~ /^(a+)+$/", "tag =~ ^v\\d+", "commit_message !~ /(x|xx)*y/",
		"((((", "not not not true", "a = 'b", "env", "concat(", "branch IS NOT blank || fork", "a \\\n = b", "repo = env(REPO) && sender IN ()",
	} {
		f.Add(seed, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		if len(text) > 8<<10 || len(value) > 8<<10 {
			return
		}
		quickly(t, func() {
			c, err := parseCondition(text)
			r := Request{Type: "push", Branch: value, CommitMessage: value, Tag: text, Env: map[string]string{"A": value, "C": text}}
			held := newEvaluator().holds(text, newConditionData(&r, newMap(nil, position{})))
			if err != nil && held {
				t.Errorf("%q cannot be read (%v) and holds", text, err)
			}
			if (err == nil) == (c == nil) {
				t.Errorf("%q: condition %v, error %v", text, c, err)
			}
		})
	})
}

func FuzzEnv(f *testing.F) {
	for _, seed := range []string{"", "A=1 B=\"x y\" C='z'", "A", "A==1", "A=$(echo ${B) C=`d e`", "A=\\ b", "\"A=1 B=2\"", "A = 1", "A='", "A=1;B=2 # c", "=", "A=${"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 64<<10 {
			return
		}
		quickly(t, func() {
			pairs, err := parseEnv(text)
			if err != nil && pairs != nil {
				t.Errorf("%q: both %q and %v", text, pairs, err)
			}
			size := 0
			for _, p := range pairs {
				if p[0] == "" || strings.ContainsAny(p[0], " \t\r\n=") {
					t.Errorf("%q: a variable is called %q", text, p[0])
				}
				if !strings.Contains(text, p[0]) || !strings.Contains(text, p[1]) {
					t.Errorf("%q: %q is not in it", text, p)
				}
				size += len(p[0]) + len(p[1])
			}
			if size > len(text) {
				t.Errorf("%q: more came out than went in: %q", text, pairs)
			}
		})
	})
}

// FuzzMerge lays one text over another in every mode.
func FuzzMerge(f *testing.F) {
	for _, seed := range [][2]string{
		{"a: 1", "a: {b: 2}"}, {"script: !seq+prepend [a]", "script: [b]"}, {"env: !map+replace {A: 1}", "env: {B: 2}"}, {"x: &x [*x]", ""},
		{"import: a.yml\njobs: {include: [{name: a}]}", "matrix: {include: [{name: b}]}"}, {"<<: {a: [1]}", "a: [2]"}, {"a: !seq+append {b: c}", "a: !map+merge [d]"},
	} {
		f.Add(seed[0], seed[1])
	}
	limits := Limits{Bytes: 16 << 10, Aliases: 5000, Jobs: 50}
	f.Fuzz(func(t *testing.T, more, less string) {
		over, _, err := Parse("more", []byte(more), limits)
		if err != nil {
			return
		}
		for _, mode := range []string{"", modeReplace, modeShallow, modeDeep, modeAppend, modePrepend, "deep-merge"} {
			quickly(t, func() {
				in := Input{Source: "less", Text: []byte(less), Overrides: []Fragment{{Document: over, Mode: mode}}, Imports: everything("script: a")}
				c, _, err := Load(t.Context(), in, Request{Type: "push", Branch: "main"}, limits)
				if err != nil {
					return
				}
				if _, err := c.JSON(); err != nil {
					t.Errorf("%s: %v", mode, err)
				}
			})
		}
	})
}
