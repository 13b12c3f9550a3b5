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

// What [Store.LogParts] gives at once.
const (
	mostParts    = 2000
	defaultBytes = 1 << 20
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

// LogParts returns parts of a log in order, at most so many bytes of them but at least one, of what is stored without a
// gap. What stands after the worker's output is given when that is complete.
func (s *Store) LogParts(ctx context.Context, jobID int64, attempt int, from ci.LogPos, maxBytes int) (parts []ci.LogPart, err error) {
	if maxBytes <= 0 {
		maxBytes = defaultBytes
	}
	err = s.read(ctx, fmt.Sprintf("read the log of job %d", jobID), func(ctx context.Context, c conn) error {
		l, err := findLog(ctx, c, jobID, attempt)
		if err != nil {
			return err
		}
		to, err := l.upTo(ctx, c, from, maxBytes)
		if parts = nil; err != nil || to == from {
			return err
		}
		parts, err = list(ctx, c, l.scanPart, `SELECT source, number, lines_before, final, elapsed, content FROM log_parts
			WHERE job_id = $1 AND attempt = $2 AND (source, number) >= ($3, $4) AND (source, number) < ($5, $6) ORDER BY source, number`,
			l.job, l.attempt, int(from.Source), from.Number, int(to.Source), to.Number)
		return err
	})
	return parts, err
}

func (l *logRow) scanPart(row scanner) (ci.LogPart, error) {
	p := ci.LogPart{JobID: l.job, Attempt: l.attempt}
	var before, elapsed int64
	err := row.Scan(&p.Source, &p.Number, &before, &p.Final, &elapsed, &p.Content)
	p.FirstLine = int(l.linesBefore(p.Source)+before) + 1
	p.Elapsed = time.Duration(elapsed) * time.Microsecond
	return p, err
}

// upTo finds the place behind the last part that may be read and fits.
func (l *logRow) upTo(ctx context.Context, c conn, from ci.LogPos, maxBytes int) (ci.LogPos, error) {
	type sized struct {
		ci.LogPos
		size int
	}
	next, err := list(ctx, c, func(row scanner) (p sized, err error) {
		err = row.Scan(&p.Source, &p.Number, &p.size)
		return p, err
	}, `SELECT source, number, size FROM log_parts WHERE job_id = $1 AND attempt = $2 AND (source, number) >= ($3, $4)
		ORDER BY source, number LIMIT $5`, l.job, l.attempt, int(from.Source), from.Number, mostParts)
	if err != nil {
		return from, err
	}
	to, sum := from, 0
	for i, p := range next {
		readable := p.Number < l.own[p.Source].next && (p.Source != ci.LogEpilogue || l.closed || l.complete())
		if sum += p.size; !readable || (i > 0 && sum > maxBytes) {
			break
		}
		to = ci.LogPos{Source: p.Source, Number: p.Number + 1}
	}
	return to, nil
}

// LogPartAtLine returns the place from which to read so that the whole line, counted from 1, is in what is read.
func (s *Store) LogPartAtLine(ctx context.Context, jobID int64, attempt, line int) (pos ci.LogPos, err error) {
	err = s.read(ctx, fmt.Sprintf("find a line of the log of job %d", jobID), func(ctx context.Context, c conn) error {
		l, err := findLog(ctx, c, jobID, attempt)
		if err != nil {
			return err
		}
		// The line begins behind end number line-1 of all, which is in the last part with fewer ends before it.
		ends := int64(line) - 2
		for source := ci.LogEpilogue; source >= ci.LogPreface; source-- {
			within := ends - l.linesBefore(source)
			if l.own[source].next == 0 || within < 0 {
				continue
			}
			pos.Source = source
			return c.row(ctx, `SELECT number FROM log_parts WHERE job_id = $1 AND attempt = $2 AND source = $3 AND number < $4
				AND lines_before <= $5 ORDER BY number DESC LIMIT 1`, l.job, l.attempt, int(source), l.own[source].next, within).Scan(&pos.Number)
		}
		return nil
	})
	return pos, err
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
			for source := range l.own {
				l.own[source].bytes, l.own[source].lines = 0, 0
			}
			l.closed, l.removedBy, l.removedAt = true, by, h.now
			if err := l.save(ctx, c, h.now); err != nil {
				return err
			}
		}
		_, err = c.exec(ctx, "DELETE FROM log_parts WHERE job_id = $1", jobID)
		return err
	})
}
