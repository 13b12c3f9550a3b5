package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/internal/testkit/foreign"
	"github.com/headrace/headrace/internal/testkit/historytest"
)

// ourSteps are the moments at which a worker of ours is killed. The first two are seen on its way to the broker, before the
// worker hears of them; so are the last report, before the broker hears of it, and the same, stored.
var ourSteps = []string{"delivered", "granted", "started", "in the middle", "finish on its way", "finish stored"}

// TestForeign_KilledAtEachStep: two doubles and a worker of ours share a queue. Each kind is killed at each step of its work;
// the job ends right, with the others' help where that is needed, and its log is whole where anybody had it to send.
func TestForeign_KilledAtEachStep(t *testing.T) {
	t.Parallel()
	t.Run("a double", func(t *testing.T) {
		t.Parallel()
		k := newKiller(t)
		for _, step := range foreign.Steps() {
			k.killDouble(t, step)
		}
	})
	for _, step := range ourSteps {
		t.Run("ours, "+step, func(t *testing.T) {
			t.Parallel()
			newKiller(t).killOurs(t, step)
		})
	}
}

// killer has one build after another run by a worker that is killed.
type killer struct {
	shape
	endpoint string
	gate     string
	builds   int
}

func newKiller(t *testing.T) *killer {
	t.Helper()
	s := standard(t, 1, 0, "HEADRACE_LIMITS_LEASE="+leaseOf().String())
	slowLogs(t)
	k := &killer{shape: s, endpoint: scriptEndpoint(t, s), gate: filepath.Join(t.TempDir(), "gate")}
	script := "for i in $(seq 1 30); do echo \"line $i of 60\"; done\nwhile [ ! -e " + k.gate + ".$1 ]; do sleep 0.05; done\nfor i in $(seq 31 60); do echo \"line $i of 60\"; done\n"
	source := repository(t, map[string]string{".travis.yml": "language: shell\nscript: sh job.sh $TRAVIS_BUILD_NUMBER\n", "job.sh": script})
	s.api().addRepository(t, "acme/steps", source)
	return k
}

func (k *killer) double(t *testing.T, hold foreign.Step) *foreign.Worker {
	t.Helper()
	return double(t, k.shape, foreign.Config{BuildAPI: k.endpoint, HoldAt: hold})
}

// begin asks for a build; its script waits at the gate unless that is open.
func (k *killer) begin(t *testing.T, open bool) build {
	t.Helper()
	k.builds++
	if open {
		touch(t, fmt.Sprintf("%s.%d", k.gate, k.builds))
	}
	b := k.api().built(t, "acme/steps", k.api().trigger(t, "acme/steps", nil))
	b.Jobs = k.api().jobs(t, b.ID)
	return b
}

// end opens the gate and finds the job passed on the attempt, with a whole log unless it is torn.
func (k *killer) end(t *testing.T, name string, b build, attempt int, torn bool) {
	t.Helper()
	touch(t, fmt.Sprintf("%s.%d", k.gate, k.builds))
	if b = k.api().ended(t, b.ID); b.State != "passed" {
		t.Errorf("killed when %s: the build is %s: %+v", name, b.State, b.Jobs)
		return
	}
	j := b.Jobs[0]
	if j.Attempt != attempt {
		t.Errorf("killed when %s: the job passed on attempt %d, want %d", name, j.Attempt, attempt)
	}
	if !torn {
		logHas(t, k.api(), j.ID, "line 60 of 60\n")
	}
	var lines []string
	for line := range strings.Lines(k.api().log(t, j.ID)) {
		if line = strings.TrimRight(line, "\r\n"); strings.HasPrefix(line, "line ") {
			lines = append(lines, line)
		}
	}
	if err := historytest.Counts(lines, !torn); err != nil {
		t.Errorf("killed when %s: the log of attempt %d: %v", name, j.Attempt, err)
	}
	t.Logf("killed when %s: passed on attempt %d, %d lines", name, j.Attempt, len(lines))
}

// killDouble holds a double at the step, has two others come, and kills it.
func (k *killer) killDouble(t *testing.T, step foreign.Step) {
	t.Helper()
	victim := k.double(t, step)
	b := k.begin(t, step == foreign.Finished || step == foreign.Acked)
	select {
	case <-victim.Held():
	case <-time.After(patience):
		t.Fatalf("the double does not come to %q", step)
	}
	switch step {
	case foreign.Received:
		awaitJob(t, k.api(), b.Jobs[0].ID, "received")
	case foreign.Started, foreign.Logging:
		awaitJob(t, k.api(), b.Jobs[0].ID, "started")
	case foreign.Finished, foreign.Acked:
		awaitJob(t, k.api(), b.Jobs[0].ID, "passed")
	}
	ours, other := k.addWorker(t, fmt.Sprintf("mill-%d", k.builds), 1), k.double(t, "")
	if err := victim.Kill(); err != nil {
		t.Errorf("kill a double: %v", err)
	}
	reported := slices.Contains([]foreign.Step{foreign.Received, foreign.Started, foreign.Logging}, step)
	attempt, torn := 1, step == foreign.Finished || step == foreign.Acked
	if reported {
		attempt = 2
	}
	k.end(t, "a double had "+string(step), b, attempt, torn)
	ours.stop()
	if err := other.Finish(); err != nil {
		t.Errorf("end a double: %v", err)
	}
}

