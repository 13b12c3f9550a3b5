package citest

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Fault is something that goes wrong, or something that a person asks for.
type Fault struct {
	What FaultKind
	At   time.Duration
	For  time.Duration // how long it lasts; by how much a clock jumps
	Who  int           // which node, worker, build or job; counted modulo how many there are
}

// String is the fault as it stands in reports.
func (f Fault) String() string {
	return fmt.Sprintf("{%q, %d * time.Millisecond, %d * time.Millisecond, %d}", string(f.What), f.At.Milliseconds(), f.For.Milliseconds(), f.Who)
}

// FaultKind says what goes wrong.
type FaultKind string

// The faults.
const (
	BrokerStops   FaultKind = "broker stops"
	BrokerLoses   FaultKind = "broker loses messages"
	BrokerDoubles FaultKind = "broker doubles messages"
	BrokerLate    FaultKind = "broker is late, out of order"
	ReportsPurged FaultKind = "reports purged"
	AllPurged     FaultKind = "all queues purged"
	HangUp        FaultKind = "connections closed"
	DatabaseStops FaultKind = "database stops"
	DatabaseFails FaultKind = "commits fail or are unknown"
	ClockJumps    FaultKind = "clock of the database jumps"
	NodeDies      FaultKind = "node dies"
	NodePauses    FaultKind = "node pauses"
	NodeNoSQL     FaultKind = "node cut from the database"
	NodeNoBroker  FaultKind = "node cut from the broker"
	NodesDie      FaultKind = "all nodes die"
	WorkerDies    FaultKind = "worker dies, starts again"
	WorkerMoves   FaultKind = "worker dies for good, a new one comes"
	WorkerPauses  FaultKind = "worker pauses"
	WorkerDrains  FaultKind = "worker drains"
	WorkerStops   FaultKind = "worker gives back"
	WorkerCut     FaultKind = "worker cut from the broker"
	CancelJob     FaultKind = "cancel job"
	CancelBuild   FaultKind = "cancel build"
	RestartJob    FaultKind = "restart job"
	RestartBuild  FaultKind = "restart build"
)

func faultKinds() []FaultKind {
	return []FaultKind{
		BrokerStops, BrokerLoses, BrokerDoubles, BrokerLate, ReportsPurged, AllPurged, HangUp, DatabaseStops, DatabaseFails, ClockJumps,
		NodeDies, NodePauses, NodeNoSQL, NodeNoBroker, NodesDie, WorkerDies, WorkerMoves, WorkerPauses, WorkerDrains, WorkerStops,
		WorkerCut, CancelJob, CancelBuild, RestartJob, RestartBuild,
	}
}

// drawFaults draws what goes wrong in the schedule of a seed.
func drawFaults(seed uint64) []Fault {
	rng := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // it must be the same each time
	kinds := faultKinds()
	most := 7
	if rng.IntN(10) == 0 {
		most = 15
	}
	faults := make([]Fault, rng.IntN(most))
	for i := range faults {
		long := time.Duration(rng.Int64N(int64(8 * time.Second)))
		switch rng.IntN(12) {
		case 0, 1, 2:
			long *= 8
		case 3:
			long *= 16
		}
		faults[i] = Fault{
			What: kinds[rng.IntN(len(kinds))], At: time.Duration(rng.Int64N(int64(25 * time.Second))).Round(time.Millisecond),
			For: long.Round(time.Millisecond), Who: rng.IntN(12),
		}
		if faults[i].What == BrokerLoses { // a broker that goes on losing what it confirmed is none
			faults[i].For = min(faults[i].For, 8*time.Second)
		}
	}
	return faults
}

// plan has the faults happen.
func (w *world) plan(faults []Fault) {
	for _, f := range faults {
		w.healed = max(w.healed, f.At)
		if f.What != ClockJumps {
			w.healed = max(w.healed, f.At+f.For)
		}
		w.after(nil, f.At, func() { w.begin(f) })
		w.after(nil, f.At+f.For, func() { w.over(f) })
	}
	w.after(nil, w.healed+time.Second, w.heal)
}

func (w *world) node(n int) *node { return w.nodes[n%len(w.nodes)] }
func (w *world) worker(n int) *machine {
	if len(w.workers) == 0 {
		return nil
	}
	return w.workers[n%len(w.workers)]
}
func (w *world) build(n int) *build { return w.db.builds[n%len(w.db.builds)] }
func (w *world) job(n int) *job     { return w.db.jobs[n%len(w.db.jobs)] }

