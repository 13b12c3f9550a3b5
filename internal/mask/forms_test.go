package mask_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/internal/mask"
)

// writers write a value as tools do that builds use.
var writers = map[string]func(t *rapid.T, v string) string{
	"as it is":    func(_ *rapid.T, v string) string { return v },
	"URL, query":  func(_ *rapid.T, v string) string { return url.QueryEscape(v) },
	"URL, path":   func(_ *rapid.T, v string) string { return url.PathEscape(v) },
	"HTML":        func(_ *rapid.T, v string) string { return html.EscapeString(v) },
	"hexadecimal": func(_ *rapid.T, v string) string { return hex.EncodeToString([]byte(v)) },
	"Go":          func(_ *rapid.T, v string) string { return fmt.Sprintf("%x", v) },
	"single quotes": func(_ *rapid.T, v string) string {
		return "'" + strings.ReplaceAll(v, "'", `'\''`) + "'"
	},
	"double quotes": func(_ *rapid.T, v string) string {
		return strconv.Quote(strings.Map(func(r rune) rune { // for JSON's and Go's words are the same
			if r < ' ' || r == 0x7f || r > '~' {
				return 'x'
			}
			return r
		}, v))
	},
	"JSON": func(t *rapid.T, v string) string {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(rapid.Bool().Draw(t, "HTML"))
		if err := e.Encode(map[string]string{"k": v}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	},
	"base64 with neighbours": func(t *rapid.T, v string) string {
		before := rapid.StringN(0, 7, 7).Draw(t, "before")
		after := rapid.StringN(0, 7, 7).Draw(t, "after")
		encoding := rapid.SampledFrom([]*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding}).Draw(t, "base64")
		return encoding.EncodeToString([]byte(before + v + after))
	},
	"in lines of a terminal": func(_ *rapid.T, v string) string { return strings.ReplaceAll(v, "\n", "\r\n") },
}

var secretValues = rapid.OneOf(
	rapid.StringMatching(`[ -~]{8,40}`),
	rapid.StringMatching(`[A-Za-z0-9+/=_-]{12,80}`),
	rapid.StringMatching(`[a-zé€😀]{6,12}`),
	rapid.StringMatching(`-----BEGIN KEY-----\n([A-Za-z0-9+/]{64}\n){1,4}-----END KEY-----\n`),
)

// TestForms_noneGetsThrough: whatever the secret, whoever writes it and wherever the pieces end, no half of it is left.
func TestForms_noneGetsThrough(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secret := secretValues.Draw(t, "secret")
		if strings.TrimSpace(secret) != secret && !strings.Contains(secret, "\n") {
			return
		}
		name := rapid.SampledFrom(names()).Draw(t, "writer")
		written := writers[name](t, secret)
		if name == "double quotes" && strings.ContainsFunc(secret, func(r rune) bool { return r < ' ' || r > '~' }) {
			return // the value is another
		}
		text := rapid.StringMatching(`[a-z ]{0,20}`).Draw(t, "text") + written + rapid.StringMatching(`[a-z ]{0,20}`).Draw(t, "more")
		set := mask.Of([]string{"another-one", secret})
		var out []byte
		var rest mask.Rest
		for left := []byte(text); len(left) > 0; {
			n := min(rapid.IntRange(1, 40).Draw(t, "piece"), len(left))
			out = set.Next(out, left[:n:n], &rest, false)
			left = left[n:]
		}
		out = set.Next(out, nil, &rest, true)
		if whole := set.Next(nil, []byte(text), &mask.Rest{}, true); !bytes.Equal(whole, out) {
			t.Fatalf("in pieces %q, at once %q", out, whole)
		}
		if !bytes.Contains(out, []byte(mask.Mark)) {
			t.Fatalf("%s: nothing is masked in %q", name, out)
		}
		core := written
		if name == "base64 with neighbours" {
			return // what may be left at its edges is checked by the next test
		}
		for i := 0; i+6 <= len(core); i++ {
			if piece := core[i : i+6]; strings.Contains(secret, piece) && bytes.Contains(out, []byte(piece)) && !strings.Contains(mask.Mark, piece) && strings.Count(text, piece) == 1 {
				t.Fatalf("%s: %q of %q came through in %q", name, piece, secret, out)
			}
		}
	})
}

func names() []string {
	var all []string
	for _, name := range []string{
		"as it is", "URL, query", "URL, path", "HTML", "hexadecimal", "Go", "single quotes", "double quotes", "JSON",
		"base64 with neighbours", "in lines of a terminal",
	} {
		if writers[name] != nil {
			all = append(all, name)
		}
	}
	return all
}

// TestForms_base64 puts a value at every offset and checks that what is left of the encoded text says at most the bits that
// share a character with a neighbour.
func TestForms_base64(t *testing.T) {
	t.Parallel()
	secret := "correct-horse-battery"
	for before := range 7 {
		for after := range 4 {
			encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("a", before) + secret + strings.Repeat("z", after)))
			got := through(t, []string{secret}, encoded)
			left := strings.Replace(got, mask.Mark, "", 1)
			whole := len(encoded) - (len(secret)*8-10+5)/6 // ten bits may be shared
			if !strings.Contains(got, mask.Mark) || len(left) > whole {
				t.Errorf("%d before, %d after: %q becomes %q", before, after, encoded, got)
			}
		}
	}
	long := strings.Repeat("0123456789abcdef", 8)
	encoded := base64.StdEncoding.EncodeToString([]byte(long + "\n"))
	for _, width := range []int{64, 76} {
		var lines strings.Builder
		for rest := encoded; rest != ""; {
			n := min(width, len(rest))
			lines.WriteString(rest[:n] + "\n")
			rest = rest[n:]
		}
		if got := strings.Trim(strings.ReplaceAll(through(t, []string{long}, lines.String()), mask.Mark, ""), "\nK=oA0123456789"); len(got) > 4 {
			t.Errorf("lines of %d: %q is left", width, got)
		}
	}
}

// TestForms_shortAndCommon: what is short stays, and its forms with it.
func TestForms_shortAndCommon(t *testing.T) {
	t.Parallel()
	text := `{"a": 1, "n": "abc", "x": "YWJj", "h": "616263", "e": ""}` + "\n"
	if got := through(t, []string{"abc", "", " ", "{", "\n", "1\n2\n"}, text); got != text {
		t.Errorf("got %q", got)
	}
}

func BenchmarkSet_Next(b *testing.B) {
	line := []byte(strings.Repeat("ok  \tgithub.com/acme/app/wheel\t0.412s\n", 1700))
	for _, n := range []int{0, 3, 100} {
		var values []string
		for i := range n {
			values = append(values, fmt.Sprintf("%x-hunter-%d", i*7919, i))
		}
		set := mask.Of(values)
		b.Run(fmt.Sprintf("%d secrets", n), func(b *testing.B) {
			var rest mask.Rest
			out := make([]byte, 0, 2*len(line))
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				out = set.Next(out[:0], line, &rest, false)
			}
		})
	}
}
