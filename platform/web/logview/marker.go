package logview

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// mark is a fold or time marker that a build script writes into its output.
type mark struct {
	kind Kind // KindFold, KindTook or KindEnd; -1: nothing to draw
	name string
	took time.Duration
	// at is how much of the line's text stands before it.
	at int
}

const nothing Kind = -1

// takeMarks cuts the markers out of a line, with the carriage return and the erasing that follow each.
func takeMarks(line []byte) (text []byte, marks []mark) {
	i := bytes.Index(line, []byte("travis_"))
	if i < 0 {
		return line, nil
	}
	text = make([]byte, 0, len(line))
	for i >= 0 {
		text = append(text, line[:i]...)
		line = line[i:]
		m, n := readMark(line)
		if n == 0 {
			n = len("travis_")
			text = append(text, line[:n]...)
		} else if m.kind != nothing {
			m.at = len(bytes.TrimSpace(text))
			marks = append(marks, m)
		}
		line = line[n:]
		i = bytes.Index(line, []byte("travis_"))
	}
	return append(text, line...), marks
}

// readMark reads a marker at the start of s; n is 0 where there is none.
func readMark(s []byte) (m mark, n int) {
	var fold bool
	switch {
	case bytes.HasPrefix(s, []byte("travis_fold:")):
		fold = true
	case !bytes.HasPrefix(s, []byte("travis_time:")):
		return m, 0
	}
	n = len("travis_fold:")
	end := n
	for end < len(s) && markByte(s[end]) {
		end++
	}
	verb, rest, ok := strings.Cut(string(s[n:end]), ":")
	if !ok || rest == "" || len(rest) > 300 || verb != "start" && verb != "end" {
		return m, 0
	}
	m = mark{kind: nothing}
	switch {
	case fold && verb == "start":
		m.kind, m.name = KindFold, rest
	case fold:
		m.kind, m.name = KindEnd, rest
	case verb == "end":
		if took, ok := tookOf(rest); ok {
			m.kind, m.took = KindTook, took
		}
	}
	return m, end + erasing(s[end:])
}

func markByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._-:=,/", c) >= 0
}

// erasing is the length of what clears a marker from a terminal.
func erasing(s []byte) int {
	n := 0
	for _, seq := range []string{"\r", "\x1b[0K", "\x1b[K", "\r"} {
		if bytes.HasPrefix(s[n:], []byte(seq)) {
			n += len(seq)
		}
	}
	return n
}

// tookOf finds the duration, in nanoseconds, in "id:start=1,finish=2,duration=1".
func tookOf(rest string) (time.Duration, bool) {
	_, values, _ := strings.Cut(rest, ":")
	for part := range strings.SplitSeq(values, ",") {
		if v, ok := strings.CutPrefix(part, "duration="); ok {
			n, err := strconv.ParseInt(v, 10, 64)
			return time.Duration(n), err == nil && n >= 0
		}
	}
	return 0, false
}
