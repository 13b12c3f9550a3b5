package api

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/headrace/headrace/internal/fault"
)

// maxBody is the longest body that is read: 1.5 MiB.
const maxBody = 3 << 19

// body is what a client sent: its fields, and the whole as it came.
type body struct {
	fields map[string]json.RawMessage
	text   []byte
}

func readBody(w http.ResponseWriter, r *http.Request) (body, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return body{}, nil
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return body{}, fault.New(fault.Invalid, "The body is longer than 1.5 MiB, the longest that is read.")
	}
	if err != nil {
		return body{}, fault.Wrap(fault.Invalid, err, "The body broke off before its end. Send it again.")
	}
	b := body{text: text}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case len(strings.TrimSpace(string(text))) == 0:
		return b, nil
	case kind == "application/x-www-form-urlencoded" && !strings.HasPrefix(strings.TrimSpace(string(text)), "{"):
		b.fields, err = readForm(string(text))
	case kind == "text/yaml" || kind == "text/x-yaml" || kind == "application/yaml" || kind == "text/plain":
		return b, nil // for those who read the whole
	default:
		b.fields, err = readObject(text)
	}
	return b, err
}

func readForm(text string) (map[string]json.RawMessage, error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The form in the body cannot be read: a percent sign starts two hexadecimal digits.")
	}
	fields := make(map[string]json.RawMessage, len(values))
	for key := range values {
		v, err := json.Marshal(values.Get(key))
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "The field %q of the form cannot be read.", key)
		}
		fields[key] = v
	}
	return fields, nil
}

func readObject(text []byte) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	err := json.Unmarshal(text, &fields)
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		return nil, fault.Wrap(fault.Invalid, err, "The body is no JSON: something is wrong at byte %d.", syntax.Offset)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The body must be a JSON object.")
	}
	return fields, nil
}

// field finds a field of a type in its three spellings: {"request":{"branch":…}}, {"request.branch":…} and, unless
// @type speaks of another type, {"branch":…}.
func (b body) field(typ, name string) (json.RawMessage, bool) {
	var nested map[string]json.RawMessage
	if json.Unmarshal(b.fields[typ], &nested) == nil {
		if v, found := nested[name]; found {
			return v, true
		}
	}
	if v, found := b.fields[typ+"."+name]; found {
		return v, true
	}
	var of string
	if t, given := b.fields["@type"]; given && (json.Unmarshal(t, &of) != nil || of != typ) {
		return nil, false
	}
	v, found := b.fields[name]
	return v, found
}
