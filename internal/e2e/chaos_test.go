package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/internal/testkit/foreign"
	"github.com/headrace/headrace/internal/testkit/historytest"
	"github.com/headrace/headrace/internal/testkit/servers"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

// The size of the run: in everyday tests each fault strikes once, in the long form several times, and lasts as promised.
const (
	chaosBuilds = 300
	chaosLines  = 20
)

func chaosRounds() int {
	if verifying() {
		return 3
	}
	return 1
}

// chaos is a cluster on servers of its own, with everything that is made to fail in it.
type chaos struct {
	shape
	postgres *servers.Server
	redis    *servers.Server
	rabbitmq *servers.RabbitMQ
	load     *load
	ledger   ledger
	dropped  atomic.Int64 // answers to claims
	endpoint string
	double   *foreign.Worker
	torn     map[int64]bool // jobs that a double may have had when it died
}

// TestChaos: 300 builds through two nodes and three workers, one of them a double of the foreign one, while a worker and a
// node are killed, RabbitMQ and PostgreSQL restarted and Redis emptied, and one in three answers to a claim is lost. Every
// accepted request has its build, every attempt ends once, every log is complete and in order.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("runs 300 builds; left out by -short")
	}
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	c := startChaos(t)
	ctx, stop := context.WithCancel(t.Context())
	var askers sync.WaitGroup
	defer askers.Wait()
	defer stop()
	builds := chaosBuilds * chaosRounds()
	for range 3 {
		askers.Go(func() { c.load.runTo(ctx, builds) })
	}
	faults := []struct {
		name string
		f    func(*testing.T)
	}{{"worker killed", c.killWorker}, {"node killed", c.killNode}, {"RabbitMQ restarted", c.restartBroker}, {"PostgreSQL restarted", c.restartDatabase}, {"Redis emptied", c.emptyRedis}}
	began, struck := time.Now(), 0
	for range chaosRounds() {
		random.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
		for _, fault := range faults {
			struck++
			c.awaitEnds(t, struck*builds/(len(faults)*chaosRounds()+1))
			at := time.Now()
			fault.f(t)
			t.Logf("%s at %s, for %s", fault.name, at.Sub(began).Round(time.Millisecond), time.Since(at).Round(time.Millisecond))
		}
	}
	c.awaitEnds(t, builds)
	t.Logf("%d builds ended after %s; %d answers to claims were lost", builds, time.Since(began).Round(time.Millisecond), c.dropped.Load())
	if c.dropped.Load() < chaosBuilds/20 {
		t.Error("hardly any answer to a claim was lost")
	}
	c.check(t, builds)
}

func startChaos(t *testing.T) *chaos {
	t.Helper()
	c := &chaos{postgres: testkit.OwnPostgres(t, servers.Durable), redis: testkit.OwnRedis(t), rabbitmq: testkit.OwnRabbitMQ(t), torn: map[int64]bool{}}
	c.amqp = "HEADRACE_AMQP_URL=" + c.rabbitmq.URL()
	except(t, "a double that is killed takes the end of logs along", historytest.TornLogs)
	env := []string{
		"HEADRACE_POSTGRES_URL=" + c.postgres.URL(), "HEADRACE_REDIS_URL=" + c.redis.URL(), c.amqp, "HEADRACE_LIMITS_LEASE=" + leaseOf().String(),
		"HEADRACE_CLUSTER_KEY=" + seal.NewKey(), // one for both, or no node gives scripts for what the other hands out
	}
	c.addNode(t, "node-a", env)
	c.addNode(t, "node-b", env)
	var answers atomic.Int64
	_, lossy := testkit.NewAMQPProxy(t, c.rabbitmq.URL(), func(body []byte) {
		if bytes.Contains(body, []byte(`"granted":`)) && answers.Add(1)%3 == 0 {
			c.dropped.Add(1)
			misaddress(body)
		}
	}, func([]byte) {})
	ours := shape{amqp: "HEADRACE_AMQP_URL=" + lossy}
	ours.addWorker(t, "mill-1", 4)
	ours.addWorker(t, "mill-2", 4)
	c.workers = ours.workers
	c.endpoint = scriptEndpoint(t, c.shape)
	c.startDouble(t)
	t.Cleanup(func() { _ = c.double.Kill() })
	judgeOf(t)
	c.ledger = ledger{dir: t.TempDir()}
	script := fmt.Sprintf("echo $HOME >> %s/$TRAVIS_JOB_ID.runs\nfor i in $(seq 1 %d); do echo \"line $i of %d\"; done\n", c.ledger.dir, chaosLines, chaosLines)
	source := repository(t, map[string]string{".travis.yml": "language: shell\nscript: sh job.sh\n", "job.sh": script})
	c.api().addRepository(t, "acme/load", source)
	c.load = newLoad(c.apis)
	return c
}

