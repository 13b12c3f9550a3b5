package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

const (
	// mostHeard bounds what one call of [Store.Hear] adds.
	mostHeard = 2 * time.Second
	// hearingGap is how long nothing is heard before the hearing has to settle: workers may need that long to be heard again.
	hearingGap = 5 * time.Second
)

// Hear notes that the node can hear workers, and for how long it could since it last did; it adds that, 2 s at most, to
// the hearing counter. The counter never runs faster than time passes, however many nodes hear; after a gap it stands
// still until things have settled.
func (s *Store) Hear(ctx context.Context, node string, gap time.Duration) error {
	return s.write(ctx, "count the hearing", func(ctx context.Context, c conn) error {
		now := s.Now()
		var heard, settled time.Time
		if err := c.row(ctx, "SELECT heard_at, settled_at FROM hearing WHERE id = 1 {{lock}}").Scan(into(&heard), into(&settled)); err != nil {
			return err
		}
		add := max(min(gap, mostHeard), 0)
		if !heard.IsZero() {
			passed := now.Sub(heard)
			if passed > hearingGap && s.config.Settle > 0 {
				settled = now.Add(s.config.Settle)
				s.log.InfoContext(ctx, "workers can be heard again", "node", node, "gap", passed)
			}
			add = max(min(add, passed), 0)
		}
		if now.Before(settled) {
			add = 0
		}
		_, err := c.exec(ctx, "UPDATE hearing SET counter = counter + $1, heard_at = $2, settled_at = $3 WHERE id = 1",
			add.Microseconds(), at(now), at(settled))
		return err
	})
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
