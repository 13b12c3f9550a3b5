package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

func testNotes(t *testing.T, n *node) {
	jobs := n.jobs("acme/app", 2)
	_, err := n.AddNote(n.ctx(), jobs[0].ID, 0, ci.LogPreface, "first")
	n.ok(err)
	run := n.hand(jobs[0].ID, "r")
	stored, err := n.AddNote(n.ctx(), run.JobID, 1, ci.LogEpilogue, "last one\n")
	n.ok(err)
	equal(t, "next of the worker", 0, stored.Next)
	n.append(run, part(0, "x\ny"))
	equal(t, "text before the worker is done", "first\nx\ny", n.read(run.JobID, 0))
	n.append(run, final(1, ""))
	_, err = n.AddNote(n.ctx(), run.JobID, 1, ci.LogEpilogue, "very last")
	n.ok(err)
	equal(t, "text", "first\nx\ny\nlast one\nvery last\n", n.read(run.JobID, 0))
	equal(t, "lines", 5, n.log(run).Lines)

	_, _, err = n.CancelJob(n.ctx(), jobs[1].ID, "ines")
	n.ok(err)
	stored, err = n.AddNote(n.ctx(), jobs[1].ID, 0, ci.LogEpilogue, strings.Repeat("long ", 30000))
	n.ok(err)
	equal(t, "closed", true, stored.Closed)
	equal(t, "a note after the end", 150001, len(n.read(jobs[1].ID, 1)))
	for _, c := range []struct {
		job     int64
		attempt int
		source  ci.LogSource
		want    fault.Code
	}{{99, 0, ci.LogPreface, fault.NotFound}, {run.JobID, 2, ci.LogPreface, fault.NotFound}, {run.JobID, 0, ci.LogWorker, fault.Invalid}} {
		_, err = n.AddNote(n.ctx(), c.job, c.attempt, c.source, "x")
		equal(t, "code", c.want, fault.CodeOf(err))
	}
}

func testCursor(t *testing.T, n *node) {
	run := n.started()
	want := ""
	for i := range 25 {
		text := fmt.Sprintf("%d\n", i) + strings.Repeat("x", i*10)
		want += text
		n.append(run, part(i, text))
	}
	n.append(run, final(25, ""))
	_, err := n.AddNote(n.ctx(), run.JobID, 1, ci.LogPreface, "hello")
	n.ok(err)
	_, err = n.AddNote(n.ctx(), run.JobID, 1, ci.LogEpilogue, "bye")
	n.ok(err)
	want = "hello\n" + want + "\nbye\n"
	for _, size := range []int{1, 100, 1000, 0} {
		var got []byte
		for _, p := range n.parts(run.JobID, 1, size) {
			got = append(got, p.Content...)
		}
		equal(t, fmt.Sprintf("text, %d bytes at a time", size), want, string(got))
	}
	some, err := n.LogParts(n.ctx(), run.JobID, 1, ci.LogPos{Source: ci.LogWorker, Number: 10}, 250)
	n.ok(err)
	equal(t, "parts that fit", 2, len(some))
	for _, err := range []error{
		second(n.LogParts(n.ctx(), 99, 0, ci.LogPos{}, 0)), second(n.LogParts(n.ctx(), run.JobID, 2, ci.LogPos{}, 0)), second(n.Log(n.ctx(), 99, 0)),
		second(n.LogPartAtLine(n.ctx(), 99, 0, 1)),
	} {
		equal(t, "code", fault.NotFound, fault.CodeOf(err))
	}
}

func testLines(t *testing.T, n *node) {
	run := n.started()
	_, err := n.AddNote(n.ctx(), run.JobID, 1, ci.LogPreface, "one\ntwo")
	n.ok(err)
	n.append(run, part(0, "thr"), part(1, "ee\nfour\nfi"), part(2, "ve"), part(3, "\n"), part(4, "six\n"), final(5, "seven"))
	_, err = n.AddNote(n.ctx(), run.JobID, 1, ci.LogEpilogue, "eight")
	n.ok(err)
	lines := strings.SplitAfter(n.read(run.JobID, 1), "\n")
	for i, want := range lines {
		line := i + 1
		pos, err := n.LogPartAtLine(n.ctx(), run.JobID, 1, line)
		n.ok(err)
		parts, err := n.LogParts(n.ctx(), run.JobID, 1, pos, 0)
		n.ok(err)
		var text []byte
		for _, p := range parts {
			text = append(text, p.Content...)
		}
		got := strings.SplitAfter(string(text), "\n")
		skip := line - parts[0].FirstLine
		if skip < 0 || skip >= len(got) || got[skip] != want {
			t.Errorf("line %d: from %+v, which begins in line %d, %q is read; want %q", line, pos, parts[0].FirstLine, text, want)
		}
	}
	pos, err := n.LogPartAtLine(n.ctx(), run.JobID, 1, 6)
	n.ok(err)
	equal(t, "the nearest place to line 6", ci.LogPos{Source: ci.LogWorker, Number: 3}, pos)
}
