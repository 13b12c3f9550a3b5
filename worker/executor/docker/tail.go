package docker

import (
	"bytes"
	"io"
	"strings"
)

// tail hands output on until the mark of the end comes; what follows the mark, up to the end of its line, it keeps.
type tail struct {
	out    io.Writer
	mark   []byte
	ended  func(record string) // called once
	held   []byte              // may be the beginning of the mark
	record []byte
	found  bool
	done   bool
}

// Write takes the next piece of the stream. It never fails.
func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	if t.done {
		return n, nil
	}
	if !t.found {
		p = t.search(p)
	}
	if t.found {
		t.record = append(t.record, p...)
		if i := bytes.IndexByte(t.record, '\n'); i >= 0 {
			t.done = true
			t.ended(strings.TrimSpace(string(t.record[:i])))
		}
	}
	return n, nil
}

// search hands on what comes before the mark, and returns what comes after it.
func (t *tail) search(p []byte) []byte {
	if len(t.held) > 0 {
		p = append(t.held, p...)
		t.held = nil
	}
	if i := bytes.Index(p, t.mark); i >= 0 {
		t.found = true
		t.pass(p[:i])
		return p[i+len(t.mark):]
	}
	keep := 0
	for n := min(len(t.mark)-1, len(p)); n > 0; n-- {
		if bytes.HasPrefix(t.mark, p[len(p)-n:]) {
			keep = n
			break
		}
	}
	t.pass(p[:len(p)-keep])
	t.held = append([]byte(nil), p[len(p)-keep:]...)
	return nil
}

// flush hands on what was held back for nothing: the stream has ended without the mark.
func (t *tail) flush() {
	t.pass(t.held)
	t.held = nil
}

func (t *tail) pass(p []byte) {
	if len(p) > 0 {
		_, _ = t.out.Write(p)
	}
}
