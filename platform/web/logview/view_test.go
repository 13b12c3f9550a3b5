package logview_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/web/logview"
)

// numbered is a log of n lines in parts of size bytes.
func numbered(n, size int) *memory {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "\x1b[3%dmline %d\x1b[0m\n", i%7, i)
	}
	m := &memory{closed: true}
	for text := b.String(); text != ""; {
		k := min(size, len(text))
		m.add(ci.LogWorker, text[:k])
		text = text[k:]
	}
	return m
}

func TestLongLogHasHeadGapAndTail(t *testing.T) {
	t.Parallel()
	v := page(t, numbered(50_000, 4000))
	var gaps [][2]int
	next := 1
	for _, it := range v.Items {
		if it.Kind == logview.KindGap {
			gaps = append(gaps, [2]int{it.From, it.To})
			next = it.To + 1
			continue
		}
		if it.Line.Number != next || it.Line.Text != fmt.Sprintf("line %d", next) {
			t.Fatalf("line %d says %q, want line %d", it.Line.Number, it.Line.Text, next)
		}
		next++
	}
	if diff := cmp.Diff([][2]int{{1001, 48999}}, gaps); diff != "" || next != 50_001 {
		t.Errorf("ends before %d, gaps: %s", next, diff)
	}
	if drawn := string(logview.HTML(v.Items)); !strings.Contains(drawn, "47,999 lines are left out here") || !strings.Contains(drawn, `href="?line=1251#L1001"`) {
		t.Error("the gap does not say what it is")
	}
}

func TestPageAroundALine(t *testing.T) {
	t.Parallel()
	v, err := logview.Page(t.Context(), numbered(50_000, 4000), 1, 1, 20_000)
	if err != nil {
		t.Fatal(err)
	}
	var gaps [][2]int
	found := false
	for _, it := range v.Items {
		if it.Kind == logview.KindGap {
			gaps = append(gaps, [2]int{it.From, it.To})
		}
		found = found || it.Line.Text == "line 20000"
	}
	if diff := cmp.Diff([][2]int{{1001, 19749}, {20250, 48999}}, gaps); diff != "" || !found {
		t.Errorf("found %v, gaps: %s", found, diff)
	}
}

func TestRangeGivesExactlyTheLinesAskedFor(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 7, 4000} {
		items, err := logview.Range(t.Context(), numbered(400, size), 1, 1, 100, 103)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"line 100", "line 101", "line 102", "line 103"}, lines(items)); diff != "" {
			t.Errorf("parts of %d bytes: %s", size, diff)
		}
	}
}

func TestReaderThatIsFarBehindIsMovedAhead(t *testing.T) {
	t.Parallel()
	m := numbered(10, 4000)
	v := page(t, m)
	rest := numbered(20_000, 4000)
	for _, p := range rest.parts {
		m.add(ci.LogWorker, string(p.Content))
	}
	v, err := logview.After(t.Context(), m, 1, v.Cursor)
	if err != nil {
		t.Fatal(err)
	}
	first := v.Items[0]
	if first.Kind != logview.KindGap || first.From != 11 || first.To != 19_009 {
		t.Errorf("begins with %+v", first)
	}
	if last := v.Items[len(v.Items)-1].Line; last.Number != 20_010 || last.Text != "line 20000" {
		t.Errorf("ends with %d %q", last.Number, last.Text)
	}
}

func TestVeryLongLineIsCut(t *testing.T) {
	t.Parallel()
	m := logOf("short\n", strings.Repeat("x", 1<<20), "end of it\nnext\n")
	m.closed = true
	items := page(t, m).Items
	if len(items) != 3 || !items[1].Line.Cut || len(items[1].Line.HTML) > 9000 || items[2].Line.Text != "next" || items[2].Line.Number != 3 {
		t.Fatalf("%d items, the second %d bytes, cut %v", len(items), len(items[1].Line.HTML), items[1].Line.Cut)
	}
	if !strings.Contains(string(items[1].Line.Draw()), "The raw log has all of it.") {
		t.Error("the cut is not marked")
	}
}

func TestEndlessProgressKeepsItsLastText(t *testing.T) {
	t.Parallel()
	m := &memory{}
	for i := range 40 {
		var b strings.Builder
		for k := range 1000 {
			fmt.Fprintf(&b, "\r\x1b[32mloaded %d of 40000\x1b[0m  ", i*1000+k)
		}
		m.add(ci.LogWorker, b.String())
	}
	v := page(t, m)
	if v.Open == nil || strings.TrimSpace(v.Open.Text) != "loaded 39999 of 40000" {
		t.Fatalf("the open line is %+v", v.Open)
	}
	m.add(ci.LogWorker, "\rdone, and more words than before\nnext\n")
	v, err := logview.After(t.Context(), m, 1, v.Cursor)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"done, and more words than before", "next"}, lines(v.Items)); diff != "" {
		t.Error(diff)
	}
}