func (w *world) begin(f Fault) {
	w.say("%s, for %s (%d)", f.What, f.For, f.Who)
	switch f.What {
	case BrokerStops:
		w.bus.stop()
	case BrokerLoses:
		w.bus.lose = 0.3
	case BrokerDoubles:
		w.bus.double = 0.3
	case BrokerLate:
		w.bus.late = 0.5
	case ReportsPurged:
		w.bus.purge(stateQueue, logQueue)
	case AllPurged:
		w.bus.purge(stateQueue, logQueue, claimQueue, beatQueue, jobQueue)
	case HangUp:
		w.bus.hangUp()
	case DatabaseStops:
		w.db.up = false
	case DatabaseFails:
		w.db.flaky = 0.3
	case ClockJumps:
		w.db.offset += f.For * time.Duration(1-2*(f.Who%2))
	default:
		w.beginOne(f)
	}
}

// beginOne begins what happens to one node, worker or job.
func (w *world) beginOne(f Fault) {
	if x := w.foreigner(f); x != nil {
		x.begin(f.What)
		return
	}
	n, m := w.node(f.Who), w.worker(f.Who)
	switch f.What {
	case NodeDies:
		n.kill()
	case NodePauses:
		n.pause()
	case NodeNoSQL:
		n.noSQL = true
	case NodeNoBroker:
		n.cut = true
		w.bus.leave(n.process)
	case NodesDie:
		for _, n := range w.nodes {
			n.kill()
		}
	case WorkerDies, WorkerMoves:
		m.p.kill()
	case WorkerPauses:
		m.p.pause()
	case WorkerDrains, WorkerStops:
		if m.p.alive && !m.p.paused {
			m.sign(f.What)
		}
	case WorkerCut:
		m.p.cut = true
		w.bus.leave(m.p)
	default:
		w.ask(f)
	}
}

func (m *machine) sign(what FaultKind) {
	if what == WorkerStops && !m.stopping {
		m.stop()
	} else if !m.draining {
		m.drain()
	}
}

// ask has a person ask some node.
func (w *world) ask(f Fault) {
	n := w.node(f.Who + int(f.For))
	if !n.alive || n.paused {
		return
	}
	j := w.job(f.Who)
	switch f.What {
	case CancelJob:
		n.cancel(j.build, j)
	case CancelBuild:
		n.cancel(w.build(f.Who), nil)
	case RestartJob:
		n.restart(j.build, j)
	case RestartBuild:
		n.restart(w.build(f.Who), nil)
	}
}

// over ends a fault that lasts.
func (w *world) over(f Fault) {
	if x := w.foreigner(f); x != nil {
		x.end(f.What)
		return
	}
	n, m := w.node(f.Who), w.worker(f.Who)
	switch f.What {
	case BrokerStops:
		w.bus.up = true
	case BrokerLoses:
		w.bus.lose = 0
	case BrokerDoubles:
		w.bus.double = 0
	case BrokerLate:
		w.bus.late = 0
	case DatabaseStops:
		w.db.up = true
	case DatabaseFails:
		w.db.flaky = 0
	case NodePauses:
		n.resume()
	case NodeNoSQL:
		n.noSQL = false
	case NodeNoBroker:
		n.cut = false
	case NodeDies, NodesDie:
		w.bootNodes()
	case WorkerPauses:
		m.p.resume()
	case WorkerDies, WorkerMoves:
		m.revive(f.What == WorkerMoves)
	case WorkerCut:
		m.p.cut = false
		m.p.unwell()
	}
}

func (w *world) bootNodes() {
	for _, n := range w.nodes {
		if !n.alive {
			n.boot()
		}
	}
}

// revive starts a worker that is dead, in its home or in a new one.
func (m *machine) revive(elsewhere bool) {
	if m.p.alive {
		return
	}
	if elsewhere {
		m.home, m.p = m.id, m.w.process(m.name)
		m.p.unwell()
	}
	m.boot()
}

// heal ends all that is wrong.
func (w *world) heal() {
	w.say("all is well from now on")
	w.bus.up, w.db.up = true, true
	w.bus.lose, w.bus.double, w.bus.late, w.db.flaky = 0, 0, 0, 0
	for _, n := range w.nodes {
		n.noSQL, n.cut = false, false
		n.resume()
	}
	w.bootNodes()
	for _, m := range w.workers {
		if m.p.cut {
			m.p.cut = false
			m.p.unwell()
		}
		m.p.resume()
		m.revive(false)
	}
	for _, f := range w.foreign {
		f.heal()
	}
}

// foreigner is the worker to whom a fault happens, if it is one that does not claim.
func (w *world) foreigner(f Fault) *foreigner {
	switch f.What {
	case WorkerDies, WorkerMoves, WorkerPauses, WorkerDrains, WorkerStops, WorkerCut:
	default:
		return nil
	}
	if i := f.Who % (len(w.workers) + len(w.foreign)); i >= len(w.workers) {
		return w.foreign[i-len(w.workers)]
	}
	return nil
}
