package local_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker/executor"
	"github.com/headrace/headrace/worker/executor/executortest"
	"github.com/headrace/headrace/worker/executor/local"
)

// victimDir, when set, makes the test binary a worker that is killed.
const victimDir = "LOCAL_TEST_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		os.Exit(victim(dir))
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, dir string) *local.Executor {
	t.Helper()
	e, err := local.Open(local.Config{Dir: dir, Grace: 200 * time.Millisecond, Linger: 200 * time.Millisecond})
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return e
}

func TestContract(t *testing.T) {
	t.Parallel()
	executortest.Run(t, func(tb testing.TB) executor.Executor { return open(tb, tb.TempDir()) })
}

// lines collects output and gives it line by line.
type lines struct{ w *io.PipeWriter }

func (l lines) Write(p []byte) (int, error) { return l.w.Write(p) }

func startScript(t *testing.T, e *local.Executor, script string) (executor.Process, *bufio.Scanner) {
	t.Helper()
	r, w := io.Pipe()
	p, err := e.Start(t.Context(), executor.Spec{JobID: 7, Attempt: 1, Run: "abc/../d", Script: []byte(script), Output: lines{w}})
	if err != nil {
		t.Fatalf("Start = %v", err)
	}
	t.Cleanup(func() { _ = r.Close() }) // later writes fail at once instead of waiting for a reader
	return p, bufio.NewScanner(r)
}

func readPIDs(t *testing.T, in *bufio.Scanner, n int) []int {
	t.Helper()
	var pids []int
	for len(pids) < n && in.Scan() {
		pid, err := strconv.Atoi(in.Text())
		if err != nil {
			t.Fatalf("%q is no process id", in.Text())
		}
		pids = append(pids, pid)
	}
	if len(pids) != n {
		t.Fatalf("%d process ids came, want %d: %v", len(pids), n, in.Err())
	}
	return pids
}

// running says whether a process lives; a zombie does not.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// daemons are processes that get away in different ways; each writes its id.
const daemons = `
sh -c 'echo $$; exec sleep 600' &
setsid sh -c 'echo $$; exec sleep 600' &
(setsid sh -c '(sh -c "echo \$\$; exec sleep 600" &)' &)
(env -i PATH="$PATH" setsid sh -c 'echo $$; exec sleep 600' &)
`

const daemonCount = 4

func TestProcess_takesItsDaemonsAlong(t *testing.T) {
	t.Parallel()
	endings := map[string]func(*testing.T, executor.Process){
		"when it is killed": func(t *testing.T, p executor.Process) {
			if err := p.Kill(t.Context()); err != nil {
				t.Errorf("Kill = %v", err)
			}
		},
		"when it ends by itself": func(*testing.T, executor.Process) {},
	}
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			gate := filepath.Join(dir, "gate")
			if err := unix.Mkfifo(gate, 0o600); err != nil {
				t.Fatal(err)
			}
			script := daemons + "read -r _ < " + gate
			if strings.Contains(name, "killed") {
				script = daemons + "exec sleep 600"
			}
			p, out := startScript(t, open(t, filepath.Join(dir, "work")), script)
			pids := readPIDs(t, out, daemonCount)
			if strings.Contains(name, "itself") {
				if err := os.WriteFile(gate, []byte("\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			end(t, p)
			if _, err := p.Wait(); err != nil {
				t.Fatalf("Wait = %v", err)
			}
			for i, pid := range pids {
				if running(pid) {
					t.Errorf("daemon %d still runs", i)
				}
			}
		})
	}
}

func TestProcess_whoLooksAroundIsSpared(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip("no script(1) to make a terminal with")
	}
	dir := t.TempDir()
	p, out := startScript(t, open(t, dir), `echo $$; read -r _ < <(sleep 600)`)
	readPIDs(t, out, 1)
	homes, err := filepath.Glob(filepath.Join(dir, "run-*", "home"))
	if err != nil || len(homes) != 1 {
		t.Fatalf("homes = %v, %v", homes, err)
	}
	shell := exec.CommandContext(t.Context(), "script", "-qec", "cd '"+homes[0]+"' && echo up && read -r a && echo still $a", "/dev/null")
	in, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(said)
	if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, "up") {
		t.Fatalf("shell said %q, %v", line, err)
	}
	if err := p.Kill(t.Context()); err != nil {
		t.Fatalf("Kill = %v", err)
	}
	if _, err := io.WriteString(in, "here\n"); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	if err != nil || !strings.Contains(string(rest), "still here") {
		t.Errorf("the shell said %q, %v; it was killed with the job", rest, err)
	}
	_ = in.Close()
	_ = shell.Wait() // its exit code says nothing here
}