// TestReadingInPiecesIsReadingAtOnce: whatever the parts and whenever one asks, the lines are the same in the end.
func TestReadingInPiecesIsReadingAtOnce(t *testing.T) {
	t.Parallel()
	piece := rapid.SampledFrom([]string{"word ", "\n", "\r", "\r\n", "\x1b[31m", "\x1b[0m", "\x1b[1;3", "2m", "é", "<b>", "\x1b[K", "travis_fold:start:a\r\x1b[0K", "travis_fold:end:a\r\x1b[0K",
		"travis_time:end:x:duration=5\r\x1b[0K", "\x1b[38;5;99m", "FAIL\n", "\x1b]8;;https://a.example\x07", strings.Repeat("long ", 30)})
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(piece, 1, 8).Draw(t, "pieces"), "")
		}), 1, 20).Draw(t, "parts")
		whole := logOf(texts...)
		whole.closed = true
		want, err := logview.Page(t.Context(), whole, 1, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		growing := &memory{}
		cursor := logview.Cursor{Attempt: 1, Line: 1}
		var got []logview.Item
		for i, text := range texts {
			growing.add(ci.LogWorker, text)
			growing.closed = i == len(texts)-1
			if rapid.Bool().Draw(t, "ask") || growing.closed {
				got = append(got, after(t, growing, &cursor)...)
			}
		}
		if diff := cmp.Diff(drawn(want.Items), drawn(got)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// after reads on until there is nothing more, passing the cursor through its text form.
func after(t *rapid.T, m *memory, cursor *logview.Cursor) []logview.Item {
	var items []logview.Item
	for {
		c, err := logview.ParseCursor(cursor.String())
		if err != nil {
			t.Fatalf("cursor %+v: %v", *cursor, err)
		}
		v, err := logview.After(t.Context(), m, 1, c)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, v.Items...)
		*cursor = v.Cursor
		if !v.More {
			return items
		}
	}
}

func drawn(items []logview.Item) []string {
	var out []string
	for _, it := range items {
		out = append(out, fmt.Sprintf("%d %s %d %s", it.Kind, it.Fold, it.Line.Number, it.Line.HTML))
	}
	return out
}

func TestParseCursorRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "x", "MQ", strings.Repeat("A", 300), "LTEuMS4wLjAuMS4wLg", "MS45LjAuMC4xLjAu"} {
		if c, err := logview.ParseCursor(text); err == nil {
			t.Errorf("%q was read as %+v", text, c)
		}
	}
}

// TestFiftyMegabytes: a page of a huge log is made in a bound of memory that has nothing to do with its size.
func TestFiftyMegabytes(t *testing.T) {
	line := "\x1b[32mok\x1b[0m      mill.example/turbine-api/store   \x1b[90m12.604s\x1b[0m coverage: 87.1% of statements\n"
	var part strings.Builder
	for part.Len() < 60<<10 {
		part.WriteString(line)
	}
	m := &memory{closed: true}
	for range 50 << 20 / part.Len() {
		m.add(ci.LogWorker, part.String())
	}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	v := page(t, m)
	drawn := logview.HTML(v.Items)
	runtime.ReadMemStats(&now)
	if used := now.TotalAlloc - before.TotalAlloc; used > 48<<20 {
		t.Errorf("a page of a log of 50 MB allocated %d MB in all", used>>20)
	}
	if len(drawn) > 2<<20 || m.reads > 4<<20 {
		t.Errorf("the page has %d KB and read %d KB of the log", len(drawn)>>10, m.reads>>10)
	}
	t.Logf("page %d KB, read %d KB, allocated %d KB", len(drawn)>>10, m.reads>>10, (now.TotalAlloc-before.TotalAlloc)>>10)
}

func BenchmarkPage_ColouredLines(b *testing.B) {
	m := numbered(2000, 60<<10)
	b.ReportAllocs()
	for b.Loop() {
		v, err := logview.Page(b.Context(), m, 1, 1, 0)
		if err != nil {
			b.Fatal(err)
		}
		if len(logview.HTML(v.Items)) == 0 {
			b.Fatal("nothing drawn")
		}
	}
}
