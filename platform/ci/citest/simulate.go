package citest

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// Cures are changes of the protocol that the simulation asks for. The zero value is the protocol as the rooms had it
// when the model was written. The code has all of them by now; their seeds show what went wrong without.
type Cures struct {
	// EveryNodeHears: a heartbeat goes to a queue of each node, so that one which hears nothing, or cannot store what it
	// hears, keeps no heartbeat from the others. The first to store it answers. (Carrier.Listen, ci.ErrBeatStored)
	EveryNodeHears bool
	// AsksOn: a worker asks for an attempt as long as it has no answer; the code for 20 min. A question that is given up may
	// still be granted, by a copy that waits in the broker or by an answer that was lost, and then nobody runs what is owned.
	AsksOn bool
	// AskedRunsBeat: heartbeats name, apart, the runs that the worker asks for, so that one whose answer was lost keeps its
	// lease.
	AskedRunsBeat bool
	// QuietInHearingTime: a last state waits for its log, and a log for its end, in the time heard. (attempts.ended, logs.heard)
	QuietInHearingTime bool
	// MuteNodesStepAside: a node that cannot reach the database for 5 s takes nothing from the broker until it can, so that the
	// others get what it could only hold. (hub.Standing)
	MuteNodesStepAside bool
	// HomesCount: a heartbeat says which process of its home it comes from, as the generation of the home, so that a late one
	// of a process before does not declare the present one dead.
	HomesCount bool
	// RedeliveredClaims (the code has it): a claim says whether its worker has the message now, and the broker delivered it before.
	// Only then can it mean that the broker took it from a worker that does not claim; else it is the other way round.
	RedeliveredClaims bool

	broken breakage
}

// breakage is a mistake, made to see that the checker notices it.
type breakage int

const (
	sound         breakage = iota
	noResend               // what was published counts as stored
	gapsCount              // all the time since the last probe counts as heard
	noOwnerCheck           // a report is taken for the current attempt of its job
	onlyReceived           // a run of a worker that does not claim is known only by its first report
	noNextAttempt          // another run of the same message gets no attempt
	noTakeBack             // nor does a claim
	noEarly                // parts of runs that are not known yet are dropped
	shortLease             // workers that do not claim may be silent no longer than others
	shortQuiet             // nor may their logs
	soonAgain              // messages that they have may be put out again as soon as others
	noStop                 // a cancel is told them only once
)

// All are all cures.
func All() Cures {
	return Cures{EveryNodeHears: true, AsksOn: true, AskedRunsBeat: true, QuietInHearingTime: true, MuteNodesStepAside: true, HomesCount: true, RedeliveredClaims: true}
}

// Outcome is how a schedule ended.
type Outcome struct {
	// Failures are the invariants that did not hold, in the order of time.
	Failures []string
	// Took is the virtual time after the last fault until all was settled.
	Took time.Duration
	// Finished, Lost and GivenBack count accepted ends, lost attempts and those given back.
	Finished, Lost, GivenBack int
}

// within is how long after the last fault all must have settled: three leases and pauses, and the log's quiet.
const within = 8 * time.Minute

// withinBeside is the same where there are workers that do not claim: their limit, three times, and twice the time that a
// message may lie.
const withinBeside = 3*foreignLimit + 2*foreignIdle + within

// Run explores the schedule of a seed with these faults; nil: those that the seed draws. trace, if not nil, is told what happens.
func Run(seed uint64, faults []Fault, cures Cures, trace func(format string, args ...any)) Outcome {
	return explore(seed, false, faults, cures, trace)
}

// Runner is [Run] or [RunBeside].
type Runner func(seed uint64, faults []Fault, cures Cures, trace func(format string, args ...any)) Outcome

// RunBeside is Run with workers on the queue that do not claim.
func RunBeside(seed uint64, faults []Fault, cures Cures, trace func(format string, args ...any)) Outcome {
	return explore(seed, true, faults, cures, trace)
}

