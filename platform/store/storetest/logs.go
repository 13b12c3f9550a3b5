package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

var logTests = map[string]func(*testing.T, *node){
	"parts are stored once and read in order":      testParts,
	"parts beyond a gap count once it is filled":   testGap,
	"any order gives the same log":                 testAnyOrder,
	"several logs are stored at once":              testSeveralLogs,
	"parts of another run are refused":             testRefused,
	"a log closes with the final part and the end": testCloses,
	"a canceled job's log may be completed":        testCompleted,
	"a log that stays incomplete is closed":        testCloseLogs,
	"notes stand before and after":                 testNotes,
	"a reader goes on from where it was":           testCursor,
	"a line is found":                              testLines,
	"bytes stay as they are, up to the limit":      testBytes,
	"a deleted log says by whom and when":          testDeleteLog,
	"a log without output is closed with its job":  testNoLog,
}

func part(number int, content string) ci.LogPart {
	return ci.LogPart{Source: ci.LogWorker, Number: number, Content: []byte(content), Elapsed: time.Duration(number) * time.Millisecond}
}

func final(number int, content string) ci.LogPart {
	p := part(number, content)
	p.Final = true
	return p
}

// append stores parts of one run.
func (n *node) append(run ci.RunRef, parts ...ci.LogPart) ci.LogStored {
	n.t.Helper()
	for i := range parts {
		parts[i].JobID, parts[i].Attempt, parts[i].Run = run.JobID, run.Attempt, run.Run
	}
	answers, err := n.AppendLog(n.ctx(), parts)
	n.ok(err)
	equal(n.t, "answers", 1, len(answers))
	return answers[0]
}

// parts reads a log to its end, so many bytes at a time, and checks what every part must say.
func (n *node) parts(job int64, attempt, bytesAtOnce int) []ci.LogPart {
	n.t.Helper()
	var all []ci.LogPart
	line := 1
	for pos := (ci.LogPos{}); ; {
		some, err := n.LogParts(n.ctx(), job, attempt, pos, bytesAtOnce)
		n.ok(err)
		if len(some) == 0 {
			return all
		}
		for _, p := range some {
			equal(n.t, fmt.Sprintf("first line of part %d.%d", p.Source, p.Number), line, p.FirstLine)
			line += bytes.Count(p.Content, []byte("\n"))
			pos = ci.LogPos{Source: p.Source, Number: p.Number + 1}
		}
		all = append(all, some...)
	}
}

// read is the text of a log.
func (n *node) read(job int64, attempt int) string {
	n.t.Helper()
	var b strings.Builder
	for _, p := range n.parts(job, attempt, 0) {
		b.Write(p.Content)
	}
	return b.String()
}

// epilogue is what stands after the worker's output.
func (n *node) epilogue(job int64, attempt int) string {
	n.t.Helper()
	var b strings.Builder
	for _, p := range n.parts(job, attempt, 0) {
		if p.Source == ci.LogEpilogue {
			b.Write(p.Content)
		}
	}
	return b.String()
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return fault.Message(err)
}

// started makes a job that a run has started.
func (n *node) started() ci.RunRef {
	n.t.Helper()
	run := n.hand(n.jobs(fmt.Sprintf("acme/app%d", n.clock.now().UnixNano()), 1)[0].ID, "r")
	n.report(run, ci.Started)
	n.clock.pass(time.Microsecond)
	return run
}

func (n *node) log(run ci.RunRef) ci.Log {
	n.t.Helper()
	log, err := n.Log(n.ctx(), run.JobID, run.Attempt)
	n.ok(err)
	return log
}