// misaddress makes an answer to a claim one to a run that nobody has.
func misaddress(body []byte) {
	const before = `"run":"`
	i := bytes.Index(body, []byte(before))
	if i < 0 {
		return
	}
	for i += len(before); body[i] != '"'; i++ {
		body[i] = 'x'
	}
}

func (c *chaos) startDouble(t *testing.T) {
	t.Helper()
	w, err := foreign.Start(foreign.Config{
		AMQP: c.rabbitmq.URL(), Queue: "builds.linux", BuildAPI: c.endpoint, Dir: filepath.Join(t.TempDir(), "double"), ScriptTries: 50,
		Pool: 2, Overtake: 50 * time.Millisecond, Tail: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.double = w
}

// endDouble kills the double: the real one ends when its connection does.
func (c *chaos) endDouble() {
	_ = c.double.Kill()
	for _, r := range c.double.Runs() {
		c.torn[int64(r.JobID)] = true
	}
}

func (c *chaos) killWorker(t *testing.T) {
	t.Helper()
	c.workers[0].kill()
	pause(t, lasting(time.Second, 30*time.Second))
	c.workers[0].start()
}

// killNode kills the node that does not serve the double: that has no other to ask.
func (c *chaos) killNode(t *testing.T) {
	t.Helper()
	c.nodes[1].kill()
	pause(t, lasting(time.Second, 20*time.Second))
	c.nodes[1].start()
	ready(t, c.apis[1].url)
}

func (c *chaos) restartBroker(t *testing.T) {
	t.Helper()
	if err := c.rabbitmq.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.endDouble()
	pause(t, lasting(0, 40*time.Second))
	if err := c.rabbitmq.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.startDouble(t)
}

func (c *chaos) restartDatabase(t *testing.T) {
	t.Helper()
	if err := c.postgres.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	pause(t, lasting(time.Second, 30*time.Second))
	if err := c.postgres.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (c *chaos) emptyRedis(t *testing.T) {
	t.Helper()
	options, err := redis.ParseURL(c.redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

// awaitEnds waits until so many builds have ended; it is patient as long as some do.
func (c *chaos) awaitEnds(t *testing.T, n int) {
	t.Helper()
	db, err := sql.Open("postgres", c.postgres.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ended := 0
	for ended < n {
		before := ended
		eventually(t, fmt.Sprintf("more than %d of %d builds", before, n), func() (bool, string) {
			err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM builds WHERE finished_at IS NOT NULL").Scan(&ended)
			return err == nil && ended > before, fmt.Sprint(ended, err)
		})
	}
}

// check finds every accepted request with a build of its own that passed, its log whole, and no script run more often by our
// workers than they were given the job.
func (c *chaos) check(t *testing.T, builds int) {
	t.Helper()
	h, err := historytest.Read(t.Context(), store.Config{PostgresURL: c.postgres.URL()})
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Requests) != builds || len(h.Builds) != builds || c.load.count() != builds {
		t.Errorf("%d requests were accepted; there are %d, and %d builds", c.load.count(), len(h.Requests), len(h.Builds))
	}
	theirs, again, unasked := 0, 0, 0
	for _, b := range h.Builds {
		if b.State != ci.Passed {
			t.Errorf("build %d is %s", b.Number, b.State)
			continue
		}
		j := b.Jobs[0]
		last := h.Attempts[j.ID][j.Attempt-1]
		if last.Unclaimed {
			theirs++
		}
		if j.Attempt > 1 {
			again++
		}
		if len(last.Log.Counted) != chaosLines && !c.torn[j.ID] {
			t.Errorf("the log of build %d has %d of %d lines", b.Number, len(last.Log.Counted), chaosLines)
		}
		given := map[bool]int{} // by whether the worker claims
		for _, a := range h.Attempts[j.ID] {
			if a.Run != "" {
				given[!a.Unclaimed]++
			}
		}
		run := map[bool]int{}
		for _, home := range c.ledger.lines(t, fmt.Sprintf("%d.runs", j.ID)) {
			run[!strings.Contains(home, "/double/")]++
		}
		if run[true] > given[true] || run[true]+run[false] == 0 {
			t.Errorf("our workers ran the script of build %d %d times; they were given it %d times", b.Number, run[true], given[true])
		}
		unasked += max(0, run[false]-given[false])
	}
	// Who does not claim cannot be kept from running what the broker delivers twice; it counts once all the same.
	t.Logf("%d jobs were run by the double, %d had more than one attempt, %d runs of the double counted for nothing", theirs, again, unasked)
	if theirs < builds/20 || theirs == builds {
		t.Errorf("of %d jobs %d were the double's", builds, theirs)
	}
	if left, err := os.ReadDir(c.ledger.dir); err != nil || len(left) != builds {
		t.Errorf("%d jobs have run (%v)", len(left), err)
	}
}
