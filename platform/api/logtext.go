package api

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/headrace/headrace/platform/ci"
)

const (
	// sourceStep tells the sources of a log apart in the one number that v3 has for a part.
	sourceStep = 1_000_000_000
	// lastPart is the number of the empty part that ends a closed log.
	lastPart = 1<<31 - 1
)

// partNumber is a part's number in v3: it grows along the log, not without gaps.
func partNumber(p ci.LogPart) int { return int(p.Source)*sourceStep + p.Number }

// partAt is the place of a part by its number in v3.
func partAt(number int) ci.LogPos {
	return ci.LogPos{Source: ci.LogSource(number / sourceStep), Number: number % sourceStep}
}

// stitcher makes text of parts. A character that was cut in two by the end of a part is given with the next one; bytes that
// are no text become U+FFFD.
type stitcher struct {
	source ci.LogSource
	tail   []byte
}

// text returns what a part adds.
func (s *stitcher) text(p ci.LogPart) string {
	before := ""
	if p.Source != s.source {
		before = s.rest()
		s.source = p.Source
	}
	b := append(s.tail, p.Content...)
	s.tail = nil
	if !p.Final {
		n := unfinished(b)
		b, s.tail = b[:len(b)-n], append([]byte(nil), b[len(b)-n:]...)
	}
	return before + strings.ToValidUTF8(string(b), "\uFFFD")
}

// rest returns what waits for a next part that does not come.
func (s *stitcher) rest() string {
	b := s.tail
	s.tail = nil
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// unfinished is how many bytes at the end of b begin a character that goes on.
func unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		c := b[len(b)-n]
		if utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

// stitcherAt returns a stitcher for going on at a place: it knows how the part before it ended.
func (a *API) stitcherAt(ctx context.Context, l ci.Log, at ci.LogPos) (*stitcher, error) {
	s := &stitcher{source: at.Source}
	if at.Number == 0 {
		return s, nil
	}
	before := ci.LogPos{Source: at.Source, Number: at.Number - 1}
	parts, err := a.Store.LogParts(ctx, l.JobID, l.Attempt, before, 1)
	if err != nil || len(parts) == 0 {
		return s, err
	}
	if p := parts[0]; p.Source == before.Source && p.Number == before.Number {
		s.text(p)
	}
	return s, nil
}
