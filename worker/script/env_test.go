package script

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/broker"
)

func TestConfigVariables(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		// As written: bash reads it.
		``:                        "",
		`1`:                       "1",
		`"x y"`:                   "x y",
		`'z  z'`:                  "z  z",
		`a\ b`:                    "a b",
		`=1`:                      "=1",
		`$BASE/bin`:               "/base/bin",
		`"$BASE"/'$BASE'`:         "/base/$BASE",
		`${BASE:-a b}`:            "/base",
		`$(echo "a  b" | tr a c)`: "c  b",
		"`echo x y`":              "x y",
		`"$(echo "in ner")"`:      "in ner",
		`$'tab\there'`:            "tab\there",
		`$((1 + 2))`:              "3",
		`~root`:                   "/root",
		`*`:                       "*",
		`a#b`:                     "a#b",
		`Überfall→✓`:              "Überfall→✓",
		`a!b`:                     "a!b",
		// More than a word: quoted, with its own quotes kept.
		`two words`:          "two words",
		`-O2 -I"$BASE inc"`:  `-O2 -I"/base inc"`,
		`$BASE and more`:     "/base and more",
		`Django>=1.8,<1.9`:   "Django>=1.8,<1.9",
		`a;touch owned`:      "a;touch owned",
		`a && touch owned`:   "a && touch owned",
		`a|b`:                "a|b",
		`f(x)`:               "f(x)",
		`{a,b}`:              "{a,b}",
		"line one\nline two": "line one\nline two",
		`say "hi" \"there\"`: `say "hi" "there"`,
		`C:\Program Files\x`: `C:\Program Files\x`,
		`ends with \`:        `ends with \`,
		`$(echo a b) c`:      "a b c",
		`cost 5$`:            "cost 5$",
		`a $'b' c`:           "a $'b' c",
		// Without an end: literal.
		`it's`:          "it's",
		`6" pipe`:       `6" pipe`,
		`$(touch owned`: "$(touch owned",
		`${BASE`:        "${BASE",
		"`touch owned":  "`touch owned",
	} {
		t.Run(written, func(t *testing.T) {
			t.Parallel()
			job := bareJob(t, map[string]any{"env": []any{map[string]string{"BASE": "/base"}, map[string]string{"V": written}}, "script": `printf '<<%s>>' "$V"; test ! -e owned`})
			o := newMachine(t).run(t, job)
			o.wantCode(t, ExitPassed)
			_, got, _ := strings.Cut(o.log, "\ntravis_time") // after the echo of the command
			_, got, _ = strings.Cut(got, "\n")
			got, _, _ = strings.Cut(strings.TrimPrefix(got, "<<"), ">>")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("value of %s (-want +got):\n%s\n%s", written, diff, o.log)
			}
		})
	}
}

func TestVariables_orderAndSecrets(t *testing.T) {
	t.Parallel()
	secret := `pa$$ "word" $(touch owned) it's`
	job := bareJob(t, map[string]any{
		"env": []any{
			map[string]string{"BOTH": "config"}, map[string]string{"LATE": "one"}, map[string]string{"LATE": "${LATE}two"}, map[string]any{"secure": "AbC="},
			map[string]any{"HIDDEN": map[string]string{"secure": "xyz"}}, map[string]string{"not a name": "1"}, map[string]any{"NUMBER": 3.10},
		},
		"script": `test "$SECRET" = 'pa$$ "word" $(touch owned) it'\''s' && echo "$BOTH $LATE $REGION $CI n=$NUMBER $TRAVIS_BRANCH $TRAVIS_SECURE_ENV_VARS" && test ! -e owned && test -z "${HIDDEN+set}"`,
	})
	job.EnvVars = []broker.EnvVar{
		{Name: "SECRET", Value: secret}, {Name: "BOTH", Value: "settings", Public: true}, {Name: "REGION", Value: "$HOME x", Public: true},
		{Name: "1; touch owned", Value: "x"}, {Name: "HUGE", Value: strings.Repeat("x", 200_000), Public: true},
	}
	o := newMachine(t).run(t, job)
	o.wantCode(t, ExitPassed)
	o.wantText(t, "\nconfig onetwo $HOME x true n=3.1 main true\n", "$ export SECRET=[secure]\n", "$ export REGION='$HOME x'\n", "$ export LATE=${LATE}two\n",
		"A secure variable of .travis.yml is left out", "HIDDEN is left out", `"not a name" cannot be the name`, `"1; touch owned" cannot be the name`,
		"HUGE is 200000 bytes long", "Setting environment variables from the settings of the repository", "Setting environment variables from .travis.yml")
	o.wantNoText(t, `"word" $(touch`+` owned) it's`, "AbC=", "xyz")
}

