package settings

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/headrace/headrace/internal/fault"
)

// Sources are where settings come from; a later field weighs more.
type Sources struct {
	// Defaults replace the built-in defaults of keys (the trial's differ from the appliance's).
	Defaults map[string]string
	// File is the path of config.json. Missing is fine unless FileNeeded.
	File       string
	FileNeeded bool
	// Environment is os.Environ's form. A variable HEADRACE_X_FILE names a file that holds X.
	Environment []string
	// Flags are values by key, of those flags that were given.
	Flags map[string]string
}

// Load reads the settings. Every error says which key, where it was set, and what to do.
func Load(from Sources) (Settings, error) {
	s := defaults()
	keys := map[string]Key{}
	for _, k := range Keys() {
		keys[k.Name] = k
	}
	file, err := readFile(from.File, from.FileNeeded)
	if err != nil {
		return s, err
	}
	env, err := environment(from.Environment, keys)
	if err != nil {
		return s, err
	}
	for _, layer := range []struct {
		origin func(key string) string
		values map[string]string
	}{
		{func(string) string { return "default" }, from.Defaults},
		{func(string) string { return from.File }, file},
		{func(key string) string { return keys[key].Variable() }, env},
		{func(string) string { return "flag" }, from.Flags},
	} {
		for _, name := range sorted(layer.values) {
			k, known := keys[name]
			if !known {
				return s, fault.Field(name, "%s: there is no setting %q.%s", layer.origin(name), name, nearest(name, keys))
			}
			if err := k.set(&s, layer.values[name]); err != nil {
				return s, fault.Wrap(fault.Invalid, redact(k, err), "%s: %s cannot be %s: %s.", layer.origin(name), name, shown(k, layer.values[name]), reason(err))
			}
			s.origin[name] = layer.origin(name)
		}
	}
	if s.DataDir, err = filepath.Abs(s.DataDir); err != nil {
		return s, fmt.Errorf("data_dir: %w", err)
	}
	return s, s.check()
}

func shown(k Key, value string) string {
	if k.Secret {
		return "what it is set to"
	}
	return fmt.Sprintf("%q", value)
}

func reason(err error) string {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return strings.TrimSuffix(fault.Message(err), ".")
	}
	return "it has the wrong form"
}

// redact keeps causes that would quote a secret out of the error chain.
func redact(k Key, err error) error {
	if k.Secret {
		return nil
	}
	return err
}

func sorted(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

func readFile(path string, needed bool) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	body, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if errors.Is(err, fs.ErrNotExist) && !needed {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The configuration file %s cannot be read.", path)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var tree map[string]any
	if err := decoder.Decode(&tree); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The configuration file %s is not JSON: %s.", path, where(body, err))
	}
	flat := map[string]string{}
	flatten("", tree, flat)
	return flat, nil
}

func where(body []byte, err error) string {
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		before := body[:min(int(s.Offset), len(body))]
		return fmt.Sprintf("line %d: %s", 1+bytes.Count(before, []byte("\n")), s.Error())
	}
	return err.Error()
}

func flatten(prefix string, v any, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			key := name
			if prefix != "" {
				key = prefix + "." + name
			}
			flatten(key, inner, into)
		}
	case []any:
		parts := make([]string, len(v))
		for i, p := range v {
			parts[i] = fmt.Sprint(p)
		}
		into[prefix] = strings.Join(parts, ",")
	case nil:
	default:
		into[prefix] = fmt.Sprint(v)
	}
}

// environment picks the variables of keys. Variables of other commands (HEADRACE_TOKEN, a worker's) are left alone.
func environment(environ []string, keys map[string]Key) (map[string]string, error) {
	byVariable := map[string]string{}
	for name, k := range keys {
		byVariable[k.Variable()] = name
	}
	values := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if key, ok := byVariable[name]; ok {
			values[key] = value
			continue
		}
		key, ok := byVariable[strings.TrimSuffix(name, "_FILE")]
		if !ok || !strings.HasSuffix(name, "_FILE") {
			continue
		}
		body, err := os.ReadFile(value) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "%s names the file %s, which cannot be read.", name, value)
		}
		values[key] = strings.TrimRight(string(body), "\r\n")
	}
	return values, nil
}

// nearest proposes the known key that is closest in spelling, if one is close.
func nearest(name string, keys map[string]Key) string {
	best, distance := "", 1+len(name)/2
	for _, k := range Keys() {
		if d := edits(name, k.Name); d < distance {
			best, distance = k.Name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %s?", best)
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal, row[j] = row[j], min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

// readOrMake reads a file's one line, or makes it with a random id.
func readOrMake(path string) (string, error) {
	body, err := os.ReadFile(path) //nolint:gosec // in the data directory
	if err == nil && len(bytes.TrimSpace(body)) > 0 {
		return string(bytes.TrimSpace(body)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	id := strings.ToLower(rand.Text())
	if err := os.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
		return "", err
	}
	return id, nil
}
