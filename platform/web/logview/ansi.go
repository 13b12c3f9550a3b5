package logview

import (
	"bytes"
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"unicode/utf8"

	terminal "github.com/buildkite/terminal-to-html/v3"
)

const (
	// maxLine is how many bytes of a line are shown.
	maxLine = 8 << 10
	// columns is the width of the terminal that lines are drawn on, where a line is not longer itself.
	columns = 512
)

// painter turns lines with escape sequences into HTML. It is for one goroutine.
type painter struct {
	screen *terminal.Screen
	clean  []byte
}

// paint draws one line without its newline, and leaves in colours what the next line begins with.
func (p *painter) paint(line []byte, colours *sgr) (html template.HTML, text string, cut bool, err error) {
	line = bytes.TrimRight(line, "\r")
	if *colours == (sgr{}) && plain(line) {
		line, cut = clip(line)
		text = strings.ToValidUTF8(string(line), "\uFFFD")
		return template.HTML(template.HTMLEscapeString(text)), text, cut, nil //nolint:gosec // escaped in this very line
	}
	before := *colours
	p.clean, cut = filter(p.clean[:0], lastDrawn(line, colours, &before), colours)
	screen, err := p.blank(len(p.clean))
	if err != nil {
		return "", "", false, err
	}
	fmt.Fprintf(screen, "%s%s", before.seq(), p.clean)
	drawn := screen.AsHTMLWithTimestamps(false)
	if drawn == "&nbsp;" {
		drawn = ""
	}
	return template.HTML(drawn), screen.AsPlainText(), cut, nil //nolint:gosec // the library escapes, see the fuzz test
}

// blank is an empty screen of one row, wide enough for n bytes.
func (p *painter) blank(n int) (*terminal.Screen, error) {
	if n >= columns {
		return newScreen(n + 1)
	}
	if p.screen == nil {
		s, err := newScreen(columns)
		if err != nil {
			return nil, err
		}
		p.screen = s
	}
	if _, err := p.screen.Write([]byte("\x1b]8;;\a\x1b[0m\r\x1b[2K")); err != nil {
		return nil, fmt.Errorf("clear the screen: %w", err)
	}
	return p.screen, nil
}

func newScreen(width int) (*terminal.Screen, error) {
	s, err := terminal.NewScreen(terminal.WithSize(width, 1))
	if err != nil {
		return nil, fmt.Errorf("make a screen of %d columns: %w", width, err)
	}
	return s, nil
}

// plain reports whether a line holds nothing but printable text and tabs.
func plain(line []byte) bool {
	for _, c := range line {
		if c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func clip(line []byte) (shown []byte, cut bool) {
	if len(line) <= maxLine {
		return line, false
	}
	line = line[:maxLine]
	for len(line) > 0 && !utf8.RuneStart(line[len(line)-1]) {
		line = line[:len(line)-1]
	}
	return line[:len(line)-1], true
}

// lastDrawn leaves out of a very long line all that carriage returns have drawn over: what stands before the last one.
// The colours that were set there still count.
func lastDrawn(line []byte, colours, before *sgr) []byte {
	i := bytes.LastIndexByte(line, '\r')
	if len(line) <= maxLine || i < 0 {
		return line
	}
	_, _ = filter(nil, line[:i], colours)
	*before = *colours
	return line[i+1:]
}

// filter copies what the screen understands: text, carriage return, backspace, movement within the line, colours in one
// canonical form, and links to http and https addresses. At most maxLine bytes of text are copied; colours is updated by
// the whole line.
func filter(dst, line []byte, colours *sgr) (clean []byte, cut bool) {
	shown := 0
	for i := 0; i < len(line); {
		c := line[i]
		switch {
		case c == 0x1b:
			var n int
			dst, n = sequence(dst, line[i:], colours)
			i += n
		case c < 0x20 && c != '\t' && c != '\r' && c != '\b', c == 0x7f:
			i++
		default:
			_, n := utf8.DecodeRune(line[i:])
			if shown+n > maxLine {
				cut = true
			} else {
				dst = append(dst, line[i:i+n]...)
			}
			shown += n
			i += n
		}
	}
	return dst, cut
}

// sequence copies, changes or drops the escape sequence at the start of s and says how long it is.
func sequence(dst, s []byte, colours *sgr) (out []byte, length int) {
	if len(s) < 2 {
		return dst, len(s)
	}
	switch s[1] {
	case '[':
		return control(dst, s, colours)
	case ']', 'P', '^', '_', 'X':
		body, n := command(s)
		if s[1] == ']' && linkTarget(body) {
			dst = append(dst, "\x1b]"...)
			dst = append(dst, body...)
			dst = append(dst, '\a')
		}
		return dst, n
	case '(', ')':
		return dst, min(3, len(s))
	}
	return dst, 2
}

// control handles ESC [ parameters letter.
func control(dst, s []byte, colours *sgr) (out []byte, length int) {
	end := 2
	for end < len(s) && s[end] >= 0x20 && s[end] < 0x40 {
		end++
	}
	if end >= len(s) {
		return dst, len(s)
	}
	if s[end] < 0x40 || s[end] > 0x7e { // not a sequence after all: drop what looked like one
		return dst, end
	}
	params := string(s[2:end])
	switch final := s[end]; final {
	case 'm':
		if !strings.ContainsAny(params, "?<=> ") {
			colours.apply(params)
			dst = append(dst, colours.seq()...)
		}
	case 'K', 'G', 'C', 'D':
		if digits(params) {
			dst = append(append(append(dst, "\x1b["...), params...), final)
		}
	case 'J':
		dst = append(dst, "\x1b[K"...)
	}
	return dst, end + 1
}

func digits(s string) bool {
	return len(s) <= 5 && strings.Trim(s, "0123456789") == ""
}

// command returns the body of an operating system command or the like, which ends at BEL or ESC \, and its whole length.
func command(s []byte) (body []byte, length int) {
	for i := 2; i < len(s); i++ {
		switch {
		case s[i] == '\a':
			return s[2:i], i + 1
		case s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\':
			return s[2:i], i + 2
		}
	}
	return nil, len(s)
}

// linkTarget reports whether a command begins or ends a link that may be shown.
func linkTarget(body []byte) bool {
	rest, ok := strings.CutPrefix(string(body), "8;")
	if !ok || len(rest) > 2000 {
		return false
	}
	_, target, ok := strings.Cut(rest, ";")
	if !ok || strings.Contains(target, ";") {
		return false
	}
	u, err := url.Parse(target)
	return target == "" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
