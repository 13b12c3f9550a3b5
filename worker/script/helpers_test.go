package script

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTravisRetry(t *testing.T) {
	t.Parallel()
	o := runConfig(t, map[string]any{
		"before_install": []string{`count() { echo "try $((++tries))"; test $tries -ge 3; }`},
		"install":        "travis_retry count",
		"script":         []string{"travis_retry bash -c 'exit 6'", "set -eu; travis_retry true a b"},
	})
	o.wantCode(t, ExitFailed)
	o.wantText(t, "\ntry 1\n", "\ntry 3\n", `The command "count" failed with exit code 1. Trying again, 2 of 3.`,
		`The command "bash -c exit 6" failed 3 times.`, `The command "travis_retry bash -c 'exit 6'" exited with 6.`, `The command "set -eu; travis_retry true a b" exited with 0.`)
	o.wantNoText(t, "try 4")
}

func TestDefaultInstallIsRetried(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.path = stubs(t, map[string]string{"rebar": `echo x >> "$HOME/tries"; test "$(wc -l < "$HOME/tries")" -ge 3`}) + ":" + m.path
	job := bareJob(t, map[string]any{"language": "erlang", "script": "wc -l < ~/tries"})
	job.Config = []byte(strings.Replace(string(job.Config), `{`, `{"env":[{"A":"$(touch rebar.config)"}],`, 1))
	o := m.run(t, job)
	o.wantCode(t, ExitPassed)
	o.wantText(t, `The command "rebar get-deps" failed with exit code 1. Trying again, 3 of 3.`, "$ wc -l < ~/tries\n3\n")
}

func TestTravisWait(t *testing.T) {
	t.Parallel()
	o := runConfig(t, map[string]any{
		"before_install": []string{"headrace_minute=0.2", `slow() { read -r -t 0.5 <> <(:); echo "from $1"; return 5; }`, "log=mine"},
		"script": []string{
			"set -eu", `travis_wait echo fast`, `travis_wait 30 slow function || echo "code $? $log"`, `travis_wait 2 sleep 1000 || echo "code $?"`,
			`travis_wait bash -c 'kill -9 $PPID' || echo "code $?"`,
		},
	})
	o.wantCode(t, ExitPassed)
	o.wantText(t, "Its output:\n\nfast\n", "Still running (1 of 30 minutes): slow function", "Its output:\n\nfrom function\n", "\ncode 5 mine\n",
		`The command "sleep 1000" was stopped after 2 minutes.`, "\ncode 124\n", "\ncode 137\n")
	if o.took > 30*time.Second {
		t.Errorf("it took %s", o.took)
	}
}

func TestTravisTerminate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config map[string]any
		code   int
	}{
		"in script":               {map[string]any{"script": []string{"false || travis_terminate 1", "echo not here"}}, 1},
		"passes early":            {map[string]any{"install": "travis_terminate 0", "script": "echo not here"}, 0},
		"any code, under set -eu": {map[string]any{"install": []string{"set -eu", "travis_terminate 42"}, "script": "echo not here"}, 42},
		"after the script":        {map[string]any{"script": "true", "after_success": "travis_terminate 1", "after_script": "echo not here"}, 1},
		"with a daemon":           {map[string]any{"script": []string{"sleep 1000 &", "travis_terminate 3", "echo not here"}}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := runConfig(t, c.config)
			o.wantCode(t, c.code)
			o.wantNoText(t, "\nnot here")
		})
	}
}

func TestBackgroundProcessesDoNotHoldUp(t *testing.T) {
	t.Parallel()
	o := runConfig(t, map[string]any{"before_script": "sleep 1000 & echo $! > pid", "script": "kill -0 $(cat pid)", "after_script": "echo pid=$(cat pid)"})
	o.wantCode(t, ExitPassed)
	if o.took > 30*time.Second {
		t.Errorf("it took %s", o.took)
	}
}

func TestOtherHelpers(t *testing.T) {
	t.Parallel()
	o := runConfig(t, map[string]any{"script": []string{
		"set -eu",
		"travis_fold start mine; travis_time_start; echo in it; travis_time_finish; travis_fold end mine",
		"travis_cmd 'echo one' --echo --timing",
		"travis_cmd 'echo hidden' --echo --display 'shown instead'",
		"travis_cmd '(exit 4)' || echo code $?",
		"travis_assert 0",
		"test $(travis_nanoseconds) -gt 1000000000000000000",
		"set +e; travis_cmd false --assert",
		"echo not here",
	}})
	o.wantCode(t, ExitErrored)
	o.wantText(t, "$ echo one\none\n", "$ shown instead\nhidden\n", "\ncode 4\n", "in the phase script. The job stops here: errored.")
	o.wantNoText(t, "\nnot here")
	if !strings.Contains(o.log, "travis_fold:start:mine\r\x1b[0Ktravis_time:start:") || !strings.Contains(o.log, "travis_fold:end:mine\r\x1b[0K") {
		t.Errorf("no fold of the job's own: %q", o.log)
	}
}

func TestSignal_endsWithoutLastWords(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	script, err := Generate(bareJob(t, map[string]any{"script": "bash -c 'echo ready > ~/ready; exec sleep 1000'"}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	// The script says through a pipe that it has come so far.
	if err := syscall.Mkfifo(m.home+"/ready", 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd, log := m.command(ctx, t, script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(m.home + "/ready"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its status is looked at
	text, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM || strings.Contains(string(text), "Done.") {
		t.Errorf("want an end by SIGTERM, got %s; the log:\n%s", cmd.ProcessState, text)
	}
}
