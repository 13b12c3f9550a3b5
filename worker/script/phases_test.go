package script

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// saying returns a config in which every phase says its name.
func saying() map[string]any {
	config := map[string]any{}
	for _, phase := range []string{
		"before_install", "install", "before_script", "script", "before_cache", "after_success", "after_failure", "after_script",
	} {
		config[phase] = []string{"echo ran " + phase}
	}
	return config
}

func TestPhases_orderAndFailures(t *testing.T) {
	t.Parallel()
	const (
		setup  = "before_install install before_script "
		passed = setup + "script before_cache after_success after_script"
		failed = setup + "script before_cache after_failure after_script"
	)
	for name, c := range map[string]struct {
		phase   string // gets the command first
		command string
		code    int
		ran     string
		says    string
	}{
		"all pass":             {code: 0, ran: passed, says: "Done. Your build exited with 0."},
		"before_install fails": {phase: "before_install", command: "(exit 7)", code: 2, ran: "", says: `The command "(exit 7)" failed with exit code 7 in the phase before_install`},
		"install fails":        {phase: "install", command: "false", code: 2, ran: "before_install", says: `The command "false" failed with exit code 1 in the phase install`},
		"before_script fails":  {phase: "before_script", command: "nosuchcommand", code: 2, ran: "before_install install", says: `The command "nosuchcommand" failed with exit code 127`},
		"script fails":         {phase: "script", command: "(exit 9)", code: 1, ran: failed, says: `The command "(exit 9)" exited with 9.`},
		"before_cache fails":   {phase: "before_cache", command: "false", code: 0, ran: passed, says: "The phase before_cache does not change the result."},
		"after_success fails":  {phase: "after_success", command: "false", code: 0, ran: passed, says: "The phase after_success does not change the result."},
		"after_script fails":   {phase: "after_script", command: "false", code: 0, ran: passed},

		"exit in script is the result": {phase: "script", command: "exit 3", code: 3, ran: strings.TrimSpace(setup), says: `The command "exit 3" exited with 3.`},
		"exit 0 in install passes":     {phase: "install", command: "exit 0", code: 0, ran: "before_install", says: "Done. Your build exited with 0."},
		"set -e in install":            {phase: "install", command: "set -e; (exit 5)", code: 2, ran: "before_install"},
		"exit under set -e":            {phase: "script", command: "set -e; exit 3", code: 3, ran: strings.TrimSpace(setup)},
		"exit without a code":          {phase: "script", command: "(exit 6); exit", code: 6, ran: strings.TrimSpace(setup)},
		"exit in a subshell":           {phase: "script", command: "(exit 0) && x=$(exit 5)", code: 1, ran: failed},
		"unset variable that must be":  {phase: "install", command: ": ${NOT_THERE:?must be set}", code: 2, ran: "before_install", says: "must be set"},
		"set -e in script":             {phase: "script", command: "set -e\n(exit 5)\necho not here", code: 1, ran: strings.TrimSpace(setup), says: "Done. Your build exited with 1."},
		"set -u in before_script":      {phase: "before_script", command: "set -u; echo $NOT_THERE", code: 2, ran: "before_install install"},
		"set -e in after_script":       {phase: "after_script", command: "set -e; false", code: 0, ran: strings.TrimSuffix(passed, " after_script")},
		"set -eux that does no harm":   {phase: "before_install", command: "set -eux", code: 0, ran: passed},
		"syntax error in script":       {phase: "script", command: "if then", code: 1, ran: failed},
		"quote without end in install": {phase: "install", command: `echo "`, code: 2, ran: "before_install"},
		"return in script":             {phase: "script", command: "return 4", code: 1, ran: failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := saying()
			if c.phase != "" {
				config[c.phase] = append([]string{c.command}, config[c.phase].([]string)...)
			}
			o := runConfig(t, config)
			o.wantCode(t, c.code)
			o.wantText(t, c.says)
			if diff := cmp.Diff(c.ran, strings.Join(o.said("ran "), " ")); diff != "" {
				t.Errorf("phases that ran (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScript_everyCommandRuns(t *testing.T) {
	t.Parallel()
	o := runConfig(t, map[string]any{
		"script":        []string{"echo r=$TRAVIS_TEST_RESULT", "false", "echo r=$TRAVIS_TEST_RESULT", "(exit 4)", "true", "printf unterminated"},
		"after_failure": "echo after=$TRAVIS_TEST_RESULT",
	})
	o.wantCode(t, ExitFailed)
	want := []string{"0.", "1.", "0.", "4.", "0.", "0."}
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^The command ".*" exited with (.*)$`).FindAllStringSubmatch(strings.Join(o.lines(), "\n"), -1) {
		got = append(got, m[1])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exit codes that were named (-want +got):\n%s", diff)
	}
	o.wantText(t, "\nr=\n", "\nr=1\n", "\nafter=1\n", "Done. Your build exited with 1.")
}

func TestScript_isOneShell(t *testing.T) {
	t.Parallel()
	o := runConfig(t, map[string]any{
		"before_install": []string{"mkdir sub && cd sub", "export A=exported; B=plain; declare -A M=([k]=mapped)", "hello() { echo hello $1; }", "set -- one two"},
		"install":        []string{`IFS=,`},
		"script": []string{
			`echo "in ${PWD##*/} $A $B ${M[k]} $2"`, "hello you", "read -r line || echo nothing to read",
			"for i in 1 2; do\n  echo \"round $i\"\ndone",
		},
	})
	o.wantCode(t, ExitPassed)
	o.wantText(t, "\nin sub exported plain mapped two\n", "\nhello you\n", "\nround 1\nround 2\n", "\nnothing to read\n",
		"$ for i in 1 2; do\n  echo \"round $i\"\ndone\n")
}

func TestPhases_skip(t *testing.T) {
	t.Parallel()
	o := runConfig(t, map[string]any{"language": "python", "install": "skip", "script": []string{"ignore"}, "after_success": "skip", "after_script": "echo last"})
	o.wantCode(t, ExitPassed)
	o.wantText(t, "install: skip, so nothing runs in this phase.", "script: ignore, so nothing runs in this phase.", "\nlast\n")
	o.wantNoText(t, "$ skip", "$ ignore")
}

func TestPhases_oddShapes(t *testing.T) {
	t.Parallel()
	o := runConfig(t, map[string]any{"before_install": nil, "install": true, "script": []any{map[string]any{"echo foo": "bar"}, "echo ran"}})
	o.wantCode(t, ExitPassed)
	o.wantText(t, "$ true\n", "$ echo foo: bar\nfoo: bar\n", "\nran\n", "no repository")
}

func TestPhases_emptyScriptPasses(t *testing.T) {
	t.Parallel()
	o := runConfig(t, map[string]any{"language": "minimal", "after_success": "echo result=$TRAVIS_TEST_RESULT"})
	o.wantCode(t, ExitPassed)
	o.wantText(t, "\nresult=0\n")
}

func TestMarks(t *testing.T) {
	t.Parallel()
	o := runConfig(t, map[string]any{"install": []string{"echo one"}, "script": "echo two"})
	folded := regexp.MustCompile("travis_fold:start:install\\.1\r\x1b\\[0Ktravis_time:start:([0-9a-f]{8})\r\x1b\\[0K\\$ echo one\none\n" +
		"travis_time:end:([0-9a-f]{8}):start=(\\d{19}),finish=(\\d{19}),duration=(\\d+)\r\x1b\\[0Ktravis_fold:end:install\\.1\r\x1b\\[0K")
	m := folded.FindStringSubmatch(o.log)
	if m == nil {
		t.Fatalf("no fold with a time in %q", o.log)
	}
	if m[1] != m[2] {
		t.Errorf("the time that ends is %s, the one that began is %s", m[2], m[1])
	}
	unfolded := regexp.MustCompile("travis_time:start:[0-9a-f]{8}\r\x1b\\[0K\\$ echo two\ntwo\n")
	if !unfolded.MatchString(o.log) || strings.Contains(o.log, "travis_fold:start:script") {
		t.Errorf("script is to be timed and not folded: %q", o.log)
	}
}
