package travisyml

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The traps that implementations of this language fall into, each with a
// behaviour that was confirmed on the original parser.
func TestTraps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		text string
		keys []string
		want []string
	}{
		{
			"a version keeps its zero", "language: python\npython: [3.10, 1.50, '2.0']",
			[]string{"python"}, []string{"3.10", "1.50", "2.0"},
		},
		{
			"a merge key overwrites what stands before it", `
language: ruby
_b: &b {name: base, script: base}
jobs:
  include:
    - {name: mine, <<: *b}
    - {<<: *b, name: mine}`,
			[]string{"name", "script"}, []string{"base [base]", "mine [base]"},
		},
		{
			"the first map of a merge list wins", `
_a: &a {name: a}
_b: &b {name: b, script: b}
jobs: {include: [{<<: [*a, *b]}]}`,
			[]string{"name", "script"}, []string{"a [b]"},
		},
		{
			"a list of env is rows at the root and one row in an entry", `
language: go
env: [A=1, A=2]
jobs: {include: [{env: [B=1, C=2]}]}`,
			[]string{"env"}, []string{"[{A:1}]", "[{A:2}]", "[{B:1},{C:2}]"},
		},
		{
			"quotes stay in values of env", `env: ['A="x y" B=''z''']`,
			[]string{"env"}, []string{`[{A:\x y\,B:'z'}]`},
		},
		{
			"one row of single values gives way to include", `
language: python
python: 3.7
jobs: {include: [{name: a}, {name: b}]}`,
			[]string{"name", "python"}, []string{"a 3.7", "b 3.7"},
		},
		{
			"two rows stay beside include", `
language: python
python: [3.7, 3.8]
jobs: {include: [{name: a}]}`,
			[]string{"name", "python"}, []string{"- 3.7", "- 3.8", "a 3.7"},
		},
		{
			"an entry inherits the first value of each key and the first row of env", `
language: python
python: [3.7, 3.8]
env: [A=1, A=2]
jobs: {include: [{name: x}, {name: y, env: B=1, python: 3.9}]}`,
			[]string{"name", "python", "env"},
			[]string{"- 3.7 [{A:1}]", "- 3.7 [{A:2}]", "- 3.8 [{A:1}]", "- 3.8 [{A:2}]", "x 3.7 [{A:1}]", "y 3.9 [{B:1}]"},
		},
		{
			"jobs that may fail go to the end", `
language: python
python: [nightly, 3.8]
jobs: {allow_failures: [{python: nightly}]}`,
			[]string{"python", "allow_failure"}, []string{"3.8 -", "nightly true"},
		},
		{
			"rows that differ in keys of another system collapse", `
os: [linux, osx]
osx_image: [a, b]`,
			[]string{"os", "osx_image", "dist"}, []string{"linux - focal", "osx a -", "osx b -"},
		},
		{
			"env in exclude is exact and leaves globals out", `
env: {global: [G=1], jobs: [A=1 B=2, A=1, A=2]}
jobs: {exclude: [{env: A=1}, {env: B=2 A=1}, {env: G=1 A=2}]}`,
			[]string{"env"}, []string{"[{G:1},{A:2}]"},
		},
		{
			"a global variable in allow_failures matches every job", `
env: {global: [G=1], jobs: [A=1, A=2]}
jobs: {allow_failures: [{env: G=1}]}`,
			[]string{"env", "allow_failure"}, []string{"[{G:1},{A:1}] true", "[{G:1},{A:2}] true"},
		},
		{
			"a row mixing global and own variables matches nothing", `
env: {global: [G=1], jobs: [A=1, A=2]}
jobs: {allow_failures: [{env: G=1 A=2}]}`,
			[]string{"env", "allow_failure"}, []string{"[{G:1},{A:1}] -", "[{G:1},{A:2}] -"},
		},
		{
			"matrix beats jobs", `
jobs: {include: [{name: jobs}]}
matrix: {include: [{name: matrix}]}`,
			[]string{"name"}, []string{"matrix"},
		},
		{
			"an empty entry is dropped", "jobs: {include: [{}, null, {name: a}]}",
			[]string{"name"}, []string{"a"},
		},
		{
			"allow_failure does nothing beside include and something inside", `
jobs:
  allow_failure: [{name: a}]
  include: [{name: a}, {name: b, allow_failure: true}]`,
			[]string{"name", "allow_failure"}, []string{"a -", "b true"},
		},
		{
			"a condition that cannot be read is false", "jobs: {include: [{name: a, if: 'branch = = x'}, {name: b}]}",
			[]string{"name"}, []string{"b"},
		},
		{
			"a variable directly before an exclamation mark is a word", "jobs: {include: [{name: a, if: type!=push}, {name: b, if: type != push}]}",
			[]string{"name"}, []string{"a"},
		},
		{
			"the default stage takes the spelling of the file", `
stages: [Test, deploy]
jobs: {include: [{name: a}, {name: b, stage: deploy}]}`,
			[]string{"name", "stage"}, []string{"a Test", "b deploy"},
		},
		{
			"osx alone makes the language objective-c", "os: osx",
			[]string{"language", "os"}, []string{"objective-c osx"},
		},
		{
			"swift makes the system osx", "language: swift",
			[]string{"language", "os", "dist"}, []string{"objective-c osx -"},
		},
		{
			"an unknown value is kept", "language: klingon",
			[]string{"language"}, []string{"klingon"},
		},
		{
			"equal entries collapse", "jobs: {include: [{name: a, script: x}, {script: x, name: a}, {name: b}]}",
			[]string{"name"}, []string{"a", "b"},
		},
		{
			"languages whose default script fails on purpose get none here", "language: python",
			[]string{"language", "script"}, []string{"python -"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := jobLines(t, planOf(t, tt.text, pushToMaster()), tt.keys...)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTrapMessages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"unknown value", "language: klingon", "error language unknown_value"},
		{"condition", "if: 'branch = = x'", "error if invalid_condition"},
		{"both names of a key", "jobs: {}\nmatrix: {}", "error root overwrite"},
		{"other name of a key", "matrix: {}", "info root alias_key"},
		{"key given twice", "script: a\nscript: b", "error root duplicate_key"},
		{"key given twice further down", "jobs: {include: [{name: a, name: b}]}", "error jobs.include duplicate_key"},
		{"misspelled key", "scirpt: a", "warn root find_key"},
		{"misspelled value", "os: linx", "warn os find_value"},
		{"unknown key", "frobnicate: a", "warn root unknown_key"},
		{"known word in a wrong place", "jobs: {allow_failure: [{os: osx}]}", "warn jobs unknown_key"},
		{"anchor on a key that is not private", "frobnicate: &x {a: b}", "warn root deprecated_key"},
		{"key with a dash", "before-script: a", "info root underscore_key"},
		{"key with a space", "before install: a", "warn root clean_key"},
		{"list for one value", "language: [python, ruby]", "warn language unexpected_seq"},
		{"colon in a script", "script:\n  - echo foo: bar", "error script invalid_type"},
		{"readable secret", "notifications: {slack: 'a:b'}", "alert notifications.slack.rooms secure"},
		{"broken variable", "env: 'A = 1'", "error env.jobs invalid_env_var"},
		{"no provider", "deploy: {app: x}", "error deploy required"},
		{"not supported yet", "workspaces: {use: x}", "warn root not_supported"},
		{"the older conditions", "conditions: v0", "warn conditions not_supported"},
		{"version", "version: two", "error version invalid_format"},
		{"template", "notifications: {irc: {channels: a, template: '%{foo}'}}", "warn notifications.irc.template unknown_var"},
		{"same name twice", "jobs: {include: [{name: a, script: a}, {name: a, script: b}]}", "info jobs.include duplicate"},
		{"scalar in allow_failures", "jobs: {allow_failures: [2.0]}", "error jobs.allow_failures invalid_type"},
		{"default", "script: a", "info root default"},
		{"two values in one", "services: 'docker, redis'", "warn services clean_value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, msgs := configOf(t, tt.text)
			if got := codes(msgs); !slices.Contains(got, tt.want) {
				t.Errorf("messages %q lack %q", got, tt.want)
			}
			for _, m := range msgs {
				if m.Text == "" || m.Line < 1 || m.Column < 1 || m.Source != ".travis.yml" {
					t.Errorf("message without text or place: %+v", m)
				}
			}
		})
	}
}

func TestMessagePlace(t *testing.T) {
	t.Parallel()
	_, msgs := configOf(t, "language: go\n\njobs:\n  include:\n    - name: a\n      scirpt: b\n")
	i := slices.IndexFunc(msgs, func(m Message) bool { return m.Code == "find_key" })
	if i < 0 {
		t.Fatalf("no find_key in %q", codes(msgs))
	}
	want := Message{
		Level: Warn, Key: "jobs.include", Code: "find_key", Args: map[string]any{"original": "scirpt", "key": "script"},
		Text:   `In jobs.include: the key "scirpt" is not known and is read as "script". Write "script".`,
		Source: ".travis.yml", Line: 6, Column: 7,
	}
	if diff := cmp.Diff(want, msgs[i]); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}
