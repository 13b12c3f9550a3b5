package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

func errLogRemoved() error {
	return fault.New(fault.Conflict, "The content of this log was deleted.").Named("log_already_removed")
}

// findLog returns the row of a log, a closed or empty one where nothing was ever written, and whether its attempt is over
// and nobody writes it any more. Attempt 0 is the current one.
func findLog(ctx context.Context, c conn, job int64, attempt int) (*logRow, error) {
	number, err := attemptNumber(ctx, c, job, attempt)
	if err != nil {
		return nil, err
	}
	l, err := scanLog(c.row(ctx, "SELECT "+logColumns+" FROM logs l WHERE l.job_id = $1 AND l.attempt = $2", job, number))
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return l, err
	}
	l = &logRow{job: job, attempt: number, highest: -1, last: -1}
	var state ci.State
	var finished time.Time
	err = c.row(ctx, "SELECT state, finished_at FROM attempts WHERE job_id = $1 AND number = $2", job, number).Scan(&state, into(&finished))
	l.closed, l.updatedAt = state.Final(), finished
	return l, err
}

// Log says how far the log of an attempt is stored; attempt 0 is the current one. [fault.NotFound] when there is no such attempt.
func (s *Store) Log(ctx context.Context, jobID int64, attempt int) (log ci.Log, err error) {
	err = s.read(ctx, fmt.Sprintf("find the log of job %d", jobID), func(ctx context.Context, c conn) error {
		l, err := findLog(ctx, c, jobID, attempt)
		if err != nil {
			return err
		}
		log = ci.Log{
			JobID: l.job, Attempt: l.attempt, Next: l.own[ci.LogWorker].next, Closed: l.closed,
			RemovedBy: l.removedBy, RemovedAt: l.removedAt, UpdatedAt: l.updatedAt,
		}
		for _, own := range l.own {
			log.Bytes += own.bytes
			log.Lines += int(own.lines)
		}
		return nil
	})
	return log, err
}

// DeleteLog deletes what the attempts at a job wrote and keeps who did it and when. [fault.Conflict] while the job has not
// ended, and when it was done before.
func (s *Store) DeleteLog(ctx context.Context, jobID int64, by string) error {
	return s.writeFor(ctx, mostTimeBig, fmt.Sprintf("delete the log of job %d", jobID), func(ctx context.Context, c conn) error {
		h, i, err := s.holdJob(ctx, c, jobID)
		if err != nil {
			return err
		}
		if !h.jobs[i].State.Final() {
			return fault.New(fault.Conflict, "This job has not ended yet; its log can be deleted when it has.").Named("job_unfinished")
		}
		if err := openLog(ctx, c, jobID, h.jobs[i].Attempt, h.now); err != nil {
			return err
		}
		rows, err := lockLogs(ctx, c, []int64{jobID})
		if err != nil {
			return err
		}
		if !rows[len(rows)-1].removedAt.IsZero() {
			return errLogRemoved()
		}
		for _, l := range rows {
			if !l.removedAt.IsZero() {
				continue
			}
			l.empty()
			l.removedBy, l.removedAt = by, h.now
			if err := l.save(ctx, c, h.now); err != nil {
				return err
			}
		}
		for _, statement := range []string{"DELETE FROM log_parts WHERE job_id = $1", "DELETE FROM log_chunks WHERE job_id = $1"} {
			if _, err := c.exec(ctx, statement, jobID); err != nil {
				return err
			}
		}
		return nil
	})
}
