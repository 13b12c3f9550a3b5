package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store/logchunk"
)

// What [Store.LogParts] gives at once.
const (
	mostParts    = 2000
	defaultBytes = 1 << 20
)

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
		r := logReader{logRow: l, conn: c, codec: s.codec, room: maxBytes}
		err = r.read(ctx, from)
		parts = r.parts
		return err
	})
	return parts, err
}

// logReader reads a log whose parts are loose, or in chunks, or some in these and some in those.
type logReader struct {
	*logRow
	conn  conn
	codec *logchunk.Codec
	room  int // how many bytes more are wanted
	parts []ci.LogPart
	full  bool // no more is wanted, or may be read yet
}

// beyond is behind every part.
var beyond = ci.LogPos{Source: ci.LogEpilogue + 1}

func (r *logReader) read(ctx context.Context, from ci.LogPos) error {
	for !r.full {
		chunk, err := r.chunkFrom(ctx, from)
		if err != nil {
			return err
		}
		if err := r.readLoose(ctx, from, chunk.start()); err != nil || chunk == nil || r.full {
			return err
		}
		packed, err := r.codec.Parts(chunk.Chunk)
		if err != nil {
			return fmt.Errorf("log of job %d: %w", r.job, err)
		}
		lines := chunk.linesBefore
		for _, p := range packed {
			if p.Number >= from.Number || chunk.source != from.Source {
				r.add(ci.LogPart{
					JobID: r.job, Attempt: r.attempt, Source: chunk.source, Number: p.Number, Content: p.Content, Elapsed: p.Elapsed, Final: p.Final,
					FirstLine: int(r.linesBefore(chunk.source)+lines) + 1,
				})
			}
			lines += p.Lines
		}
		from = ci.LogPos{Source: chunk.source, Number: chunk.until}
	}
	return nil
}

// add takes a part unless there is no room for it or it may not be read yet.
func (r *logReader) add(p ci.LogPart) {
	if r.full = r.full || !r.fits(p.Source, p.Number, len(p.Content)); !r.full {
		r.parts = append(r.parts, p)
		r.room -= len(p.Content)
	}
}

func (r *logReader) fits(source ci.LogSource, number, size int) bool {
	readable := number < r.own[source].next && (source != ci.LogEpilogue || r.closed || r.complete())
	return readable && len(r.parts) < mostParts && (len(r.parts) == 0 || size <= r.room)
}

// readLoose reads loose parts between two places.
func (r *logReader) readLoose(ctx context.Context, from, to ci.LogPos) error {
	if !r.loose {
		return nil
	}
	to, err := r.upTo(ctx, from, to)
	if err != nil || to == from {
		return err
	}
	loose, err := list(ctx, r.conn, r.scanPart, `SELECT source, number, lines_before, final, elapsed, content FROM log_parts
		WHERE job_id = $1 AND attempt = $2 AND day = $3 AND (source, number) >= ($4, $5) AND (source, number) < ($6, $7)
		AND (source <> 1 OR number < $8) ORDER BY source, number`,
		r.job, r.attempt, r.day, int(from.Source), from.Number, int(to.Source), to.Number, r.own[ci.LogWorker].next)
	for _, p := range loose {
		r.parts = append(r.parts, p)
		r.room -= len(p.Content)
	}
	return err
}

func (l *logRow) scanPart(row scanner) (ci.LogPart, error) {
	p := ci.LogPart{JobID: l.job, Attempt: l.attempt}
	var before, elapsed int64
	err := row.Scan(&p.Source, &p.Number, &before, &p.Final, &elapsed, &p.Content)
	p.FirstLine = int(l.linesBefore(p.Source)+before) + 1
	p.Elapsed = time.Duration(elapsed) * time.Microsecond
	return p, err
}

