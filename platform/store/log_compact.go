package store

import (
	"context"
	"fmt"
	"time"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store/logchunk"
)

// compactAtOnce is how many logs one call of [Store.CompactLogs] compacts.
const compactAtOnce = 100

// CompactLogs turns the parts of closed logs to which nothing was added for the time of quiet into compressed chunks, up to
// 100 logs a call, and says how many it did. Readers see no difference, also in the middle. A log that another node is at is
// left to it.
func (s *Store) CompactLogs(ctx context.Context, quiet time.Duration) (done int, err error) {
	var ready []attemptKey
	err = s.read(ctx, "find logs to compact", func(ctx context.Context, c conn) error {
		ready, err = list(ctx, c, scanAttemptKey, `SELECT job_id, attempt FROM logs WHERE loose AND closed AND updated_at <= $1
			ORDER BY job_id, attempt LIMIT $2`, at(s.Now().Add(-quiet)), compactAtOnce)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, key := range ready {
		busy, err := s.compactLog(ctx, key, quiet)
		if err != nil {
			return done, err
		}
		if !busy {
			done++
		}
	}
	return done, nil
}

func scanAttemptKey(row scanner) (k attemptKey, err error) {
	err = row.Scan(&k.job, &k.number)
	return k, err
}

// compactLog makes chunk after chunk, each in a transaction of its own: memory and the time for which the log is held are
// bounded by a chunk.
func (s *Store) compactLog(ctx context.Context, key attemptKey, quiet time.Duration) (busy bool, err error) {
	for more := true; more && err == nil; {
		err = s.write(ctx, fmt.Sprintf("compact the log of job %d", key.job), func(ctx context.Context, c conn) error {
			more, busy = false, false
			rows, err := list(ctx, c, scanLog, "SELECT "+logColumns+" FROM logs l WHERE l.job_id = $1 AND l.attempt = $2 {{skip locked}}", key.job, key.number)
			if err != nil {
				return err
			}
			if busy = len(rows) == 0; busy {
				return nil
			}
			if l := rows[0]; l.loose && l.closed && !l.updatedAt.After(s.Now().Add(-quiet)) {
				more, err = l.compact(ctx, c, s.codec)
			}
			return err
		})
	}
	return busy, err
}

// compact turns the first of a log's loose parts into a chunk, and says whether there may be more. What is left in the end
// lies beyond a gap that is never filled, and nobody can read it.
func (l *logRow) compact(ctx context.Context, c conn, codec *logchunk.Codec) (more bool, err error) {
	source, parts, err := l.loosest(ctx, c)
	if err != nil {
		return false, err
	}
	if len(parts) == 0 {
		if _, err := c.exec(ctx, "DELETE FROM log_parts WHERE job_id = $1 AND attempt = $2 AND day = $3", l.job, l.attempt, l.day); err != nil {
			return false, err
		}
		_, err := c.exec(ctx, "UPDATE logs SET loose = FALSE WHERE job_id = $1 AND attempt = $2", l.job, l.attempt)
		return false, err
	}
	first, until := parts[0].Number, parts[len(parts)-1].Number+1
	chunk := codec.Pack(parts.parts())
	_, err = c.exec(ctx, `INSERT INTO log_chunks (job_id, attempt, source, first, until, day, lines_before, size, parts, content)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		l.job, l.attempt, int(source), first, until, l.day, parts[0].before, parts.size(), chunk.Index, chunk.Content)
	if err != nil {
		return false, err
	}
	gone, err := c.exec(ctx, `DELETE FROM log_parts WHERE job_id = $1 AND attempt = $2 AND day = $3 AND source = $4 AND number >= $5 AND number < $6`,
		l.job, l.attempt, l.day, int(source), first, until)
	if err == nil && gone != int64(len(parts)) {
		err = fmt.Errorf("%d parts were compacted, %d removed", len(parts), gone)
	}
	if err != nil {
		return false, err
	}
	_, err = c.exec(ctx, "UPDATE logs SET chunks = chunks + 1 WHERE job_id = $1 AND attempt = $2", l.job, l.attempt)
	return true, err
}

// loosePart is a part on its way into a chunk.
type loosePart struct {
	logchunk.Part
	before int64 // lines, in its source
}

type looseParts []loosePart

func (p looseParts) parts() []logchunk.Part {
	all := make([]logchunk.Part, len(p))
	for i := range p {
		all[i] = p[i].Part
	}
	return all
}

func (p looseParts) size() (size int) {
	for i := range p {
		size += p[i].Size
	}
	return size
}

// loosest reads the first loose parts that can be read, of one source, as many as a chunk takes; they lie before what of the
// source is in chunks, or behind it.
func (l *logRow) loosest(ctx context.Context, c conn) (source ci.LogSource, parts looseParts, err error) {
	for source = ci.LogPreface; source <= ci.LogEpilogue; source++ {
		sizes, err := list(ctx, c, func(row scanner) (p loosePart, err error) {
			err = row.Scan(&p.Number, &p.Size)
			return p, err
		}, `SELECT number, size FROM log_parts WHERE job_id = $1 AND attempt = $2 AND day = $3 AND source = $4 AND number < $5 ORDER BY number LIMIT $6`,
			l.job, l.attempt, l.day, int(source), l.own[source].next, logchunk.MostParts)
		if err != nil {
			return source, nil, err
		}
		if len(sizes) == 0 {
			continue
		}
		n, sum := 0, 0
		for n < len(sizes) && (n == 0 || sum+sizes[n].Size <= logchunk.MostBytes) {
			sum += sizes[n].Size
			n++
		}
		parts, err = list(ctx, c, scanLoose, `SELECT number, lines_before, lines, size, final, elapsed, content FROM log_parts
			WHERE job_id = $1 AND attempt = $2 AND day = $3 AND source = $4 AND number >= $5 AND number <= $6 ORDER BY number`,
			l.job, l.attempt, l.day, int(source), sizes[0].Number, sizes[n-1].Number)
		return source, parts, err
	}
	return source, nil, nil
}

func scanLoose(row scanner) (p loosePart, err error) {
	var elapsed int64
	err = row.Scan(&p.Number, &p.before, &p.Lines, &p.Size, &p.Final, &elapsed, &p.Content)
	p.Elapsed = time.Duration(elapsed) * time.Microsecond
	return p, err
}
