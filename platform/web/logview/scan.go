package logview

import (
	"bytes"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// maxOpen is how many bytes of a line are kept while its end has not come.
const maxOpen = 64 << 10

// scanner cuts parts into lines and markers. Parts must come in order.
type scanner struct {
	painter painter
	emit    func(Item)

	next    ci.LogPos // the part that is expected
	line    int       // number of the open line
	colours sgr       // that the open line begins with
	open    []byte    // text of the open line
	begin   ci.LogPos // where open begins
	offset  int
	at      time.Duration
	skip    bool // the open line was shown already
	skipTo  int  // bytes of the first part to pass over
}

func newScanner(c Cursor, emit func(Item)) *scanner {
	return &scanner{emit: emit, next: c.Pos, line: c.Line, colours: c.colours, skip: c.Skip, skipTo: c.Offset}
}

// cursor is the place from which another scanner goes on.
func (s *scanner) cursor(attempt int) Cursor {
	c := Cursor{Attempt: attempt, Pos: s.next, Line: s.line, colours: s.colours, Skip: s.skip}
	if len(s.open) > 0 {
		c.Pos, c.Offset = s.begin, s.offset
	}
	return c
}

// feed takes the next part.
func (s *scanner) feed(part ci.LogPart) error {
	text, at := part.Content, 0
	if s.skipTo > 0 {
		at = min(s.skipTo, len(text))
		text, s.skipTo = text[at:], 0
	}
	s.next = ci.LogPos{Source: part.Source, Number: part.Number + 1}
	for len(text) > 0 {
		i := bytes.IndexByte(text, '\n')
		piece := text
		if i >= 0 {
			piece = text[:i]
		}
		if err := s.take(piece, part, at); err != nil {
			return err
		}
		if i < 0 {
			return nil
		}
		if err := s.end(); err != nil {
			return err
		}
		at += i + 1
		text = text[i+1:]
	}
	return nil
}

// take adds a piece of the open line.
func (s *scanner) take(piece []byte, part ci.LogPart, at int) error {
	if s.skip {
		return nil
	}
	if len(s.open) == 0 {
		s.begin, s.offset, s.at = ci.LogPos{Source: part.Source, Number: part.Number}, at, part.Elapsed
	} else if at == 0 && s.marksOnly() { // what people see of the line begins here
		s.at = part.Elapsed
	}
	s.open = append(s.open, piece...)
	if len(s.open) <= maxOpen {
		return nil
	}
	if i := bytes.LastIndexByte(s.open, '\r'); i > 0 && len(s.open)-i < maxOpen/2 {
		return s.forget(i, part, at+len(piece))
	}
	if err := s.draw(true); err != nil {
		return err
	}
	s.open, s.skip = s.open[:0], true
	return nil
}

// marksOnly reports whether nothing but markers has come of the open line.
func (s *scanner) marksOnly() bool {
	if len(s.open) > 1<<10 {
		return false
	}
	text, marks := takeMarks(s.open)
	return len(marks) > 0 && len(bytes.TrimSpace(text)) == 0
}

// forget drops the first n bytes of the open line, which a carriage return has drawn over; end is where it ends in part.
func (s *scanner) forget(n int, part ci.LogPart, end int) error {
	text, marks := takeMarks(s.open[:n])
	for _, m := range marks {
		s.emitMark(m, Line{Number: s.line, At: s.at})
	}
	_, _ = filter(nil, text, &s.colours)
	s.open = append(s.open[:0], s.open[n:]...)
	s.begin, s.offset, s.at = ci.LogPos{Source: part.Source, Number: part.Number}, max(end-len(s.open), 0), part.Elapsed
	return nil
}

// end closes the open line at a newline.
func (s *scanner) end() error {
	if !s.skip {
		if err := s.draw(false); err != nil {
			return err
		}
	}
	s.open, s.skip = s.open[:0], false
	s.line++
	return nil
}

// draw emits the open line and its markers, in the order in which they stand.
func (s *scanner) draw(cut bool) error {
	text, marks := takeMarks(s.open)
	line, err := s.paintLine(text, &s.colours)
	if err != nil {
		return err
	}
	line.Cut = line.Cut || cut
	shown := line.HTML == "" && len(marks) > 0 // nothing but markers: no line
	for _, m := range marks {
		if m.kind == KindEnd && m.at > 0 && !shown {
			s.emit(Item{Kind: KindLine, Line: line})
			shown = true
		}
		shown = s.emitMark(m, line) || shown
	}
	if !shown {
		s.emit(Item{Kind: KindLine, Line: line})
	}
	return nil
}

// emitMark reports whether the mark has taken the line as its summary.
func (s *scanner) emitMark(m mark, line Line) bool {
	s.emit(Item{Kind: m.kind, Line: line, Fold: m.name, Took: m.took})
	return m.kind == KindFold
}

func (s *scanner) paintLine(text []byte, colours *sgr) (Line, error) {
	html, plain, cut, err := s.painter.paint(text, colours)
	return Line{Number: s.line, At: s.at, HTML: html, Text: plain, Bad: bad(plain), Cut: cut}, err
}

// openLine is the line whose end has not come, as far as it is there; nil where there is none.
func (s *scanner) openLine() (*Line, error) {
	if len(s.open) == 0 || s.skip {
		return nil, nil //nolint:nilnil // no open line is an answer, not an error
	}
	text, _ := takeMarks(s.open)
	colours := s.colours
	line, err := s.paintLine(text, &colours)
	if err != nil || line.HTML == "" {
		return nil, err
	}
	return &line, nil
}
