package travisyml

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
)

// Level says how serious a message is.
type Level string

// The levels, most serious first.
const (
	Alert Level = "alert"
	Error Level = "error"
	Warn  Level = "warn"
	Info  Level = "info"
)

// Message is something worth knowing about a configuration. Messages never
// stop a build.
type Message struct {
	Level Level `json:"level"`
	// Key is the path of the key concerned, like "jobs.include"; "root" for
	// the top of the file.
	Key string `json:"key"`
	// Code is a stable name for the kind of message, like "unknown_key".
	Code string         `json:"code"`
	Args map[string]any `json:"args"`
	// Text is a sentence for people, with a suggestion where there is one.
	Text string `json:"text"`
	// Source names the file.
	Source string `json:"source"`
	// Line and Column are 1-based; 0 means unknown.
	Line   int `json:"line"`
	Column int `json:"column"`
}

// args is what a message says beside its code.
type args = map[string]any

func newMessage(level Level, key, code string, at position, a args) Message {
	if key == "" {
		key = "root"
	}
	for name, value := range a {
		if n, ok := value.(*node); ok {
			a[name] = argument(n)
		}
	}
	return Message{
		Level: level, Key: key, Code: code, Args: a, Text: sentence(key, code, a),
		Source: at.source, Line: at.line, Column: at.column,
	}
}

// maxArgument is the longest value, in bytes of JSON, that a message repeats.
const maxArgument = 1000

// argument returns a value as JSON, or the start of it when it is long.
func argument(n *node) any {
	if text := n.json(); len(text) <= maxArgument {
		return json.RawMessage(text)
	}
	return show(string(n.json()))
}

// sentence words a message. The argument names are those of the original
// service, so that tools written for it read ours.
func sentence(key, code string, a args) string {
	if form, ok := sentences()[code]; ok {
		return capital(form(where(key), a))
	}
	names := make([]string, 0, len(a))
	for name := range a {
		names = append(names, name)
	}
	sort.Strings(names)
	parts := make([]string, 0, len(a))
	for _, name := range names {
		parts = append(parts, name+": "+show(a[name]))
	}
	return fmt.Sprintf("%s%s (%s).", where(key), code, strings.Join(parts, ", "))
}

// capital writes the first letter large.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func where(key string) string {
	if key == "root" {
		return ""
	}
	return "In " + key + ": "
}

// show renders an argument for a sentence, cut to a readable length.
func show(v any) string {
	text := ""
	switch t := v.(type) {
	case string:
		text = t
	case json.RawMessage:
		text = string(t)
	default:
		text = fmt.Sprint(t)
	}
	const longest = 80
	if r := []rune(text); len(r) > longest {
		return string(r[:longest]) + "…"
	}
	return text
}

