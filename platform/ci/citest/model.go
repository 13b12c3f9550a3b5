package citest

import (
	"fmt"
	"strings"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// Model is the simulation's database alone, with one build, for tests that hold a store equal to it. Each method is one
// transaction; the times are those of the store's clock. It must not be used by several goroutines.
type Model struct {
	d    *database
	ears map[string]ear
}

// NewModel has a build whose jobs, numbered from 1, are in stages of these numbers.
func NewModel(fastFinish bool, stages ...int) *Model {
	w := &world{cures: All()}
	w.check = newChecker(w)
	w.db = &database{w: w, up: true}
	b := &build{Build: ci.Build{ID: 1, State: ci.Created, FastFinish: fastFinish}}
	w.db.builds = []*build{b}
	for i, stage := range stages {
		j := &job{build: b, ready: stage <= 1, attempts: []*attempt{{number: 1, state: ci.Created}}}
		j.ID, j.BuildNumber, j.Index, j.StageNumber = int64(i+1), 1, i+1, stage
		j.State, j.Attempt, j.Tries = ci.Created, 1, 1
		b.jobs, w.db.jobs = append(b.jobs, j), append(w.db.jobs, j)
	}
	return &Model{d: w.db, ears: map[string]ear{}}
}

// Hear is [store.Store.Hear].
func (m *Model) Hear(now time.Time, node string, gap time.Duration) {
	e := m.ears[node]
	e.raw = m.d.hear(now, ci.Heard{First: !e.heard, Gap: gap, Raw: e.raw})
	e.heard = true
	m.ears[node] = e
}

// Beat is [store.Store.Beat].
func (m *Model) Beat(b ci.Heartbeat) ([]ci.RunStatus, error) {
	in := heartbeat{
		worker: b.WorkerID, home: b.Home, generation: int(b.Generation), slots: b.Slots, draining: b.Draining, sequence: int(b.Sequence),
		runs: runsOf(b.Runs), asking: runsOf(b.Asking),
	}
	answers, stored := m.d.beat(in)
	if !stored {
		return nil, ci.ErrBeatStored
	}
	var all []ci.RunStatus
	for _, a := range answers {
		all = append(all, ci.RunStatus{
			RunRef: ci.RunRef{JobID: a.job, Attempt: a.attempt, Run: a.run},
			Owned:  a.owned, Canceled: a.canceled, State: a.state, Next: a.next, Closed: a.closed,
		})
	}
	return all, nil
}

func runsOf(refs []ci.RunRef) (runs []runRef) {
	for _, r := range refs {
		runs = append(runs, runRef{r.JobID, r.Attempt, r.Run})
	}
	return runs
}

// QueueJobs is [store.Store.QueueJobs].
func (m *Model) QueueJobs(now time.Time) { m.d.queueJobs(now) }

// Claim is [store.Store.ClaimAttempt].
func (m *Model) Claim(now time.Time, c ci.Claim) error {
	return m.d.claim(now, claim{runRef: runRef{c.JobID, c.Attempt, c.Run}, worker: c.WorkerID})
}

// Report is [store.Store.Report].
func (m *Model) Report(now time.Time, r ci.StateReport) (stale bool) {
	return m.d.report(now, report{runRef: runRef{r.JobID, r.Attempt, r.Run}, state: r.State, reset: r.Reset})
}

// Append is [store.Store.AppendLog] for one part.
func (m *Model) Append(now time.Time, p ci.LogPart) {
	m.d.appendLog(now, part{runRef{p.JobID, p.Attempt, p.Run}, p.Number, p.Final})
}

// CloseLogs is [store.Store.CloseLogs] for 30 s.
func (m *Model) CloseLogs(now time.Time) { m.d.closeLogs(now) }

// Reap is [store.Store.ReapLost] for 15 s.
func (m *Model) Reap(now time.Time) { m.d.reap(now) }

// Cancel cancels a job, or for 0 the build.
func (m *Model) Cancel(now time.Time, id int64) { m.d.cancel(now, m.d.builds[0], m.job(id)) }

// Restart restarts a job, or for 0 the build.
func (m *Model) Restart(now time.Time, id int64) { m.d.restart(now, m.d.builds[0], m.job(id)) }

func (m *Model) job(id int64) *job {
	if id == 0 {
		return nil
	}
	return m.d.jobs[id-1]
}

// Text is all that a store has to hold too, a line per job.
func (m *Model) Text() string {
	var text strings.Builder
	_, _ = fmt.Fprintf(&text, "build %s, heard %s", m.d.builds[0].State, m.d.counter)
	for _, j := range m.d.jobs {
		_, _ = fmt.Fprintf(&text, "\njob %d %s %s attempt %d tries %d run %q:", j.ID, j.State, j.Reason, j.Attempt, j.Tries, j.Run)
		for _, a := range j.attempts {
			next, closed := 0, a.state.Final()
			if a.log != nil {
				next, closed = a.log.told(), a.log.closed
			}
			_, _ = fmt.Fprintf(&text, " [%s %s %q, log to %d closed %v]", a.state, a.reason, a.run, next, closed)
		}
	}
	return text.String()
}
