package logview

import (
	"context"
	"fmt"

	"github.com/headrace/headrace/platform/ci"
)

// The sizes of what is shown at once. A page holds the head and the tail of a log; what lies between is a gap.
const (
	headLines  = 1000
	tailLines  = 1000
	maxShown   = 768 << 10 // bytes of HTML in the head, and in the tail
	chunkBytes = 256 << 10 // bytes of the log that are read at once
	behind     = 3 * tailLines
	// BlockLines is how many lines of a gap come at once.
	BlockLines = 500
)

// Source is where logs are kept.
type Source interface {
	Log(ctx context.Context, jobID int64, attempt int) (ci.Log, error)
	LogParts(ctx context.Context, jobID int64, attempt int, from ci.LogPos, maxBytes int) ([]ci.LogPart, error)
	LogPartAtLine(ctx context.Context, jobID int64, attempt, line int) (ci.LogPos, error)
}

// View is a piece of a log, ready to be drawn.
type View struct {
	Log   ci.Log
	Items []Item
	// Open is the last line while its end has not come, else nil.
	Open *Line
	// Cursor is where to go on.
	Cursor Cursor
	// More: there is more to read at once.
	More bool
}

// Page reads what a page shows at first: the head and the tail, and the surroundings of line around where that is not 0.
func Page(ctx context.Context, src Source, jobID int64, attempt, around int) (View, error) {
	log, err := src.Log(ctx, jobID, attempt)
	if err != nil {
		return View{}, err
	}
	r := reader{src: src, log: log, jobID: jobID}
	w := &window{most: headLines}
	scan := newScanner(Cursor{Line: 1}, w.add)
	if err := r.read(ctx, scan, w.full); err != nil {
		return View{}, err
	}
	w.cutAfter()
	shown := w.lastLine(scan.line)
	if !w.full() {
		return r.view(w.items, scan)
	}
	items := w.items
	if from := around - BlockLines/2; around > shown && from < log.Lines-tailLines {
		from = max(from, shown+1)
		block, err := Range(ctx, src, jobID, log.Attempt, from, from+BlockLines-1)
		if err != nil {
			return View{}, err
		}
		items = append(append(items, gap(shown+1, from-1)...), block...)
		shown = from + BlockLines - 1
	}
	return r.tail(ctx, items, shown+1)
}

// After reads what has come since a cursor. A reader that is far behind is moved ahead, over a gap.
func After(ctx context.Context, src Source, jobID int64, c Cursor) (View, error) {
	log, err := src.Log(ctx, jobID, c.Attempt)
	if err != nil {
		return View{}, err
	}
	r := reader{src: src, log: log, jobID: jobID}
	if log.Lines-c.Line > behind {
		return r.tail(ctx, nil, c.Line)
	}
	w := &window{most: behind}
	scan := newScanner(c, w.add)
	if err := r.read(ctx, scan, func() bool { return r.bytes >= chunkBytes || w.full() }); err != nil {
		return View{}, err
	}
	return r.view(w.items, scan)
}

// Range reads lines from to to, and the folds that begin among them.
func Range(ctx context.Context, src Source, jobID int64, attempt, from, to int) ([]Item, error) {
	log, err := src.Log(ctx, jobID, attempt)
	if err != nil {
		return nil, err
	}
	r := reader{src: src, log: log, jobID: jobID}
	w := &window{from: from, to: to, most: to - from + 1}
	scan, err := r.scannerAt(ctx, from, w.add)
	if err != nil {
		return nil, err
	}
	err = r.read(ctx, scan, func() bool { return scan.line > to })
	return w.items, err
}

type reader struct {
	src   Source
	log   ci.Log
	jobID int64
	bytes int  // that were read
	end   bool // all that is stored was read
}

// read feeds parts to the scanner until it has all, or done says so between two pieces. The platform's last words come
// when the log is closed: before that the worker's part may still grow, and it stands before them.
func (r *reader) read(ctx context.Context, scan *scanner, done func() bool) error {
	for !done() {
		parts, err := r.src.LogParts(ctx, r.jobID, r.log.Attempt, scan.next, chunkBytes)
		if err != nil {
			return fmt.Errorf("read the log of job %d from part %d: %w", r.jobID, scan.next.Number, err)
		}
		for _, part := range parts {
			if part.Source == ci.LogEpilogue && !r.log.Closed {
				r.end = true
				return nil
			}
			if err := scan.feed(part); err != nil {
				return fmt.Errorf("draw part %d of the log of job %d: %w", part.Number, r.jobID, err)
			}
			r.bytes += len(part.Content)
		}
		open := scan.next.Source == ci.LogWorker && scan.next.Number == r.log.Next && !r.log.Closed
		if r.end = len(parts) == 0 || open; r.end {
			return r.finish(scan)
		}
	}
	return nil
}

