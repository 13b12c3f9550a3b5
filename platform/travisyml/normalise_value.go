package travisyml

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
)

var versionForm = regexp.MustCompile(`^(~>|>|>=|=|<=|<) (\d+(?:\.\d+)?(?:\.\d+)?)$`)

// value brings a value into the form its schema asks for.
func (n *normaliser) value(s *schema, v *node, key string) *node {
	switch s.shape {
	case mapShape:
		return n.mapping(s.mapped, v, key)
	case listShape:
		return n.list(s, v, key)
	case anyShape:
		return n.choice(s, v, key)
	case envShape:
		return n.env(v, key, false)
	case envRowsShape:
		return n.env(v, key, true)
	case cacheShape:
		return n.cache(v, key)
	case deploysShape:
		return n.deploys(v, key)
	case freeShape:
		return v
	default:
		return n.scalar(s, v, key)
	}
}

// list wraps a single value, opens nested lists, and drops empty items. Null
// becomes an empty list.
func (n *normaliser) list(s *schema, v *node, key string) *node {
	items := make([]*node, 0, len(v.items))
	for _, item := range flatten(v.list()) {
		if item = n.value(s.item, item, key); item.kind != nullKind {
			items = append(items, item)
		}
	}
	return newList(items, v.at)
}

// choice tries the alternatives in order: first one that fits without any
// change, then one that fits after changes.
func (n *normaliser) choice(s *schema, v *node, key string) *node {
	for _, alt := range s.alts {
		plain := v.scalar() || v.secure() && alt.shape == secureShape
		if plain && alt.shape != freeShape && alt.fits(v) {
			return n.value(alt, v, key)
		}
	}
	for _, alt := range s.alts {
		if out, ok := n.try(alt, v, key); ok {
			return out
		}
	}
	for _, alt := range s.alts {
		if v.kind == mapKind && alt.shape == mapShape {
			return n.value(alt, v, key)
		}
	}
	return n.value(s.alts[0], v, key)
}

// try applies a schema and keeps its messages only when the result fits.
func (n *normaliser) try(s *schema, v *node, key string) (*node, bool) {
	before := len(n.msgs)
	out := n.value(s, v, key)
	if s.fits(out) {
		return out, true
	}
	n.msgs = n.msgs[:before]
	return v, false
}

// fits says whether a value already has the form of the schema. Null always
// does.
func (s *schema) fits(v *node) bool {
	if v.kind == nullKind {
		return true
	}
	switch s.shape {
	case textShape:
		return v.kind == stringKind
	case numberShape:
		return v.kind == intKind
	case boolShape:
		return v.kind == boolKind
	case secureShape:
		return v.kind == stringKind || v.secure()
	case enumShape:
		return v.kind == stringKind && slices.Contains(s.enum.values, v.text)
	case listShape:
		return v.kind == listKind && !slices.ContainsFunc(v.items, func(item *node) bool { return !s.item.fits(item) })
	case mapShape:
		return s.mapped.fits(v)
	case anyShape:
		return slices.ContainsFunc(s.alts, func(alt *schema) bool { return alt.fits(v) })
	case envShape, envRowsShape:
		return v.kind == listKind && !slices.ContainsFunc(v.items, func(item *node) bool {
			return item.kind != mapKind || item.has("global") || item.has("jobs") || item.has("matrix")
		})
	case deploysShape:
		return v.kind == listKind
	default:
		return true
	}
}

func (m *mapSchema) fits(v *node) bool {
	if v.kind != mapKind {
		return false
	}
	for _, p := range v.pairs {
		f := m.field(p.key)
		if f == nil && !m.free && !private(p.key) || f != nil && !f.schema.fits(p.value) {
			return false
		}
	}
	return true
}

// scalar picks, casts and checks a single value.
func (n *normaliser) scalar(s *schema, v *node, key string) *node {
	if v.kind == listKind {
		return n.pick(s, v, key)
	}
	if s.shape == secureShape {
		return n.secure(s, v, key)
	}
	if s.shape == enumShape {
		return n.enum(s.enum, v, key)
	}
	out := s.cast(v)
	if !s.fits(out) {
		n.message(Error, key, "invalid_type", v.at, args{"expected": s.kind(), "actual": v.kind.String(), "value": v})
	}
	return out
}

// pick takes the first item where one value is expected.
func (n *normaliser) pick(s *schema, v *node, key string) *node {
	items := flatten(v.items)
	if len(items) == 0 {
		return &node{kind: nullKind, at: v.at}
	}
	if out, ok := n.try(s, items[0], key); ok || s.shape == enumShape {
		n.message(Warn, key, "unexpected_seq", v.at, args{"value": items[0]})
		return out
	}
	n.message(Error, key, "invalid_type", v.at, args{"expected": s.kind(), "actual": v.kind.String(), "value": v})
	return v
}

