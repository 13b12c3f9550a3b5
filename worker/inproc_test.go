package worker_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/broker/inproc"
	"github.com/headrace/headrace/worker"
	"github.com/headrace/headrace/worker/executor/local"
	"github.com/headrace/headrace/worker/script"
)

// TestWorker_withItsRealParts runs a real script with the carrier of the trial: taken, canceled, drained.
func TestWorker_withItsRealParts(t *testing.T) {
	t.Parallel()
	e, err := local.Open(local.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	c := inproc.New()
	b := setupOn(t, c, e, func(cfg *worker.Config) {
		cfg.Generate = func(j broker.Job) ([]byte, error) { return script.Generate(j, script.Options{}) }
	})
	offer := func(id int64, config string) {
		j := newJob(id, "")
		j.Config = json.RawMessage(config)
		m, err := j.Message()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.DeclareQueue(t.Context(), broker.DefaultJobQueue); err != nil {
		t.Fatal(err)
	}
	offer(1, `{"language":"generic","git":{"clone":false},"script":["echo one","false"]}`)
	offer(2, `{"language":"generic","git":{"clone":false},"script":["echo ready; sleep 600"]}`)
	if r := b.hub.awaitEnd(1); r.states != "started failed" || !strings.Contains(r.log, "\none\n") {
		t.Errorf("states %q, log:\n%s", r.states, r.log)
	}
	b.hub.awaitLog(2, "\nready\n")
	m, err := broker.Encode(broker.CommandsExchange, "", broker.TypeCancel, broker.Cancel{JobID: 2, Attempt: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if r := b.hub.awaitEnd(2); r.states != "started canceled" {
		t.Errorf("states %q, log:\n%s", r.states, r.log)
	}
	b.w.Drain()
	b.await(t)
}
