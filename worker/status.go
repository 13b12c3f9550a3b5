package worker

import (
	"time"

	"github.com/headrace/headrace/worker/executor"
)

// Status is how the worker stands, for people.
type Status struct {
	ID, Name, Version, Queue, Executor string
	Isolated                           bool
	// Engine is what the executor depends on, such as "Docker 20.10.24"; empty where it is nothing, or not known.
	Engine string
	// Trouble says why it takes no jobs now; empty: it takes some.
	Trouble     string
	Connected   bool
	Draining    bool
	Slots, Busy int
	// Runs are the jobs that run, oldest first.
	Runs []RunStatus
	// Unstored counts ended runs of which the platform has not stored everything; SpoolBytes is the output that is kept.
	Unstored   int
	SpoolBytes int64
	// SpoolTrouble says why output cannot be kept on disk; jobs that write much then wait for the platform. Empty: it can.
	SpoolTrouble string
}

// RunStatus is a job that runs.
type RunStatus struct {
	JobID      int64
	Number     string // "12.3"
	Repository string
	Attempt    int
	Since      time.Time
}

// Status says how the worker stands.
func (w *Worker) Status() Status {
	s := Status{
		ID: w.cfg.ID, Name: w.cfg.Name, Version: w.cfg.Version, Queue: w.cfg.Queue,
		Executor: w.exec.Name(), Isolated: w.exec.Isolated(), Trouble: w.gate.trouble(), Connected: w.carrier.State().Connected,
		Draining: w.draining(), Slots: w.cfg.Slots, SpoolBytes: w.spool.Used(), SpoolTrouble: w.spool.Trouble(),
	}
	if d, ok := w.exec.(executor.Dependent); ok {
		s.Engine = d.Engine()
	}
	for _, t := range w.all() {
		switch claimed, last := t.standing(); {
		case last != "":
			s.Unstored++
		case claimed:
			s.Runs = append(s.Runs, RunStatus{
				JobID: t.key.JobID, Number: t.job.Job.Number, Repository: t.job.Repository.Slug,
				Attempt: t.key.Attempt, Since: t.since,
			})
		}
	}
	s.Busy = len(s.Runs)
	return s
}
