package mask_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/mask"
)

// through masks the chunks and returns all that came out.
func through(t *testing.T, values []string, chunks ...string) string {
	t.Helper()
	var out bytes.Buffer
	w := mask.New(&out, values)
	for _, c := range chunks {
		if n, err := w.Write([]byte(c)); n != len(c) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestWriter(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		values []string
		chunks []string
		want   string
	}{
		"nothing to mask":       {nil, []string{"a", "", "b"}, "ab"},
		"in the middle":         {[]string{"hunter2"}, []string{"pw hunter2."}, "pw [secure]."},
		"over chunks":           {[]string{"hunter2"}, []string{"pw hu", "nt", "er2."}, "pw [secure]."},
		"twice in a row":        {[]string{"hunter2"}, []string{"hunter2hunter2"}, "[secure][secure]"},
		"nearly":                {[]string{"hunter2"}, []string{"hunter", "3 hunhunter2"}, "hunter3 hun[secure]"},
		"begins at the end":     {[]string{"hunter2"}, []string{"hunt"}, "hunt"},
		"short ones stay":       {[]string{"abc", ""}, []string{"abc"}, "abc"},
		"the longer one":        {[]string{"abcd", "abcdef"}, []string{"abcd", "ef abcdx"}, "[secure] [secure]x"},
		"overlapping":           {[]string{"abcd", "cdefgh"}, []string{"abcdef", "gh."}, "[secure]."},
		"several lines":         {[]string{"first line\nsecond line\n"}, []string{"first line\r\nsecond line\r\n"}, "[secure]"},
		"lines apart":           {[]string{"first line\nsecond line\n"}, []string{"1 first line\n2 second line\n"}, "1 [secure]\n2 [secure]\n"},
		"without space around":  {[]string{" hunter2\n"}, []string{"hunter2"}, "[secure]"},
		"an invalid beginning":  {[]string{"\xff\xfe\x00\x01"}, []string{"a\xff", "\xfe\x00", "\x01b"}, "a[secure]b"},
		"the mark as a secret":  {[]string{"[secure]"}, []string{"[secure]"}, "[secure]"},
		"itself over and over":  {[]string{"aaaaa"}, []string{"aaaa", "aaaa", "b"}, "[secure]b"},
		"short lines stay":      {[]string{"{\n  \"a\": 1\n}"}, []string{"{ \"a\": 1 }"}, "{ \"a\": 1 }"},
		"of two the first open": {[]string{"abcdefgh", "cdef"}, []string{"abcdefg", "x"}, "ab[secure]gx"},
	} {
		if got := through(t, tt.values, tt.chunks...); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// TestWriter_passesOnAtOnce: only what may be a secret waits.
func TestWriter_passesOnAtOnce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := mask.New(&out, []string{"hunter2"})
	for _, step := range []struct{ in, out string }{{"Password? ", "Password? "}, {"h", "Password? "}, {"i", "Password? hi"}} {
		if _, err := w.Write([]byte(step.in)); err != nil || out.String() != step.out {
			t.Errorf("after %q: %q, %v", step.in, out.String(), err)
		}
	}
}

// TestWriter_noSecretGetsThrough: with random secrets, text and chunks no secret comes out, and how the text is cut changes nothing.
func TestWriter_noSecretGetsThrough(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a seed makes a failure repeatable
		word := func(most int) string {
			b := make([]byte, mask.Shortest+r.IntN(most))
			for i := range b {
				b[i] = "ab\n01"[r.IntN(5)] // few letters, so that secrets overlap
			}
			return string(b)
		}
		values := make([]string, 1+r.IntN(4))
		for i := range values {
			values[i] = word(12)
		}
		var text strings.Builder
		for range r.IntN(40) {
			text.WriteString(values[r.IntN(len(values))])
			text.WriteString(word(6))
		}
		var chunks []string
		for rest := text.String(); rest != ""; {
			n := min(1+r.IntN(9), len(rest))
			chunks, rest = append(chunks, rest[:n]), rest[n:]
		}
		got := through(t, values, chunks...)
		for _, v := range values {
			if strings.Contains(got, v) {
				t.Fatalf("seed %d: %q came through in %q", seed, v, got)
			}
		}
		if whole := through(t, values, text.String()); whole != got {
			t.Fatalf("seed %d: in chunks %q, at once %q", seed, got, whole)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestWriter_passesErrorsOn(t *testing.T) {
	t.Parallel()
	if _, err := mask.New(broken{}, nil).Write([]byte("x")); err == nil {
		t.Error("got no error")
	}
}

func BenchmarkWriter(b *testing.B) {
	line := []byte(strings.Repeat("ok  \tgithub.com/acme/app/wheel\t0.412s\n", 1000))
	w := mask.New(&bytes.Buffer{}, []string{"hunter2hunter2", "okapi-okapi", "correct horse battery staple"})
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if _, err := w.Write(line); err != nil {
			b.Fatal(err)
		}
	}
}
