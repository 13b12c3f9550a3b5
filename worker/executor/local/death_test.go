package local_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/headrace/headrace/worker/executor"
	"github.com/headrace/headrace/worker/executor/local"
)

// victim is a worker with a job whose daemons write their ids to its standard output, until it is killed.
func victim(dir string) int {
	e, err := local.Open(local.Config{Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	p, err := e.Start(context.Background(), executor.Spec{JobID: 1, Attempt: 1, Run: "v", Script: []byte(daemons + "echo $$; sleep 600"), Output: os.Stdout})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, _ = p.Wait() // it is killed before
	return 0
}

func TestExecutor_diesWithItsWorker(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pids := readPIDs(t, bufio.NewScanner(out), daemonCount+1)
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it says that it was killed
	// The watchdog ends all but the one that wiped its environment; that one falls to the next worker.
	awaitEnd(t, append(pids[:0:0], without(pids, wiped(pids))...))
	e := open(t, dir)
	awaitEnd(t, pids)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if left := runDirs(t, dir); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// wiped are those of the processes whose environment does not have the mark.
func wiped(pids []int) []int {
	var out []int
	for _, pid := range pids {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err == nil && len(env) > 0 && !bytes.Contains(env, []byte("CI_RUN_DIR=")) {
			out = append(out, pid)
		}
	}
	return out
}

func without(all, some []int) []int {
	var out []int
	for _, pid := range all {
		keep := true
		for _, s := range some {
			keep = keep && s != pid
		}
		if keep {
			out = append(out, pid)
		}
	}
	return out
}

func awaitEnd(t *testing.T, pids []int) {
	t.Helper()
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, pid := range pids {
		for running(pid) {
			select {
			case <-tick.C:
			case <-limit:
				t.Fatalf("process %d still runs", pid)
			}
		}
	}
}
