package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/internal/testkit"
)

// TestFault_OneNodeOfTwo: one of two nodes is cut from PostgreSQL, and later paused as a suspended machine is, while jobs run.
// The other one does all the work, each job is run once, no attempt is burnt; the first comes back by itself.
func TestFault_OneNodeOfTwo(t *testing.T) {
	t.Parallel()
	direct := testkit.Postgres(t)
	proxy, through := testkit.NewProxy(t, direct)
	o := outage{shape: shape{amqp: "HEADRACE_AMQP_URL=" + testkit.AMQP(t)}, gates: []string{"cut", "cut", "pause", "pause"}}
	both := []string{
		"HEADRACE_REDIS_URL=" + testkit.Redis(t), o.amqp, "HEADRACE_CLUSTER_KEY=" + seal.NewKey(), "HEADRACE_LIMITS_LEASE=" + leaseOf().String(),
	}
	o.addNode(t, "node-a", append([]string{"HEADRACE_POSTGRES_URL=" + direct}, both...))
	o.addNode(t, "node-b", append([]string{"HEADRACE_POSTGRES_URL=" + through}, both...))
	o.addWorker(t, "mill-1", len(o.gates)+1)
	var source string
	o.ledger, source = gated(t, o.gates...)
	o.api().addRepository(t, "acme/steady", source)
	o.build, o.jobs = o.ledger.running(t, o.api(), "acme/steady")
	o.api().addRepository(t, "acme/quick", repository(t, map[string]string{".travis.yml": "language: shell\nscript: echo quick\n"}))

	proxy.Shut(true)
	o.aside(t, true)
	o.works(t, "while node-b is cut from PostgreSQL")
	pause(t, lasting(leaseOf()+2*time.Second, 40*time.Second))
	o.ledger.open(t, "cut")
	o.awaitEnds(t, "cut")
	proxy.Shut(false)
	o.aside(t, false)

	node := o.nodes[1].cmd.Process
	if err := node.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	o.works(t, "while node-b is paused")
	pause(t, lasting(leaseOf()+2*time.Second, 40*time.Second))
	if err := node.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	o.aside(t, false)
	o.checkOnce(t, "the pause")
	o.ledger.open(t, "pause")
	if b := o.api().ended(t, o.build); b.State != "passed" {
		t.Errorf("the build is %s", b.State)
	}
	o.checkOnce(t, "all")
}

// works builds something through the first node.
func (o *outage) works(t *testing.T, when string) {
	t.Helper()
	if b := o.api().ended(t, o.api().built(t, "acme/quick", o.api().trigger(t, "acme/quick", nil)).ID); b.State != "passed" {
		t.Errorf("%s a build is %s", when, b.State)
	}
	o.checkOnce(t, when)
}

// aside waits until the second node says that it has stepped aside, or that it is back.
func (o *outage) aside(t *testing.T, want bool) {
	t.Helper()
	eventually(t, fmt.Sprintf("node-b aside: %t", want), func() (bool, string) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.apis[1].url+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false, err.Error()
		}
		defer resp.Body.Close()
		var body struct {
			Services map[string]struct {
				Up bool `json:"up"`
			} `json:"services"`
		}
		text, _ := io.ReadAll(resp.Body)
		if err := json.Unmarshal(text, &body); err != nil {
			return false, string(text)
		}
		workers, said := body.Services["workers"]
		return said && workers.Up != want && (resp.StatusCode == http.StatusOK) != want, resp.Status + string(text)
	})
}
