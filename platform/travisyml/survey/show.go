package survey

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"text/tabwriter"
)

// longest is how many findings are listed; there is a tail of misspellings that each stand in one file.
const longest = 40

// Table writes the report for a terminal: a line per file, then what is found most often, then the sum.
func (r Report) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "FILE\tVERDICT\tJOBS\tWHY")
	for _, f := range r.Files {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%s\n", f.Path, f.Verdict, f.Jobs, f.Why())
	}
	_, _ = fmt.Fprintln(t)
	if err := t.Flush(); err != nil {
		return err
	}
	if len(r.Findings) > 0 {
		_, _ = fmt.Fprintln(t, "FILES\tLEVEL\tWHAT\tFOR EXAMPLE")
		for _, f := range r.Findings[:min(longest, len(r.Findings))] {
			_, _ = fmt.Fprintf(t, "%d\t%s\t%s\t%s\n", f.Files, f.Level, strings.TrimSpace(f.Code+" "+f.Subject), oneLine(f.Example))
		}
		_, _ = fmt.Fprintln(t)
		if err := t.Flush(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, r.Sum())
	return err
}

// Why says what is behind the verdict, in one line.
func (f File) Why() string {
	switch {
	case f.Reason != "":
		return oneLine(f.Reason)
	case len(f.Unsupported) > 0:
		return strings.Join(f.Unsupported, ", ")
	case len(f.Messages) > 0:
		return oneLine(f.Messages[0].Text)
	}
	return ""
}

// Sum says the whole in one sentence.
func (r Report) Sum() string {
	if len(r.Files) == 0 {
		return "There is no .travis.yml here."
	}
	var parts []string
	for _, v := range Verdicts() {
		if n := r.Counts[v]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, plural(v, n)))
		}
	}
	noun := "files"
	if len(r.Files) == 1 {
		noun = "file"
	}
	return fmt.Sprintf("%d %s: %s.", len(r.Files), noun, strings.Join(parts, ", "))
}

func plural(v Verdict, n int) string {
	text := v.Text()
	if n == 1 {
		return text
	}
	for one, many := range map[string]string{"runs as it is": "run as they are", "makes ": "make ", "runs": "run"} {
		if rest, ok := strings.CutPrefix(text, one); ok && (one != "runs" || !strings.HasPrefix(text, "runs as")) {
			return many + rest
		}
	}
	return text
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 140 {
		return string(r[:139]) + "…"
	}
	return s
}

//go:embed report.html
var page string

// HTML writes the report as one page that needs no other file.
func (r Report) HTML(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{"percent": func(n int) string {
		return fmt.Sprintf("%.0f", 100*float64(n)/float64(max(1, len(r.Files))))
	}}).Parse(page)
	if err != nil {
		return fmt.Errorf("read the page of the report: %w", err)
	}
	return t.Execute(w, struct {
		Report
		Order []Verdict
		Most  []Finding
	}{r, Verdicts(), r.Findings[:min(longest, len(r.Findings))]})
}