// sentences holds the wording of every code.
var sentences = sync.OnceValue(func() map[string]func(where string, a args) string {
	f := func(format string, names ...string) func(string, args) string {
		return func(where string, a args) string {
			values := make([]any, len(names))
			for i, name := range names {
				values[i] = show(a[name])
			}
			return where + fmt.Sprintf(format, values...)
		}
	}
	return map[string]func(string, args) string{
		"alias_key":          f("%q is another name for %q, which is used.", "alias", "key"),
		"alias_value":        f("%q is another name for %q, which is used.", "alias", "value"),
		"clean_key":          f("the key %q is read as %q. Write %[2]q.", "original", "key"),
		"clean_value":        f("the value %q is read as %q.", "original", "value"),
		"default":            f("%q is not set; the default %q is used.", "key", "default"),
		"deprecated_key":     f("the key %q is out of date: %s.", "key", "info"),
		"downcase":           f("%q is read in lower case.", "value"),
		"duplicate":          f("these values are given more than once: %s.", "values"),
		"duplicate_key":      f("the key %q is given more than once; the last one counts. Remove the others.", "key"),
		"edge":               f("%q is a feature that may still change.", "key"),
		"duplicate_job":      f("the same as an earlier job, so it runs once: %s.", "jobs"),
		"empty":              f("%q has no value and is left out.", "key"),
		"excluded":           excludedSentence,
		"find_key":           f("the key %q is not known and is read as %q. Write %[2]q.", "original", "key"),
		"find_value":         f("the value %q is not known and is read as %q. Write %[2]q.", "original", "value"),
		"invalid_condition":  f("the condition %q cannot be read, so it counts as false.", "condition"),
		"invalid_env_var":    f("%q is not a list of NAME=value pairs and is left out. Quote values that hold spaces.", "value"),
		"invalid_format":     f("%q is not a version. Write it like \"~> 1.0\".", "value"),
		"invalid_secure":     f("the encrypted value is not base64, so it cannot be decrypted. Encrypt it again."),
		"invalid_type":       f("expected %s but found %s: %s.", "expected", "actual", "value"),
		"more_messages":      f("%s more messages about this file are not shown. Resolve the ones above first.", "count"),
		"not_read":           f("%s is imported, and cannot be read here; what it says is left out.", "source"),
		"not_supported":      f("%q is not supported by this installation yet and has no effect.", "key"),
		"overwrite":          f("%q and %q mean the same and both are given; %[1]q wins. Keep one.", "key", "other"),
		"required":           f("the key %q is needed and missing.", "key"),
		"secure":             f("this value looks like a secret and is readable by everyone who can read the file. Encrypt it."),
		"single_row":         f("the only job of the matrix (%s) gives way to the jobs listed here. List it too, if it should run.", "jobs"),
		"skip_allow_failure": f("entry %s does not apply, because its condition is false: %s", "number", "condition"),
		"skip_import":        f("%s is not imported, because its condition is false: %s", "source", "condition"),
		"skip_exclude":       f("entry %s does not apply, because its condition is false: %s", "number", "condition"),
		"skip_job":           f("job %s (%s) is left out, because its condition is false: %s", "number", "job", "condition"),
		"skip_notification":  f("notification %s is left out, because its condition is false: %s", "number", "condition"),
		"skip_stage":         f("stage %s is left out, because its condition is false: %s", "number", "condition"),
		"strip_key":          f("the key %q has spaces around it and is read as %q.", "original", "key"),
		"underscore_key":     f("the key %q is read as %q.", "original", "key"),
		"unexpected_seq":     f("one value is expected, not a list; the first one is used: %s.", "value"),
		"unknown_key":        f("the key %q is not known and has no effect. Check its spelling and its indentation.", "key"),
		"unknown_value":      f("the value %q is not known.", "value"),
		"unknown_var":        f("the variable %q is not known in a template.", "var"),
	}
})

// excludedSentence says what an entry of jobs.exclude has done.
func excludedSentence(where string, a args) string {
	if a["count"] == 0 {
		return fmt.Sprintf("%sentry %s matches no job and has no effect. All its keys must equal those of a job.", where, show(a["number"]))
	}
	return fmt.Sprintf("%sentry %s takes away %s.", where, show(a["number"]), a["jobs"])
}

// maxMessages is how many messages of one step are kept.
const maxMessages = 500

// distinctMessages drops messages that repeat another one for the same place,
// as they do where aliases bring one place into the tree several times, and
// says how many more than the most that are kept there were.
func distinctMessages(msgs []Message) []Message {
	type place struct {
		code, source, text string
		line, column       int
	}
	seen := map[place]bool{}
	msgs = slices.DeleteFunc(msgs, func(m Message) bool {
		p := place{m.Code, m.Source, m.Text, m.Line, m.Column}
		if m.Line > 0 && m.Code == "duplicate_key" {
			p.text = ""
		}
		repeated := seen[p]
		seen[p] = true
		return repeated
	})
	if more := len(msgs) - maxMessages; more > 0 {
		last := msgs[maxMessages]
		at := position{source: last.Source, line: last.Line, column: last.Column}
		msgs = append(msgs[:maxMessages], newMessage(Warn, "root", "more_messages", at, args{"count": more}))
	}
	return msgs
}
