package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/testkit/foreign"
	"github.com/headrace/headrace/internal/testkit/historytest"
)

// scriptEndpoint is the address, with the token, that an operator gives to a foreign worker.
func scriptEndpoint(t *testing.T, s shape) string {
	t.Helper()
	return strings.Replace(s.apis[0].url, "://", "://"+scriptToken(t, s)+"@", 1) + "/__build__/script"
}

// double starts a double of the open-source worker; what it could not make sense of fails the test.
func double(t *testing.T, s shape, c foreign.Config) *foreign.Worker {
	t.Helper()
	if c.BuildAPI == "" {
		c.BuildAPI = scriptEndpoint(t, s)
	}
	_, c.AMQP, _ = strings.Cut(s.amqp, "=")
	c.Queue, c.Dir = "builds.linux", filepath.Join(t.TempDir(), "double")
	w, err := foreign.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = w.Kill()
		for _, err := range w.Troubles() {
			t.Errorf("the double: %v", err)
		}
	})
	judgeOf(t)
	return w
}

// slowLogs excuses logs of a double that died, or gave a job back: they stay open for minutes, for a rest that may still come.
func slowLogs(t *testing.T) {
	t.Helper()
	except(t, "doubles that end early leave logs without an end", historytest.TornLogs)
}

// logHas waits until the log of a job has the text: its end may come after the end of the job.
func logHas(t *testing.T, api platformAPI, id int64, text string) string {
	t.Helper()
	log := ""
	eventually(t, fmt.Sprintf("%q in the log of job %d", text, id), func() (bool, string) {
		log = api.log(t, id)
		return strings.Contains(log, text), tail(log, 1000)
	})
	return log
}

// TestForeign_Results: jobs end as their scripts end, and their logs are whole, although reports overtake one another and the
// rest of the log comes after the last of them.
func TestForeign_Results(t *testing.T) {
	t.Parallel()
	s := standard(t, 2, 0)
	api := s.api()
	double(t, s, foreign.Config{Pool: 2, Overtake: 300 * time.Millisecond, Tail: time.Second})
	api.addRepository(t, "acme/foreign", repository(t, map[string]string{".travis.yml": `language: shell
os: [linux]
before_script: '[ "$KIND" != errored ]'
script:
  - for i in $(seq 1 400); do echo "line $i of 400 <from $KIND>"; done
  - '[ "$KIND" != failed ]'
jobs:
  include: [{env: KIND=passed}, {env: KIND=failed}, {env: KIND=errored}]
`}))
	b := api.ended(t, api.built(t, "acme/foreign", api.trigger(t, "acme/foreign", nil)).ID)
	if b.State != "errored" || len(b.Jobs) != 3 {
		t.Fatalf("got %+v", b)
	}
	var all strings.Builder
	for i := range 400 {
		fmt.Fprintf(&all, "line %d of 400 <from %%s>\n", i+1)
	}
	for i, want := range []string{"passed", "failed", "errored"} {
		j := b.Jobs[i]
		if j.State != want {
			t.Errorf("job %s is %s, want %s", j.Number, j.State, want)
		}
		if want == "errored" {
			continue
		}
		log := logHas(t, api, j.ID, "Your build exited with")
		if !strings.Contains(log, strings.ReplaceAll(all.String(), "%s", want)) {
			t.Errorf("the log of %s is not whole: %s", j.Number, tail(log, 3000))
		}
	}
	for range 5 { // reports in every order
		b = api.ended(t, api.built(t, "acme/foreign", api.trigger(t, "acme/foreign", nil)).ID)
		if states := fmt.Sprint(b.Jobs[0].State, b.Jobs[1].State, b.Jobs[2].State); states != "passedfailederrored" {
			t.Errorf("build %s: %s", b.Number, states)
		}
	}
}

