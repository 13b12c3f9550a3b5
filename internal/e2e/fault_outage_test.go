package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/internal/testkit/servers"
)

// outage is a platform node and workers on servers of their own, with jobs that run while the servers go and come back.
type outage struct {
	shape
	postgres *servers.Server
	rabbitmq *servers.RabbitMQ
	ledger   ledger
	build    int64
	jobs     []job
	gates    []string // of each job: the fault in which it ends
}

// purged is how many jobs' last reports a fault loses.
const purged = 9

// TestFault_Outages: twenty jobs and more run while RabbitMQ, PostgreSQL and the only platform node go or hang and come back,
// the virtual host is made anew and the queues of reports are purged. Each job is run once, no attempt is burnt, every log
// is whole.
func TestFault_Outages(t *testing.T) {
	t.Parallel()
	o := startOutage(t)
	for _, fault := range []struct {
		name string
		f    func(*testing.T, *outage)
		long bool // left to the long form
	}{
		{"dead platform", deadPlatform, true}, {"paused platform", pausedPlatform, true}, {"stopped broker", stoppedBroker, false},
		{"hanging broker", hangingBroker, true}, {"dead database", deadDatabase, false}, {"new virtual host", newVhost, false},
		{"purged reports", purgedReports, false},
	} {
		if fault.long && !verifying() {
			continue
		}
		began := time.Now()
		fault.f(t, o)
		for _, api := range o.apis {
			ready(t, api.url)
		}
		o.checkOnce(t, fault.name)
		o.ledger.caughtUp(t, o.api(), o.jobs)
		t.Logf("%s: came back, and all logs with it, after %s in all", fault.name, time.Since(began).Round(time.Millisecond))
		o.checkOnce(t, fault.name)
	}
	o.ledger.open(t, "end")
	if b := o.api().ended(t, o.build); b.State != "passed" {
		t.Errorf("the build is %s", b.State)
	}
	for _, j := range o.api().jobs(t, o.build) {
		if j.State != "passed" {
			t.Errorf("at the end: %+v", j)
		}
		o.ledger.checkLog(t, o.api(), j, o.ledger.runs(t, j.ID)[0])
	}
}

// startOutage starts everything, and the jobs on two workers.
func startOutage(t *testing.T) *outage {
	t.Helper()
	o := &outage{postgres: testkit.OwnPostgres(t, servers.Durable), rabbitmq: testkit.OwnRabbitMQ(t)}
	o.amqp = "HEADRACE_AMQP_URL=" + o.rabbitmq.URL()
	o.addNode(t, "node-a", []string{
		"HEADRACE_POSTGRES_URL=" + o.postgres.URL(), "HEADRACE_REDIS_URL=" + testkit.OwnRedis(t).URL(), o.amqp,
		"HEADRACE_LIMITS_LEASE=" + leaseOf().String(),
	})
	o.gates = slices.Concat(slices.Repeat([]string{"database"}, 2), slices.Repeat([]string{"vhost"}, purged), slices.Repeat([]string{"purge"}, purged),
		slices.Repeat([]string{"end"}, 4))
	o.addWorker(t, "mill-1", len(o.gates)/2)
	o.addWorker(t, "mill-2", len(o.gates)/2)
	var source string
	o.ledger, source = gated(t, o.gates...)
	o.api().addRepository(t, "acme/steady", source)
	o.build, o.jobs = o.ledger.running(t, o.api(), "acme/steady")
	return o
}

// checkOnce finds each job run once, in its first attempt.
func (o *outage) checkOnce(t *testing.T, after string) {
	t.Helper()
	for _, j := range o.api().jobs(t, o.build) {
		if runs := o.ledger.runs(t, j.ID); len(runs) != 1 || j.Attempt != 1 {
			t.Fatalf("after %s: job %s was run %d times, it is %s in attempt %d", after, j.Number, len(runs), j.State, j.Attempt)
		}
	}
}

// deadPlatform kills the only node and starts it again later.
func deadPlatform(t *testing.T, o *outage) {
	t.Helper()
	o.nodes[0].kill()
	pause(t, lasting(leaseOf()+time.Second, 20*time.Second))
	o.nodes[0].start()
}

