package script

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
)

// machine is where a script runs: a HOME of its own, the tools of this machine, more environment if wanted.
type machine struct {
	home string
	path string
	env  []string
}

// outcome is what a run left behind.
type outcome struct {
	code int
	log  string
	took time.Duration
}

func newMachine(t *testing.T) machine {
	t.Helper()
	return machine{home: t.TempDir(), path: os.Getenv("PATH")}
}

// command returns bash with the script, in a file as a worker has it; its output goes to the returned file, so that a
// background process which keeps it open holds up nobody.
func (m machine) command(ctx context.Context, t *testing.T, script []byte) (*exec.Cmd, *os.File) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "build.sh")
	if err := os.WriteFile(file, script, 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	cmd := exec.CommandContext(ctx, "bash", file)
	cmd.Env = append([]string{"HOME=" + m.home, "PATH=" + m.path, "TMPDIR=" + t.TempDir(), "GIT_CONFIG_NOSYSTEM=1"}, m.env...)
	cmd.Dir = m.home
	cmd.Stdout, cmd.Stderr = log, log
	return cmd, log
}

// run generates the script of a job and runs it to its end.
func (m machine) run(t *testing.T, job broker.Job) outcome {
	t.Helper()
	return m.runWith(t, job, Options{})
}

func (m machine) runWith(t *testing.T, job broker.Job, o Options) outcome {
	t.Helper()
	script, err := Generate(job, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd, log := m.command(ctx, t, script)
	began := time.Now()
	err = cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	text, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	return outcome{code: cmd.ProcessState.ExitCode(), log: string(text), took: time.Since(began)}
}

// runConfig runs a job without a repository.
func runConfig(t *testing.T, config map[string]any) outcome {
	t.Helper()
	return newMachine(t).run(t, bareJob(t, config))
}

// bareJob returns a job that needs no repository.
func bareJob(t *testing.T, config map[string]any) broker.Job {
	t.Helper()
	if _, ok := config["language"]; !ok {
		config["language"] = "shell"
	}
	job := jobOf(string(mustJSON(t, config)))
	job.Repository.SourceURL = ""
	return job
}

var marks = regexp.MustCompile(`travis_(fold|time):[^\r]*\r\x1b\[0K|\x1b\[[0-9;]*m`)

// lines returns the log without marks and colours.
func (o outcome) lines() []string { return strings.Split(marks.ReplaceAllString(o.log, ""), "\n") }

// said returns, in order, the lines that begin with the prefix.
func (o outcome) said(prefix string) []string {
	var found []string
	for _, line := range o.lines() {
		if strings.HasPrefix(line, prefix) {
			found = append(found, strings.TrimPrefix(line, prefix))
		}
	}
	return found
}

func (o outcome) wantCode(t *testing.T, want int) {
	t.Helper()
	if o.code != want {
		t.Errorf("exit code: want %d, got %d. The log:\n%s", want, o.code, o.log)
	}
}

func (o outcome) wantText(t *testing.T, texts ...string) {
	t.Helper()
	plain := strings.Join(o.lines(), "\n")
	for _, text := range texts {
		if !strings.Contains(plain, text) {
			t.Errorf("the log does not say %q. It is:\n%s", text, plain)
		}
	}
}

func (o outcome) wantNoText(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(o.log, text) {
			t.Errorf("the log says %q. It is:\n%s", text, o.log)
		}
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