func testParts(t *testing.T, n *node) {
	run := n.started()
	equal(t, "next", 2, n.append(run, part(0, "one\n"), part(1, "two ")).Next)
	stored := n.append(run, part(2, "three\n"), part(1, "changed"), part(2, "doubled"))
	b, err := n.Build(n.ctx(), n.job(run.JobID).BuildID)
	n.ok(err)
	want := ci.LogStored{JobID: run.JobID, RepositoryID: b.RepositoryID, BuildID: b.ID, Attempt: 1, Run: "r", Next: 3}
	equal(t, "answer", want, stored)
	equal(t, "text", "one\ntwo three\n", n.read(run.JobID, 0))
	parts := n.parts(run.JobID, 1, 0)
	want0 := ci.LogPart{JobID: run.JobID, Attempt: 1, Source: ci.LogWorker, Number: 1, Content: []byte("two "), Elapsed: time.Millisecond, FirstLine: 2}
	if diff := cmp.Diff(want0, parts[1]); diff != "" {
		t.Fatal(diff)
	}
	equal(t, "log", ci.Log{JobID: run.JobID, Attempt: 1, Next: 3, Bytes: 14, Lines: 2, UpdatedAt: n.clock.now()}, n.log(run))
	none, err := n.AppendLog(n.ctx(), nil)
	n.ok(err)
	equal(t, "answers to nothing", 0, len(none))
}

func testGap(t *testing.T, n *node) {
	run := n.started()
	n.append(run, part(0, "0\n"))
	equal(t, "next after a gap", 1, n.append(run, part(3, "3\n"), final(5, "5\n")).Next)
	equal(t, "text", "0\n", n.read(run.JobID, 1))
	equal(t, "bytes", 2, n.log(run).Bytes)
	equal(t, "next after another gap", 1, n.append(run, part(2, "2\n")).Next)
	equal(t, "next when the first is filled", 4, n.append(run, part(1, "1\n"), part(3, "other\n")).Next)
	equal(t, "text", "0\n1\n2\n3\n", n.read(run.JobID, 1))
	n.report(run, ci.Passed)
	equal(t, "closed before the last gap is filled", false, n.log(run).Closed)
	stored := n.append(run, part(4, "4\n"))
	equal(t, "next", 6, stored.Next)
	equal(t, "closed", true, stored.Closed)
	equal(t, "text", "0\n1\n2\n3\n4\n5\n", n.read(run.JobID, 1))
	equal(t, "lines", 6, n.log(run).Lines)
}

func testAnyOrder(t *testing.T, n *node) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for range 5 {
		run := n.started()
		var parts []ci.LogPart
		want := ""
		for i := range 40 {
			text := strings.Repeat("x", random.IntN(4)) + strings.Repeat("\n", random.IntN(3))
			want += text
			parts = append(parts, part(i, text))
		}
		parts[39].Final = true
		parts = append(parts, parts[:20]...)
		random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		n.report(run, ci.Passed)
		for len(parts) > 0 {
			some := 1 + random.IntN(min(len(parts), 9))
			n.append(run, parts[:some]...)
			parts = parts[some:]
		}
		equal(t, "text", want, n.read(run.JobID, 1))
		log := n.log(run)
		equal(t, "lines", strings.Count(want, "\n"), log.Lines)
		equal(t, "bytes", int64(len(want)), log.Bytes)
		equal(t, "closed", true, log.Closed)
	}
}

func testSeveralLogs(t *testing.T, n *node) {
	a, b := n.started(), n.started()
	var parts []ci.LogPart
	for i := range 600 {
		for _, run := range []ci.RunRef{b, a, {JobID: 99, Attempt: 1, Run: "r"}} {
			p := part(i, fmt.Sprintf("%d of %d\n", i, run.JobID))
			p.JobID, p.Attempt, p.Run = run.JobID, run.Attempt, run.Run
			parts = append(parts, p)
		}
	}
	answers, err := n.AppendLog(n.ctx(), parts)
	n.ok(err)
	equal(t, "answers", 3, len(answers))
	for _, answer := range answers {
		equal(t, "refused", answer.JobID == 99, answer.Refused)
		if !answer.Refused {
			equal(t, "next", 600, answer.Next)
			equal(t, "its own", 600, strings.Count(n.read(answer.JobID, 1), fmt.Sprintf(" of %d\n", answer.JobID)))
		}
	}
}

