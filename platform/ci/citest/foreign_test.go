package citest

import (
	"strings"
	"testing"
	"time"
)

// TestForeignRules keeps schedules with workers that do not claim which fail without one of the rules for them, as said, and
// hold with it.
func TestForeignRules(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		seed   uint64
		faults []Fault
		lacks  func(*Cures)
		says   string
	}{
		"a run whose first report is lost is known by the next": {
			56, []Fault{{BrokerLoses, 3000 * ms, 8000 * ms, 0}, {WorkerDies, 12000 * ms, 1000 * ms, 56}}, breaks(onlyReceived), "nobody waits for run",
		},
		"a worker dies, the broker gives its job to another one of theirs": {
			1, []Fault{{WorkerDies, 6000 * ms, 1000 * ms, 1}}, breaks(noNextAttempt), "nobody waits for run",
		},
		"a worker dies, the broker gives its job to one of ours": {
			5, []Fault{{WorkerDies, 6000 * ms, 1000 * ms, 5}}, breaks(noTakeBack), "which holds it, is dead",
		},
		"one of ours is paused, and claims what the broker has given to one of theirs meanwhile": {
			294, []Fault{{WorkerPauses, 6904 * ms, 29270 * ms, 3}}, func(c *Cures) { c.RedeliveredClaims = false }, "which still has the delivery",
		},
		"parts of the log overtake the first report of their run":      {4, []Fault{}, breaks(noEarly), "has 0 parts of 4"},
		"the end of the log comes long after the end of the job":       {1521, []Fault{}, breaks(shortQuiet), "has 2 parts of 4"},
		"such a worker is silent all the time":                         {3, []Fault{}, breaks(shortLease), "which said all that it had to say"},
		"such a worker waits for a script and has said nothing so far": {63, []Fault{{NodesDie, 4000 * ms, 50000 * ms, 0}}, breaks(soonAgain), "is put out again while foreign1 has it"},
		"a cancel comes before the first report, and is lost":          {156, []Fault{{CancelJob, 1592 * ms, 0, 156}}, breaks(noStop), "is not told to stop"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if o := RunBeside(c.seed, c.faults, All(), nil); len(o.Failures) > 0 || o.Finished == 0 {
				t.Errorf("with the rule: %d ended, %s", o.Finished, strings.Join(o.Failures, "\n"))
			}
			lacking := All()
			c.lacks(&lacking)
			if o := RunBeside(c.seed, c.faults, lacking, nil); !strings.Contains(strings.Join(o.Failures, "\n"), c.says) {
				t.Errorf("without the rule: %q, want %q", o.Failures, c.says)
			}
		})
	}
}

func breaks(b breakage) func(*Cures) { return func(c *Cures) { c.broken = b } }

// TestForeignSchedulesSaySomething: in schedules with workers that do not claim these do run jobs, are taken jobs from, and give
// some back; and their seeds repeat.
func TestForeignSchedulesSaySomething(t *testing.T) {
	t.Parallel()
	finished, lost, back := 0, 0, 0
	for seed := uint64(1); seed <= 100; seed++ {
		o := RunBeside(seed, nil, All(), nil)
		again := RunBeside(seed, nil, All(), nil)
		if o.Took != again.Took || o.Finished != again.Finished {
			t.Errorf("seed %d took %s and then %s", seed, o.Took, again.Took)
		}
		finished, lost, back = finished+o.Finished, lost+o.Lost, back+o.GivenBack
	}
	if finished < 200 || lost == 0 || back == 0 {
		t.Errorf("%d ended, %d lost, %d given back", finished, lost, back)
	}
}