func TestVariables_noSecretsForForks(t *testing.T) {
	t.Parallel()
	job := bareJob(t, map[string]any{"script": `echo "t=${TOKEN-unset} s=$TRAVIS_SECURE_ENV_VARS p=$TRAVIS_PULL_REQUEST"`})
	job.Job.SecureEnvEnabled, job.Job.PullRequest = false, float64(5)
	job.EnvVars = []broker.EnvVar{{Name: "TOKEN", Value: "s3cret"}}
	script, err := Generate(job, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(script), "s3cret") {
		t.Error("the secret is in the script")
	}
	o := newMachine(t).run(t, job)
	o.wantCode(t, ExitPassed)
	o.wantText(t, "\nt=unset s=false p=5\n", "TOKEN is secret; this job may not see secrets.")
}

func TestBuiltins_longCommitMessage(t *testing.T) {
	t.Parallel()
	job := bareJob(t, map[string]any{"script": `printf 'length=%s\n' "$(printf %s "$TRAVIS_COMMIT_MESSAGE" | wc -c)"`})
	job.Job.CommitMessage = "x" + strings.Repeat("ü", 100_000)
	o := newMachine(t).run(t, job)
	o.wantCode(t, ExitPassed)
	o.wantText(t, "length=32767\n") // 1 + 2 x 16383: no half character
}

// evalIn lets bash evaluate a program in an empty directory without tools, and returns what it prints, errors included.
func evalIn(t *testing.T, program string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash")
	cmd.Stdin = strings.NewReader(program)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=/nowhere"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out) + err.Error()
	}
	return string(out)
}

// What stands in the settings is taken literally, whatever it is.
func FuzzQuote(f *testing.F) {
	for _, v := range []string{"", "plain", "it's", "'", "''", `\'`, "$(touch x)", "`x`", "a\nb", "\x00a", "\xff\xfe", "ü→", "-n", "!!", "'; exit 3; '"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, value string) {
		want := strings.ReplaceAll(value, "\x00", "")
		got := evalIn(t, "V="+quote(value)+"\nprintf '%s.' \"$V\"\n")
		if got != want+"." {
			t.Errorf("quote(%q): bash makes %q of it", value, got)
		}
	})
}

// A value of .travis.yml is one word of one assignment; without $ and ` in it, it runs nothing and bash has no complaint.
func FuzzEnvWord(f *testing.F) {
	for _, v := range []string{"", "a b", `"x y"`, `it's`, "a;b", `a\`, `\"`, `"a`, "'a' b", "a\nb", "{a,b}", "(x", ">x", "#", "a #b", "~", "\x00", `"\`, `"a" "b`} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if strings.ContainsAny(value, "$`") {
			t.Skip("it may run what it likes")
		}
		got := evalIn(t, "set -- "+quote("V="+envWord(value))+"\neval \"export $1\" && [[ -v V ]] && (( $# == 1 )) && printf done\n")
		if got != "done" {
			t.Errorf("envWord(%q) = %s: bash says %q", value, envWord(value), got)
		}
	})
}
