package docker

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestTail cuts a stream at random places: what comes before the mark arrives whole, and what follows it is the record.
func TestTail(t *testing.T) {
	t.Parallel()
	mark := "\x1emark-abc"
	for range 2000 {
		var body []byte
		for range rand.IntN(40) {
			pieces := []string{"\x1e", "\x1emark", "mark-abd", "x", "\n", "\x1emark-ab", "\xff"}
			body = append(body, pieces[rand.IntN(len(pieces))]...)
		}
		stream := append(append([]byte{}, body...), mark+" 3 0 0 0\nnever"...)
		var out bytes.Buffer
		var records []string
		tail := &tail{out: &out, mark: []byte(mark), ended: func(r string) { records = append(records, r) }}
		for rest := stream; len(rest) > 0; {
			n := 1 + rand.IntN(min(len(rest), 9))
			_, _ = tail.Write(rest[:n])
			rest = rest[n:]
		}
		if !bytes.Equal(out.Bytes(), body) || len(records) != 1 || records[0] != "3 0 0 0" {
			t.Fatalf("stream %q gave %q and %q", stream, out.Bytes(), records)
		}
	}
}

func TestTail_withoutMark(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	tail := &tail{out: &out, mark: []byte("\x1emark"), ended: func(string) { t.Error("ended") }}
	_, _ = tail.Write([]byte("abc\x1ema"))
	if out.String() != "abc" {
		t.Errorf("got %q", out.String())
	}
	tail.flush()
	if out.String() != "abc\x1ema" {
		t.Errorf("got %q", out.String())
	}
}

func TestQuoted(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"A=b c": "$'A=b c'", "A=it's \\n": `$'A=it\'s \\n'`, "A=1\n2\t": `$'A=1\x0a2\x09'`, "A=é$x": "$'A=é$x'"} {
		if got := quoted(in); got != want {
			t.Errorf("quoted(%q) = %s, want %s", in, got, want)
		}
	}
}
