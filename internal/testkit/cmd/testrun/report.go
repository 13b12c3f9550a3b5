package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

const module = "github.com/headrace/headrace"

// event is one line of `go test -json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build output, in place of Package
	Test       string
	Elapsed    float64
	Output     string
}

// testcase is a test or subtest.
type testcase struct {
	name   string
	status string // pass, fail, skip; empty while it runs
	output []string
	parent bool // has subtests
}

// suite is a package.
type suite struct {
	path    string // of the package
	name    string // the path inside the module
	status  string
	seconds float64
	output  []string // of the package itself
	cases   map[string]*testcase
	order   []*testcase
}

// counts is how many cases ended how.
type counts struct{ passed, failed, skipped int }

func (c *counts) add(o counts) {
	c.passed, c.failed, c.skipped = c.passed+o.passed, c.failed+o.failed, c.skipped+o.skipped
}

// report gathers events and prints them for people.
type report struct {
	out    io.Writer
	suites map[string]*suite
	order  []*suite
	builds map[string][]string // output of the compiler by package
}

func newReport(out io.Writer) *report {
	return &report{out: out, suites: map[string]*suite{}, builds: map[string][]string{}}
}

// read takes all events. A line that is none is printed as it is.
func (r *report) read(events io.Reader) error {
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil {
				r.take(e)
			} else {
				fmt.Fprintf(r.out, "%s", line)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the tests' output: %w", err)
		}
	}
}

func (r *report) take(e event) {
	if e.Package == "" {
		if e.Action == "build-output" {
			path, _, _ := strings.Cut(e.ImportPath, " ")
			r.builds[path] = append(r.builds[path], e.Output)
		}
		return
	}
	s := r.suites[e.Package]
	if s == nil {
		s = &suite{path: e.Package, name: strings.TrimPrefix(strings.TrimPrefix(e.Package, module), "/"), cases: map[string]*testcase{}}
		if s.name == "" {
			s.name = "headrace"
		}
		r.suites[e.Package] = s
		r.order = append(r.order, s)
	}
	if e.Test == "" {
		r.takePackage(s, e)
		return
	}
	s.take(e)
}

func (r *report) takePackage(s *suite, e event) {
	switch e.Action {
	case "output":
		s.output = append(s.output, e.Output)
	case "pass", "fail", "skip":
		s.status, s.seconds = e.Action, e.Elapsed
		if n := s.count(); n != (counts{}) {
			fmt.Fprintf(r.out, "%-4s %s: %d passed, %d failed, %d skipped, %.1f s\n", s.status, s.name, n.passed, n.failed, n.skipped, s.seconds)
		}
	}
}

func (s *suite) take(e event) {
	c := s.cases[e.Test]
	if c == nil {
		c = &testcase{name: e.Test}
		s.cases[e.Test] = c
		s.order = append(s.order, c)
		if i := strings.LastIndex(e.Test, "/"); i > 0 {
			if above := s.cases[e.Test[:i]]; above != nil {
				above.parent = true
			}
		}
	}
	switch e.Action {
	case "output":
		c.output = append(c.output, e.Output)
	case "pass":
		c.status, c.output = "pass", nil
	case "fail", "skip":
		c.status = e.Action
	}
}

// counted reports whether the case stands for itself: subtests stand for their parent, unless only the parent failed.
func (s *suite) counted(c *testcase) bool {
	if !c.parent || c.status == "skip" {
		return true
	}
	return c.status != "pass" && !slices.ContainsFunc(s.order, func(o *testcase) bool {
		return strings.HasPrefix(o.name, c.name+"/") && o.failed()
	})
}

// failed is also true of a case that never ended.
func (c *testcase) failed() bool { return c.status != "pass" && c.status != "skip" }

func (s *suite) count() counts {
	var n counts
	for _, c := range s.order {
		switch {
		case !s.counted(c):
		case c.failed():
			n.failed++
		case c.status == "skip":
			n.skipped++
		default:
			n.passed++
		}
	}
	if s.status == "fail" && n.failed == 0 {
		n.failed = 1 // the package did not build, or failed outside its tests
	}
	return n
}

// print shows what failed, then the table, then the sum alone on the last line.
func (r *report) print() counts {
	slices.SortFunc(r.order, func(a, b *suite) int { return strings.Compare(a.name, b.name) })
	for _, s := range r.order {
		r.printFailures(s)
	}
	var total counts
	table := tabwriter.NewWriter(r.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "\nsuite\tcases\tfailed\tskipped\tseconds")
	for _, s := range r.order {
		n := s.count()
		if n == (counts{}) {
			continue
		}
		total.add(n)
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%s\n", s.name, n.passed+n.failed+n.skipped, n.failed, n.skipped, s.took())
	}
	table.Flush()
	r.printSkipped()
	fmt.Fprintf(r.out, "\n%d passed, %d failed, %d skipped\n", total.passed, total.failed, total.skipped)
	return total
}

// took is the time in seconds, or that go test repeats an earlier result of the same code.
func (s *suite) took() string {
	if strings.Contains(strings.Join(s.output, ""), "(cached)") {
		return "cached"
	}
	return fmt.Sprintf("%.1f", s.seconds)
}

func (r *report) printSkipped() {
	first := true
	for _, s := range r.order {
		for _, c := range s.order {
			if c.status != "skip" {
				continue
			}
			if first {
				fmt.Fprintln(r.out, "\nskipped:")
				first = false
			}
			fmt.Fprintf(r.out, "  %s %s: %s\n", s.name, c.name, c.reason())
		}
	}
}

// reason is what the test said when it skipped itself.
func (c *testcase) reason() string {
	for _, line := range slices.Backward(c.output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "===") {
			return line
		}
	}
	return "no reason given"
}

func (r *report) printFailures(s *suite) {
	if s.status != "fail" {
		return
	}
	shown := false
	for _, c := range s.order {
		if s.counted(c) && c.failed() {
			shown = true
			fmt.Fprintf(r.out, "\nFAILED %s %s\n%s", s.name, c.name, strings.Join(c.output, ""))
		}
	}
	if !shown {
		built := r.builds[s.path]
		fmt.Fprintf(r.out, "\nFAILED %s\n%s%s", s.name, strings.Join(built, ""), strings.Join(s.output, ""))
	}
}