// TestForeign_NoScript: with a wrong token there is no script, and the job says so.
func TestForeign_NoScript(t *testing.T) {
	t.Parallel()
	s := standard(t, 1, 0)
	api := s.api()
	wrong := strings.Replace(api.url, "://", "://not-the-token@", 1) + "/script"
	w, err := foreign.Start(foreign.Config{AMQP: strings.SplitN(s.amqp, "=", 2)[1], Queue: "builds.linux", BuildAPI: wrong, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Kill() })
	api.addRepository(t, "acme/wrong", repository(t, map[string]string{".travis.yml": "language: shell\nscript: echo hi\n"}))
	b := api.ended(t, api.built(t, "acme/wrong", api.trigger(t, "acme/wrong", nil)).ID)
	if b.State != "errored" {
		t.Errorf("got %+v", b)
	}
	logHas(t, api, b.Jobs[0].ID, "There is no script for this job.")
	if troubles := w.Troubles(); len(troubles) != 1 || !strings.Contains(troubles[0].Error(), "403") {
		t.Errorf("the double met %v", troubles)
	}
}

// TestForeign_Cancel: a running job is stopped, and so is one that is being prepared.
func TestForeign_Cancel(t *testing.T) {
	t.Parallel()
	s := standard(t, 1, 0)
	api := s.api()
	l, source := gated(t, "open")
	api.addRepository(t, "acme/cancel", source)
	double(t, s, foreign.Config{Overtake: 20 * time.Millisecond})
	_, jobs := l.running(t, api, "acme/cancel")
	j := jobs[0]
	pids := l.awaitRuns(t, j.ID, 1)
	api.must(t, http.StatusAccepted, http.MethodPost, fmt.Sprintf("/job/%d/cancel", j.ID), nil, nil)
	awaitGone(t, pids[0])
	awaitJob(t, api, j.ID, "canceled")
	logHas(t, api, j.ID, "Canceled by admin.")
}

// TestForeign_GivenBack: a job that such a worker gives back runs again, as its next attempt.
func TestForeign_GivenBack(t *testing.T) {
	t.Parallel()
	s := standard(t, 1, 0)
	api := s.api()
	slowLogs(t)
	w := double(t, s, foreign.Config{Resets: 1, Overtake: 100 * time.Millisecond})
	api.addRepository(t, "acme/back", repository(t, map[string]string{".travis.yml": "language: shell\nscript: echo done at last\n"}))
	b := api.ended(t, api.built(t, "acme/back", api.trigger(t, "acme/back", nil)).ID)
	if b.State != "passed" || len(w.Runs()) != 2 {
		t.Fatalf("got %+v after %d runs", b, len(w.Runs()))
	}
	log := logHas(t, api, b.Jobs[0].ID, "done at last")
	if !strings.Contains(log, "gave the job back") || !strings.Contains(log, "attempt 2 of 3") {
		t.Errorf("log: %s", log)
	}
}

// TestForeign_Redelivered: when a worker is stopped or dies, the broker gives its job to another, and the next attempt begins
// there; what the first had to say counts no more.
func TestForeign_Redelivered(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*foreign.Worker) error{"killed": (*foreign.Worker).Kill, "stopped": (*foreign.Worker).Stop} {
		for _, taker := range []string{"a double", "ours"} {
			t.Run(name+", taken by "+taker, func(t *testing.T) {
				t.Parallel()
				s := standard(t, 1, 0)
				api := s.api()
				slowLogs(t)
				gate := filepath.Join(t.TempDir(), "gate")
				script := "language: shell\nscript: echo begun; while [ ! -e " + gate + " ]; do sleep 0.05; done; echo done\n"
				api.addRepository(t, "acme/again", repository(t, map[string]string{".travis.yml": script}))
				first := double(t, s, foreign.Config{FinalOnStop: true, Overtake: 50 * time.Millisecond})
				b := api.built(t, "acme/again", api.trigger(t, "acme/again", nil))
				j := api.jobs(t, b.ID)[0]
				logHas(t, api, j.ID, "\nbegun\n")
				if err := end(first); err != nil {
					t.Fatal(err)
				}
				if taker == "ours" {
					s.addWorker(t, "mill-1", 1)
				} else {
					double(t, s, foreign.Config{Overtake: 50 * time.Millisecond})
				}
				eventually(t, "the second attempt", func() (bool, string) {
					log := api.log(t, j.ID)
					return strings.Contains(log, "attempt 2 of 3") && strings.Contains(log, "\nbegun\n"), log
				})
				touch(t, gate)
				if b = api.ended(t, b.ID); b.State != "passed" {
					t.Errorf("got %+v", b)
				}
				log := logHas(t, api, j.ID, "\ndone\n")
				if strings.Count(log, "\nbegun\n") != 1 {
					t.Errorf("the log of the second attempt has what the first said: %s", log)
				}
			})
		}
	}
}

