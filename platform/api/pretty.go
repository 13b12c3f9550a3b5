package api

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
)

// pretty appends v as JSON whose lines are indented, in one go: what encoding/json would encode at each level, compact at
// each level and then indent is most of what a list costs. depth is how deep what stands in v is.
func pretty(b *bytes.Buffer, v any, depth int) error {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case *object:
		return v.pretty(b, depth)
	case []*object:
		return prettyList(b, v, depth)
	case bool:
		b.Write(strconv.AppendBool(b.AvailableBuffer(), v))
	case int:
		b.Write(strconv.AppendInt(b.AvailableBuffer(), int64(v), 10))
	case int64:
		b.Write(strconv.AppendInt(b.AvailableBuffer(), v, 10))
	case string:
		return prettyText(b, v)
	default:
		return prettyOther(b, v, depth)
	}
	return nil
}

func (o *object) pretty(b *bytes.Buffer, depth int) error {
	if o == nil {
		b.WriteString("null")
		return nil
	}
	if len(o.keys) == 0 {
		b.WriteString("{}")
		return nil
	}
	b.WriteByte('{')
	for i, key := range o.keys {
		newLine(b, i > 0, depth)
		if err := prettyText(b, key); err != nil {
			return err
		}
		b.WriteString(": ")
		if err := pretty(b, o.values[i], depth+1); err != nil {
			return err
		}
	}
	newLine(b, false, depth-1)
	b.WriteByte('}')
	return nil
}

func prettyList(b *bytes.Buffer, list []*object, depth int) error {
	switch {
	case list == nil:
		b.WriteString("null")
		return nil
	case len(list) == 0:
		b.WriteString("[]")
		return nil
	}
	b.WriteByte('[')
	for i, o := range list {
		newLine(b, i > 0, depth)
		if err := o.pretty(b, depth+1); err != nil {
			return err
		}
	}
	newLine(b, false, depth-1)
	b.WriteByte(']')
	return nil
}

func newLine(b *bytes.Buffer, comma bool, depth int) {
	if comma {
		b.WriteByte(',')
	}
	b.WriteByte('\n')
	for range depth {
		b.WriteString("  ")
	}
}

// prettyText appends a string. Plain ASCII stands for itself; encoding/json knows what to do with the rest.
func prettyText(b *bytes.Buffer, s string) error {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return encode(b, s)
		}
	}
	b.WriteByte('"')
	b.WriteString(s)
	b.WriteByte('"')
	return nil
}

// prettyOther appends what is no part of the shapes of v3 itself: named texts such as states, lists, maps.
func prettyOther(b *bytes.Buffer, v any, depth int) error {
	_, own := v.(json.Marshaler)
	_, text := v.(encoding.TextMarshaler)
	if r := reflect.ValueOf(v); !own && !text && r.Kind() == reflect.String {
		return prettyText(b, r.String())
	}
	var flat bytes.Buffer
	if err := encode(&flat, v); err != nil {
		return err
	}
	prefix := bytes.Repeat([]byte("  "), depth-1)
	return json.Indent(b, flat.Bytes(), string(prefix), "  ")
}
