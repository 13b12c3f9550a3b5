// Package mask takes secrets out of text that streams by, wherever the pieces of the text end. It must not know what the
// text is, nor where it goes.
package mask

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
)

// Shortest is the length of the shortest value that is masked: shorter ones stand in too much that is no secret.
const Shortest = 4

// shortestLine is the length of the shortest line that is masked for itself.
const shortestLine = 8

// Mark stands where a secret was.
const Mark = "[secure]"

// Writer hands text on without the secrets. What may be the beginning of one is held back until it is known to be none, or
// until Flush. Its methods are safe for concurrent use.
type Writer struct {
	out    io.Writer
	starts [256][][]byte // the secrets by their first byte

	mu     sync.Mutex
	held   []byte
	masked int // how many bytes of held belong to a secret that has its mark already
	buf    []byte
}

// New returns a Writer to out that masks the values, also without the space around them, and the longer lines of those that
// have several: a terminal ends lines in its own way.
func New(out io.Writer, values []string) *Writer {
	w := &Writer{out: out}
	for _, s := range secrets(values) {
		w.starts[s[0]] = append(w.starts[s[0]], []byte(s))
	}
	return w
}

func secrets(values []string) []string {
	var all []string
	for _, v := range values {
		all = append(all, v, strings.TrimSpace(v))
		for line := range strings.Lines(v) {
			if line = strings.TrimSpace(line); len(line) >= shortestLine {
				all = append(all, line)
			}
		}
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(s string) bool { return len(s) < Shortest })
}

// Write takes text. It answers as the writer behind it does, for the whole of p.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = append(w.held, p...)
	if err := w.pass(false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush hands on what was held back, because nothing follows.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pass(true)
}

// pass hands on as much of what is held as is known.
func (w *Writer) pass(last bool) error {
	w.buf = w.buf[:0]
	i := 0
	for ; i < len(w.held); i++ {
		if begin := i; i >= w.masked {
			for i < len(w.held) && len(w.starts[w.held[i]]) == 0 {
				i++
			}
			w.buf = append(w.buf, w.held[begin:i]...)
			if i == len(w.held) {
				break
			}
		}
		n, open := w.match(w.held[i:])
		if open && !last {
			break
		}
		if n > 0 {
			if i >= w.masked {
				w.buf = append(w.buf, Mark...)
			}
			w.masked = max(w.masked, i+n)
		}
		if i >= w.masked {
			w.buf = append(w.buf, w.held[i])
		}
	}
	w.held = append(w.held[:0], w.held[i:]...)
	w.masked = max(w.masked-i, 0)
	if len(w.buf) == 0 {
		return nil
	}
	_, err := w.out.Write(w.buf)
	return err
}

// match says how long the longest secret at the start of text is, and whether a longer one may begin there once more text
// has come.
func (w *Writer) match(text []byte) (n int, open bool) {
	for _, s := range w.starts[text[0]] {
		switch {
		case bytes.HasPrefix(text, s):
			n = max(n, len(s))
		case bytes.HasPrefix(s, text):
			open = true
		}
	}
	return n, open
}
