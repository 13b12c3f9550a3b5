package travisyml

import (
	"strings"
	"testing"
)

// pushToMaster is the plainest request.
func pushToMaster() Request {
	return Request{Type: "push", Repo: "owner/name", Branch: "master", CommitMessage: "Update", Sender: "owner"}
}

// configOf normalises a text that has to parse.
func configOf(tb testing.TB, text string) (*Config, []Message) {
	tb.Helper()
	d, msgs, err := Parse(".travis.yml", []byte(text), Limits{})
	if err != nil {
		tb.Fatalf("parse: %v", err)
	}
	c, more := Normalise(d)
	return c, append(msgs, more...)
}

// planOf expands a text that has to expand.
func planOf(tb testing.TB, text string, r Request) Plan {
	tb.Helper()
	_, plan, err := Load(tb.Context(), Input{Source: ".travis.yml", Text: []byte(text)}, r, Limits{})
	if err != nil {
		tb.Fatalf("load: %v", err)
	}
	return plan
}

// jobLines shows the wanted keys of every job, one line each: "3.10 [{…}]".
func jobLines(tb testing.TB, plan Plan, keys ...string) []string {
	tb.Helper()
	lines := []string{}
	for _, job := range plan.Jobs {
		d, _, err := Parse("job", job.Config, Limits{})
		if err != nil {
			tb.Fatalf("job is not JSON: %v", err)
		}
		var words []string
		for _, key := range keys {
			words = append(words, shortValue(d.root.get(key)))
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return lines
}

func shortValue(n *node) string {
	switch {
	case n == nil:
		return "-"
	case n.scalar():
		return n.str()
	default:
		return strings.ReplaceAll(string(n.json()), `"`, "")
	}
}

// codes lists messages as "level key code".
func codes(msgs []Message) []string {
	out := []string{}
	for _, m := range msgs {
		out = append(out, strings.Join([]string{string(m.Level), m.Key, m.Code}, " "))
	}
	return out
}
