package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

var logKeepingTests = map[string]func(*testing.T, *node){
	"a compacted log reads as before":                 testCompact,
	"a reader goes on while a log is compacted":       testCompactUnderReader,
	"what comes after the compaction is in its place": testCompactAgain,
	"only closed and quiet logs are compacted":        testCompactWhen,
	"several nodes compact and remove at once":        testKeepersAtOnce,
	"logs are removed by whole days":                  testRemoveLogs,
	"a log that is still written is not removed":      testRemoveOpenLogs,
}

const compactQuiet = 3 * time.Minute

// compact compacts all that can be compacted and says how many logs that were.
func (n *node) compact() (all int) {
	n.t.Helper()
	for {
		done, err := n.CompactLogs(n.ctx(), compactQuiet)
		n.ok(err)
		if all += done; done == 0 {
			return all
		}
	}
}

// endedLog is an attempt with a long log that is closed; whole says that its final part came, else there is a gap too.
func (n *node) endedLog(random *rand.Rand, parts int, whole bool) ci.RunRef {
	n.t.Helper()
	run := n.started()
	_, err := n.AddNote(n.ctx(), run.JobID, 1, ci.LogPreface, "one\ntwo")
	n.ok(err)
	var some []ci.LogPart
	for i := range parts {
		p := part(i, strings.Repeat("x", random.IntN(30))+"\n"+strings.Repeat("y", random.IntN(30)))
		if random.IntN(2) == 0 {
			p.Content = bytes.Repeat([]byte("a line that fills the part, and more \xff\n"), 1+random.IntN(store.MostLogPart/40))
		}
		if i%97 == 0 {
			p.Content = nil
		}
		p.Final = whole && i == parts-1
		if whole || i != parts/2 {
			some = append(some, p)
		}
		if i%20 == 19 || i == parts-1 {
			n.append(run, some...)
			some = nil
		}
	}
	n.report(run, ci.Failed)
	if !whole {
		n.closeAll()
	}
	equal(n.t, "closed", true, n.log(run).Closed)
	return run
}

// closeAll closes the logs whose rest will not come.
func (n *node) closeAll() {
	n.t.Helper()
	_, err := n.CloseLogs(n.ctx(), 0)
	n.ok(err)
}

// reading is all that can be read of a log, in every way.
type reading struct {
	Log   ci.Log
	Parts []ci.LogPart
	Steps map[int][]int // by the bytes at once, how many parts came at a time
	From  map[ci.LogPos]string
	Lines map[int]ci.LogPos
}

func (n *node) readAll(run ci.RunRef) reading {
	n.t.Helper()
	r := reading{Log: n.log(run), Parts: n.parts(run.JobID, 1, 0), Steps: map[int][]int{}, From: map[ci.LogPos]string{}, Lines: map[int]ci.LogPos{}}
	for _, size := range []int{5_000, 200_000, 3_000_000} {
		for pos := (ci.LogPos{}); ; {
			some, err := n.LogParts(n.ctx(), run.JobID, 1, pos, size)
			n.ok(err)
			if r.Steps[size] = append(r.Steps[size], len(some)); len(some) == 0 {
				break
			}
			last := some[len(some)-1]
			pos = ci.LogPos{Source: last.Source, Number: last.Number + 1}
		}
	}
	for i := 0; i < len(r.Parts); i += 1 + len(r.Parts)/12 {
		for _, pos := range []ci.LogPos{{Source: r.Parts[i].Source, Number: r.Parts[i].Number}, {Source: r.Parts[i].Source, Number: r.Parts[i].Number + 1}} {
			some, err := n.LogParts(n.ctx(), run.JobID, 1, pos, 1000)
			n.ok(err)
			said := ""
			for _, p := range some {
				said += fmt.Sprintf("%d.%d line %d, %d bytes; ", p.Source, p.Number, p.FirstLine, len(p.Content))
			}
			r.From[pos] = said
		}
	}
	for line := 1; line <= r.Log.Lines+2; line += 1 + r.Log.Lines/100 {
		pos, err := n.LogPartAtLine(n.ctx(), run.JobID, 1, line)
		n.ok(err)
		r.Lines[line] = pos
	}
	return r
}

// sameBytes compares texts as wholes: byte by byte it takes long.
func sameBytes() cmp.Option {
	return cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) })
}

