package logview_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/web/logview"
)

// memory is a log in memory.
type memory struct {
	parts  []ci.LogPart
	closed bool
	reads  int64 // bytes handed out
}

// logOf makes a log of one part for each text.
func logOf(texts ...string) *memory {
	m := &memory{}
	for _, t := range texts {
		m.add(ci.LogWorker, t)
	}
	return m
}

func (m *memory) add(src ci.LogSource, text string) {
	n := 0
	for _, p := range m.parts {
		if p.Source == src {
			n++
		}
	}
	m.parts = append(m.parts, ci.LogPart{JobID: 1, Attempt: 1, Source: src, Number: n, Content: []byte(text)})
}

func (m *memory) Log(context.Context, int64, int) (ci.Log, error) {
	l := ci.Log{JobID: 1, Attempt: 1, Closed: m.closed}
	for _, p := range m.parts {
		l.Bytes += int64(len(p.Content))
		if p.Source == ci.LogWorker {
			l.Next = p.Number + 1
		}
		l.Lines += bytes.Count(p.Content, []byte("\n"))
	}
	return l, nil
}

func (m *memory) LogParts(_ context.Context, _ int64, _ int, from ci.LogPos, most int) ([]ci.LogPart, error) {
	line, size := 1, 0
	var out []ci.LogPart
	for _, p := range m.parts {
		if p.Source > from.Source || p.Source == from.Source && p.Number >= from.Number {
			if size > 0 && size+len(p.Content) > most {
				break
			}
			p.FirstLine = line
			out = append(out, p)
			size += len(p.Content)
		}
		line += bytes.Count(p.Content, []byte("\n"))
	}
	m.reads += int64(size)
	return out, nil
}

func (m *memory) LogPartAtLine(_ context.Context, _ int64, _, want int) (ci.LogPos, error) {
	at, line := ci.LogPos{}, 1
	for _, p := range m.parts {
		if line > want {
			break
		}
		at = ci.LogPos{Source: p.Source, Number: p.Number}
		line += bytes.Count(p.Content, []byte("\n"))
	}
	return at, nil
}

// page reads a log as a page does at first.
func page(t *testing.T, m *memory) logview.View {
	t.Helper()
	v, err := logview.Page(t.Context(), m, 1, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// lines are the texts of the lines and summaries of items.
func lines(items []logview.Item) []string {
	var out []string
	for _, it := range items {
		if it.Kind == logview.KindLine || it.Kind == logview.KindFold {
			out = append(out, it.Line.Text)
		}
	}
	return out
}

// markup are the drawn lines of items.
func markup(items []logview.Item) []string {
	var out []string
	for _, it := range items {
		if it.Kind == logview.KindLine || it.Kind == logview.KindFold {
			out = append(out, string(it.Line.HTML))
		}
	}
	return out
}
