package mask

import (
	"regexp"
	"strings"
)

var assignment = regexp.MustCompile(`(?:^|\s)[A-Za-z_][A-Za-z0-9_]*=("(?:[^"\\]|\\.)*"|'[^']*'|(?:\\.|[^\s\\])+)`)

// Assignments returns what is secret in a text that may hold NAME=value pairs, as encrypted variables do: the text itself, and
// the values without their quotes.
func Assignments(text string) []string {
	values := []string{text}
	for _, m := range assignment.FindAllStringSubmatch(text, -1) {
		switch v := m[1]; {
		case len(v) > 1 && v[0] == '"':
			values = append(values, unescape(v[1:len(v)-1]))
		case len(v) > 1 && v[0] == '\'':
			values = append(values, v[1:len(v)-1])
		default:
			values = append(values, unescape(v))
		}
	}
	return values
}

// unescape takes away backslashes, of which the second of two stays.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
