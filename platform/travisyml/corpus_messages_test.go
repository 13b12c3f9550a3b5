package travisyml

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestCorpusMessages counts the files whose messages have the levels, keys
// and codes that are expected. Files with too many imports are left out.
func TestCorpusMessages(t *testing.T) {
	t.Parallel()
	folder := corpusFolder(t)
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	agree, total := 0, 0
	for _, entry := range entries {
		var want expectation
		if err := json.Unmarshal(readFile(t, filepath.Join(folder, entry.Name(), "expected.json")), &want); err != nil {
			t.Fatal(err)
		}
		if !want.OK || want.Limit {
			continue
		}
		total++
		text := readFile(t, filepath.Join(folder, entry.Name(), "travis.yml"))
		slug := corpusSlug(string(readFile(t, filepath.Join(folder, entry.Name(), "source.txt"))))
		got, expected := kinds(pushMessages(t, text, slug, importFolder(filepath.Join(folder, entry.Name(), "imports")))), kinds(want.Messages)
		same := slices.Equal(got, expected)
		if same {
			agree++
		}
		if reason, listed := deliberateMessages()[entry.Name()]; listed == same {
			t.Errorf("%s: listed as deliberate: %v (%s); messages %q, want %q", entry.Name(), listed, reason, got, expected)
		}
	}
	line := fmt.Sprintf("travisyml corpus: %d of %d files give the same messages, %d differ deliberately", agree, total, len(deliberateMessages()))
	t.Log(line)
	fmt.Fprintln(os.Stdout, line)
}

// pushMessages returns the messages of every step for a push.
func pushMessages(t *testing.T, text []byte, slug string, imports Imports) []Message {
	t.Helper()
	push := corpusRequests(slug)["push"]
	d, _, msgs, err := Gather(t.Context(), Input{Source: ".travis.yml", Text: text, Imports: imports}, push, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	c, more := Normalise(d)
	e := newExpansion(c, push, Limits{Jobs: corpusJobs})
	if _, _, err := e.run(); err != nil {
		t.Fatal(err)
	}
	return slices.Concat(msgs, more, e.msgs)
}

// kinds returns the different kinds of messages, without those that only we
// give.
func kinds(msgs []Message) []string {
	var out []string
	for _, kind := range codes(slices.DeleteFunc(msgs, func(m Message) bool { return slices.Contains(onlyOurs(), m.Code) })) {
		if !slices.Contains(out, kind) {
			out = append(out, kind)
		}
	}
	slices.Sort(out)
	return out
}
