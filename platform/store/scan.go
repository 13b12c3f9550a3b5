package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// scanner is a row.
type scanner interface{ Scan(into ...any) error }

// instant scans a time that may be NULL, which is the zero time, and that SQLite gives as text where it is computed.
type instant time.Time

// Scan implements sql.Scanner.
func (i *instant) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*i = instant{}
	case time.Time:
		*i = instant(v.UTC())
	case string:
		t, err := time.Parse("2006-01-02 15:04:05.999999999-07:00", v)
		if err != nil {
			return fmt.Errorf("read a time: %w", err)
		}
		*i = instant(t.UTC())
	default:
		return fmt.Errorf("read a time: it is a %T", v)
	}
	return nil
}

// into scans a time column.
func into(t *time.Time) *instant { return (*instant)(t) }

// at is a time as an argument: NULL for the zero time.
func at(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC()
}

// text is free text as an argument: PostgreSQL takes neither broken UTF-8 nor NUL.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// object is a JSON object as an argument.
func object(c ci.Config) string {
	if len(c) == 0 {
		return "{}"
	}
	return text(string(c))
}

// intoConfig scans a JSON object.
func intoConfig(c *ci.Config) *[]byte { return (*[]byte)(c) }

// ids is a list of numbers as an argument for {{ints $n}}.
func ids[T ~int | ~int64](list []T) string { return array(list) }

// texts is a list of texts as an argument for {{texts $n}}.
func texts[T ~string](list []T) string { return array(list) }

func array[T any](list []T) string {
	if len(list) == 0 {
		return "[]"
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // numbers and texts always marshal
	}
	return string(b)
}

// messages is a list of messages as an argument, and from a column.
func encodeMessages(list []ci.ConfigMessage) (string, error) {
	if len(list) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("encode messages: %w", err)
	}
	return text(string(b)), nil
}

func encodeFiles(list []ci.ConfigFile) (string, error) {
	if len(list) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("encode the files of a configuration: %w", err)
	}
	return text(string(b)), nil
}

func decodeFiles(b []byte) ([]ci.ConfigFile, error) {
	var list []ci.ConfigFile
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("read the files of a configuration: %w", err)
	}
	if len(list) == 0 {
		return nil, nil
	}
	return list, nil
}

func decodeMessages(b []byte) ([]ci.ConfigMessage, error) {
	var list []ci.ConfigMessage
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	if len(list) == 0 {
		return nil, nil
	}
	return list, nil
}

// where collects the conditions of a query, and their arguments.
type where struct {
	parts []string
	args  []any
}

// and adds a condition in which each ? is the next argument; {{ints ?}} and {{texts ?}} too.
func (w *where) and(condition string, args ...any) {
	for _, arg := range args {
		w.args = append(w.args, arg)
		condition = strings.Replace(condition, "?", placeholder(len(w.args)), 1)
	}
	w.parts = append(w.parts, condition)
}

// String is the WHERE clause, empty without conditions.
func (w *where) String() string {
	if len(w.parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.parts, " AND ")
}

// page adds the arguments of a page and returns the clause.
func (w *where) page(p ci.Page) string {
	p = p.Norm()
	w.args = append(w.args, p.Limit, p.Offset)
	return fmt.Sprintf(" LIMIT $%d OFFSET $%d", len(w.args)-1, len(w.args))
}

// placeholder is argument n in a statement.
func placeholder(n int) string { return fmt.Sprintf("$%d", n) }

// rowsPerInsert bounds the rows of one INSERT. More of them are no faster on PostgreSQL, and slower on SQLite, where each
// argument costs more the more there are.
const rowsPerInsert = 32

// tuples returns "($1, $2), ($3, $4)": n rows of so many columns, counted from first.
func tuples(n, columns, first int) string {
	var b strings.Builder
	for row := range n {
		b.WriteString([...]string{"(", ", ("}[min(row, 1)])
		for column := range columns {
			if column > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "$%d", first+row*columns+column)
		}
		b.WriteString(")")
	}
	return b.String()
}