func explore(seed uint64, beside bool, faults []Fault, cures Cures, trace func(format string, args ...any)) Outcome {
	w := &world{rng: rand.New(rand.NewPCG(seed, 1)), cures: cures, trace: trace, due: make([]event, 0, 128)} //nolint:gosec // it must be the same each time
	w.check = newChecker(w)
	w.bus = newBus(w)
	w.db = &database{w: w, up: true}
	w.populate()
	within := within
	if beside {
		w.populateForeign()
		within = withinBeside
	}
	if faults == nil {
		faults = drawFaults(seed)
	}
	w.plan(faults)
	looked, settled := time.Duration(0), false
	w.run(w.healed+within, func() bool {
		if w.now > w.healed+2*time.Second && w.now-looked >= time.Second {
			looked, settled = w.now, w.check.settled()
		}
		return settled || len(w.check.failures) > 20
	})
	w.check.end()
	return Outcome{
		Failures: w.check.failures, Took: w.now - w.healed,
		Finished: len(w.check.finishes), Lost: w.check.losses, GivenBack: w.check.resets,
	}
}

// populate makes nodes, workers and builds.
func (w *world) populate() {
	for n := range 1 + w.rng.IntN(3) {
		w.nodes = append(w.nodes, w.newNode(text("node", n+1)))
	}
	for n := range 1 + w.rng.IntN(3) {
		w.workers = append(w.workers, w.newMachine(text("worker", n+1), 1+w.rng.IntN(3)))
	}
	w.newBuild()
	for range w.rng.IntN(3) {
		w.after(nil, w.between(0, 15*time.Second), w.newBuild)
	}
	for _, n := range w.nodes {
		w.after(nil, w.between(0, 2*time.Second), n.bootFirst)
	}
	for _, m := range w.workers {
		w.after(nil, w.between(0, 2*time.Second), m.bootFirst)
	}
}

// populateForeign makes workers that do not claim; sometimes there are no others.
func (w *world) populateForeign() {
	for n := range 1 + w.rng.IntN(2) {
		f := w.newForeigner(text("foreign", n+1), 1+w.rng.IntN(2))
		w.foreign = append(w.foreign, f)
		w.after(nil, w.between(0, 2*time.Second), f.boot)
	}
	w.workers = w.workers[:w.rng.IntN(len(w.workers)+1)]
}

func (n *node) bootFirst() {
	if !n.alive {
		n.boot()
	}
}

func (m *machine) bootFirst() {
	if !m.p.alive && slices.Contains(m.w.workers, m) {
		m.boot()
	}
}

// newBuild makes a build of some jobs, perhaps in stages.
func (w *world) newBuild() {
	b := &build{Build: ci.Build{ID: int64(len(w.db.builds) + 1), State: ci.Created, FastFinish: w.chance(0.2)}}
	w.db.builds = append(w.db.builds, b)
	stages, stage := w.rng.IntN(3), 1
	for i := range 1 + w.rng.IntN(4) {
		j := &job{build: b}
		j.ID, j.BuildNumber, j.Index = int64(len(w.db.jobs)+1), b.ID, i+1
		j.State, j.Attempt, j.Tries, j.AllowFailure = ci.Created, 1, 1, w.chance(0.2)
		j.attempts = []*attempt{{number: 1, state: ci.Created}}
		if stages > 0 {
			j.StageNumber = stage
			stage = min(stages, stage+w.rng.IntN(2))
		}
		j.ready = j.StageNumber <= 1
		b.jobs, w.db.jobs = append(b.jobs, j), append(w.db.jobs, j)
	}
}

// Minimise leaves out the faults of a seed that its failure, in run, does not need.
func Minimise(run Runner, seed uint64, cures Cures) []Fault {
	faults := drawFaults(seed)
	for i := 0; i < len(faults); {
		fewer := slices.Delete(slices.Clone(faults), i, i+1)
		if len(run(seed, fewer, cures, nil).Failures) > 0 {
			faults = fewer
			continue
		}
		i++
	}
	return faults
}
