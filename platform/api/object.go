package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
)

// object is a JSON object that keeps the order of its fields.
type object struct {
	keys   []string
	values []any
}

// newObject returns an object of a type.
func newObject(typ string) *object { return new(object).set("@type", typ) }

// set adds a field.
func (o *object) set(key string, value any) *object {
	o.keys = append(o.keys, key)
	o.values = append(o.values, value)
	return o
}

// setIf adds a field where there is something to say.
func (o *object) setIf(ok bool, key string, value any) *object {
	if ok {
		o.set(key, value)
	}
	return o
}

// MarshalJSON writes the fields in the order in which they were set.
func (o *object) MarshalJSON() ([]byte, error) {
	if o == nil {
		return []byte("null"), nil
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := encode(&b, key); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := encode(&b, o.values[i]); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode appends JSON in which < and > stand as they are.
func encode(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the newline
	return nil
}

// writeJSON answers with JSON that people can read too.
func writeJSON(w http.ResponseWriter, status int, contentType string, v any) error {
	var b bytes.Buffer
	if err := pretty(&b, v, 1); err != nil {
		return err
	}
	b.WriteByte('\n')
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}

// stamp is a time as v3 writes it, null for none.
func stamp(t time.Time) any { return stampAs(t, "2006-01-02T15:04:05Z") }

// stampMilli is a time with milliseconds, as v3 writes created_at and updated_at of jobs and builds.
func stampMilli(t time.Time) any { return stampAs(t, "2006-01-02T15:04:05.000Z") }

func stampAs(t time.Time, layout string) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(layout)
}

// orNull is null for the zero value.
func orNull[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}