// finish ends the last line of a closed log, which need not end with a newline.
func (r *reader) finish(scan *scanner) error {
	if !r.log.Closed || len(scan.open) == 0 {
		return nil
	}
	return scan.end()
}

// scannerAt returns a scanner that sees line from at its beginning.
func (r *reader) scannerAt(ctx context.Context, from int, emit func(Item)) (*scanner, error) {
	if from <= 1 {
		return newScanner(Cursor{Line: 1}, emit), nil
	}
	// The part that holds the line before: line from begins there or later, whichever way parts were cut.
	pos, err := r.src.LogPartAtLine(ctx, r.jobID, r.log.Attempt, from-1)
	if err != nil {
		return nil, fmt.Errorf("find line %d in the log of job %d: %w", from, r.jobID, err)
	}
	parts, err := r.src.LogParts(ctx, r.jobID, r.log.Attempt, pos, 1)
	if err != nil {
		return nil, fmt.Errorf("read the log of job %d at line %d: %w", r.jobID, from, err)
	}
	line := 1
	if len(parts) > 0 {
		line = max(parts[0].FirstLine, 1)
	}
	return newScanner(Cursor{Line: line, Pos: pos}, emit), nil
}

// tail appends the end of the log to items, behind a gap that begins with line first.
func (r *reader) tail(ctx context.Context, items []Item, first int) (View, error) {
	from := max(first, r.log.Lines-tailLines)
	w := &window{from: from, ring: true}
	scan, err := r.scannerAt(ctx, from, w.add)
	if err != nil {
		return View{}, err
	}
	if err := r.read(ctx, scan, func() bool { return false }); err != nil {
		return View{}, err
	}
	items = append(items, gap(first, max(w.from, from)-1)...)
	return r.view(append(items, w.items...), scan)
}

func (r *reader) view(items []Item, scan *scanner) (View, error) {
	v := View{Log: r.log, Items: items, Cursor: scan.cursor(r.log.Attempt), More: !r.end}
	open, err := scan.openLine()
	if err != nil {
		return View{}, err
	}
	v.Open = open
	return v, nil
}

func gap(from, to int) []Item {
	if from > to {
		return nil
	}
	return []Item{{Kind: KindGap, From: from, To: to}}
}

// window collects items within bounds.
type window struct {
	items    []Item
	from, to int  // lines to keep; 0: no bound
	most     int  // lines after which it is full; 0: no bound
	ring     bool // drop the oldest instead of being full
	lines    int
	bytes    int
}

func (w *window) add(it Item) {
	if it.Line.Number < w.from || w.to > 0 && it.Line.Number > w.to {
		return
	}
	w.items = append(w.items, it)
	if it.Kind != KindLine && it.Kind != KindFold {
		return
	}
	w.lines++
	w.bytes += len(it.Line.HTML)
	for w.ring && (w.lines > tailLines+1 || w.bytes > maxShown) && len(w.items) > 1 {
		w.dropOldest()
	}
}

func (w *window) dropOldest() {
	old := w.items[0]
	w.items = w.items[1:]
	if old.Kind == KindLine || old.Kind == KindFold {
		w.lines--
		w.bytes -= len(old.Line.HTML)
	}
	w.from = max(w.from, old.Line.Number+1)
}

func (w *window) full() bool { return !w.ring && (w.lines >= w.most || w.bytes >= maxShown) }

// cutAfter removes what was collected beyond the bounds: parts end where they like.
func (w *window) cutAfter() {
	lines, bytes := 0, 0
	for i, it := range w.items {
		if it.Kind == KindLine || it.Kind == KindFold {
			lines++
			bytes += len(it.Line.HTML)
		}
		if lines >= w.most || bytes >= maxShown {
			w.items = w.items[:i+1]
			return
		}
	}
}

// lastLine is the number of the last line that is held, or the one before the scanner's where there is none.
func (w *window) lastLine(open int) int {
	if len(w.items) == 0 {
		return open - 1
	}
	return w.items[len(w.items)-1].Line.Number
}
