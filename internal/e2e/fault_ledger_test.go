package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// verifying says whether the long form of the tests was asked for.
func verifying() bool { return os.Getenv("HEADRACE_VERIFY") == "1" }

// lasting is how long a fault lasts: short in everyday tests, as long as the promise in the long form.
func lasting(short, promised time.Duration) time.Duration {
	if verifying() {
		return promised
	}
	return short
}

// ledger is what jobs write past Headrace: which runs there were, and every line that each of them printed.
type ledger struct{ dir string }

// jobScript counts until its gate opens. Each run signs the list of the job's runs first, and keeps what it prints.
const jobScript = `list=$LEDGER/$TRAVIS_JOB_ID
echo $$ >> "$list.runs"
n=0
while [ ! -e "$LEDGER/$GATE" ] && [ ! -e "$LEDGER/end.$$" ]; do
	n=$((n+1))
	echo "run $$ line $n"
	echo "run $$ line $n" >> "$list.$$"
	sleep 0.3
done
echo "run $$ ends after $n lines"
`

// gated makes a repository whose build has a job for each gate, and the ledger of their runs.
func gated(t *testing.T, gates ...string) (l ledger, source string) {
	t.Helper()
	l = ledger{dir: t.TempDir()}
	var yml strings.Builder
	fmt.Fprintf(&yml, "language: shell\nscript: sh job.sh\nenv:\n  global: LEDGER=%s\n  jobs:\n", l.dir)
	for i, gate := range gates {
		fmt.Fprintf(&yml, "    - N=%d GATE=%s\n", i+1, gate)
	}
	return l, repository(t, map[string]string{".travis.yml": yml.String(), "job.sh": jobScript})
}

func (l ledger) open(t *testing.T, gate string) {
	t.Helper()
	touch(t, filepath.Join(l.dir, gate))
}

// lines are the lines of one file of the ledger.
func (l ledger) lines(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(l.dir, name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// runs are the processes that ran the job, in order.
func (l ledger) runs(t *testing.T, jobID int64) (pids []int) {
	t.Helper()
	for _, line := range l.lines(t, fmt.Sprintf("%d.runs", jobID)) {
		if pid, err := strconv.Atoi(line); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// awaitRuns waits until the job has been run so often.
func (l ledger) awaitRuns(t *testing.T, jobID int64, n int) []int {
	t.Helper()
	eventually(t, fmt.Sprintf("run %d of job %d", n, jobID), func() (bool, string) {
		return len(l.runs(t, jobID)) >= n, fmt.Sprint(l.runs(t, jobID))
	})
	return l.runs(t, jobID)
}

// alive says whether a process is there. One that has ended and is not waited for counts as gone.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// awaitGone waits until a process has ended.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	eventually(t, fmt.Sprintf("end of process %d", pid), func() (bool, string) { return !alive(pid), "it lives" })
}

// checkLog finds in the job's log all that the run printed, in order, and nothing of another run.
func (l ledger) checkLog(t *testing.T, api platformAPI, j job, pid int) {
	t.Helper()
	var got []string
	text := ""
	last := fmt.Sprintf("run %d ends after ", pid)
	eventually(t, "whole log of job "+j.Number, func() (bool, string) {
		text = api.log(t, j.ID)
		return strings.Contains(text, "Your build exited with"), tail(text, 500)
	})
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); strings.HasPrefix(line, "run ") {
			got = append(got, line)
		}
	}
	wrote := l.lines(t, fmt.Sprintf("%d.%d", j.ID, pid))
	want := append(wrote, fmt.Sprintf("%s%d lines", last, len(wrote)))
	for i := range max(len(want), len(got)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Errorf("log of job %s has %d lines of the job, it wrote %d; they differ at line %d:\n%s", j.Number, len(got), len(want), i+1, tail(text, 2000))
			return
		}
	}
}

// caughtUp waits until the log of each job has all that the job has written by now.
func (l ledger) caughtUp(t *testing.T, api platformAPI, jobs []job) {
	t.Helper()
	for _, j := range jobs {
		pids := l.runs(t, j.ID)
		wrote := l.lines(t, fmt.Sprintf("%d.%d", j.ID, pids[len(pids)-1]))
		if len(wrote) == 0 {
			continue // it has written nothing yet
		}
		last := wrote[len(wrote)-1]
		eventually(t, fmt.Sprintf("%q in the log of job %s", last, j.Number), func() (bool, string) {
			text := api.log(t, j.ID)
			return strings.Contains(text, last), tail(text, 300)
		})
	}
}

// jobs reads the jobs of a build.
func (a platformAPI) jobs(t *testing.T, buildID int64) []job {
	t.Helper()
	var b build
	a.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/build/%d?include=build.jobs", buildID), nil, &b)
	return b.Jobs
}

// running triggers a build and waits until all of its jobs run.
func (l ledger) running(t *testing.T, api platformAPI, slug string) (buildID int64, jobs []job) {
	t.Helper()
	buildID = api.built(t, slug, api.trigger(t, slug, nil)).ID
	for _, j := range api.jobs(t, buildID) {
		l.awaitRuns(t, j.ID, 1)
		awaitJob(t, api, j.ID, "started")
	}
	return buildID, api.jobs(t, buildID)
}
