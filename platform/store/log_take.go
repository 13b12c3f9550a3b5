package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/headrace/headrace/internal/mask"
	"github.com/headrace/headrace/platform/ci"
)

// taking adds parts of the worker's to a log that is held.
type taking struct {
	*logRow
	conn  conn
	set   *mask.Set    // the secrets that do not belong into the log; nil: none
	rest  mask.Rest    // the end of the output so far that may begin one
	there map[int]bool // numbers of parts beyond a gap that are stored
	fresh []storedPart
}

// take counts the worker's parts in, saves the row, and returns what of the parts is still to be stored.
func (t *taking) take(ctx context.Context, parts []ci.LogPart, ended bool, now time.Time) ([]storedPart, error) {
	if err := t.begin(ctx); err != nil {
		return nil, err
	}
	own, took := &t.own[ci.LogWorker], false
	for _, p := range parts {
		if p.Number < own.next || (t.last >= 0 && p.Number > t.last) {
			continue
		}
		took = true // a part beyond a gap that comes again, too: who sends it still has what is missing
		if t.there[p.Number] {
			continue
		}
		if p.Final {
			t.last = p.Number
		}
		t.highest = max(t.highest, p.Number)
		if p.Number != own.next {
			if err := t.keepBeyond(p); err != nil {
				return nil, err
			}
			continue
		}
		t.add(p)
		for t.there[own.next] {
			if err := t.connect(ctx, own.next); err != nil {
				return nil, err
			}
		}
	}
	if !took {
		return nil, nil
	}
	t.loose = true
	t.closed = ended && t.complete()
	if err := t.hold(t.conn, t.rest); err != nil {
		return nil, err
	}
	return t.fresh, t.save(ctx, t.conn, now)
}

// begin finds what is held back and which parts are stored beyond a gap.
func (t *taking) begin(ctx context.Context) error {
	t.rest = t.heldBack(t.conn)
	if t.highest < t.own[ci.LogWorker].next {
		return nil
	}
	numbers, err := list(ctx, t.conn, func(row scanner) (n int, err error) {
		err = row.Scan(&n)
		return n, err
	}, "SELECT number FROM log_parts WHERE job_id = $1 AND attempt = $2 AND source = 1 AND number >= $3 AND day = $4",
		t.job, t.attempt, t.own[ci.LogWorker].next, t.day)
	t.there = make(map[int]bool, len(numbers))
	for _, n := range numbers {
		t.there[n] = true
	}
	return err
}

// add counts in the part that follows, without its secrets.
func (t *taking) add(p ci.LogPart) {
	p.Content = t.masked(p.Content, p.Number)
	stored := storedPart{LogPart: p, day: t.day, lines: newLines(p.Content), linesBefore: t.own[ci.LogWorker].lines}
	t.advance(p.Source, p.Number, len(p.Content), stored.lines)
	t.fresh = append(t.fresh, stored)
}

// masked is the content of the next part without secrets: with what was held back before it, and without what is now.
func (t *taking) masked(content []byte, number int) []byte {
	if t.set == nil && len(t.rest.Held) == 0 {
		return content
	}
	set := t.set
	if set == nil {
		set = &mask.Set{}
	}
	return set.Next(make([]byte, 0, len(content)+len(t.rest.Held)), content, &t.rest, number == t.last)
}

// keepBeyond stores a part beyond a gap. Its secrets can be told only when what is before it is there.
func (t *taking) keepBeyond(p ci.LogPart) error {
	stored := storedPart{LogPart: p, day: t.day, lines: newLines(p.Content)}
	if t.set != nil {
		text, err := t.conn.keys.Seal(p.Content, t.placeOf(p.Number))
		if err != nil {
			return err
		}
		stored.Content, stored.sealed = []byte(text), true
	}
	t.fresh = append(t.fresh, stored)
	return nil
}

// connect counts in a part that was stored beyond a gap and follows now.
func (t *taking) connect(ctx context.Context, number int) error {
	const which = " WHERE job_id = $1 AND attempt = $2 AND source = 1 AND number = $3 AND day = $4"
	own := t.own[ci.LogWorker]
	var sealed bool
	var size int
	var lines int64
	err := t.conn.row(ctx, "SELECT sealed, size, lines FROM log_parts"+which, t.job, t.attempt, number, t.day).Scan(&sealed, &size, &lines)
	if err != nil {
		return err
	}
	if !sealed && t.set == nil && len(t.rest.Held) == 0 {
		_, err = t.conn.exec(ctx, "UPDATE log_parts SET lines_before = $5"+which, t.job, t.attempt, number, t.day, own.lines)
		t.advance(ci.LogWorker, number, size, lines)
		return err
	}
	var content []byte
	if err := t.conn.row(ctx, "SELECT content FROM log_parts"+which, t.job, t.attempt, number, t.day).Scan(&content); err != nil {
		return err
	}
	if sealed {
		if content, err = t.conn.keys.Open(string(content), t.placeOf(number)); err != nil {
			content = []byte(unreadable)
		}
	}
	content = t.masked(content, number)
	lines = newLines(content)
	_, err = t.conn.exec(ctx, "UPDATE log_parts SET lines_before = $5, lines = $6, size = $7, sealed = FALSE, content = $8"+which,
		t.job, t.attempt, number, t.day, own.lines, lines, len(content), notNil(content))
	t.advance(ci.LogWorker, number, len(content), lines)
	return err
}

// unreadable stands where a part was sealed with a key that is gone.
const unreadable = "\n[This part of the log was sealed with a cluster key that this node does not have.]\n"

// leap counts in all parts beyond gaps, because what is missing will not come.
func (t *taking) leap(ctx context.Context) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	for _, number := range slices.Sorted(maps.Keys(t.there)) {
		if number != t.own[ci.LogWorker].next {
			t.rest = mask.Rest{Held: t.rest.End()}
		}
		if err := t.connect(ctx, number); err != nil {
			return err
		}
	}
	return t.hold(t.conn, t.rest)
}