// killOurs starts a worker of ours behind a proxy that sees what it hears and says, has two doubles come, and kills it.
func (k *killer) killOurs(t *testing.T, step string) {
	t.Helper()
	if step == "finish stored" {
		except(t, "a worker that dies for good may take the end of a log along", historytest.Logs)
	}
	there, killed := make(chan struct{}, 1), make(chan struct{})
	release := sync.OnceFunc(func() { close(killed) })
	defer release() // for the proxy's end, when the test fails
	hold := func(at string, is func(body []byte) bool) func([]byte) {
		return func(body []byte) {
			if step != at || !is(body) {
				return
			}
			select {
			case there <- struct{}{}:
			default:
			}
			<-killed // and both connections with it: it never gets there
		}
	}
	has := func(words ...string) func([]byte) bool {
		return func(body []byte) bool {
			return !slices.ContainsFunc(words, func(w string) bool { return !bytes.Contains(body, []byte(w)) })
		}
	}
	delivered, granted := hold("delivered", has(`"job":`, `"config":`)), hold("granted", has(`"granted":true`))
	wire, url := testkit.NewAMQPProxy(t, strings.TrimPrefix(k.amqp, "HEADRACE_AMQP_URL="),
		func(body []byte) { delivered(body); granted(body) }, hold("finish on its way", has(`"state":"passed"`, `"meta"`)))
	ours := shape{amqp: "HEADRACE_AMQP_URL=" + url}
	victim := ours.addWorker(t, fmt.Sprintf("victim-%d", k.builds), 1)
	b := k.begin(t, strings.HasPrefix(step, "finish"))
	switch step {
	case "started":
		awaitJob(t, k.api(), b.Jobs[0].ID, "started")
	case "in the middle":
		logHas(t, k.api(), b.Jobs[0].ID, "line 30 of 60\n")
	case "finish stored":
		awaitJob(t, k.api(), b.Jobs[0].ID, "passed")
	default:
		select {
		case <-there:
		case <-time.After(patience):
			t.Fatalf("the worker does not come to %q", step)
		}
	}
	others := []*foreign.Worker{k.double(t, ""), k.double(t, "")}
	victim.kill()
	wire.Cut()
	release()
	attempt := 2
	if step == "delivered" || step == "finish stored" {
		attempt = 1
	}
	k.end(t, "ours had "+step, b, attempt, step == "finish stored")
	for _, w := range others {
		if err := w.Finish(); err != nil {
			t.Errorf("end a double: %v", err)
		}
	}
}

// TestForeign_LateFinish: the first worker loses its job by a broken connection and is not dead. What it says of attempt 1
// after attempt 2 has begun, its result and the rest of its log, counts for nothing.
func TestForeign_LateFinish(t *testing.T) {
	t.Parallel()
	s := standard(t, 1, 0)
	slowLogs(t)
	api := s.api()
	gate := filepath.Join(t.TempDir(), "gate")
	script := "language: shell\nscript: echo begun; while [ ! -e " + gate + " ]; do sleep 0.05; done; echo done\n"
	api.addRepository(t, "acme/late", repository(t, map[string]string{".travis.yml": script}))
	first := double(t, s, foreign.Config{HoldAt: foreign.Logging})
	b := api.built(t, "acme/late", api.trigger(t, "acme/late", nil))
	<-first.Held()
	id := api.jobs(t, b.ID)[0].ID
	awaitJob(t, api, id, "started")
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	second := double(t, s, foreign.Config{})
	eventually(t, "the second attempt", func() (bool, string) {
		log := api.log(t, id)
		return strings.Contains(log, "attempt 2 of 3") && strings.Contains(log, "\nbegun\n"), log
	})
	late, run := publisher(t, s.amqp), first.Runs()[0].UUID
	say := func(m broker.Message, body map[string]any) {
		t.Helper()
		var err error
		if m.Body, err = json.Marshal(body); err == nil {
			err = late.Publish(t.Context(), m)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for n, state := range []string{"failed", "passed"} {
		say(broker.Message{Key: broker.StateQueue, Type: broker.TypeFinish}, map[string]any{
			"id": id, "state": state, "finished_at": time.Now().UTC().Format(time.RFC3339), "meta": map[string]any{"state_update_count": 1002 + n, "uuid": run},
		})
	}
	say(broker.Message{Exchange: broker.ReportingExchange, Key: broker.LogQueue, Type: broker.TypeLog}, map[string]any{
		"id": id, "log": "from the dead\n", "number": 900, "uuid": run, "final": true,
	})
	drained(t, s)
	var is job
	api.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/job/%d", id), nil, &is)
	if is.State != "started" || is.Attempt != 2 {
		t.Errorf("after the late finish: %+v", is)
	}
	touch(t, gate)
	if b = api.ended(t, b.ID); b.State != "passed" || len(second.Runs()) != 1 {
		t.Errorf("got %+v after %d runs", b, len(second.Runs()))
	}
	if log := logHas(t, api, id, "\ndone\n"); strings.Contains(log, "from the dead") {
		t.Errorf("the log of the second attempt has what the first said:\n%s", log)
	}
}

// drained waits until the platform has taken all reports and log parts off their queues.
func drained(t *testing.T, s shape) {
	t.Helper()
	c := publisher(t, s.amqp)
	for _, queue := range []string{broker.StateQueue, broker.LogQueue} {
		eventually(t, "the empty queue "+queue, func() (bool, string) {
			info, err := c.Inspect(t.Context(), queue)
			return err == nil && info.Ready == 0, fmt.Sprint(info, err)
		})
	}
}
