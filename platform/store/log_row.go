package store

import (
	"bytes"
	"context"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// MostLogPart is the most bytes of one part of a log; what is longer is cut.
const MostLogPart = 64 << 10

// logRow is a row of table logs: how far the log of an attempt is stored.
type logRow struct {
	job       int64
	attempt   int
	own       [3]logCount // by source
	highest   int         // the highest number of the worker's parts stored, -1: none; beyond own[LogWorker].next after a gap
	last      int         // the number of the worker's final part, -1: not yet known
	closed    bool
	removedBy string
	removedAt time.Time
	updatedAt time.Time
	heard     time.Duration // the hearing counter when it was last saved
	day       int           // on which it began: see log_days.go
	loose     bool          // it has rows in log_parts
	chunks    int           // rows in log_chunks
	held      string        // sealed: the end of the worker's output that may begin a secret, see log_mask.go
}

// logCount counts what is stored of a source without a gap.
type logCount struct {
	next         int
	bytes, lines int64
}

const logColumns = `l.job_id, l.attempt, l.preface_next, l.preface_bytes, l.preface_lines, l.worker_next, l.worker_bytes, l.worker_lines,
	l.epilogue_next, l.epilogue_bytes, l.epilogue_lines, l.worker_highest, l.worker_last, l.closed, l.removed_by,
	COALESCE(l.removed_at, (SELECT r.removed_at FROM log_removals r WHERE r.day >= l.day ORDER BY r.day LIMIT 1)), l.updated_at, l.heard,
	l.day, l.loose, l.chunks, l.held`

func scanLog(row scanner) (*logRow, error) {
	l := &logRow{}
	fields := []any{&l.job, &l.attempt}
	for i := range l.own {
		fields = append(fields, &l.own[i].next, &l.own[i].bytes, &l.own[i].lines)
	}
	var heard int64
	err := row.Scan(append(fields, &l.highest, &l.last, &l.closed, &l.removedBy, into(&l.removedAt), into(&l.updatedAt), &heard,
		&l.day, &l.loose, &l.chunks, &l.held)...)
	l.heard = time.Duration(heard) * time.Microsecond
	if !l.removedAt.IsZero() {
		l.empty()
	}
	return l, err
}

// empty says that the content is gone and nothing is added.
func (l *logRow) empty() {
	for source := range l.own {
		l.own[source].bytes, l.own[source].lines = 0, 0
	}
	l.closed, l.loose, l.chunks, l.held = true, false, 0, ""
}

// save writes the row.
func (l *logRow) save(ctx context.Context, c conn, now time.Time) error {
	l.updatedAt = now
	args := []any{l.job, l.attempt}
	for _, own := range l.own {
		args = append(args, own.next, own.bytes, own.lines)
	}
	_, err := c.exec(ctx, `UPDATE logs SET preface_next = $3, preface_bytes = $4, preface_lines = $5, worker_next = $6, worker_bytes = $7,
			worker_lines = $8, epilogue_next = $9, epilogue_bytes = $10, epilogue_lines = $11, worker_highest = $12, worker_last = $13,
			closed = $14, removed_by = $15, removed_at = $16, updated_at = $17, loose = $18, chunks = $19, held = $20,
			heard = (SELECT counter FROM hearing WHERE id = 1)
		WHERE job_id = $1 AND attempt = $2`,
		append(args, l.highest, l.last, l.closed, text(l.removedBy), at(l.removedAt), at(l.updatedAt), l.loose, l.chunks, l.held)...)
	return err
}

// complete: the worker's final part is stored, and all before it.
func (l *logRow) complete() bool { return l.last >= 0 && l.own[ci.LogWorker].next > l.last }

// linesBefore counts the lines of the sources before.
func (l *logRow) linesBefore(source ci.LogSource) (lines int64) {
	for _, own := range l.own[:source] {
		lines += own.lines
	}
	return lines
}

// advance counts a part as stored without a gap.
func (l *logRow) advance(source ci.LogSource, number, size int, lines int64) {
	own := &l.own[source]
	own.next, own.bytes, own.lines = number+1, own.bytes+int64(size), own.lines+lines
}

// openLog makes the row of a log if there is none.
func openLog(ctx context.Context, c conn, job int64, attempt int, now time.Time) error {
	_, err := c.exec(ctx, "INSERT INTO logs (job_id, attempt, updated_at, day) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", job, attempt, at(now), dayOf(now))
	return err
}

// lockLogs holds the rows of the logs of the jobs, of all their attempts. Read the attempts only after it: whoever ends an
// attempt closes its log under the same lock, so that either of the two sees what the other did.
func lockLogs(ctx context.Context, c conn, jobs []int64) ([]*logRow, error) {
	return list(ctx, c, scanLog, "SELECT "+logColumns+" FROM logs l WHERE l.job_id {{ints $1}} ORDER BY l.job_id, l.attempt {{lock}}", ids(jobs))
}

// endLog closes the log of an attempt that ended, if it is complete or nobody is left who writes it.
func endLog(ctx context.Context, c conn, job int64, attempt int, nobodyWrites bool, now time.Time) error {
	// The row is held also where it is not to be closed yet: who stores the last part meanwhile must see the attempt's end.
	rows, err := list(ctx, c, scanLog, "SELECT "+logColumns+" FROM logs l WHERE l.job_id = $1 AND l.attempt = $2 {{lock}}", job, attempt)
	if err != nil {
		return err
	}
	if nobodyWrites && len(rows) == 1 && rows[0].held != "" {
		l := rows[0]
		if err := l.release(ctx, c, now); err != nil {
			return err
		}
		l.closed = true
		return l.save(ctx, c, now)
	}
	_, err = c.exec(ctx, `UPDATE logs SET closed = TRUE, updated_at = $4 WHERE job_id = $1 AND attempt = $2 AND NOT closed
		AND ($3 OR (worker_last >= 0 AND worker_next > worker_last))`, job, attempt, nobodyWrites, at(now))
	return err
}

// storedPart is a part with what is counted of it.
type storedPart struct {
	ci.LogPart
	day         int
	sealed      bool
	lines       int64
	linesBefore any // nil: beyond a gap
}

const partColumns = 13

// insertParts stores parts; those that are stored already stay as they are.
func insertParts(ctx context.Context, c conn, parts []storedPart, now time.Time) error {
	const most = rowsPerInsert
	for len(parts) > 0 {
		n := min(len(parts), most)
		args := make([]any, 0, n*partColumns)
		for _, p := range parts[:n] {
			args = append(args, p.JobID, p.Attempt, int(p.Source), p.Number, p.linesBefore, p.lines, len(p.Content), p.Final,
				p.Elapsed.Microseconds(), at(now), p.day, p.sealed, notNil(p.Content))
		}
		_, err := c.exec(ctx, `INSERT INTO log_parts (job_id, attempt, source, number, lines_before, lines, size, final, elapsed, stored_at, day, sealed, content)
			VALUES `+tuples(n, partColumns, 1)+" ON CONFLICT DO NOTHING", args...)
		if err != nil {
			return err
		}
		parts = parts[n:]
	}
	return nil
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func newLines(b []byte) int64 { return int64(bytes.Count(b, []byte{'\n'})) }