func testRefused(t *testing.T, n *node) {
	run := n.started()
	n.append(run, part(0, "kept\n"))
	other, next, nobody := run, run, run
	other.Run, next.Attempt, nobody.Run = "other", 2, ""
	for _, r := range []ci.RunRef{other, next, nobody} {
		equal(t, "refused", true, n.append(r, part(1, "no")).Refused)
	}
	mixed := part(1, "yes\n")
	mixed.JobID, mixed.Attempt, mixed.Run = run.JobID, run.Attempt, run.Run
	bad := mixed
	bad.Run, bad.Content = "other", []byte("no")
	answers, err := n.AppendLog(n.ctx(), []ci.LogPart{bad, mixed})
	n.ok(err)
	equal(t, "refused", "true false", fmt.Sprint(answers[0].Refused, " ", answers[1].Refused))
	equal(t, "text", "kept\nyes\n", n.read(run.JobID, 1))
	notWorker := mixed
	notWorker.Source = ci.LogPreface
	_, err = n.AppendLog(n.ctx(), []ci.LogPart{notWorker})
	equal(t, "code", fault.Invalid, fault.CodeOf(err))
}

func testCloses(t *testing.T, n *node) {
	for name, steps := range map[string][]func(ci.RunRef){
		"the end first":        {func(r ci.RunRef) { n.report(r, ci.Failed) }, func(r ci.RunRef) { n.append(r, final(1, "")) }},
		"the final part first": {func(r ci.RunRef) { n.append(r, final(1, "")) }, func(r ci.RunRef) { n.report(r, ci.Failed) }},
	} {
		run := n.started()
		n.append(run, part(0, "x\n"))
		for _, step := range steps {
			equal(t, name+": closed too early", false, n.log(run).Closed)
			step(run)
		}
		equal(t, name+": closed", true, n.log(run).Closed)
		after := n.append(run, part(1, "more"), part(2, "more"))
		equal(t, name+": closed", true, after.Closed)
		equal(t, name+": refused", false, after.Refused)
		equal(t, name+": text", "x\n", n.read(run.JobID, 1))
	}
}

func testCompleted(t *testing.T, n *node) {
	run := n.started()
	n.append(run, part(0, "a\n"))
	_, _, err := n.CancelJob(n.ctx(), run.JobID, "ines")
	n.ok(err)
	_, err = n.RestartJob(n.ctx(), run.JobID, "ines")
	n.ok(err)
	stored := n.append(run, final(1, "b\n"))
	equal(t, "closed", true, stored.Closed)
	equal(t, "text", "a\nb\n\nCanceled by ines.\n", n.read(run.JobID, 1))
	equal(t, "text of the next attempt", "", n.read(run.JobID, 0))
}

func testCloseLogs(t *testing.T, n *node) {
	quiet := 30 * time.Second
	closeLogs := func(want int) {
		t.Helper()
		closed, err := n.CloseLogs(n.ctx(), quiet)
		n.ok(err)
		equal(t, "closed", want, len(closed))
		for _, c := range closed {
			equal(t, "closed", true, c.Closed)
		}
	}
	noEnd, gap, both, running := n.started(), n.started(), n.started(), n.started()
	n.append(noEnd, part(0, "a\n"))
	n.append(gap, part(0, "a\n"), final(2, "c\n"))
	n.append(both, part(0, "a\n"), part(2, "c\n"))
	n.append(running, part(0, "a\n"))
	for _, run := range []ci.RunRef{noEnd, gap, both} {
		n.report(run, ci.Passed)
	}
	n.clock.pass(time.Hour) // the broker may be away, and the rest in it
	closeLogs(0)
	n.hear(quiet - time.Second)
	n.append(noEnd, part(1, "b\n"))
	closeLogs(0)
	n.hear(time.Second)
	closeLogs(2)
	n.hear(quiet)
	closeLogs(1)
	equal(t, "without end", "a\nb\n\nThe end of the output did not arrive from the worker.\n", n.read(noEnd.JobID, 1))
	equal(t, "with a gap", "a\nc\n\nSome of the output did not arrive from the worker.\n", n.read(gap.JobID, 1))
	equal(t, "with both", "a\nc\n\nSome of the output, and the end of it, did not arrive from the worker.\n", n.read(both.JobID, 1))
	equal(t, "the running one", false, n.log(running).Closed)
	equal(t, "lines", 4, n.log(gap).Lines)
}