// TestForeign_BesideOurs: two doubles and a worker of ours share a queue, doubles die and come again, and every job ends once.
func TestForeign_BesideOurs(t *testing.T) {
	t.Parallel()
	const builds = 12
	// One node: of two, one may take the first report of a run after the other has taken that of its successor. Nothing in the
	// protocol tells which of the two is dead; the job then waits for the limit of foreign runs.
	s := standard(t, 1, 1, "HEADRACE_LIMITS_ATTEMPTS=20")
	slowLogs(t)
	endpoint := scriptEndpoint(t, s)
	faulty := foreign.Config{BuildAPI: endpoint, Pool: 2, Overtake: 100 * time.Millisecond, Tail: 200 * time.Millisecond, FinalOnStop: true, Resets: 1}
	doubles := []*foreign.Worker{double(t, s, faulty), double(t, s, faulty)}
	script := "language: shell\nenv: [A=1, A=2, A=3]\nscript: for i in $(seq 1 50); do echo \"line $i of 50\"; sleep 0.01; done\n"
	s.api().addRepository(t, "acme/beside", repository(t, map[string]string{".travis.yml": script}))
	var asked []int64
	for range builds {
		asked = append(asked, s.api().trigger(t, "acme/beside", nil))
	}
	ran := func() (n int) {
		for _, w := range doubles {
			n += len(w.Runs())
		}
		return n
	}
	// The end of a log is not protected once such a worker has said that the job ended: who dies then takes it along.
	torn := map[uint64]bool{}
	for i, end := range []func(*foreign.Worker) error{(*foreign.Worker).Kill, (*foreign.Worker).Stop, (*foreign.Worker).Finish, (*foreign.Worker).Kill} {
		before := ran()
		eventually(t, "doubles take jobs", func() (bool, string) { return ran() >= before+2, fmt.Sprint(ran()) })
		if err := end(doubles[i]); err != nil {
			t.Errorf("end a double: %v", err)
		}
		for _, r := range doubles[i].Runs() {
			torn[r.JobID] = true
		}
		doubles = append(doubles, double(t, s, faulty))
	}
	var lines strings.Builder
	for i := range 50 {
		fmt.Fprintf(&lines, "line %d of 50\n", i+1)
	}
	workers := []string{}
	for _, id := range asked {
		b := s.api().ended(t, s.api().built(t, "acme/beside", id).ID)
		if b.State != "passed" {
			t.Errorf("build %s is %s: %+v", b.Number, b.State, b.Jobs)
		}
		for _, j := range b.Jobs {
			if torn[uint64(j.ID)] {
				checkPrefix(t, s.api().log(t, j.ID))
				continue
			}
			log := logHas(t, s.api(), j.ID, "Your build exited with")
			if !strings.Contains(log, lines.String()) {
				t.Errorf("the log of %s is not whole: %s", j.Number, tail(log, 2000))
			}
			if strings.Contains(log, "via amqp") && !slices.Contains(workers, "theirs") {
				workers = append(workers, "theirs")
			} else if !strings.Contains(log, "via amqp") && !slices.Contains(workers, "ours") {
				workers = append(workers, "ours")
			}
		}
	}
	if len(workers) != 2 {
		t.Errorf("only %v had jobs", workers)
	}
}

// checkPrefix finds the numbered lines of one run, in order and without a gap.
func checkPrefix(t *testing.T, log string) {
	t.Helper()
	next := 1
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, "line ") || !strings.HasSuffix(line, " of 50\n") {
			continue
		}
		if line != fmt.Sprintf("line %d of 50\n", next) {
			t.Errorf("line %d is missing or comes twice: %s", next, tail(log, 2000))
			return
		}
		next++
	}
}
