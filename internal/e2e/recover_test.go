package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/internal/testkit/servers"
)

// TestFault_WorkerKilledWithReportsUnsent: while RabbitMQ is away one job of a worker ends and another goes on. The worker
// is killed and started again. What had ended arrives as it was, without a second run; the other begins again.
func TestFault_WorkerKilledWithReportsUnsent(t *testing.T) {
	t.Parallel()
	rabbitmq := testkit.OwnRabbitMQ(t)
	s := shape{amqp: "HEADRACE_AMQP_URL=" + rabbitmq.URL()}
	s.addNode(t, "node-a", []string{
		"HEADRACE_POSTGRES_URL=" + testkit.OwnPostgres(t, servers.Durable).URL(), "HEADRACE_REDIS_URL=" + testkit.OwnRedis(t).URL(), s.amqp,
		"HEADRACE_LIMITS_LEASE=" + leaseOf().String(),
	})
	mill := startService(t, []string{s.amqp})
	api := s.api()
	l, source := gated(t, "ends", "later")
	api.addRepository(t, "acme/kept", source)
	id, jobs := l.running(t, api, "acme/kept")
	if err := rabbitmq.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.open(t, "ends")
	awaitGone(t, l.runs(t, jobs[0].ID)[0])
	mill.status("a run that ended", 1, func(w workerState) bool { return w.Unstored == 1 && len(w.Runs) == 1 })
	mill.kill()
	if err := rabbitmq.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ready(t, api.url)
	mill.start()
	awaitJob(t, api, jobs[0].ID, "passed")
	var kept, is job
	api.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/job/%d", jobs[0].ID), nil, &kept)
	if runs := l.runs(t, kept.ID); len(runs) != 1 || kept.Attempt != 1 {
		t.Errorf("the job that had ended: %+v with runs %v", kept, runs)
	}
	l.checkLog(t, api, kept, l.runs(t, kept.ID)[0])
	again := l.awaitRuns(t, jobs[1].ID, 2)
	l.open(t, "later")
	if b := api.ended(t, id); b.State != "passed" {
		t.Errorf("the build is %s", b.State)
	}
	api.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/job/%d", jobs[1].ID), nil, &is)
	if is.Attempt != 2 || len(again) != 2 {
		t.Errorf("the job that had not ended: %+v with runs %v", is, again)
	}
	l.checkLog(t, api, is, again[1])
	eventually(t, "an empty spool", func() (bool, string) {
		left, err := filepath.Glob(filepath.Join(mill.dir, "spool", "*"))
		return err == nil && len(left) == 0, strings.Join(left, " ")
	})
}
