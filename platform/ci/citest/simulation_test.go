package citest

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMain lets garbage pile up: a schedule makes much of it, and holds little.
func TestMain(m *testing.M) {
	debug.SetGCPercent(2000)
	os.Exit(m.Run())
}

// howMany says how many schedules to explore: HEADRACE_SIM, 100,000 under `make verify`, else 10,000; with the race
// detector 1,000.
func howMany(t *testing.T) uint64 {
	t.Helper()
	if text := os.Getenv("HEADRACE_SIM"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("HEADRACE_SIM is the number of schedules to explore: %v", err)
		}
		return n
	}
	switch {
	case os.Getenv("HEADRACE_VERIFY") == "1":
		return 100_000
	case testing.Short() || raced:
		return 1000
	}
	return 10_000
}

// eachSeed runs f for the seeds from 1 to n, on all processors.
func eachSeed(t *testing.T, n uint64, f func(t *testing.T, seed uint64)) {
	t.Helper()
	lanes := uint64(runtime.GOMAXPROCS(0))
	for lane := range lanes {
		t.Run(fmt.Sprintf("lane %d", lane+1), func(t *testing.T) {
			t.Parallel()
			for seed := 1 + lane; seed <= n; seed += lanes {
				f(t, seed)
			}
		})
	}
}

// TestSchedules explores what may go wrong, in every second schedule with workers on the queue that do not claim. A seed that
// fails is told with the faults that its failure needs; run it again by Run, or RunBeside, (seed, faults, All(), t.Logf).
func TestSchedules(t *testing.T) {
	t.Parallel()
	eachSeed(t, howMany(t), func(t *testing.T, seed uint64) {
		run, name := Run, "Run"
		if seed%2 == 0 {
			run, name = RunBeside, "RunBeside"
		}
		if o := run(seed, nil, All(), nil); len(o.Failures) > 0 {
			t.Errorf("%s, seed %d: %s\nneeds %v", name, seed, strings.Join(o.Failures, "\n"), Minimise(run, seed, All()))
		}
	})
}

// A server or all nodes away for ten minutes, while the workers live: nothing is run again.
func TestOutages(t *testing.T) {
	t.Parallel()
	for _, what := range []FaultKind{BrokerStops, DatabaseStops, NodesDie} {
		t.Run(string(what), func(t *testing.T) {
			eachSeed(t, howMany(t)/50, func(t *testing.T, seed uint64) {
				at := time.Duration(2000+seed*37%8000) * time.Millisecond
				o := Run(seed, []Fault{{what, at, 10 * time.Minute, 0}}, All(), nil)
				if len(o.Failures) > 0 || o.Lost > 0 || o.GivenBack > 0 || o.Finished == 0 {
					t.Errorf("seed %d, from %s: %d jobs ended, %d attempts lost, %d given back\n%s",
						seed, at, o.Finished, o.Lost, o.GivenBack, strings.Join(o.Failures, "\n"))
				}
			})
		})
	}
}

// TestDefects keeps the schedules which showed what the protocol lacks: each fails without a cure, as said, and with it holds.
func TestDefects(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		seed   uint64
		faults []Fault
		lacks  func(*Cures)
		says   string
	}{
		"a paused node keeps all heartbeats of a worker in its prefetch, while the probes of another make the time heard run": {
			3501, []Fault{{NodePauses, 9646 * ms, 50810 * ms, 1}},
			func(c *Cures) { c.EveryNodeHears = false }, "which lives and can be heard",
		},
		"a node without the database takes heartbeats and forgets them, while another hears its probes": {
			7, []Fault{{NodeNoSQL, 1007 * ms, 110000 * ms, 1}},
			func(c *Cures) { c.EveryNodeHears, c.MuteNodesStepAside = false, false }, "which lives and can be heard",
		},
		"a claim that its worker gave up after a minute is granted by a copy in the broker": {
			166, []Fault{{NodesDie, 3166 * ms, 600000 * ms, 0}},
			func(c *Cures) { c.AsksOn = false }, "which lives and can be heard (the script began: false)",
		},
		"a claim is granted, its answers do not come, and no heartbeat names it": {
			85, []Fault{{DatabaseFails, 1000 * ms, 60000 * ms, 0}},
			func(c *Cures) { c.AskedRunsBeat = false }, "which lives and can be heard (the script began: false)",
		},
		"a last state waits 30 s by the clock while the broker is away, and its log is closed without what the worker still has": {
			39, []Fault{{BrokerLoses, 3000 * ms, 2039 * ms, 0}, {BrokerStops, 6039 * ms, 120000 * ms, 0}},
			func(c *Cures) { c.QuietInHearingTime = false }, "has 0 parts of 4 (closed: true)",
		},
		"the first heartbeat of a dead process comes after that of its successor, and declares that one dead for ever": {
			898, []Fault{{BrokerLate, 0, 10000 * ms, 0}, {WorkerDies, 1398 * ms, 398 * ms, 0}},
			func(c *Cures) { c.HomesCount = false }, "is stuck: created",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if o := Run(c.seed, c.faults, All(), nil); len(o.Failures) > 0 {
				t.Errorf("with all cures: %s", strings.Join(o.Failures, "\n"))
			}
			lacking := All()
			c.lacks(&lacking)
			if o := Run(c.seed, c.faults, lacking, nil); !strings.Contains(strings.Join(o.Failures, "\n"), c.says) {
				t.Errorf("without the cure: %q, want %q", o.Failures, c.says)
			}
		})
	}
}

// A protocol with a mistake in it does not get past the checker.
func TestCheckerNoticesMistakes(t *testing.T) {
	t.Parallel()
	for mistake, says := range map[breakage]string{
		noResend: "is stuck", gapsCount: "which lives and can be heard", noOwnerCheck: "was given back by nobody",
	} {
		broken := All()
		broken.broken = mistake
		noticed := false
		for seed := uint64(1); seed <= 10_000 && !noticed; seed++ {
			noticed = strings.Contains(strings.Join(Run(seed, nil, broken, nil).Failures, "\n"), says)
		}
		if !noticed {
			t.Errorf("mistake %d: no schedule of 10,000 says %q", mistake, says)
		}
	}
}

// A seed is worth something only if it makes the same schedule each time.
func TestSeedsRepeat(t *testing.T) {
	t.Parallel()
	tell := func(seed uint64) (lines []string) {
		Run(seed, nil, All(), func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) })
		return lines
	}
	for seed := uint64(1); seed <= 20; seed++ {
		if diff := cmp.Diff(tell(seed), tell(seed)); diff != "" {
			t.Fatalf("seed %d, twice (-first +second):\n%s", seed, diff)
		}
	}
}
