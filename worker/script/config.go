package script

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// config is the expanded .travis.yml of one job. Its accessors take what is there in any of the shapes that people and
// other platforms use; a thing of another shape counts as absent.
type config map[string]json.RawMessage

// envVar is one variable of the config; secure means that its value could not be decrypted for this job.
type envVar struct {
	name, value string
	secure      bool
	sealed      string // the encrypted text of a secure one
}

// readConfig reads the config of a job. No config at all is an empty one.
func readConfig(raw json.RawMessage) (config, error) {
	if len(raw) == 0 {
		return config{}, nil
	}
	var c config
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("read the job's config: %w", err)
	}
	return c, nil
}

// has reports whether the key is there and not null.
func (c config) has(key string) bool {
	raw, ok := c[key]
	return ok && string(raw) != "null"
}

// text returns a string, number or boolean as text, of a list its first element, else "".
func (c config) text(key string) string {
	if list := c.list(key); len(list) > 0 {
		return list[0]
	}
	return ""
}

// or returns the text of the key, or other where that is empty.
func (c config) or(key, other string) string {
	if s := c.text(key); s != "" {
		return s
	}
	return other
}

// list returns the texts of a list, or of a single value.
func (c config) list(key string) []string {
	var texts []string
	for _, raw := range elements(c[key]) {
		if s, ok := scalar(raw); ok {
			texts = append(texts, s)
		}
	}
	return texts
}

// flag returns a boolean; ok is false where there is none.
func (c config) flag(key string) (value, ok bool) {
	err := json.Unmarshal(c[key], &value)
	return value, err == nil && c.has(key)
}

// object returns an object below the key; an empty one where there is none.
func (c config) object(key string) config {
	var o config
	if err := json.Unmarshal(c[key], &o); err != nil {
		return config{}
	}
	return o
}

// names returns the sorted keys.
func (c config) names() []string {
	var names []string
	for k := range c {
		if c.has(k) {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	return names
}

// commands returns the commands of a phase; given is false where the phase is not in the config. A map is what YAML makes
// of a command with ": " in it: it becomes the text again that the author meant to run.
func (c config) commands(phase string) (commands []string, given bool) {
	if !c.has(phase) {
		return nil, false
	}
	for _, raw := range elements(c[phase]) {
		if s, ok := scalar(raw); ok {
			commands = append(commands, s)
			continue
		}
		pairs, err := orderedPairs(raw)
		if err != nil {
			commands = append(commands, string(raw))
		}
		for _, p := range pairs {
			commands = append(commands, p.name+": "+p.value)
		}
	}
	return commands, true
}

// env returns the variables in order.
func (c config) env() ([]envVar, error) {
	var vars []envVar
	for _, raw := range elements(c["env"]) {
		pairs, err := orderedPairs(raw)
		if err != nil {
			return nil, fmt.Errorf("read env of the job's config: %w", err)
		}
		for _, p := range pairs {
			// {"secure": "…"} is a list entry of its own; {"A": {"secure": "…"}} a named one.
			if p.name == "secure" {
				p.secure, p.sealed, p.value = true, p.value, ""
			}
			vars = append(vars, p)
		}
	}
	return vars, nil
}

// elements returns the elements of a list, a single value as a list of one, nothing for nothing.
func elements(raw json.RawMessage) []json.RawMessage {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err == nil {
		return list
	}
	return []json.RawMessage{raw}
}

// scalar returns the text of a string, number or boolean, as it was written.
func scalar(raw json.RawMessage) (string, bool) {
	var s string
	if err := json.Unmarshal(raw, &s); err == nil && string(raw) != "null" {
		return s, true
	}
	switch text := string(bytes.TrimSpace(raw)); {
	case text == "", text == "null", strings.ContainsAny(text[:1], "[{"):
		return "", false
	default:
		return text, true
	}
}

// orderedPairs reads an object in the order in which it is written.
func orderedPairs(raw json.RawMessage) ([]envVar, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("an entry is not a map")
	}
	var pairs []envVar
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		name, _ := key.(string)
		p := envVar{name: name}
		if text, ok := scalar(value); ok {
			p.value = text
		} else if string(value) != "null" {
			var inner struct{ Secure string }
			_ = json.Unmarshal(value, &inner) // of another shape: a secure value that nothing opens
			p.secure, p.sealed = true, inner.Secure
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}