func testBytes(t *testing.T, n *node) {
	run := n.started()
	raw := make([]byte, 256)
	for i := range raw {
		raw[i] = byte(i)
	}
	long := bytes.Repeat([]byte("\xff\n"), store.MostLogPart)
	n.append(run, ci.LogPart{Source: ci.LogWorker, Content: raw}, ci.LogPart{Source: ci.LogWorker, Number: 1, Content: long}, part(2, ""))
	parts := n.parts(run.JobID, 1, 10<<20)
	equal(t, "parts", 3, len(parts))
	if !slices.Equal(raw, parts[0].Content) || !slices.Equal(long[:store.MostLogPart], parts[1].Content) || len(parts[2].Content) != 0 {
		t.Fatal("the content is another")
	}
}

func testDeleteLog(t *testing.T, n *node) {
	run := n.started()
	n.append(run, part(0, "secret\n"))
	equal(t, "code while it runs", fault.Conflict, fault.CodeOf(n.DeleteLog(n.ctx(), run.JobID, "ines")))
	n.report(run, ci.Failed)
	n.clock.pass(time.Minute)
	n.ok(n.DeleteLog(n.ctx(), run.JobID, "ines"))
	want := ci.Log{JobID: run.JobID, Attempt: 1, Next: 1, Closed: true, RemovedBy: "ines", RemovedAt: n.clock.now(), UpdatedAt: n.clock.now()}
	equal(t, "log", want, n.log(run))
	equal(t, "text", "", n.read(run.JobID, 1))
	equal(t, "closed", true, n.append(run, part(1, "more"), part(0, "again")).Closed)
	equal(t, "text after more", "", n.read(run.JobID, 1))
	equal(t, "code of a note", fault.Conflict, fault.CodeOf(second(n.AddNote(n.ctx(), run.JobID, 1, ci.LogEpilogue, "x"))))
	equal(t, "code when done before", fault.Conflict, fault.CodeOf(n.DeleteLog(n.ctx(), run.JobID, "omar")))
	equal(t, "code of no job", fault.NotFound, fault.CodeOf(n.DeleteLog(n.ctx(), 99, "ines")))
	_, err := n.RestartJob(n.ctx(), run.JobID, "ines")
	n.ok(err)
	next := n.hand(run.JobID, "r2")
	n.append(next, part(0, "new\n"))
	equal(t, "text of the next attempt", "new\n", n.read(run.JobID, 0))
	n.report(next, ci.Passed)
	n.ok(n.DeleteLog(n.ctx(), run.JobID, "omar"))
	equal(t, "who deleted the first", "ines", n.log(run).RemovedBy)
	equal(t, "who deleted the next", "omar", n.log(next).RemovedBy)
}

func testNoLog(t *testing.T, n *node) {
	jobs := n.jobs("acme/app", 1)
	log, err := n.Log(n.ctx(), jobs[0].ID, 0)
	n.ok(err)
	equal(t, "log", ci.Log{JobID: jobs[0].ID, Attempt: 1}, log)
	_, _, err = n.CancelJob(n.ctx(), jobs[0].ID, "ines")
	n.ok(err)
	log, err = n.Log(n.ctx(), jobs[0].ID, 0)
	n.ok(err)
	equal(t, "closed", true, log.Closed)
	equal(t, "text", "", n.read(jobs[0].ID, 1))
}