func testCompact(t *testing.T, n *node) {
	random := rand.New(rand.NewPCG(7, 7))
	for _, whole := range []bool{true, false} {
		run := n.endedLog(random, 80, whole)
		before := n.readAll(run)
		n.clock.pass(compactQuiet)
		equal(t, "compacted", 1, n.compact())
		if diff := cmp.Diff(before, n.readAll(run), sameBytes()); diff != "" {
			t.Fatalf("whole %v: (-before +after)\n%s", whole, diff)
		}
		equal(t, "compacted again", 0, n.compact())
		n.append(run, part(0, "again"), part(500, "late"))
		n.closeAll()
		if diff := cmp.Diff(before, n.readAll(run), sameBytes()); diff != "" {
			t.Fatalf("whole %v, after parts that come again: (-before +after)\n%s", whole, diff)
		}
		n.ok(n.DeleteLog(n.ctx(), run.JobID, "ines"))
		equal(t, "text after it was deleted", "", n.read(run.JobID, 1))
	}
}

func testCompactUnderReader(t *testing.T, n *node) {
	random := rand.New(rand.NewPCG(8, 8))
	for stop := range 4 {
		run := n.endedLog(random, 40, true)
		want := n.read(run.JobID, 1)
		n.clock.pass(compactQuiet)
		var got strings.Builder
		count := 0
		for pos := (ci.LogPos{}); ; count++ {
			if count == stop*10 {
				n.compact()
			}
			some, err := n.LogParts(n.ctx(), run.JobID, 1, pos, 1)
			n.ok(err)
			if len(some) == 0 {
				break
			}
			got.Write(some[0].Content)
			pos = ci.LogPos{Source: some[0].Source, Number: some[0].Number + 1}
		}
		equal(t, "the same text", true, want == got.String())
		equal(t, "compacted meanwhile", 0, n.compact())
	}
}

func testCompactAgain(t *testing.T, n *node) {
	run := n.endedLog(rand.New(rand.NewPCG(9, 9)), 10, true)
	want := n.read(run.JobID, 1)
	for i := range 3 {
		n.clock.pass(compactQuiet)
		equal(t, "compacted", 1, n.compact())
		for _, source := range []ci.LogSource{ci.LogEpilogue, ci.LogPreface} {
			_, err := n.AddNote(n.ctx(), run.JobID, 1, source, fmt.Sprintf("note %d\n", i))
			n.ok(err)
		}
		if i == 0 {
			want = strings.Replace(want, "two\n", "two\nnote 0\n", 1) + "\nnote 0\n"
		} else {
			last := fmt.Sprintf("note %d\n", i)
			want = strings.Replace(want, fmt.Sprintf("note %d\n", i-1), fmt.Sprintf("note %d\n", i-1)+last, 1) + last
		}
		equal(t, "text", want, n.read(run.JobID, 1))
		equal(t, "lines", strings.Count(want, "\n"), n.log(run).Lines)
		lines := strings.SplitAfter(want, "\n")
		for _, line := range []int{1, 3, 4, 10, len(lines) - 2, len(lines) - 1} {
			pos, err := n.LogPartAtLine(n.ctx(), run.JobID, 1, line)
			n.ok(err)
			some, err := n.LogParts(n.ctx(), run.JobID, 1, pos, 10<<20)
			n.ok(err)
			var text strings.Builder
			for _, p := range some {
				text.Write(p.Content)
			}
			got := strings.SplitAfter(text.String(), "\n")[line-some[0].FirstLine]
			if !strings.HasSuffix(lines[line-1], got) {
				t.Fatalf("line %d: want %q, got %q", line, lines[line-1], got)
			}
		}
	}
	before := n.readAll(run)
	n.clock.pass(compactQuiet)
	equal(t, "compacted", 1, n.compact())
	if diff := cmp.Diff(before.Parts, n.readAll(run).Parts, sameBytes()); diff != "" {
		t.Fatal(diff)
	}
}

func testCompactWhen(t *testing.T, n *node) {
	closed, open := n.started(), n.started()
	for _, run := range []ci.RunRef{closed, open} {
		n.append(run, part(0, "a\n"))
	}
	n.append(closed, final(1, ""))
	n.report(closed, ci.Passed)
	n.report(open, ci.Passed)
	n.clock.pass(compactQuiet - time.Second)
	equal(t, "compacted too early", 0, n.compact())
	n.clock.pass(time.Second)
	equal(t, "compacted", 1, n.compact())
	equal(t, "next", 2, n.append(open, final(1, "b\n")).Next)
	equal(t, "text", "a\nb\n", n.read(open.JobID, 1))
	equal(t, "compacted right after the end", 0, n.compact())
	equal(t, "text of the other", "a\n", n.read(closed.JobID, 1))
}

