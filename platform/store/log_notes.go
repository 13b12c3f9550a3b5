package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/mask"
	"github.com/headrace/headrace/platform/ci"
)

// AddNote adds lines of the platform's own before or after the worker's; attempt 0 is the current one. What comes after
// the end of an attempt, such as who canceled it, is added to a closed log too, but not to one whose content was deleted.
func (s *Store) AddNote(ctx context.Context, jobID int64, attempt int, src ci.LogSource, note string) (stored ci.LogStored, err error) {
	if src != ci.LogPreface && src != ci.LogEpilogue {
		return stored, fault.New(fault.Invalid, "A note stands before or after the output of the worker.")
	}
	err = s.write(ctx, fmt.Sprintf("add a note to the log of job %d", jobID), func(ctx context.Context, c conn) error {
		number, err := attemptNumber(ctx, c, jobID, attempt)
		if err != nil {
			return err
		}
		stored, err = addNote(ctx, c, attemptKey{jobID, number}, src, note, s.Now())
		return err
	})
	return stored, err
}

// attemptNumber checks that there is such an attempt; 0 is the current one.
func attemptNumber(ctx context.Context, c conn, job int64, attempt int) (number int, err error) {
	statement := "SELECT attempt FROM jobs WHERE id = $1 AND $2 = 0"
	if attempt != 0 {
		statement = "SELECT number FROM attempts WHERE job_id = $1 AND number = $2"
	}
	err = c.row(ctx, statement, job, attempt).Scan(&number)
	return number, found(err, errNoJob)
}

func addNote(ctx context.Context, c conn, key attemptKey, src ci.LogSource, note string, now time.Time) (ci.LogStored, error) {
	if err := openLog(ctx, c, key.job, key.number, now); err != nil {
		return ci.LogStored{}, err
	}
	rows, err := lockLogs(ctx, c, []int64{key.job})
	if err != nil {
		return ci.LogStored{}, err
	}
	owners, err := logOwners(ctx, c, []int64{key.job})
	if err != nil {
		return ci.LogStored{}, err
	}
	for _, l := range rows {
		if l.attempt != key.number {
			continue
		}
		if !l.removedAt.IsZero() {
			return ci.LogStored{}, errLogRemoved()
		}
		owner := owners[key]
		if owner.over() && !l.closed {
			if err := l.release(ctx, c, now); err != nil {
				return ci.LogStored{}, err
			}
			l.closed = true
		}
		err := l.write(ctx, c, src, note, now)
		return owner.stored(l), err
	}
	return ci.LogStored{}, errNoJob
}

// write stores a note and saves the row.
func (l *logRow) write(ctx context.Context, c conn, src ci.LogSource, note string, now time.Time) error {
	if note == "" {
		return l.save(ctx, c, now)
	}
	if src == ci.LogEpilogue && l.own[src].next == 0 && (l.own[ci.LogWorker].bytes > 0 || !l.closed) {
		note = "\n" + note // the worker's last line, which may be yet to come, may have no end
	}
	if !strings.HasSuffix(note, "\n") {
		note += "\n"
	}
	l.loose = true
	var parts []storedPart
	for content := []byte(note); len(content) > 0; {
		n := min(len(content), MostLogPart)
		p := storedPart{day: l.day, lines: newLines(content[:n]), linesBefore: l.own[src].lines, LogPart: ci.LogPart{
			JobID: l.job, Attempt: l.attempt, Source: src, Number: l.own[src].next, Content: content[:n],
		}}
		l.advance(src, p.Number, n, p.lines)
		parts, content = append(parts, p), content[n:]
	}
	if err := insertParts(ctx, c, parts, now); err != nil {
		return err
	}
	return l.save(ctx, c, now)
}

// foreignQuiet is how long after its end the log of a foreign run may be added to: such a worker says that a job has ended
// before it stops the job's container, which may take long, and sends the end of the log after it.
const foreignQuiet = 3 * time.Minute

// CloseLogs closes the logs of ended attempts to which nothing was added for the time of quiet, and says in each what is
// missing of it. The time is that in which workers could be heard: while the broker, the database or every node is away, nothing
// can arrive.
func (s *Store) CloseLogs(ctx context.Context, quiet time.Duration) (closed []ci.LogStored, err error) {
	var open []attemptKey
	err = s.read(ctx, "find logs to close", func(ctx context.Context, c conn) error {
		open, err = list(ctx, c, func(row scanner) (k attemptKey, err error) {
			err = row.Scan(&k.job, &k.number)
			return k, err
		}, `SELECT l.job_id, l.attempt FROM logs l JOIN attempts a ON a.job_id = l.job_id AND a.number = l.attempt
			WHERE NOT l.closed AND a.state IN ('passed', 'failed', 'errored', 'canceled')
			AND l.heard <= (SELECT counter - $1 FROM hearing WHERE id = 1)
			AND a.ended <= (SELECT CASE WHEN a.unclaimed THEN counter - $2 ELSE counter - $1 END FROM hearing WHERE id = 1)
			ORDER BY l.job_id, l.attempt LIMIT 200`, quiet.Microseconds(), max(quiet, foreignQuiet).Microseconds())
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, key := range open {
		stored, done, err := s.closeLog(ctx, key, quiet)
		if err != nil {
			return closed, err
		}
		if done {
			closed = append(closed, stored)
		}
	}
	return closed, nil
}

func (s *Store) closeLog(ctx context.Context, key attemptKey, quiet time.Duration) (stored ci.LogStored, done bool, err error) {
	set, err := s.maskOf(ctx, runKey{job: key.job})
	if err != nil {
		return stored, false, err
	}
	err = s.write(ctx, fmt.Sprintf("close the log of job %d", key.job), func(ctx context.Context, c conn) error {
		done = false
		rows, err := lockLogs(ctx, c, []int64{key.job})
		if err != nil {
			return err
		}
		owners, err := logOwners(ctx, c, []int64{key.job})
		if err != nil {
			return err
		}
		hearing, _, err := hearingOf(ctx, c, false)
		if err != nil {
			return err
		}
		for _, l := range rows {
			if l.attempt != key.number || l.closed || l.heard > hearing.Counter-quiet || !owners[key].state.Final() {
				continue
			}
			if err := l.closeIncomplete(ctx, c, set, s.Now()); err != nil {
				return err
			}
			stored, done = owners[key].stored(l), true
		}
		return nil
	})
	return stored, done, err
}

// closeIncomplete closes a log whose final part did not come; what is stored beyond a gap becomes readable.
func (l *logRow) closeIncomplete(ctx context.Context, c conn, set *mask.Set, now time.Time) error {
	missing := l.highest >= l.own[ci.LogWorker].next
	t := taking{logRow: l, conn: c, set: set}
	if err := t.leap(ctx); err != nil {
		return err
	}
	if err := l.release(ctx, c, now); err != nil {
		return err
	}
	l.closed = true
	note := "The end of the output did not arrive from the worker."
	switch {
	case missing && l.complete():
		note = "Some of the output did not arrive from the worker."
	case missing:
		note = "Some of the output, and the end of it, did not arrive from the worker."
	case l.complete():
		note = ""
	}
	return l.write(ctx, c, ci.LogEpilogue, note, now)
}
