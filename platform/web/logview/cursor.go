package logview

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// Cursor is the place in a log from which a reader goes on: the beginning of the line that is not complete yet. Its text
// form is opaque to clients.
type Cursor struct {
	Attempt int
	// Pos is the part in which the open line begins, Offset where in it.
	Pos    ci.LogPos
	Offset int
	// Line is the number of the open line.
	Line int
	// Skip: the open line was too long and has been shown as far as it is; go on at its end.
	Skip bool
	// colours are those that the line begins with.
	colours sgr
}

const cursorFields = 7

// String is the text form.
func (c Cursor) String() string {
	skip := 0
	if c.Skip {
		skip = 1
	}
	var b strings.Builder
	for _, n := range []int{c.Attempt, int(c.Pos.Source), c.Pos.Number, c.Offset, c.Line, skip} {
		b.WriteString(strconv.Itoa(n))
		b.WriteByte('.')
	}
	b.WriteString(c.colours.params())
	return base64.RawURLEncoding.EncodeToString([]byte(b.String()))
}

// ParseCursor reads the text form.
func ParseCursor(text string) (Cursor, error) {
	refused := fault.New(fault.Invalid, "This place in the log is not known. Reload the page.")
	if len(text) > 200 {
		return Cursor{}, refused
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return Cursor{}, refused
	}
	fields := strings.Split(string(raw), ".")
	if len(fields) != cursorFields {
		return Cursor{}, refused
	}
	var n [cursorFields - 1]int
	for i := range n {
		v, err := strconv.Atoi(fields[i])
		if err != nil || v < 0 {
			return Cursor{}, refused
		}
		n[i] = v
	}
	c := Cursor{Attempt: n[0], Pos: ci.LogPos{Source: ci.LogSource(n[1]), Number: n[2]}, Offset: n[3], Line: n[4], Skip: n[5] == 1}
	if c.Attempt < 1 || c.Line < 1 || c.Pos.Source > ci.LogEpilogue || n[5] > 1 {
		return Cursor{}, refused
	}
	c.colours.apply(fields[6])
	return c, nil
}
