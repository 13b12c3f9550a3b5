package logview_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/web/logview"
)

func TestLinesAreDrawn(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		in   []string
		want []string
	}{
		{"plain text is escaped", []string{"a <b> & \"c\"\n"}, []string{"a &lt;b&gt; &amp; &#34;c&#34;"}},
		{"a line in three parts is one line", []string{"one", " and", " the same\ntwo\n"}, []string{"one and the same", "two"}},
		{"windows line ends", []string{"a\r\nb\r\n"}, []string{"a", "b"}},
		{"colour", []string{"\x1b[31mred\x1b[0m plain\n"}, []string{`<span class="term-fg31">red</span> plain`}},
		{"colour goes on in the next lines", []string{"\x1b[32mone\ntwo\x1b[0m\nthree\n"}, []string{`<span class="term-fg32">one</span>`, `<span class="term-fg32">two</span>`, "three"}},
		{"colour goes on over parts", []string{"\x1b[1;34mone\n", "two\n"}, []string{`<span class="term-fg34 term-fg1">one</span>`, `<span class="term-fg34 term-fg1">two</span>`}},
		{"a sequence cut by parts", []string{"\x1b[3", "1mred\x1b[0m\n"}, []string{`<span class="term-fg31">red</span>`}},
		{"true colour becomes the nearest of the palette", []string{"\x1b[38;2;255;0;0mx\x1b[0m\n"}, []string{`<span class="term-fgx196">x</span>`}},
		{"a palette colour below 16 is the named one", []string{"\x1b[38;5;2mx\x1b[0m \x1b[48;5;9my\x1b[0m\n"}, []string{`<span class="term-fg32">x</span> <span class="term-bgi101">y</span>`}},
		{"progress leaves its last text", []string{"10 %\r50 %\r", "100 %\n"}, []string{"100 %"}},
		{"progress that is shorter leaves the rest, as a terminal does", []string{"loading\rdone\n"}, []string{"doneing"}},
		{"progress that erases", []string{"loading\r\x1b[Kdone\n"}, []string{"done"}},
		{"backspace", []string{"ab\bc\n"}, []string{"ac"}},
		{"bells, nulls and titles are left out", []string{"\x1b]0;title\x07a\x00b\x07\n"}, []string{"ab"}},
		{"images of a terminal are left out", []string{"\x1b]1337;File=name=eC5wbmc=;inline=1:aGk=\x07a\x1b]1338;url=http://evil.example/x.png\x07\n"}, []string{"a"}},
		{"links to the web stay", []string{"\x1b]8;;https://ci.example/x\x07here\x1b]8;;\x07.\n"}, []string{`<a href="https://ci.example/x">here</a>.`}},
		{"links to anything else do not", []string{"\x1b]8;;javascript:alert(1)\x07here\x1b]8;;\x07 \x1b]8;;data:text/html,x\x07there\x1b]8;;\x07\n"}, []string{"here there"}},
		{"cursor movement between lines does nothing", []string{"a\x1b[2Ab\x1b[10;10Hc\n"}, []string{"abc"}},
		{"bytes that are not text", []string{"a\xff\xfeb\n"}, []string{"a\uFFFDb"}},
		{"an empty line", []string{"\n\nx\n"}, []string{"", "", "x"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, markup(page(t, logOf(c.in...)).Items)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFoldsAndTimes(t *testing.T) {
	t.Parallel()
	v := page(t, logOf("travis_fold:start:install.1\r\x1b[0Ktravis_time:start:ab\r\x1b[0K$ make deps\nfetched\n",
		"travis_time:end:ab:start=1,finish=2,duration=18400000000\r\x1b[0Ktravis_fold:end:install.1\r\x1b[0Kafter\n"))
	type step struct {
		Kind logview.Kind
		Fold string
		Text string
		N    int
		Took time.Duration
	}
	var got []step
	for _, it := range v.Items {
		s := step{Kind: it.Kind, Fold: it.Fold, Took: it.Took}
		if it.Kind == logview.KindLine || it.Kind == logview.KindFold {
			s.Text, s.N = it.Line.Text, it.Line.Number
		}
		got = append(got, s)
	}
	want := []step{
		{logview.KindFold, "install.1", "$ make deps", 1, 0}, {logview.KindLine, "", "fetched", 2, 0},
		{logview.KindTook, "", "", 0, 18400 * time.Millisecond}, {logview.KindEnd, "install.1", "", 0, 0}, {logview.KindLine, "", "after", 3, 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	drawn := string(logview.HTML(v.Items))
	for _, want := range []string{`<details class="fold" data-fold="install.1"><summary id="L1">`, "18.4 s", `id="L3"`} {
		if !strings.Contains(drawn, want) {
			t.Errorf("drawn: no %q in %s", want, drawn)
		}
	}
	if strings.Contains(drawn, "travis_") {
		t.Error("a marker is shown")
	}
}

func TestFoldsThatStayOpen(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"it failed":    "travis_fold:start:a\r\x1b[0K$ x\nError: no\ntravis_fold:end:a\r\x1b[0K\n",
		"it took long": "travis_fold:start:a\r\x1b[0K$ x\ntravis_time:end:b:duration=31000000000\r\x1b[0Ktravis_fold:end:a\r\x1b[0K\n",
		"it goes on":   "travis_fold:start:a\r\x1b[0K$ x\nworking\n",
	} {
		if drawn := string(logview.HTML(page(t, logOf(text)).Items)); !strings.Contains(drawn, `data-fold="a" open`) {
			t.Errorf("%s: the fold is closed: %s", name, drawn)
		}
	}
}

func TestTextBeforeAMarkerIsKept(t *testing.T) {
	t.Parallel()
	v := page(t, logOf("travis_fold:start:a\r\x1b[0K$ x\nno newline at the endtravis_fold:end:a\r\x1b[0K\nnext\n"))
	if diff := cmp.Diff([]string{"$ x", "no newline at the end", "next"}, lines(v.Items)); diff != "" {
		t.Error(diff)
	}
	if v.Items[1].Kind != logview.KindLine || v.Items[2].Kind != logview.KindEnd {
		t.Error("the text stands after the end of its fold")
	}
}

func TestOrdinaryTextThatLooksLikeAMarkerIsKept(t *testing.T) {
	t.Parallel()
	in := []string{"see travis_fold:help and travis_wait 30", "travis_fold:", "travis_fold:start:"}
	if diff := cmp.Diff(in, lines(page(t, logOf(strings.Join(in, "\n")+"\n")).Items)); diff != "" {
		t.Error(diff)
	}
}

func TestTimesOfLines(t *testing.T) {
	t.Parallel()
	m := logOf("one\ntw", "o\ntravis_fold:start:x\r\x1b[0K", "$ make\n")
	for i := range m.parts {
		m.parts[i].Elapsed = time.Duration(i+1) * time.Second
	}
	var got []time.Duration
	for _, it := range page(t, m).Items {
		got = append(got, it.Line.At)
	}
	if diff := cmp.Diff([]time.Duration{time.Second, time.Second, 3 * time.Second}, got); diff != "" {
		t.Error(diff)
	}
}

func TestFailingLines(t *testing.T) {
	t.Parallel()
	bad := []string{"--- FAIL: TestX (0.3s)", "\x1b[31m--- FAIL: TestX\x1b[0m", "  main.c:3:5: error: expected ;", "npm ERR! code 1", `The command "make" exited with 2.`, "panic: nil", "FAIL\tpkg\t0.1s", "make: *** [all] Error 2", "not ok 3 - works", "sh: foo: command not found"}
	good := []string{"ok  \tpkg", "0 errors", `The command "make" exited with 0.`, "FAILSAFE mode", "--- PASS: TestFail", "errors: none"}
	for _, it := range page(t, logOf(strings.Join(bad, "\n")+"\n")).Items {
		if !it.Line.Bad {
			t.Errorf("%q does not count as failing", it.Line.Text)
		}
	}
	for _, it := range page(t, logOf(strings.Join(good, "\n")+"\n")).Items {
		if it.Line.Bad {
			t.Errorf("%q counts as failing", it.Line.Text)
		}
	}
}

func TestEpilogueComesWhenTheLogIsClosed(t *testing.T) {
	t.Parallel()
	m := logOf("one\n")
	m.add(ci.LogEpilogue, "canceled by ines\n")
	if diff := cmp.Diff([]string{"one"}, lines(page(t, m).Items)); diff != "" {
		t.Errorf("while it is open: %s", diff)
	}
	m.closed = true
	if diff := cmp.Diff([]string{"one", "canceled by ines"}, lines(page(t, m).Items)); diff != "" {
		t.Errorf("closed: %s", diff)
	}
}

func TestFindFailure(t *testing.T) {
	t.Parallel()
	m := logOf("a\nb\nc\nd\n--- FAIL: TestX\nrest\nThe command \"make\" exited with 1.\n\nDone. Your build exited with 1.\n")
	ex, err := logview.FindFailure(t.Context(), m, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range ex.Lines {
		got = append(got, l.Text)
	}
	if diff := cmp.Diff([]string{"b", "c", "d", "--- FAIL: TestX", "rest"}, got); diff != "" || ex.At != 5 {
		t.Errorf("at %d: %s", ex.At, diff)
	}
	if ex, err := logview.FindFailure(t.Context(), logOf(), 1, 1); err != nil || len(ex.Lines) != 0 {
		t.Errorf("an empty log: %v, %v", ex, err)
	}
}

func TestPhases(t *testing.T) {
	t.Parallel()
	m := logOf("travis_fold:start:worker_info\r\x1b[0KWorker\nx\ntravis_fold:end:worker_info\r\x1b[0K",
		"travis_fold:start:git.checkout\r\x1b[0K$ git clone\ntravis_time:end:a:duration=2000000000\r\x1b[0Ktravis_fold:end:git.checkout\r\x1b[0K",
		"$ make\n", "ok\n", "travis_fold:start:after_script.1\r\x1b[0K$ echo\n")
	for i := range m.parts {
		m.parts[i].Elapsed = time.Duration(i) * time.Second
	}
	type phase struct {
		Name string
		Line int
		Took time.Duration
		Open bool
	}
	var got []phase
	for _, p := range logview.Phases(page(t, m).Items) {
		got = append(got, phase{p.Name, p.Line, p.Took, p.Open})
	}
	want := []phase{{"Worker", 1, time.Second, false}, {"Clone", 3, 2 * time.Second, false}, {"Script", 4, time.Second, false}, {"After script", 6, 0, true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPhasesBegin: what the worker or the set-up writes between folds is not the script.
func TestPhasesBegin(t *testing.T) {
	t.Parallel()
	m := logOf("travis_fold:start:worker_info\r\x1b[0Kworker\ntravis_fold:end:worker_info\r\x1b[0KNot isolated: a warning\n\n",
		"travis_fold:start:git.checkout.1\r\x1b[0K$ git clone\ntravis_fold:end:git.checkout.1\r\x1b[0K",
		"Setting environment variables\n$ export A=1\n$ make test\nok\n")
	var names []string
	for _, p := range logview.Phases(page(t, m).Items) {
		names = append(names, p.Name)
	}
	if diff := cmp.Diff([]string{"Worker", "Clone", "Script"}, names); diff != "" {
		t.Error(diff)
	}
}
