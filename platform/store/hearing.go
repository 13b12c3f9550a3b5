package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// hearers remembers, for each node that hears through this store, what was stored when it last did.
type hearers struct {
	mu  sync.Mutex
	raw map[string]time.Duration
}

func (h *hearers) last(node string) (raw time.Duration, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	raw, known = h.raw[node]
	return raw, known
}

func (h *hearers) set(node string, raw time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.raw == nil {
		h.raw = map[string]time.Duration{}
	}
	h.raw[node] = raw
}

// Hear notes that the node can hear workers. gap is the time since its last call returned without an error, as it passed for the
// node; of its first call it does not count. See [ci.Hearing] for what the hearing counter makes of it.
func (s *Store) Hear(ctx context.Context, node string, gap time.Duration) error {
	last, known := s.hearers.last(node)
	var next ci.Hearing
	var silence time.Duration
	err := s.write(ctx, "count the hearing", func(ctx context.Context, c conn) error {
		h, heardAt, err := hearingOf(ctx, c, true)
		if err != nil {
			return err
		}
		word := ci.Heard{First: !known, Gap: gap, Raw: last}
		if word.First {
			word.Gap = s.silentSince(heardAt)
		}
		next, silence = h.After(word, s.config.Settle)
		_, err = c.exec(ctx, "UPDATE hearing SET raw = $1, settled = $2, counter = $3, heard_at = $4 WHERE id = 1",
			next.Raw.Microseconds(), next.Settled.Microseconds(), next.Counter.Microseconds(), at(s.Now()))
		return err
	})
	if err != nil {
		return err
	}
	s.hearers.set(node, next.Raw)
	if silence > 0 {
		s.log.InfoContext(ctx, "workers can be heard again", "node", node, "gap", silence)
	}
	return nil
}

// silentSince is for how long nobody heard, for a node that was not there. Only the database's clock can say it, and that may
// have been set back: then it was long.
func (s *Store) silentSince(heardAt time.Time) time.Duration {
	if heardAt.IsZero() {
		return 0
	}
	if d := s.Now().Sub(heardAt); d >= 0 {
		return d
	}
	return 2 * ci.HearingGap
}

// hearingOf reads the hearing, and holds its row if it is to be changed.
func hearingOf(ctx context.Context, c conn, hold bool) (h ci.Hearing, heardAt time.Time, err error) {
	statement := "SELECT raw, settled, counter, heard_at FROM hearing WHERE id = 1"
	if hold {
		statement += " {{lock}}"
	}
	var raw, settled, counter int64
	err = c.row(ctx, statement).Scan(&raw, &settled, &counter, into(&heardAt))
	return ci.Hearing{
		Raw: time.Duration(raw) * time.Microsecond, Settled: time.Duration(settled) * time.Microsecond, Counter: time.Duration(counter) * time.Microsecond,
	}, heardAt, err
}

// Heard is the hearing counter: for how long workers could be heard.
func (s *Store) Heard(ctx context.Context) (counter time.Duration, err error) {
	err = s.read(ctx, "read the hearing", func(ctx context.Context, c conn) error {
		h, _, err := hearingOf(ctx, c, false)
		counter = h.Counter
		return err
	})
	return counter, err
}

// ReapLost takes the attempts from workers that were not heard for the lease, in hearing time: the job goes on with its
// next attempt, or is errored after so many tries. A worker that does not claim is never heard; its lease is as long as a job
// may run.
func (s *Store) ReapLost(ctx context.Context, lease time.Duration, maxTries int) (all []ci.Lost, err error) {
	var silent []ci.RunRef
	err = s.read(ctx, "find lost workers", func(ctx context.Context, c conn) error {
		silent, err = list(ctx, c, func(row scanner) (r ci.RunRef, err error) {
			err = row.Scan(&r.JobID, &r.Attempt, &r.Run)
			return r, err
		}, `SELECT job_id, number, run FROM attempts WHERE state IN ('received', 'started')
			AND heard < (SELECT CASE WHEN attempts.unclaimed THEN counter - $2 ELSE counter - $1 END FROM hearing WHERE id = 1)
			ORDER BY job_id LIMIT 200`, lease.Microseconds(), s.config.ForeignLimit.Microseconds())
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, run := range silent {
		lost, ok, err := s.reap(ctx, run, lease, maxTries)
		if err != nil {
			return all, err
		}
		if ok {
			all = append(all, lost)
		}
	}
	return all, nil
}

// reap takes an attempt from its worker, if that is still silent.
func (s *Store) reap(ctx context.Context, run ci.RunRef, lease time.Duration, maxTries int) (lost ci.Lost, ok bool, err error) {
	err = s.write(ctx, fmt.Sprintf("take job %d from a lost worker", run.JobID), func(ctx context.Context, c conn) error {
		ok = false
		h, i, err := s.holdJob(ctx, c, run.JobID)
		if err != nil {
			return err
		}
		silence, unclaimed, err := silenceOf(ctx, c, run)
		if err != nil || (silence <= lease && !unclaimed) || (silence <= s.config.ForeignLimit && unclaimed) {
			return err
		}
		worker := h.jobs[i].WorkerName
		event := ci.JobEvent{Kind: ci.JobLose, Attempt: run.Attempt, Run: run.Run, MaxTries: maxTries}
		note := fmt.Sprintf("Worker %s was lost at %s, after %s of silence.", worker, h.clock(), silence.Round(time.Second))
		if silence > -longAgo*time.Microsecond/2 {
			silence = 0
			note = fmt.Sprintf("Worker %s ended without a word and was started again by %s.", worker, h.clock())
		}
		if err := h.giveBack(ctx, i, event, note); err != nil {
			return err
		}
		lost, ok = ci.Lost{Moved: h.moved(i, true), WorkerName: worker, Silence: silence}, true
		return nil
	})
	if errors.Is(err, ci.ErrStale) || errors.Is(err, errNoJob) {
		return lost, false, nil
	}
	return lost, ok, err
}

// silenceOf holds the row of an attempt and says for how long, in hearing time, its worker was not heard.
func silenceOf(ctx context.Context, c conn, run ci.RunRef) (silence time.Duration, unclaimed bool, err error) {
	var heard, counter int64
	err = c.row(ctx, "SELECT heard, unclaimed FROM attempts WHERE job_id = $1 AND number = $2 {{lock}}", run.JobID, run.Attempt).Scan(&heard, &unclaimed)
	if err != nil {
		return 0, false, found(err, errNoJob)
	}
	err = c.row(ctx, "SELECT counter FROM hearing WHERE id = 1").Scan(&counter)
	return time.Duration(counter-heard) * time.Microsecond, unclaimed, err
}
