package hub

import (
	"context"
	"fmt"
	"sync"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/ci"
)

// Workers that do not claim say which attempt they have by the count of their reports, and which run they are by their first
// report. Their reports overtake one another, and their logs are on another way: what the store makes of a report does not
// hang on the order, and parts of a run that is not known yet wait.

// foreignReport finds the attempt of a foreign run and stores what it reports.
func (h *Hub) foreignReport(ctx context.Context, d broker.Delivery, r ci.StateReport, offer int) {
	h.counts.foreign.Add(1)
	if r.Run == "" { // such a worker names no run when it cannot read the job
		r.Run = fmt.Sprintf("unnamed-%d", offer)
	}
	var adopted ci.Adopted
	err := h.persist(ctx, "a report of a worker that does not claim", defectsEach, func(ctx context.Context) (err error) {
		adopted, err = h.store.AdoptRun(ctx, ci.ForeignRun{JobID: r.JobID, Offer: offer, Run: r.Run}, h.config.MaxTries)
		return err
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return // not acknowledged: it comes again
	case err != nil:
		h.drop(ctx, d, err)
		return
	}
	h.moved(ctx, adopted.Moved)
	if adopted.Stop && (r.State == ci.Received || r.State == ci.Started) {
		h.stopForeign(ctx, r.JobID)
	}
	if adopted.Attempt == 0 {
		h.counts.stale.Add(1)
		h.log.DebugContext(ctx, "a report of a run that nobody waits for was dropped", "job_id", r.JobID, "run", r.Run, "state", r.State)
		h.early.refuse(r.JobID, r.Run)
		h.early.wake.Wake()
		h.ack(ctx, d)
		return
	}
	h.early.wake.Wake()
	r.Attempt = adopted.Attempt
	h.report(ctx, d, r)
}

// stopForeign tells the foreign workers to stop a job. A command that is lost is sent again at the run's next report.
func (h *Hub) stopForeign(ctx context.Context, jobID int64) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	m, err := broker.ForeignCancel{JobID: jobID, Reason: "This job is not to be run any more."}.Message()
	if err == nil {
		err = h.carrier.Publish(ctx, m)
	}
	if err != nil {
		h.seldom.warn(ctx, "a worker that does not claim could not be told to stop", "job_id", jobID, "err", err)
	}
}

// early holds log parts of runs that no report has made known yet. They are not acknowledged; there are few.
type early struct {
	mu      sync.Mutex
	parts   []part
	refused map[ci.RunRef]bool
	wake    run.Waker
}

const (
	// mostEarly bounds the parts that wait; it is a part of logPrefetch, so that they do not hold up the others.
	mostEarly = logPrefetch / 2
	// mostRefused bounds the runs that are remembered as refused.
	mostRefused = 1000
)

func newEarly() early { return early{refused: map[ci.RunRef]bool{}, wake: run.NewWaker()} }

// refuse remembers a run whose parts nobody will want.
func (e *early) refuse(job int64, id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.refused) >= mostRefused {
		clear(e.refused)
	}
	e.refused[ci.RunRef{JobID: job, Run: id}] = true
}

// add keeps a part if there is room for it and somebody may want it.
func (e *early) add(p part) (kept, refused bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.refused[ci.RunRef{JobID: p.JobID, Run: p.Run}] {
		return false, true
	}
	if len(e.parts) >= mostEarly {
		return false, false
	}
	e.parts = append(e.parts, p)
	return true, false
}

// take empties it.
func (e *early) take() []part {
	e.mu.Lock()
	defer e.mu.Unlock()
	parts := e.parts
	e.parts = nil
	return parts
}

// keepEarly has a part wait for its run to become known.
func (h *Hub) keepEarly(ctx context.Context, p part) {
	kept, refused := false, false
	if !p.late {
		kept, refused = h.early.add(p)
	}
	switch {
	case kept:
	case refused:
		h.counts.stale.Add(1)
		h.ack(ctx, p.delivery)
	default:
		h.drop(ctx, p.delivery, fmt.Errorf("log part %d of job %d is of run %s, of which no report came", p.Number, p.JobID, p.Run))
	}
}

// unknownRuns are the runs of which no attempt is known.
func unknownRuns(stored []ci.LogStored) map[ci.RunRef]bool {
	unknown := map[ci.RunRef]bool{}
	for _, s := range stored {
		if s.Unknown {
			unknown[ci.RunRef{JobID: s.JobID, Run: s.Run}] = true
		}
	}
	return unknown
}

// storeEarly tries the early parts again, when a run has become known, and now and then: another node may have learnt of it.
func (h *Hub) storeEarly(ctx context.Context) error {
	return run.Every(ctx, lookAgain, h.early.wake, func(ctx context.Context) (bool, error) {
		parts := h.early.take()
		if len(parts) == 0 {
			return false, ctx.Err()
		}
		heard, err := h.store.Heard(ctx)
		for i := range parts {
			p := &parts[i]
			switch {
			case err != nil: // nothing can arrive while the store is away
			case !p.waits:
				p.waits, p.heard = true, heard
			default:
				p.late = heard-p.heard >= h.config.Quiet
			}
		}
		h.storeParts(ctx, parts, defectsBatch)
		return false, ctx.Err()
	})
}
