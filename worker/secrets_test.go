package worker_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/worker"
)

// TestSecrets_reachTheScriptAndNothingElse: they come by the claim's answer, and the log has a mark where they were.
func TestSecrets_reachTheScriptAndNothingElse(t *testing.T) {
	const value = "canary-9f8e7d6c5b4a"
	var made broker.Job
	generate := func(c *worker.Config) {
		c.Generate = func(j broker.Job) ([]byte, error) {
			made = j
			return []byte("true"), nil
		}
	}
	bubble(t, generate, func(t *testing.T, b *bundle) {
		b.hub.set(func() { b.hub.secrets = []broker.EnvVar{{Name: "TOKEN", Value: value}} })
		var mu sync.Mutex
		var seen []string
		b.c.setRefuse(func(m broker.Message) error {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, string(m.Body))
			return nil
		})
		job := newJob(7, "")
		job.EnvVars = []broker.EnvVar{{Name: "REGION", Value: "eu north", Public: true}}
		b.offer(t, job)
		p := <-b.exec.started
		p.say("eu north, first canary-9f8e")
		p.say("7d6c5b4a, then canary-9")
		synctest.Wait()
		p.say("f8e7d6c5b4a and canary-9f")
		p.end(0)
		got := b.hub.awaitEnd(7)
		if want := "eu north, first [secure], then [secure] and canary-9f"; !strings.Contains(got.log, want) {
			t.Errorf("the log is %q, want %q in it", got.log, want)
		}
		vars, err := json.Marshal(made.EnvVars)
		if want := `[{"name":"REGION","value":"eu north","public":true},{"name":"TOKEN","value":"` + value + `","public":false}]`; err != nil || string(vars) != want {
			t.Errorf("the script was made with %s, %v; want %s", vars, err, want)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, body := range seen {
			if strings.Contains(body, value) {
				t.Errorf("a message holds the secret: %s", body)
			}
		}
		if b.logged.count(value) != 0 {
			t.Error("the worker's log holds the secret")
		}
	})
}

// TestSecrets_trouble: a job whose secrets cannot be had is not run without them.
func TestSecrets_trouble(t *testing.T) {
	for name, set := range map[string]func(*hub){
		"said by the platform": func(h *hub) { h.trouble = "A value was sealed with the cluster key 0badcafe." },
		"not for this worker": func(h *hub) {
			h.secrets, h.address = []broker.EnvVar{{Name: "A", Value: "hunter2"}}, func(q *broker.Claim) { q.Run = "another" }
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, b *bundle) {
				b.hub.set(func() { set(b.hub) })
				b.offer(t, newJob(7, ""))
				got := b.hub.awaitEnd(7)
				if len(b.exec.started) != 0 || !strings.Contains(got.states, "errored") || !strings.Contains(got.log, "secret variables of this job cannot be had") {
					t.Errorf("%d processes, result %+v", len(b.exec.started), got)
				}
			})
		})
	}
}
