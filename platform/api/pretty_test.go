package api

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headrace/headrace/platform/ci"
)

// TestPretty_isWhatTheLibraryWouldWrite: encoded, compacted and indented by encoding/json it would be the same.
func TestPretty_isWhatTheLibraryWouldWrite(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := anything(4).Draw(t, "v")
		var flat, want, got bytes.Buffer
		if err := encode(&flat, v); err != nil {
			t.Fatal(err)
		}
		if err := json.Indent(&want, flat.Bytes(), "", "  "); err != nil {
			t.Fatal(err)
		}
		if err := pretty(&got, v, 1); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), got.String()); diff != "" {
			t.Fatal(diff)
		}
	})
}

// anything is what handlers put into answers.
func anything(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		if depth > 0 && rapid.Bool().Draw(t, "deep") {
			return container(t, depth)
		}
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "<b>&", "a\"b\\c", "\u2028", "\x7f", "\xff", "plain", "two\nlines"})).Draw(t, "text")
		return rapid.SampledFrom([]any{
			nil, true, 7, int64(-1 << 40), text, ci.State(text), json.RawMessage(`{"a":[1,{}],"b":{}}`), 1.5, []string{text, "x"}, []string{}, map[string]any{"k": text, "l": []int{}},
			time.Date(2026, 11, 20, 5, 46, 0, 0, time.UTC), (*object)(nil), []*object(nil), []*object{}, new(object),
		}).Draw(t, "leaf")
	})
}

func container(t *rapid.T, depth int) any {
	n := rapid.IntRange(0, 3).Draw(t, "n")
	if rapid.Bool().Draw(t, "list") {
		list := make([]*object, n)
		for i := range list {
			list[i] = new(object).set("v", anything(depth-1).Draw(t, "entry"))
		}
		return list
	}
	o := new(object)
	for range n {
		o.set(rapid.StringN(0, 5, -1).Draw(t, "key"), anything(depth-1).Draw(t, "value"))
	}
	return o
}