func testKeepersAtOnce(t *testing.T, n *node) {
	random := rand.New(rand.NewPCG(10, 10))
	want := map[ci.RunRef]string{}
	for range 6 {
		run := n.endedLog(random, 10, true)
		want[run] = n.read(run.JobID, 1)
	}
	n.clock.pass(compactQuiet + 48*time.Hour)
	var group sync.WaitGroup
	for _, node := range []*node{n, n.another(), n.another()} {
		for _, keep := range []func() error{
			func() error { _, err := node.CompactLogs(n.ctx(), compactQuiet); return err },
			func() error { return node.MakeLogDays(n.ctx()) },
			func() error { return node.RemoveLogs(n.ctx(), 7) },
		} {
			group.Go(func() {
				for range 3 {
					if err := keep(); err != nil && !fault.Is(err, fault.Unavailable) {
						t.Error(err)
					}
				}
			})
		}
	}
	writing := n.started()
	for i := range 50 {
		n.append(writing, part(i, "x\n"))
	}
	group.Wait()
	n.compact()
	for run, text := range want {
		equal(t, "the same text", true, text == n.read(run.JobID, 1))
	}
	equal(t, "lines of what was written meanwhile", 50, n.log(writing).Lines)
}

func testRemoveLogs(t *testing.T, n *node) {
	day := 24 * time.Hour
	first := n.endedLog(rand.New(rand.NewPCG(1, 1)), 5, true)
	n.clock.pass(compactQuiet)
	n.compact()
	loose := n.endedLog(rand.New(rand.NewPCG(1, 1)), 5, true)
	n.clock.pass(day)
	n.ok(n.MakeLogDays(n.ctx()))
	kept := n.endedLog(rand.New(rand.NewPCG(2, 2)), 5, true)
	text := n.read(kept.JobID, 1)
	n.clock.pass(6 * day)
	n.ok(n.RemoveLogs(n.ctx(), 0))
	n.ok(n.RemoveLogs(n.ctx(), 7))
	equal(t, "removed after seven days", true, n.log(first).RemovedAt.IsZero())
	n.clock.pass(day)
	for range 2 {
		n.ok(n.another().RemoveLogs(n.ctx(), 7))
	}
	for _, run := range []ci.RunRef{first, loose} {
		log := n.log(run)
		want := ci.Log{JobID: run.JobID, Attempt: 1, Next: 5, Closed: true, RemovedAt: n.clock.now(), UpdatedAt: log.UpdatedAt}
		equal(t, "log", want, log)
		equal(t, "text", "", n.read(run.JobID, 1))
		equal(t, "code of a note", fault.Conflict, fault.CodeOf(second(n.AddNote(n.ctx(), run.JobID, 1, ci.LogEpilogue, "x"))))
		equal(t, "code of deleting it", fault.Conflict, fault.CodeOf(n.DeleteLog(n.ctx(), run.JobID, "ines")))
		equal(t, "closed", true, n.append(run, part(0, "again"), part(9, "late")).Closed)
	}
	equal(t, "the next day's log", true, text == n.read(kept.JobID, 1))
	_, err := n.RestartJob(n.ctx(), first.JobID, "ines")
	n.ok(err)
	next := n.hand(first.JobID, "r2")
	n.append(next, part(0, "new\n"))
	equal(t, "text of the next attempt", "new\n", n.read(first.JobID, 0))
	n.clock.pass(90 * day)
	n.ok(n.RemoveLogs(n.ctx(), 0))
	equal(t, "compacted", true, n.compact() > 0)
	equal(t, "kept where nothing is to be removed", true, text == n.read(kept.JobID, 1))
	equal(t, "still removed", false, n.log(first).RemovedAt.IsZero())
}

func testRemoveOpenLogs(t *testing.T, n *node) {
	run := n.started()
	n.append(run, part(0, "a\n"), part(2, "c\n"))
	waits := n.jobs("acme/waits", 1)[0]
	_, err := n.AddNote(n.ctx(), waits.ID, 0, ci.LogPreface, "a note")
	n.ok(err)
	for range 3 {
		n.clock.pass(48 * time.Hour)
		n.ok(n.RemoveLogs(n.ctx(), 1))
	}
	n.append(run, part(1, "b\n"), final(3, ""))
	equal(t, "text", "a\nb\nc\n", n.read(run.JobID, 1))
	equal(t, "the note", "a note\n", n.read(waits.ID, 1))
	n.report(run, ci.Passed)
	n.clock.pass(compactQuiet)
	n.compact()
	equal(t, "text", "a\nb\nc\n", n.read(run.JobID, 1))
	n.clock.pass(72 * time.Hour)
	n.ok(n.RemoveLogs(n.ctx(), 1))
	equal(t, "removed in the end", false, n.log(run).RemovedAt.IsZero())
}