// kind names what the schema expects, for messages.
func (s *schema) kind() string {
	switch s.shape {
	case numberShape:
		return "num"
	case boolShape:
		return "bool"
	case mapShape:
		return "map"
	case listShape:
		return "seq"
	case secureShape:
		return "secure"
	default:
		return "str"
	}
}

// cast converts between strings, numbers and booleans.
func (s *schema) cast(v *node) *node {
	switch {
	case s.shape == textShape && (v.kind == intKind || v.kind == boolKind):
		return newString(v.str(), v.at)
	case s.shape == numberShape && v.kind == stringKind:
		if digits, ok := integer(v.text); ok {
			return &node{kind: intKind, text: digits, at: v.at}
		}
	case s.shape == boolShape && v.kind == stringKind:
		if truth, ok := truthOf(v.text); ok {
			return newBool(truth, v.at)
		}
	}
	return v
}

var nonWord = regexp.MustCompile(`\W`)

// truthOf reads the words that stand for true and false.
func truthOf(s string) (truth, ok bool) {
	yes := []string{"true", "on", "yes", "enabled", "required"}
	no := []string{"false", "off", "no", "disabled", "not required"}
	word := strings.ToLower(strings.TrimSpace(s))
	if slices.Contains(yes, word) {
		return true, true
	}
	if slices.Contains(no, word) {
		return false, true
	}
	word = nonWord.ReplaceAllString(word, "")
	if word == "notrequired" {
		return false, true
	}
	match := closest(slices.Concat(yes, no), word)
	return slices.Contains(yes, match), match != ""
}

// secure checks a value that should be encrypted.
func (n *normaliser) secure(s *schema, v *node, key string) *node {
	switch {
	case v.secure():
		return n.encrypted(v, key)
	case v.kind == mapKind:
		n.message(Error, key, "invalid_type", v.at, args{"expected": "secure", "actual": "map", "value": v})
		return v
	case v.kind == intKind || v.kind == boolKind:
		v = newString(v.str(), v.at)
	}
	if v.kind == stringKind && !s.plain && (!strings.HasPrefix(v.text, "$") || strings.Contains(v.text, ":$")) {
		n.message(Alert, key, "secure", v.at, args{"type": "str"})
	}
	return v
}

func (n *normaliser) encrypted(v *node, key string) *node {
	inner := v.pairs[0].value
	if inner.kind == nullKind {
		n.message(Warn, key, "empty", v.at, args{"key": "secure"})
		return inner
	}
	text := strings.Join(strings.Fields(inner.str()), "")
	if _, err := base64.StdEncoding.DecodeString(text); err != nil || !inner.scalar() {
		n.message(Warn, key+".secure", "invalid_secure", inner.at, args{"value": v})
	}
	return v
}

// enum finds the value of an enumeration that is meant.
func (n *normaliser) enum(e *enumSchema, v *node, key string) *node {
	if !v.scalar() {
		n.message(Error, key, "invalid_type", v.at, args{"expected": "str", "actual": v.kind.String(), "value": v})
		return v
	}
	if v.kind == nullKind {
		return v
	}
	text := v.str()
	if lower := strings.ToLower(text); e.downcase && lower != text {
		n.message(Info, key, "downcase", v.at, args{"value": text})
		text = lower
	}
	if target, ok := e.aliases[text]; ok {
		n.message(Info, key, "alias_value", v.at, args{"alias": text, "value": target})
		return newString(target, v.at)
	}
	if slices.Contains(e.values, text) {
		return newString(text, v.at)
	}
	return newString(n.repair(e, text, v.at, key), v.at)
}

// repair looks for the value behind a misspelled one.
func (n *normaliser) repair(e *enumSchema, text string, at position, key string) string {
	if first, _, ok := strings.Cut(text, "\n"); ok {
		n.message(Warn, key, "clean_value", at, args{"original": text, "value": first})
		if text = first; slices.Contains(e.values, text) {
			return text
		}
	}
	if match := n.closest(e.values, text); match != "" && !slices.Contains(neverCorrected(), text) {
		n.message(Warn, key, "find_value", at, args{"original": text, "value": match})
		return match
	}
	word, _, _ := strings.Cut(text, " ")
	letters := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, word)
	for _, clean := range []string{word, strings.ToLower(nonWord.ReplaceAllString(text, "")), letters} {
		if slices.Contains(e.values, clean) {
			n.message(Warn, key, "clean_value", at, args{"original": text, "value": clean})
			return clean
		}
	}
	n.message(Error, key, "unknown_value", at, args{"value": text})
	return text
}
