package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// leaseOf is the lease in tests that wait for it to run out: shorter than usual in everyday tests.
func leaseOf() time.Duration { return lasting(6*time.Second, 15*time.Second) }

// TestFault_WorkerLost: what a worker ran that dies, or falls silent, runs again on the other one, and counts only there.
func TestFault_WorkerLost(t *testing.T) {
	t.Parallel()
	s := standard(t, 1, 0, "HEADRACE_LIMITS_LEASE="+leaseOf().String())
	workers := map[string]*process{}
	for _, name := range []string{"mill-1", "mill-2"} {
		workers[name] = s.addWorker(t, name, 4)
	}
	killed := killedWorker(t, s, workers)
	workers[killed].start()
	frozenWorker(t, s, workers)
}

// killedWorker kills the worker of a job without warning: all that it ran begins again elsewhere, once, and its processes
// are gone. It returns the worker's name.
func killedWorker(t *testing.T, s shape, workers map[string]*process) (name string) {
	t.Helper()
	api := s.api()
	l, source := gated(t, "gate", "gate", "gate", "gate")
	api.addRepository(t, "acme/killed", source)
	id, jobs := l.running(t, api, "acme/killed")
	name, moved := busiest(jobs)
	workers[name].kill()
	began := time.Now()
	for _, j := range moved {
		l.awaitRuns(t, j.ID, 2)
	}
	took := time.Since(began)
	t.Logf("the jobs of a killed worker ran again %s after it died, with a lease of %s", took.Round(time.Millisecond), leaseOf())
	if most := leaseOf() + 6*time.Second; took > most {
		t.Errorf("that is more than %s", most)
	}
	for _, j := range moved {
		awaitGone(t, l.runs(t, j.ID)[0])
	}
	l.open(t, "gate")
	if b := api.ended(t, id); b.State != "passed" {
		t.Errorf("the build is %s", b.State)
	}
	checkMoved(t, api, l, jobs, name)
	return name
}

// busiest is the worker that runs most of the jobs, and what it runs.
func busiest(jobs []job) (name string, runs []job) {
	by := map[string][]job{}
	for _, j := range jobs {
		by[j.Worker] = append(by[j.Worker], j)
		if len(by[j.Worker]) > len(by[name]) {
			name = j.Worker
		}
	}
	return name, by[name]
}

// checkMoved finds the jobs of the lost worker run twice, as attempt 2 elsewhere, with its name in their logs; and the
// others once.
func checkMoved(t *testing.T, api platformAPI, l ledger, before []job, lost string) {
	t.Helper()
	for _, was := range before {
		var is job
		api.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/job/%d", was.ID), nil, &is)
		pids, want := l.runs(t, is.ID), 1
		if was.Worker == lost {
			want = 2
		}
		if is.State != "passed" || is.Attempt != want || len(pids) != want || is.Worker == lost {
			t.Errorf("job %s was on %s: %+v with runs %v, want %d", is.Number, was.Worker, is, pids, want)
			continue
		}
		l.checkLog(t, api, is, pids[want-1])
		text := api.log(t, is.ID)
		if said := strings.Contains(text, "Worker "+lost+" was lost at ") && strings.Contains(text, "This is attempt 2 of 3."); said != (want == 2) {
			t.Errorf("the log of attempt %d of job %s names the lost worker: %v\n%s", want, is.Number, said, text[:min(len(text), 600)])
		}
	}
}

// frozenWorker stops a worker, not its jobs, for longer than its lease, and lets it go on: what it then says about its
// runs, ended or not, has no effect, and those that still run are killed.
func frozenWorker(t *testing.T, s shape, workers map[string]*process) {
	t.Helper()
	api := s.api()
	l, source := gated(t, "gate", "gate", "gate", "gate")
	api.addRepository(t, "acme/frozen", source)
	id, jobs := l.running(t, api, "acme/frozen")
	name, moved := busiest(jobs)
	first := map[int64]int{}
	for _, j := range moved {
		first[j.ID] = l.runs(t, j.ID)[0]
	}
	frozen := workers[name].cmd.Process
	if err := frozen.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	l.open(t, fmt.Sprintf("end.%d", first[moved[0].ID])) // this run ends while nobody looks; the worker reports it later
	for _, j := range moved {
		l.awaitRuns(t, j.ID, 2)
	}
	pause(t, lasting(0, time.Minute))
	for _, j := range moved[1:] {
		if pid := first[j.ID]; !alive(pid) {
			t.Errorf("process %d, of the first run of job %s, ended with nobody to end it", pid, j.Number)
		}
	}
	if err := frozen.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, j := range moved {
		awaitGone(t, first[j.ID])
	}
	const beat, within = 3 * time.Second, 5 * time.Second
	took := time.Since(began)
	t.Logf("the superseded runs were gone %s after their worker went on", took.Round(time.Millisecond))
	if took > beat+within {
		t.Errorf("that is more than %s after the next heartbeat", within)
	}
	l.caughtUp(t, api, moved) // and in the meantime what the worker said has come
	for _, j := range moved {
		awaitJob(t, api, j.ID, "started")
	}
	l.open(t, "gate")
	if b := api.ended(t, id); b.State != "passed" {
		t.Errorf("the build is %s", b.State)
	}
	checkMoved(t, api, l, jobs, name)
}
