// Package mask takes secrets out of text that streams by, wherever the pieces of the text end and in whatever common form a
// secret is written. It must not know what the text is, nor where it goes.
//
// It is a seat belt: who wants to show a secret can, by writing it in a form that nobody thought of.
package mask

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"sync"
)

// Shortest is the length of the shortest value that is masked: shorter ones stand in too much that is no secret.
const Shortest = 4

// shortestLine is the length of the shortest line that is masked for itself.
const shortestLine = 8

// Mark stands where a secret was.
const Mark = "[secure]"

// headBits is how many bits of a hash of four bytes tell what cannot be the beginning of a secret.
const headBits = 16

// Set is what is looked for: values, in all their forms. It does not change and may be used by many at once. The zero Set
// finds nothing.
type Set struct {
	bytes  int
	begins [1 << headBits / 64]uint64 // by the hash of the first four bytes
	heads  map[uint32][][]byte        // by the first four bytes
	starts [256][][]byte              // by the first byte
}

// Of returns what masks the values: as they are, without the space around them, the longer lines of those that have several
// (a terminal ends lines in its own way), and each of these as base64, in hexadecimal, and escaped for URLs, JSON, XML and
// shells.
func Of(values []string) *Set {
	s := &Set{heads: map[uint32][][]byte{}}
	for _, form := range forms(values) {
		s.bytes += len(form)
		head := binary.LittleEndian.Uint32(form)
		h := hash(head)
		s.begins[h/64] |= 1 << (h % 64)
		s.heads[head] = append(s.heads[head], form)
		s.starts[form[0]] = append(s.starts[form[0]], form)
	}
	return s
}

// Empty says that nothing is looked for.
func (s *Set) Empty() bool { return s.bytes == 0 }

// Size is how many bytes all forms have together.
func (s *Set) Size() int { return s.bytes }

func hash(head uint32) uint32 { return head * 0x9E3779B1 >> (32 - headBits) }

// Rest is what is held back between two pieces of a text: it may be the beginning of a secret.
type Rest struct {
	// Held is the end of the text so far.
	Held []byte
	// Masked is how many bytes of Held belong to a secret that has its mark already.
	Masked int
}

// End is what is left of the rest where the text breaks off: as it is if it is short, else a mark, for it may be most of a
// secret.
func (r Rest) End() []byte {
	left := r.Held[r.Masked:]
	if len(left) >= Shortest {
		return []byte(Mark)
	}
	return left
}

// Next returns what of the text is known to be no secret, appended to out, with marks where one was, and keeps the rest; at
// the last piece there is none.
func (s *Set) Next(out, text []byte, rest *Rest, last bool) []byte {
	if len(rest.Held) > 0 {
		text = append(rest.Held, text...)
	}
	masked := rest.Masked
	i := 0
	for i < len(text) {
		next := s.candidate(text, i)
		if next >= masked {
			out = append(out, text[max(i, masked):next]...)
		}
		if i = next; i == len(text) {
			break
		}
		n, open := s.match(text[i:])
		if open && !last {
			break
		}
		if n > 0 {
			if i >= masked {
				out = append(out, Mark...)
			}
			masked = max(masked, i+n)
		}
		if i >= masked {
			out = append(out, text[i])
		}
		i++
	}
	rest.Held = append(rest.Held[:0], text[i:]...)
	rest.Masked = max(masked-i, 0)
	return out
}

// candidate is the first place from i on where a secret may begin.
func (s *Set) candidate(text []byte, i int) int {
	for ; i+4 <= len(text); i++ {
		h := hash(binary.LittleEndian.Uint32(text[i:]))
		if s.begins[h/64]&(1<<(h%64)) != 0 {
			return i
		}
	}
	for ; i < len(text); i++ {
		if len(s.starts[text[i]]) > 0 {
			return i
		}
	}
	return i
}

// match says how long the longest secret at the start of text is, and whether a longer one may begin there once more text
// has come.
func (s *Set) match(text []byte) (n int, open bool) {
	forms := s.starts[text[0]]
	if len(text) >= 4 {
		forms = s.heads[binary.LittleEndian.Uint32(text)]
	}
	for _, form := range forms {
		switch {
		case bytes.HasPrefix(text, form):
			n = max(n, len(form))
		case bytes.HasPrefix(form, text):
			open = true
		}
	}
	return n, open
}

// Writer hands text on without the secrets. What may be the beginning of one is held back until it is known to be none, or
// until Flush. Its methods are safe for concurrent use.
type Writer struct {
	out io.Writer
	set *Set

	mu   sync.Mutex
	rest Rest
	buf  []byte
}

// New returns a Writer to out that masks the values in the forms of [Of].
func New(out io.Writer, values []string) *Writer { return &Writer{out: out, set: Of(values)} }

// Write takes text. It answers as the writer behind it does, for the whole of p.
func (w *Writer) Write(p []byte) (int, error) {
	if err := w.pass(p, false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush hands on what was held back, because nothing follows.
func (w *Writer) Flush() error { return w.pass(nil, true) }

// pass hands on as much of what is there as is known.
func (w *Writer) pass(p []byte, last bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = w.set.Next(w.buf[:0], p, &w.rest, last)
	if len(w.buf) == 0 {
		return nil
	}
	_, err := w.out.Write(w.buf)
	return err
}

// unique are the forms that are long enough, each once.
func unique(all []string) [][]byte {
	slices.Sort(all)
	all = slices.DeleteFunc(slices.Compact(all), func(s string) bool { return len(s) < Shortest })
	list := make([][]byte, len(all))
	for i, s := range all {
		list[i] = []byte(s)
	}
	return list
}
