// Package historytest reads all that a database of Headrace holds about requests, builds, attempts and logs, and says what
// of it cannot be right. It is the judge at the end of tests in which things break: it must not know what was broken, and it
// trusts the rules of package ci only where they are pure functions.
package historytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headrace/headrace/platform/ci"
)

// Part names what a finding is about, so that a test can say which part does not apply to it.
type Part string

// The parts of a history.
const (
	// Requests: each accepted request has its build, or a reason.
	Requests Part = "requests"
	// Builds: numbers without gaps; states that follow from the jobs.
	Builds Part = "builds"
	// Jobs: each has ended, and its attempts tell how.
	Jobs Part = "jobs"
	// Logs: each is closed, complete and in order.
	Logs Part = "logs"
	// TornLogs: the end of a log that a worker which does not claim took along when it died.
	TornLogs Part = "torn logs"
	// Outbox: no message is left in it.
	Outbox Part = "outbox"
	// DeadLetters: nothing was sent that nobody could read.
	DeadLetters Part = "dead letters"
)

// History is all that happened.
type History struct {
	Requests []ci.Request
	// Builds have their stages and jobs.
	Builds []ci.Build
	// Attempts are those of each job, by its id, the first one first.
	Attempts map[int64][]Attempt
	// Outbox counts the messages that are left in it.
	Outbox int
	// DeadLetters are the reasons of the dead letters.
	DeadLetters []string
}

// Attempt is an attempt with its log.
type Attempt struct {
	ci.Attempt
	// Unclaimed: its worker is one that does not claim.
	Unclaimed bool
	Log       Log
}

// Log is what is kept of a log: how it is cut, and the lines in which jobs count.
type Log struct {
	ci.Log
	Parts []LogPart
	// Counted are the lines that the job numbered; see [Counts].
	Counted []string
	// Torn: it says itself that some of it did not arrive.
	Torn bool
}

// LogPart is a part of a log without its content.
type LogPart struct {
	ci.LogPos
	Size, Lines int
	FirstLine   int
	Final       bool
}

// Rules say what the history is held against.
type Rules struct {
	// MaxTries is limits.attempts. Default [ci.MaxTries].
	MaxTries int
	// Except are the parts that do not apply.
	Except []Part
}

// Finding is something that is not right.
type Finding struct {
	Part Part
	// Open: it may come right by itself, while things still happen.
	Open bool
	Text string
}

// String is the sentence.
func (f Finding) String() string { return fmt.Sprintf("%s: %s", f.Part, f.Text) }

// Check says what in the history is not right.
func Check(h History, rules Rules) []Finding {
	if rules.MaxTries <= 0 {
		rules.MaxTries = ci.MaxTries
	}
	c := &checker{History: h, rules: rules, runs: map[string]string{}}
	c.requests()
	c.builds()
	for _, b := range h.Builds {
		for _, j := range b.Jobs {
			c.job(j)
		}
	}
	if h.Outbox > 0 {
		c.open(Outbox, "%d messages are left", h.Outbox)
	}
	for _, reason := range h.DeadLetters {
		part := DeadLetters
		if strings.Contains(reason, "of which no report came") {
			part = TornLogs // a worker that does not claim died before it said whose log this is
		}
		c.wrong(part, "%s", reason)
	}
	return c.found
}

// Quiet says whether nothing is left that may still change.
func Quiet(found []Finding) bool {
	return !slices.ContainsFunc(found, func(f Finding) bool { return f.Open })
}

type checker struct {
	History
	rules Rules
	runs  map[string]string // the attempt that each run owns
	found []Finding
}

func (c *checker) add(part Part, open bool, format string, args ...any) {
	if !slices.Contains(c.rules.Except, part) {
		c.found = append(c.found, Finding{part, open, fmt.Sprintf(format, args...)})
	}
}

// open adds what may still come right, wrong what cannot.
func (c *checker) open(part Part, format string, args ...any)  { c.add(part, true, format, args...) }
func (c *checker) wrong(part Part, format string, args ...any) { c.add(part, false, format, args...) }
