package travisyml

import (
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// SyntaxError says that a text cannot be read as a configuration at all.
type SyntaxError struct {
	Source string
	// Line and Column are 1-based; 0 means that the whole file is meant.
	Line, Column int
	// Text is a sentence for people.
	Text string
	// Snippet shows the line with a caret under the column.
	Snippet string
}

// Error returns the place and the sentence.
func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.Source + ": " + e.Text
	}
	return fmt.Sprintf("%s line %d column %d: %s", e.Source, e.Line, e.Column, e.Text)
}

// syntaxError builds an error at a place of the cleaned text; indent is what
// cleaning took away from each line.
func syntaxError(source, text string, line, column, indent int, sentence string) *SyntaxError {
	return &SyntaxError{
		Source: source, Line: line, Column: column + indent, Text: sentence,
		Snippet: snippet(text, line, column),
	}
}

// snippet draws the line before, the line, and a caret. Tabs are shown as
// arrows, because they are what breaks YAML most often.
func snippet(text string, line, column int) string {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	const widest = 100
	var b strings.Builder
	for i := max(1, line-1); i <= line; i++ {
		r := []rune(strings.ReplaceAll(strings.TrimRight(lines[i-1], "\r"), "\t", "→"))
		if len(r) > widest {
			r = append(r[:widest], '…')
		}
		fmt.Fprintf(&b, "%4d | %s\n", i, string(r))
	}
	fmt.Fprintf(&b, "     | %s^", strings.Repeat(" ", max(0, min(column, widest)-1)))
	return b.String()
}

var yamlProblem = regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`)

// locate finds where an error of the YAML library really is. The library
// names the line where the surrounding value starts; the text is cut shorter
// and shorter to find the first byte that brings the same problem up.
func locate(source, text string, indent int, err error) *SyntaxError {
	m := yamlProblem.FindStringSubmatch(err.Error())
	if m == nil {
		return syntaxError(source, text, 1, 1, indent, "This cannot be read as YAML.")
	}
	line, _ := strconv.Atoi(m[1])
	problem := m[2]
	line = max(line, 1)
	column := firstColumn(text, line)
	switch {
	case len(text) > searchBytes:
	case strings.Contains(problem, "unexpected end of stream"):
		column = openQuote(text, problem, line)
	default:
		line, column = search(text, problem)
		if strings.Contains(problem, "not find expected") {
			column = firstColumn(text, line)
		}
	}
	return syntaxError(source, text, line, column, indent, explain(problem, lineOf(text, line)))
}

// searchBytes is the longest text in which the place of an error is searched.
const searchBytes = 128 << 10

func search(text, problem string) (line, column int) {
	n := sort.Search(len(text), func(n int) bool { return problemOf(text[:n]) == problem })
	before := text[:max(0, n-1)]
	line = strings.Count(before, "\n") + 1
	column = len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
	return line, column
}

// openQuote returns the column of the quote on the line that does not end.
func openQuote(text, problem string, line int) int {
	s := lineOf(text, line)
	start := 0
	for range line - 1 {
		start += strings.IndexByte(text[start:], '\n') + 1
	}
	for q := strings.LastIndexAny(s, `"'`); q >= 0; q = strings.LastIndexAny(s[:q], `"'`) {
		if problemOf(text[:start+q]) != problem {
			return len([]rune(s[:q])) + 1
		}
	}
	return firstColumn(text, line)
}

func problemOf(text string) string {
	err := unmarshal(text, &yaml.Node{})
	if err == nil {
		return ""
	}
	if m := yamlProblem.FindStringSubmatch(err.Error()); m != nil {
		return m[2]
	}
	return ""
}

func lineOf(text string, line int) string {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	return lines[line-1]
}

func firstColumn(text string, line int) int {
	s := lineOf(text, line)
	return len(s) - len(strings.TrimLeft(s, " ")) + 1
}

// explain words a problem for people who do not know YAML's grammar.
func explain(problem, line string) string {
	blank := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	switch {
	case strings.Contains(blank, "\t"), strings.Contains(problem, "tab character"):
		return "The line is indented with a tab. Indent with spaces."
	case strings.Contains(problem, "unexpected end of stream"):
		return "A quoted value begins here and does not end. Add the closing quote."
	case strings.Contains(problem, "cannot start any token"):
		return "A value cannot start with this character. Put the value in quotes."
	case strings.Contains(problem, "mapping values are not allowed"):
		return "A colon followed by a space starts a new value here, which is not allowed in this place. Put the whole value in quotes, or check the indentation."
	case strings.Contains(problem, "did not find expected '-' indicator"):
		return "This line does not continue the list above it. Check its indentation, and that every quote above it is closed."
	case strings.Contains(problem, "did not find expected key"):
		return "A key and a colon are expected here. Check the indentation of this line and the quotes of the line before it."
	case strings.Contains(problem, "could not find expected ':'"):
		return "A key is not followed by a colon. Add the colon, or check the indentation."
	case strings.Contains(problem, "exceeded max depth"):
		return "Lists and maps are nested too deep here. Make the file flatter."
	case strings.Contains(problem, "control characters"):
		return "The file holds a control character. Remove it."
	default:
		return "This cannot be read as YAML: " + problem + "."
	}
}
