package historytest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/headrace/headrace/platform/ci"
)

// log: it is closed, its parts follow one another, and where the job counted, no line is missing, doubled or foreign.
func (c *checker) log(a Attempt, name string) {
	l := a.Log
	if !l.RemovedAt.IsZero() {
		return
	}
	if !l.Closed {
		part := Logs
		if a.Unclaimed {
			part = TornLogs // nobody may be left to send the rest of it
		}
		c.open(part, "the log of %s, which %s, is open", name, a.State)
		return
	}
	c.parts(l, name)
	final := 0
	for _, p := range l.Parts {
		if p.Final {
			final++
		}
	}
	whole := final == 1 && !l.Torn
	result := a.State == ci.Passed || a.State == ci.Failed
	switch {
	case final > 1:
		c.wrong(Logs, "the log of %s has %d last parts", name, final)
	case result && !whole && a.Unclaimed:
		c.wrong(TornLogs, "the log of %s, which %s, has no end", name, a.State)
	case result && !whole:
		c.wrong(Logs, "the log of %s, which %s, has no end", name, a.State)
	}
	if err := Counts(l.Counted, a.State == ci.Passed && whole); err != nil && !l.Torn {
		c.wrong(Logs, "the log of %s, which %s: %v", name, a.State, err)
	}
}

// parts: those of each source are numbered from 0 without a gap, and what is counted of them is what there is.
func (c *checker) parts(l Log, name string) {
	next := map[ci.LogSource]int{}
	source, line := ci.LogPreface, 1
	size, lines := int64(0), 0
	ended := false
	for _, p := range l.Parts {
		switch {
		case p.Source < source || p.Number != next[p.Source]:
			c.wrong(Logs, "the log of %s has part %d of source %d where part %d of source %d or later is due", name, p.Number, p.Source, next[p.Source], source)
			return
		case p.FirstLine != line:
			c.wrong(Logs, "part %d of source %d of the log of %s begins in line %d and says %d", p.Number, p.Source, name, line, p.FirstLine)
			return
		case ended && p.Source == ci.LogWorker:
			c.wrong(Logs, "the log of %s goes on after its last part", name)
		}
		source, next[p.Source] = p.Source, p.Number+1
		line, lines, size = line+p.Lines, lines+p.Lines, size+int64(p.Size)
		ended = ended || p.Final
	}
	if next[ci.LogWorker] != l.Next || size != l.Bytes || lines != l.Lines {
		c.wrong(Logs, "the log of %s says that it has %d parts of the worker, %d bytes and %d lines; it has %d, %d and %d",
			name, l.Next, l.Bytes, l.Lines, next[ci.LogWorker], size, lines)
	}
}

var (
	countedLine = regexp.MustCompile(`^(?:run (\d+) )?line (\d+)(?: of (\d+))?(?: .*)?$`)
	countedEnd  = regexp.MustCompile(`^run (\d+) ends after (\d+) lines$`)
)

// counted says whether a line is one in which a job counts.
func counted(line string) bool { return countedLine.MatchString(line) || countedEnd.MatchString(line) }

// Counts looks at the lines in which a job counts: "line 3", "line 3 of 60", "run 4711 line 3" and, at the end, "run 4711 ends
// after 3 lines". It says what is missing, comes twice, stands in a wrong place, or is of another run; where the log is
// whole, also whether the end is missing.
func Counts(lines []string, whole bool) error {
	next, most, run, ended := 1, "", "", false
	for i, line := range lines {
		end := countedEnd.FindStringSubmatch(line)
		if end == nil {
			m := countedLine.FindStringSubmatch(line)
			end = []string{line, m[1], strconv.Itoa(next)}
			if m[2] != strconv.Itoa(next) || ended {
				return fmt.Errorf("%q where line %d is due", line, next)
			}
			most = m[3]
			next++
		} else if ended = true; end[2] != strconv.Itoa(next-1) {
			return fmt.Errorf("%q after %d lines", line, next-1)
		}
		if i > 0 && end[1] != run {
			return fmt.Errorf("%q is of another run than %q", line, lines[i-1])
		}
		run = end[1]
	}
	switch {
	case !whole || len(lines) == 0:
		return nil
	case most != "" && most != strconv.Itoa(next-1):
		return fmt.Errorf("it ends after %d of %s lines", next-1, most)
	case run != "" && !ended:
		return fmt.Errorf("it has %d lines of run %s and not its end", next-1, run)
	}
	return nil
}

// reader collects what is kept of a log while its parts go by.
type reader struct {
	log  Log
	rest strings.Builder // the beginning of a line of the worker's
}

func (r *reader) take(p ci.LogPart) {
	r.log.Parts = append(r.log.Parts, LogPart{
		LogPos: ci.LogPos{Source: p.Source, Number: p.Number}, Size: len(p.Content),
		Lines: strings.Count(string(p.Content), "\n"), FirstLine: p.FirstLine, Final: p.Final,
	})
	if p.Source == ci.LogEpilogue {
		r.log.Torn = r.log.Torn || strings.Contains(string(p.Content), "did not arrive from the worker")
	}
	if p.Source != ci.LogWorker {
		return
	}
	text := string(p.Content)
	for {
		line, after, found := strings.Cut(text, "\n")
		r.rest.WriteString(line)
		if !found {
			return
		}
		if line := strings.TrimRight(r.rest.String(), "\r"); counted(line) {
			r.log.Counted = append(r.log.Counted, line)
		}
		r.rest.Reset()
		text = after
	}
}
