package store

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/mask"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
)

// What a worker sends is masked once more before it is stored: a worker that does not claim masks nothing. A secret may lie
// across parts, and they may come to different nodes and out of order. So the end of the output that may begin a secret is
// held back, sealed, in the row of the log, and comes before the next part; what comes beyond a gap is sealed until the gap
// is filled. Whatever node stores the next part finds both.

// Bounds of what is remembered of masks.
const (
	masksFresh = 30 * time.Second // a set of secrets is used for so long without a look at the variables
	masksBytes = 64 << 20         // together
	masksRuns  = 10_000
)

// masks remembers the secrets of runs. Old values stay in the set of a run when they are changed meanwhile: it has those.
type masks struct {
	mu    sync.Mutex
	runs  map[runKey]*runMask
	bytes int
}

// runKey names a run, also one whose parts do not say of which attempt it is.
type runKey struct {
	job int64
	run string
}

type runMask struct {
	values []string
	set    *mask.Set // nil: no secrets
	read   time.Time
}

// learn adds the secrets of a run and returns its set, nil for none.
func (m *masks) learn(run runKey, secrets []ci.EnvVar) *mask.Set {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.runs[run]
	if known == nil {
		known = &runMask{}
		m.forget()
		m.runs[run] = known
	}
	known.read = time.Now()
	before := len(known.values)
	for _, v := range secrets {
		if !slices.Contains(known.values, v.Value) {
			known.values = append(known.values, v.Value)
		}
	}
	if len(known.values) == before {
		return known.set
	}
	if known.set != nil {
		m.bytes -= known.set.Size()
	}
	if known.set = mask.Of(known.values); known.set.Empty() {
		known.set = nil
		return nil
	}
	m.bytes += known.set.Size()
	return known.set
}

// forget makes room: the sets that were not read again for the longest time go.
func (m *masks) forget() {
	if m.runs == nil {
		m.runs = map[runKey]*runMask{}
	}
	if len(m.runs) < masksRuns && m.bytes < masksBytes {
		return
	}
	oldest := slices.SortedFunc(maps.Keys(m.runs), func(a, b runKey) int { return m.runs[a].read.Compare(m.runs[b].read) })
	for _, run := range oldest[:(len(oldest)+1)/2] {
		if set := m.runs[run].set; set != nil {
			m.bytes -= set.Size()
		}
		delete(m.runs, run)
	}
}

// find returns the set of a run that was read lately.
func (m *masks) find(run runKey) (set *mask.Set, fresh bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.runs[run]
	if known == nil || time.Since(known.read) > masksFresh {
		return nil, false
	}
	return known.set, true
}

// findMasks gives batches their sets.
func (s *Store) findMasks(ctx context.Context, batches []*logBatch) (err error) {
	for _, b := range batches {
		if b.set, err = s.maskOf(ctx, runKey{b.job, b.run}); err != nil {
			return err
		}
	}
	return nil
}

// maskOf is the set of a run, nil for none. Secrets that cannot be opened here are given to no worker either.
func (s *Store) maskOf(ctx context.Context, run runKey) (*mask.Set, error) {
	if set, fresh := s.masks.find(run); fresh {
		return set, nil
	}
	secrets, err := s.Secrets(ctx, run.job)
	if f, ok := errors.AsType[*fault.Error](err); ok && (f.Kind == seal.Kind || f.Code == fault.NotFound) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return s.masks.learn(run, secrets), nil
}

// hold seals what is held back into the row, which is still to be saved.
func (l *logRow) hold(c conn, rest mask.Rest) error {
	if len(rest.Held) == 0 {
		l.held = ""
		return nil
	}
	sealed, err := c.keys.Seal(append(binary.AppendUvarint(nil, uint64(rest.Masked)), rest.Held...), l.placeOfHeld()) //nolint:gosec // a length
	l.held = sealed
	return err
}

// heldBack is what was held back. Where its key is gone a mark stands for it.
func (l *logRow) heldBack(c conn) mask.Rest {
	if l.held == "" {
		return mask.Rest{}
	}
	plain, err := c.keys.Open(l.held, l.placeOfHeld())
	masked, n := binary.Uvarint(plain)
	if err != nil || n <= 0 || masked > uint64(len(plain)-n) {
		return mask.Rest{Held: []byte(mask.Mark)}
	}
	return mask.Rest{Held: plain[n:], Masked: int(masked)} //nolint:gosec // not more than a length
}

// release adds what is held back as one more part, because nothing follows; the row is still to be saved.
func (l *logRow) release(ctx context.Context, c conn, now time.Time) error {
	if l.held == "" {
		return nil
	}
	rest := l.heldBack(c)
	l.held = ""
	content := rest.End()
	if len(content) == 0 {
		return nil
	}
	p := storedPart{day: l.day, lines: newLines(content), linesBefore: l.own[ci.LogWorker].lines, LogPart: ci.LogPart{
		JobID: l.job, Attempt: l.attempt, Source: ci.LogWorker, Number: l.own[ci.LogWorker].next, Content: content,
	}}
	if _, err := c.exec(ctx, "DELETE FROM log_parts WHERE job_id = $1 AND attempt = $2 AND day = $3 AND source = 1 AND number >= $4",
		l.job, l.attempt, l.day, p.Number); err != nil {
		return err
	}
	l.advance(p.Source, p.Number, len(content), p.lines)
	l.loose = true
	return insertParts(ctx, c, []storedPart{p}, now)
}

func (l *logRow) placeOfHeld() seal.Place {
	return seal.Place{Table: "logs", Row: strconv.FormatInt(l.job, 10) + "/" + strconv.Itoa(l.attempt), Column: "held"}
}

func (l *logRow) placeOf(number int) seal.Place {
	return seal.Place{
		Table: "log_parts", Row: strconv.FormatInt(l.job, 10) + "/" + strconv.Itoa(l.attempt) + "/" + strconv.Itoa(number), Column: "content",
	}
}