func TestProcess_seesNothingOfTheWorkersEnvironment(t *testing.T) {
	t.Setenv("HEADRACE_AMQP_URL", "amqp://user:canary-7f3a@mq")
	t.Setenv("SECRET_THING", "canary-7f3a")
	var out bytes.Buffer
	p, err := open(t, t.TempDir()).Start(t.Context(), executor.Spec{JobID: 1, Attempt: 1, Run: "x", Script: []byte("env; ls -l /proc/self/fd"), Output: &out})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "canary") || strings.Contains(out.String(), "HEADRACE_") {
		t.Errorf("the job sees the worker's environment:\n%s", out.String())
	}
	if n := strings.Count(out.String(), " -> "); n != 4 { // three streams and the directory that ls reads
		t.Errorf("the job has more open files than its streams:\n%s", out.String())
	}
}

func TestExecutor_removesFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e, err := local.Open(local.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.Start(t.Context(), executor.Spec{
		JobID: 1, Attempt: 1, Run: "x", Output: io.Discard,
		Script: []byte(`mkdir -p ~/mod/deep && echo a > ~/mod/deep/f && chmod -R a-w ~/mod && ln -s / ~/root`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if exit, err := p.Wait(); err != nil || exit.Code != 0 {
		t.Fatalf("Wait = %+v, %v", exit, err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if left := runDirs(t, dir); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func runDirs(t *testing.T, dir string) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, "run-*"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func TestOpen_oneWorkerPerDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := open(t, dir)
	if _, err := local.Open(local.Config{Dir: dir}); !fault.Is(err, fault.Conflict) {
		t.Errorf("second Open = %v, want a conflict", err)
	}
	home := e.Home()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if again := open(t, dir).Home(); home == "" || again != home {
		t.Errorf("Home = %q, and after the next Open %q", home, again)
	}
	if other := open(t, t.TempDir()).Home(); other == home {
		t.Error("two directories have one name")
	}
}

func TestClose_killsWhatRuns(t *testing.T) {
	t.Parallel()
	e, err := local.Open(local.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	p, out := startScript(t, e, daemons+"trap '' TERM; sleep 600")
	pids := readPIDs(t, out, daemonCount)
	if err := e.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if exit, err := p.Wait(); err != nil || exit.Signal != "SIGKILL" {
		t.Errorf("Wait = %+v, %v", exit, err)
	}
	for i, pid := range pids {
		if running(pid) {
			t.Errorf("daemon %d still runs", i)
		}
	}
	if _, err := e.Start(t.Context(), executor.Spec{JobID: 1}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Start after Close = %v", err)
	}
}

func TestStart_saysWhatIsWrongWithTheDirectory(t *testing.T) {
	t.Parallel()
	t.Run("it is gone", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "work")
		e := open(t, dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		_, err := e.Start(t.Context(), executor.Spec{JobID: 1, Attempt: 1, Run: "x", Output: io.Discard})
		if !fault.Is(err, fault.Unavailable) || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Start = %v", err)
		}
	})
	t.Run("it is full", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
			t.Skipf("cannot mount a small file system: %v", err)
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
		e := open(t, filepath.Join(dir, "work"))
		_, err := e.Start(t.Context(), executor.Spec{JobID: 1, Attempt: 1, Run: "x", Script: make([]byte, 1<<20), Output: io.Discard})
		if !errors.Is(err, unix.ENOSPC) || !strings.Contains(fault.Message(err), "no space left") {
			t.Errorf("Start = %v", err)
		}
		if left := runDirs(t, filepath.Join(dir, "work")); len(left) > 0 {
			t.Errorf("left over: %v", left)
		}
	})
}

func TestExecutor_manyAtOnce(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir())
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			var out bytes.Buffer
			p, err := e.Start(t.Context(), executor.Spec{
				JobID: int64(i), Attempt: 1, Run: "r", Output: &out,
				Script: fmt.Appendf(nil, "setsid sleep 600 & echo %d; exit %d", i, i),
			})
			if err != nil {
				t.Errorf("Start = %v", err)
				return
			}
			exit, err := p.Wait()
			if err != nil || exit.Code != i || out.String() != fmt.Sprintf("%d\n", i) {
				t.Errorf("job %d: %+v, %v, %q", i, exit, err, out.String())
			}
		})
	}
	wg.Wait()
}