// pausedPlatform stops the only node for a while, as a suspended machine does, and lets it go on.
func pausedPlatform(t *testing.T, o *outage) {
	t.Helper()
	node := o.nodes[0].cmd.Process
	if err := node.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	pause(t, leaseOf()+time.Second)
	if err := node.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// hangingBroker makes RabbitMQ say nothing for a while; the connections stay.
func hangingBroker(t *testing.T, o *outage) {
	t.Helper()
	if err := o.rabbitmq.Freeze(); err != nil {
		t.Fatal(err)
	}
	pause(t, leaseOf()+time.Second)
	if err := o.rabbitmq.Thaw(); err != nil {
		t.Fatal(err)
	}
}

// stoppedBroker stops RabbitMQ for a while. A worker that is started meanwhile waits, says so, and then takes the job that
// was asked for meanwhile; the others have no room.
func stoppedBroker(t *testing.T, o *outage) {
	t.Helper()
	api := o.api()
	api.addRepository(t, "acme/meanwhile", repository(t, map[string]string{".travis.yml": "language: shell\nscript: echo at last\n"}))
	if err := o.rabbitmq.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	away := time.Now()
	late := o.addWorker(t, "mill-3", 1)
	meanwhile := api.built(t, "acme/meanwhile", api.trigger(t, "acme/meanwhile", nil))
	eventually(t, "the worker says what it waits for", func() (bool, string) {
		return strings.Contains(late.out.String(), "waiting for the message broker"), late.out.String()
	})
	pause(t, lasting(leaseOf(), 40*time.Second)-time.Since(away))
	if err := o.rabbitmq.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	eventually(t, "connection of the worker that came before the broker", func() (bool, string) {
		return strings.Contains(late.out.String(), "taking jobs"), late.out.String()
	})
	t.Logf("RabbitMQ was away for %s; the waiting worker was connected %s later", back.Sub(away).Round(time.Second), time.Since(back).Round(time.Millisecond))
	o.reconnected(t, back)
	b := api.ended(t, meanwhile.ID)
	if j := api.jobs(t, b.ID)[0]; b.State != "passed" || j.Worker != "mill-3" || j.Attempt != 1 {
		t.Errorf("the job that was asked for meanwhile: %+v", j)
	}
}

// reconnected waits until the nodes and the workers that lost the broker are connected again, and says how long each took: 5 s
// are promised, and what is measured here depends on the machine.
func (o *outage) reconnected(t *testing.T, back time.Time) {
	t.Helper()
	for _, p := range slices.Concat(o.nodes, o.workers) {
		eventually(t, p.name+" connects again", func() (bool, string) {
			log := p.out.String()
			return strings.LastIndex(log, "connected to RabbitMQ\"") > strings.LastIndex(log, "no connection to RabbitMQ"), tail(log, 1000)
		})
		t.Logf("%s was connected at most %s after RabbitMQ took connections", p.name, time.Since(back).Round(time.Millisecond))
	}
}

// deadDatabase kills PostgreSQL and starts it again later; meanwhile some jobs end.
func deadDatabase(t *testing.T, o *outage) {
	t.Helper()
	if err := o.postgres.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.ledger.open(t, "database")
	pause(t, lasting(leaseOf()+time.Second, 30*time.Second))
	if err := o.postgres.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ready(t, o.api().url)
	o.awaitEnds(t, "database")
}

// newVhost deletes the virtual host with all that is in it, ends some of the jobs, and makes it again.
func newVhost(t *testing.T, o *outage) {
	t.Helper()
	o.manage(t, http.MethodDelete, "/api/vhosts/travis", "")
	o.ledger.open(t, "vhost")
	pause(t, 2*time.Second) // for the jobs to end, with nobody to hear it
	o.manage(t, http.MethodPut, "/api/vhosts/travis", "{}")
	o.manage(t, http.MethodPut, "/api/permissions/travis/travis", `{"configure":".*","write":".*","read":".*"}`)
	o.awaitEnds(t, "vhost")
}

// purgedReports ends some more while no node lives, and empties both queues before one does.
func purgedReports(t *testing.T, o *outage) {
	t.Helper()
	o.nodes[0].kill()
	o.ledger.open(t, "purge")
	const queues = "/api/queues/travis/"
	eventually(t, "a report of each end in the queue", func() (bool, string) {
		text, err := o.rabbitmq.Manage(t.Context(), http.MethodGet, queues+"reporting.jobs.builds", "")
		return strings.Contains(text, fmt.Sprintf(`"messages_ready":%d,`, purged)), fmt.Sprint(text, err)
	})
	for _, queue := range []string{"reporting.jobs.builds", "reporting.jobs.logs"} {
		o.manage(t, http.MethodDelete, queues+queue+"/contents", "")
	}
	o.nodes[0].start()
	ready(t, o.api().url)
	o.awaitEnds(t, "purge")
}

// awaitEnds waits until the results of the jobs behind a gate are stored.
func (o *outage) awaitEnds(t *testing.T, gate string) {
	t.Helper()
	for i, j := range o.jobs {
		if o.gates[i] == gate {
			awaitJob(t, o.api(), j.ID, "passed")
		}
	}
}

func (o *outage) manage(t *testing.T, method, path, body string) {
	t.Helper()
	if _, err := o.rabbitmq.Manage(t.Context(), method, path, body); err != nil {
		t.Fatal(err)
	}
}
