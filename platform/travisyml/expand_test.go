package travisyml

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		jobs       []string
		stages     []Stage
	}{
		{"none", "jobs: {include: [{name: a}, {name: b}]}", []string{"a -", "b -"}, nil},
		{
			"an entry takes the stage of the one before", "jobs: {include: [{name: a, stage: x}, {name: b}, {name: c, stage: y}]}",
			[]string{"a x", "b x", "c y"},
			[]Stage{{"x"}, {"y"}},
		},
		{
			"the list sets the order", "stages: [deploy, Build]\njobs: {include: [{name: a, stage: build}, {name: b, stage: deploy}, {name: c, stage: extra}]}",
			[]string{"b deploy", "a build", "c extra"},
			[]Stage{{"deploy"}, {"Build"}, {"extra"}},
		},
		{
			"a false condition takes the jobs along", "stages: [test, {name: deploy, if: branch = other}]\njobs: {include: [{name: a}, {name: b, stage: deploy}]}",
			[]string{"a test"},
			[]Stage{{"test"}},
		},
		{
			"a stage sees the variables of the root", "env: A=1\nstages: [test, {name: deploy, if: env(A) = 1}]\njobs: {include: [{name: a}, {name: b, stage: deploy}]}",
			[]string{"a test", "b deploy"},
			[]Stage{{"test"}, {"deploy"}},
		},
		{"stages without jobs go", "stages: [test, deploy]\njobs: {include: [{name: a}]}", []string{"a test"}, []Stage{{"test"}}},
		{
			"jobs that may fail are last in their stage", "jobs: {include: [{name: a, stage: x, allow_failure: true}, {name: b}, {name: c, stage: y}]}",
			[]string{"b x", "a x", "c y"},
			[]Stage{{"x"}, {"y"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			plan := planOf(t, tt.text, pushToMaster())
			if diff := cmp.Diff(tt.jobs, jobLines(t, plan, "name", "stage")); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.stages, plan.Stages); diff != "" {
				t.Errorf("stages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExpansion(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		keys       []string
		want       []string
	}{
		{"the last key changes fastest", "language: ruby\nenv: [A=1, A=2]\ngemfile: [g, h]\nrvm: [1, 2]", []string{"rvm", "gemfile", "env"}, []string{
			"1 g [{A:1}]", "1 g [{A:2}]", "1 h [{A:1}]", "1 h [{A:2}]", "2 g [{A:1}]", "2 g [{A:2}]", "2 h [{A:1}]", "2 h [{A:2}]",
		}},
		{"keys of another language make no jobs", "language: java\nrvm: [1, 2]\njdk: [a, b]", []string{"jdk", "rvm"}, []string{"a -", "b -"}},
		{"no key at all", "", []string{"language", "os", "dist"}, []string{"ruby linux focal"}},
		{"a job's own key replaces the root's whole", "script: [a, b]\njobs: {include: [{script: c}]}", []string{"script"}, []string{"[c]"}},
		{"private keys travel along", "_x: 1\nscript: a", []string{"_x"}, []string{"1"}},
		{"exclude acts on inherited values", "language: python\npython: [2, 3]\njobs: {exclude: [{python: 2}]}", []string{"python"}, []string{"3"}},
		{"exclude with two keys", "os: [linux, osx]\nlanguage: go\ngo: [1, 2]\njobs: {exclude: [{os: osx, go: 1}]}", []string{"os", "go"}, []string{"linux 1", "linux 2", "osx 2"}},
		{"exclude whose condition is false", "language: go\ngo: [1, 2]\njobs: {exclude: [{go: 1, if: branch = x}]}", []string{"go"}, []string{"1", "2"}},
		{"allow_failures by condition alone", "language: go\ngo: [1, 2]\njobs: {allow_failures: [{if: branch = master}]}", []string{"go", "allow_failure"}, []string{"1 true", "2 true"}},
		{"allow_failures whose condition is false", "language: go\ngo: [1, 2]\njobs: {allow_failures: [{go: 1, if: branch = x}]}", []string{"go", "allow_failure"}, []string{"1 -", "2 -"}},
		{"a job's own condition replaces the root's", "if: type = push\njobs: {include: [{name: a, if: type = cron}, {name: b}]}", []string{"name"}, []string{"b"}},
		{"a list of jobs", "jobs: [{name: a}, {name: b}]", []string{"name"}, []string{"a", "b"}},
		{"one job as a map", "jobs: {name: a, script: b}", []string{"name", "script"}, []string{"a [b]"}},
		{"branches as a word", "branches: master", []string{"branches"}, []string{"{only:[master]}"}},
		{"cache as a list", "cache: [bundler, dir, {timeout: 3}]", []string{"cache"}, []string{"{bundler:true,timeout:3,directories:[dir]}"}},
		{"cache off", "cache: false", []string{"cache"}, []string{"false"}},
		{"script as a boolean", "script: true\ninstall: false", []string{"script", "install"}, []string{"[true] [false]"}},
		{"nested lists", "_s: &s [a, b]\nscript: [*s, c]", []string{"script"}, []string{"[a,b,c]"}},
		{"deploy as a word", "deploy: {provider: script, script: x, on: main, skip-cleanup: true}", []string{"deploy"}, []string{"[{provider:script,script:x,on:{branch:[main]},skip_cleanup:true}]"}},
		{"depth as a number and as a switch", "git: {depth: '3'}\njobs: {include: [{name: a}, {name: b, git: {depth: false}}]}", []string{"git"}, []string{"{depth:3}", "{depth:false}"}},
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

func TestSkip(t *testing.T) {
	t.Parallel()
	push := pushToMaster()
	with := func(change func(*Request)) Request {
		r := push
		change(&r)
		return r
	}
	pages := with(func(r *Request) { r.Branch = "gh-pages" })
	for _, tt := range []struct {
		name, text string
		request    Request
		says       string // "" when there is a build
	}{
		{"plain", "", push, ""},
		{"listed", "branches: {only: [master]}", push, ""},
		{"not listed", "branches: {only: [main]}", push, "The branch master is not listed under branches.only."},
		{"regex", "branches: {only: [/^mas/]}", push, ""},
		{"look-ahead", "branches: {only: ['/^(?!release).*$/']}", push, ""},
		{"excepted", "branches: {except: [/^mas/]}", push, "The branch master is listed under branches.except."},
		{"only wins over except", "branches: {only: [master], except: [master]}", push, ""},
		{"pages", "", pages, "The branch gh-pages is built only when branches.only lists it."},
		{"pages listed", "branches: {only: [gh-pages]}", pages, ""},
		{"tag not listed", "branches: {only: [master]}", with(func(r *Request) { r.Tag, r.Branch = "v1", "v1" }), "The tag v1 is not listed under branches.only."},
		{"tag listed", `branches: {only: ['/^v\d/']}`, with(func(r *Request) { r.Tag, r.Branch = "v1", "v1" }), ""},
		{"asked for by name", "branches: {only: [main]}", with(func(r *Request) { r.Type = "api" }), ""},
		{"scheduled", "branches: {only: [main]}", with(func(r *Request) { r.Type = "cron" }), ""},
		{"command", "", with(func(r *Request) { r.CommitMessage = "x [skip ci] y" }), "contains [skip ci]"},
		{"command the other way round", "", with(func(r *Request) { r.CommitMessage = "[travis-ci skip]" }), "contains [travis-ci skip]"},
		{"no command", "", with(func(r *Request) { r.CommitMessage = "[skip nothing]" }), ""},
		{"root condition", "if: branch = main", push, "The condition of the whole build is false: branch = main"},
		{"root condition that holds", "if: branch = master", push, ""},
		{"all excluded", "language: go\ngo: [1]\njobs: {exclude: [{go: 1}]}", push, "leads to no jobs"},
		{"all conditions false", "jobs: {include: [{if: branch = main}]}", push, "leads to no jobs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			plan := planOf(t, tt.text, tt.request)
			if (plan.Skip == "") != (tt.says == "") || !strings.Contains(plan.Skip, tt.says) {
				t.Errorf("skip is %q, want %q", plan.Skip, tt.says)
			}
			if (len(plan.Jobs) == 0) != (tt.says != "") {
				t.Errorf("%d jobs with skip %q", len(plan.Jobs), plan.Skip)
			}
		})
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	plan := planOf(t, `
language: go
jobs:
  fast_finish: true
  include:
    - {name: build, stage: one, script: "a <b> & c"}
    - {name: maybe, allow_failure: true}
`, pushToMaster())
	if !plan.FastFinish {
		t.Error("fast_finish is lost")
	}
	want := []Job{
		{Name: "build", Stage: "one", Config: json.RawMessage(`{"language":"go","dist":"focal","os":"linux","name":"build","stage":"one","script":["a <b> & c"]}`)},
		{Name: "maybe", Stage: "one", AllowFailure: true, Config: json.RawMessage(`{"language":"go","dist":"focal","os":"linux","name":"maybe","allow_failure":true,"stage":"one"}`)},
	}
	if diff := cmp.Diff(want, plan.Jobs); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
}

func TestSkipMessages(t *testing.T) {
	t.Parallel()
	plan := planOf(t, `
stages: [test, {name: deploy, if: branch = x}]
jobs:
  include: [{name: a}, {name: b, if: branch = y}, {name: c, stage: deploy}]
  exclude: [{name: a, if: branch = z}]
  allow_failures: [{name: a, if: branch = w}]
`, pushToMaster())
	for code, text := range map[string]string{
		"skip_stage":         "In stages: stage 2 is left out, because its condition is false: branch = x",
		"skip_job":           "In jobs.include: job 2 (b) is left out, because its condition is false: branch = y",
		"skip_exclude":       "In jobs.exclude: entry 1 does not apply, because its condition is false: branch = z",
		"skip_allow_failure": "In jobs.allow_failures: entry 1 does not apply, because its condition is false: branch = w",
	} {
		if !slices.ContainsFunc(plan.Messages, func(m Message) bool { return m.Code == code && m.Text == text && m.Level == Info }) {
			t.Errorf("no message %s saying %q in %q", code, text, codes(plan.Messages))
		}
	}
}

func TestConfigJSON(t *testing.T) {
	t.Parallel()
	c, _ := configOf(t, "language: go\nscript: make\nos: linux\ndist: jammy\nnotifications: {on_success: never, email: a@b.c, slack: {rooms: $ROOM}}")
	got, err := c.JSON()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"language":"go","script":["make"],"os":["linux"],"dist":"jammy","notifications":` +
		`{"email":[{"recipients":["a@b.c"],"on_success":"never"}],"slack":[{"rooms":["$ROOM"],"on_success":"never"}]}}`
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		yaml string
		line int
		text string
	}{
		"excluded": {
			"language: python\npython: [3.8, 3.9]\nenv: [A=1, {secure: aGVsbG8=}]\njobs:\n  exclude:\n    - python: 3.8", 6,
			"In jobs.exclude: entry 1 takes away os linux, python 3.8, A=1; os linux, python 3.8.",
		},
		"excluding nothing": {
			"language: python\npython: [3.8, 3.9]\nenv: {global: [G=1]}\njobs:\n  exclude:\n    - {python: 3.7}", 6,
			"In jobs.exclude: entry 1 matches no job and has no effect. All its keys must equal those of a job.",
		},
		"collapsed": {
			"os: [linux, osx]\nosx_image: [a, b]", 1, "In jobs: the same as an earlier job, so it runs once: os linux.",
		},
		"collapsed included": {
			"jobs:\n  include:\n    - name: x\n    - name: x", 4, "In jobs: the same as an earlier job, so it runs once: x.",
		},
		"one row": {
			"language: python\npython: 3.8\njobs:\n  include: [{name: x}]", 4,
			"In jobs.include: the only job of the matrix (os linux, python 3.8) gives way to the jobs listed here. List it too, if it should run.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := planOf(t, tt.yaml, pushToMaster())
			if !slices.ContainsFunc(plan.Messages, func(m Message) bool { return m.Text == tt.text && m.Line == tt.line && m.Level == Info }) {
				t.Errorf("want line %d %q, got %+v", tt.line, tt.text, plan.Messages)
			}
		})
	}
	for _, quiet := range []string{"jobs:\n  include: [{name: x}]", "script: make", "os: [linux, osx]"} {
		for _, m := range planOf(t, quiet, pushToMaster()).Messages {
			if slices.Contains(onlyOurs(), m.Code) {
				t.Errorf("%q: %s", quiet, m.Text)
			}
		}
	}
}