// upTo finds the place behind the last loose part before another place that may be read and fits.
func (r *logReader) upTo(ctx context.Context, from, limit ci.LogPos) (ci.LogPos, error) {
	type sized struct {
		ci.LogPos
		size int
	}
	next, err := list(ctx, r.conn, func(row scanner) (p sized, err error) {
		err = row.Scan(&p.Source, &p.Number, &p.size)
		return p, err
	}, `SELECT source, number, size FROM log_parts WHERE job_id = $1 AND attempt = $2 AND day = $3 AND (source, number) >= ($4, $5)
		AND (source, number) < ($6, $7) AND (source <> 1 OR number < $8) ORDER BY source, number LIMIT $9`,
		r.job, r.attempt, r.day, int(from.Source), from.Number, int(limit.Source), limit.Number, r.own[ci.LogWorker].next, mostParts)
	if err != nil {
		return from, err
	}
	to, sum := from, 0
	for i, p := range next {
		if sum += p.size; (i > 0 && sum > r.room) || !r.fits(p.Source, p.Number, p.size) {
			r.full = true
			break
		}
		to = ci.LogPos{Source: p.Source, Number: p.Number + 1}
	}
	r.full = r.full || len(next) == mostParts
	return to, nil
}

// logChunk is a row of table log_chunks.
type logChunk struct {
	source      ci.LogSource
	first       int
	until       int
	linesBefore int64
	logchunk.Chunk
}

// start is where the chunk begins; no chunk begins beyond all parts.
func (k *logChunk) start() ci.LogPos {
	if k == nil {
		return beyond
	}
	return ci.LogPos{Source: k.source, Number: k.first}
}

// chunkFrom finds the chunk that has the part at a place, or the next one after it; nil: there is none.
func (r *logReader) chunkFrom(ctx context.Context, from ci.LogPos) (*logChunk, error) {
	if r.chunks == 0 {
		return nil, nil //nolint:nilnil // nil is the word for "none"
	}
	k := &logChunk{}
	err := r.conn.row(ctx, `SELECT source, first, until, lines_before, parts, content FROM log_chunks
		WHERE job_id = $1 AND attempt = $2 AND day = $3 AND (source > $4 OR (source = $4 AND until > $5)) ORDER BY source, first LIMIT 1`,
		r.job, r.attempt, r.day, int(from.Source), from.Number).Scan(&k.source, &k.first, &k.until, &k.linesBefore, &k.Index, &k.Content)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // as above
	}
	return k, err
}

// LogPartAtLine returns the place from which to read so that the whole line, counted from 1, is in what is read.
func (s *Store) LogPartAtLine(ctx context.Context, jobID int64, attempt, line int) (pos ci.LogPos, err error) {
	err = s.read(ctx, fmt.Sprintf("find a line of the log of job %d", jobID), func(ctx context.Context, c conn) error {
		l, err := findLog(ctx, c, jobID, attempt)
		if err != nil {
			return err
		}
		r := logReader{logRow: l, conn: c, codec: s.codec}
		// The line begins behind end number line-1 of all, which is in the last part with fewer ends before it.
		ends := int64(line) - 2
		for source := ci.LogEpilogue; source >= ci.LogPreface; source-- {
			within := ends - l.linesBefore(source)
			if l.own[source].next == 0 || within < 0 {
				continue
			}
			pos, err = r.atLine(ctx, source, within)
			return err
		}
		return nil
	})
	return pos, err
}

// atLine is the last part of a source with at most so many ends of lines before it.
func (r *logReader) atLine(ctx context.Context, source ci.LogSource, within int64) (ci.LogPos, error) {
	pos := ci.LogPos{Source: source}
	if r.loose {
		err := r.conn.row(ctx, `SELECT number FROM log_parts WHERE job_id = $1 AND attempt = $2 AND day = $3 AND source = $4 AND number < $5
			AND lines_before <= $6 ORDER BY number DESC LIMIT 1`, r.job, r.attempt, r.day, int(source), r.own[source].next, within).Scan(&pos.Number)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return pos, err
		}
	}
	if r.chunks == 0 {
		return pos, nil
	}
	k := logChunk{}
	err := r.conn.row(ctx, `SELECT first, lines_before, parts FROM log_chunks WHERE job_id = $1 AND attempt = $2 AND day = $3 AND source = $4
		AND lines_before <= $5 ORDER BY first DESC LIMIT 1`, r.job, r.attempt, r.day, int(source), within).Scan(&k.first, &k.linesBefore, &k.Index)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && k.first < pos.Number) {
		return pos, nil
	}
	if err != nil {
		return pos, err
	}
	parts, err := r.codec.Index(k.Index)
	if err != nil {
		return pos, fmt.Errorf("log of job %d: %w", r.job, err)
	}
	lines := k.linesBefore
	for _, p := range parts {
		if lines > within {
			break
		}
		pos.Number = p.Number
		lines += p.Lines
	}
	return pos, nil
}
