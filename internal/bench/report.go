package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// amount is one measured number.
type amount struct {
	What  string  `json:"what"` // p50, p99, per second
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

func (a amount) String() string {
	return strings.TrimSpace(a.What + " " + number(a.Value) + " " + a.Unit)
}

// number writes three digits that count.
func number(v float64) string {
	switch abs := math.Abs(v); {
	case abs >= 1000:
		s := strconv.FormatFloat(v, 'f', 0, 64)
		for i := len(s) - 3; i > 0; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
		return s
	case abs >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case abs >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// figure is what was measured of one thing. Without every check behind it, it is not shown.
type figure struct {
	Name    string   `json:"name"`
	Amounts []amount `json:"amounts,omitempty"`
	Aim     string   `json:"aim,omitempty"`
	// Beside names the raw limits that bound it.
	Beside []string `json:"beside,omitempty"`
	// Checked of Of things were found as they must be: jobs, bytes, answers.
	Checked int    `json:"checked"`
	Of      int    `json:"of"`
	Things  string `json:"things,omitempty"`
	// Trouble is what was not as it must be.
	Trouble []string `json:"trouble,omitempty"`
	// Notes explain.
	Notes []string `json:"notes,omitempty"`
}

// whole reports whether the figure may be shown.
func (f figure) whole() bool { return f.Of > 0 && f.Checked == f.Of && len(f.Trouble) == 0 }

// refused is the figure without its numbers.
func (f figure) refused() figure {
	if !f.whole() {
		f.Amounts = nil
	}
	return f
}

// checks counts what is found as it must be. The first few of the others are told.
type checks struct {
	checked, of int
	trouble     []string
}

func (c *checks) check(ok bool, format string, args ...any) {
	c.of++
	if ok {
		c.checked++
		return
	}
	if len(c.trouble) < 5 {
		c.trouble = append(c.trouble, fmt.Sprintf(format, args...))
	}
}

func (c *checks) figure(name, aim, things string, beside []string, amounts ...amount) figure {
	return figure{Name: name, Aim: aim, Things: things, Beside: beside, Amounts: amounts, Checked: c.checked, Of: c.of, Trouble: c.trouble}
}

// report is one run.
type report struct {
	Machine    string    `json:"machine"`
	Began      time.Time `json:"began"`
	Took       string    `json:"took"`
	LoadBefore string    `json:"load_before"`
	LoadAfter  string    `json:"load_after"`
	Raw        []figure  `json:"raw"`
	Figures    []figure  `json:"figures"`
}

func (r report) whole() bool {
	for _, f := range append(slices.Clone(r.Raw), r.Figures...) {
		if !f.whole() {
			return false
		}
	}
	return len(r.Figures) > 0
}

// write prints the table, and the file where one is wanted.
func (r report) write(out io.Writer, file string) error {
	for _, list := range [][]figure{r.Raw, r.Figures} {
		for i := range list {
			list[i] = list[i].refused()
		}
	}
	_, _ = fmt.Fprintf(out, "%s\nload %s before, %s after; took %s\n\n", r.Machine, r.LoadBefore, r.LoadAfter, r.Took)
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "RAW LIMIT\tMEASURED\tCHECKED\t")
	for _, f := range r.Raw {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t\n", f.Name, f.shown(), f.count())
	}
	_, _ = fmt.Fprintln(table, "\t\t\t\nFIGURE\tMEASURED\tCHECKED\tAIM")
	for _, f := range r.Figures {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.Name, f.shown(), f.count(), f.Aim)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, f := range append(slices.Clone(r.Raw), r.Figures...) {
		lines := append(slices.Clone(f.Trouble), f.Notes...)
		if beside := r.beside(f); beside != "" && f.whole() {
			lines = append(lines, "beside "+beside)
		}
		for i, line := range lines {
			if i == 0 {
				_, _ = fmt.Fprintf(out, "\n%s\n", f.Name)
			}
			_, _ = fmt.Fprintf(out, "    %s\n", line)
		}
	}
	if file == "" {
		return nil
	}
	body, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(body, '\n'), 0o644) //nolint:gosec // figures are for everybody
}

func (f figure) shown() string {
	if !f.whole() {
		return "not shown"
	}
	var all []string
	for _, a := range f.Amounts {
		all = append(all, a.String())
	}
	return strings.Join(all, ", ")
}

func (f figure) count() string {
	return strings.TrimSpace(fmt.Sprintf("%d of %d %s", f.Checked, f.Of, f.Things))
}

// beside are the raw limits that bound a figure, as they were measured in this run.
func (r report) beside(f figure) string {
	var all []string
	for _, raw := range r.Raw {
		if slices.Contains(f.Beside, raw.Name) {
			all = append(all, raw.Name+" "+raw.shown())
		}
	}
	return strings.Join(all, "; ")
}

// machine says what the figures are from.
func machine() string {
	model := "unknown CPU"
	if body, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(body)) {
			if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d x %s, %s", runtime.NumCPU(), model, runtime.Version())
}

// load is the machine's load over the last minute: figures of a busy machine say little.
func load() string {
	body, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(body), " ")
	return one
}

// spread are durations, of which percentiles are wanted.
type spread []time.Duration

// at is the percentile p, from 0 to 100.
func (s spread) at(p float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	i := int(math.Ceil(p/100*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// amounts are the median and the 99th percentile, in milliseconds.
func (s spread) amounts() []amount {
	return []amount{{"p50", ms(s.at(50)), "ms"}, {"p99", ms(s.at(99)), "ms"}}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func perSecond(n int, d time.Duration, unit string) amount {
	return amount{"", float64(n) / d.Seconds(), unit}
}
