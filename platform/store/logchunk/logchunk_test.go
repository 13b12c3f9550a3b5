package logchunk_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/headrace/headrace/platform/store/logchunk"
)

func newCodec(t testing.TB) *logchunk.Codec {
	t.Helper()
	c, err := logchunk.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestPack_giveBackWhatWasPacked(t *testing.T) {
	t.Parallel()
	c := newCodec(t)
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a seed makes a failure repeatable
		var parts []logchunk.Part
		number := r.IntN(3)
		for range r.IntN(300) {
			content := bytes.Repeat([]byte("line \xff\n"), r.IntN(40))
			parts = append(parts, logchunk.Part{
				Number: number, Content: content, Size: len(content), Lines: int64(bytes.Count(content, []byte("\n"))),
				Elapsed: time.Duration(r.IntN(1e6)) * time.Microsecond, Final: r.IntN(9) == 0,
			})
			number += 1 + r.IntN(2)*r.IntN(5)
		}
		got, err := c.Parts(c.Pack(parts))
		if err != nil {
			t.Fatal(err)
		}
		equal := cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) })
		if diff := cmp.Diff(parts, got, equal); diff != "" && len(parts) > 0 {
			t.Fatalf("seed %d: (-want +got)\n%s", seed, diff)
		}
	}
}

// TestParts_ofNoChunk: what cannot be unpacked is an error, and costs no more memory than a chunk may.
func TestParts_ofNoChunk(t *testing.T) {
	t.Parallel()
	c := newCodec(t)
	good := c.Pack([]logchunk.Part{{Content: []byte("a")}, {Number: 1, Content: []byte("bc")}})
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := encoder.EncodeAll(make([]byte, 64<<20), nil)
	if err := encoder.Close(); err != nil {
		t.Fatal(err)
	}
	for name, chunk := range map[string]logchunk.Chunk{
		"nothing":             {},
		"no index":            {Content: good.Content},
		"no text":             {Index: good.Index},
		"the text of another": {Index: good.Index, Content: c.Pack([]logchunk.Part{{Content: []byte("a")}}).Content},
		"more text":           {Index: good.Index, Content: c.Pack([]logchunk.Part{{Content: []byte("abcd")}}).Content},
		"a bomb of text":      {Index: good.Index, Content: bomb},
		"a bomb of an index":  {Index: bomb, Content: good.Content},
		"text as an index":    {Index: good.Content, Content: good.Content},
	} {
		if parts, err := c.Parts(chunk); err == nil {
			t.Errorf("%s: got %v", name, parts)
		}
	}
}

func FuzzIndex(f *testing.F) {
	c := newCodec(f)
	f.Add(c.Pack([]logchunk.Part{{Content: []byte("a\n"), Lines: 1}, {Number: 7, Final: true, Elapsed: time.Second}}).Index)
	f.Fuzz(func(t *testing.T, index []byte) {
		encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		for _, packed := range [][]byte{index, encoder.EncodeAll(index, nil)} {
			parts, err := c.Index(packed)
			if err != nil {
				continue
			}
			for i, p := range parts {
				if p.Size < 0 || (i > 0 && p.Number <= parts[i-1].Number) {
					t.Errorf("part %d: %+v", i, p)
				}
			}
		}
	})
}

// output is text as builds write it.
func output(size int) []byte {
	r := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // always the same
	var text []byte
	for i := 0; len(text) < size; i++ {
		switch r.IntN(4) {
		case 0:
			text = fmt.Appendf(text, "ok  \tgithub.com/acme/app/internal/wheel%d\t%d.%03ds\tcoverage: %d.%d%% of statements\n", r.IntN(40), r.IntN(3), r.IntN(1000), r.IntN(100), r.IntN(10))
		case 1:
			text = fmt.Appendf(text, "npm http fetch GET 200 https://registry.example.org/pkg%d/-/pkg%d-%d.%d.%d.tgz %dms (cache miss)\n", r.IntN(900), r.IntN(900), r.IntN(9), r.IntN(20), r.IntN(9), r.IntN(900))
		case 2:
			text = fmt.Appendf(text, "2026-03-01T12:%02d:%02d.%03dZ INFO  [main] o.e.app.Service%d - Started request %08x in %d ms\n", r.IntN(60), r.IntN(60), r.IntN(1000), r.IntN(30), r.Uint32(), r.IntN(5000))
		default:
			text = fmt.Appendf(text, "  \x1b[32m✓\x1b[0m renders the list of builds when there are %d of them (%d ms)\r\n", r.IntN(100), r.IntN(90))
		}
	}
	return text[:size]
}

func BenchmarkPack(b *testing.B) {
	c := newCodec(b)
	text := output(logchunk.MostBytes)
	var parts []logchunk.Part
	for i := 0; i*65536 < len(text); i++ {
		parts = append(parts, logchunk.Part{Number: i, Content: text[i*65536 : (i+1)*65536]})
	}
	var chunk logchunk.Chunk
	b.Run("pack", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			chunk = c.Pack(parts)
		}
		b.ReportMetric(float64(len(text))/float64(len(chunk.Content)+len(chunk.Index)), "ratio")
	})
	chunk = c.Pack(parts)
	b.Run("unpack", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if _, err := c.Parts(chunk); err != nil {
				b.Fatal(err)
			}
		}
	})
}
