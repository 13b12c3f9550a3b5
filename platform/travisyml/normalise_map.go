package travisyml

import (
	"regexp"
	"slices"
	"strings"
)

// mapping brings a map into its normal form: keys first, then the shorthand
// of its prefix, then every value.
func (n *normaliser) mapping(m *mapSchema, v *node, key string) *node {
	if v.kind == nullKind {
		return v
	}
	if m.enable {
		v = enabled(v)
	}
	if v.kind == mapKind {
		v = n.keys(m, v, key)
	}
	if m.prefix != "" {
		v = n.prefixed(m, v, key)
	}
	if v.kind == listKind && len(v.items) > 0 {
		return n.pickMap(m, v, key)
	}
	if v.kind != mapKind {
		n.message(Error, key, "invalid_type", v.at, args{"expected": "map", "actual": v.kind.String(), "value": v})
		return v
	}
	if m.enable {
		v = enabled(v)
	}
	return n.fields(m, v, key)
}

// pickMap takes the first map of a list where one map is expected.
func (n *normaliser) pickMap(m *mapSchema, v *node, key string) *node {
	first := flatten(v.items)[0]
	if first.kind == mapKind {
		n.message(Warn, key, "unexpected_seq", v.at, args{"value": first})
		return n.mapping(m, first, key)
	}
	n.message(Error, key, "invalid_type", v.at, args{"expected": "map", "actual": v.kind.String(), "value": v})
	return v
}

// enabled reads the words that switch a thing on and off.
func enabled(v *node) *node {
	if v.kind == boolKind {
		return newMap([]pair{{key: "enabled", value: v, at: v.at}}, v.at)
	}
	if v.kind == stringKind && slices.Contains([]string{"true", "false", "yes", "no", "on", "off"}, v.text) {
		truth, _ := truthOf(v.text)
		return newMap([]pair{{key: "enabled", value: newBool(truth, v.at), at: v.at}}, v.at)
	}
	if off := v.get("disabled"); off != nil && off.scalar() && off.kind != nullKind {
		truth, ok := truthOf(off.str())
		if out := v.without("disabled"); ok && !out.has("enabled") {
			return out.with("enabled", newBool(!truth, off.at))
		}
	}
	return v
}

// fields brings the values of a map into their forms and drops nulls.
func (n *normaliser) fields(m *mapSchema, v *node, key string) *node {
	out := *v
	out.pairs = make([]pair, 0, len(v.pairs))
	for _, p := range v.pairs {
		f := m.field(p.key)
		if f == nil {
			n.unknown(m, p, key)
			out.pairs = append(out.pairs, p)
			continue
		}
		n.flags(f, p, key)
		if p.value = n.value(f.schema, p.value, join(key, p.key)); p.value.kind != nullKind {
			out.pairs = append(out.pairs, p)
		}
	}
	n.required(m, &out, key)
	for i := range m.fields {
		if f := &m.fields[i]; f.def != "" && !out.has(f.name) {
			n.keyMessage(Info, key, "default", v.at, args{"key": f.name, "default": f.def})
			out.pairs = append(out.pairs, pair{key: f.name, value: newString(f.def, v.at), at: v.at})
		}
	}
	return &out
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (n *normaliser) unknown(m *mapSchema, p pair, key string) {
	switch {
	case m.free || private(p.key):
	case m.name == "root" && !n.merged && p.value.anchored(): // anchors do not outlive a merge
		n.keyMessage(Warn, key, "deprecated_key", p.at, args{
			"key":  p.key,
			"info": "keys that only hold an anchor should begin with an underscore",
		})
	default:
		n.message(Warn, key, "unknown_key", p.at, args{"key": p.key, "value": p.value})
	}
}

func (n *normaliser) flags(f *field, p pair, key string) {
	if f.deprecated {
		info := map[string]string{
			"sudo":                     "it has no effect any more",
			"skip_cleanup":             "use cleanup",
			"branch":                   "use if",
			"skip_upload_docs":         "use upload_docs: false",
			"no_promote":               "use promote: false",
			"no_stop_previous_version": "use stop_previous_version: false",
		}[f.name]
		if info == "" {
			info = "it has no replacement"
		}
		n.keyMessage(Warn, key, "deprecated_key", p.at, args{"key": f.name, "info": info})
	}
	if f.edge {
		n.message(Info, key, "edge", p.at, args{"key": f.name})
	}
	if f.name == "if" && p.value.kind == stringKind {
		if _, err := parseCondition(p.value.text); err != nil {
			n.message(Error, join(key, "if"), "invalid_condition", p.value.at, args{"condition": p.value.text, "problem": err.Error()})
		}
	}
}

func (n *normaliser) required(m *mapSchema, v *node, key string) {
	for _, name := range m.required {
		if !v.has(name) {
			n.keyMessage(Error, key, "required", v.at, args{"key": name})
		}
	}
}

// prefixed reads the shorthand of a map: its value may be the value of its
// most important key alone, or be mixed with the other keys.
func (n *normaliser) prefixed(m *mapSchema, v *node, key string) *node {
	if v.kind != mapKind {
		if m.prefixText && v.kind != stringKind {
			return v
		}
		return n.under(m, v, nil, v.at, key)
	}
	if v.has(m.prefix) || m.prefixText {
		return v
	}
	var known, other []pair
	for _, p := range v.pairs {
		if m.known(p.key) {
			known = append(known, p)
		} else {
			other = append(other, p)
		}
	}
	if len(other) == 0 {
		return v
	}
	if out := n.under(m, newMap(other, v.at), known, v.at, key); out != nil && out.kind == mapKind && out.has(m.prefix) {
		return out
	}
	return v
}

// under puts a value under the prefix key if it fits there.
func (n *normaliser) under(m *mapSchema, v *node, known []pair, at position, key string) *node {
	before := len(n.msgs)
	fits := m.field(m.prefix).schema
	tried := n.value(fits, v, join(key, m.prefix))
	n.msgs = n.msgs[:before]
	if !fits.fits(tried) {
		if v.kind == mapKind {
			return nil
		}
		return v
	}
	return newMap(append([]pair{{key: m.prefix, value: v, at: at}}, known...), at)
}

var (
	capitals    = regexp.MustCompile(`([a-z0-9])([A-Z])`)
	separators  = regexp.MustCompile(`[- ]+`)
	underscores = regexp.MustCompile(`^_+|_+$`)
)

// keys finds the known key behind each unknown one.
func (n *normaliser) keys(m *mapSchema, v *node, key string) *node {
	if m.free {
		return v
	}
	if !slices.ContainsFunc(v.pairs, func(p pair) bool { return !m.known(p.key) && !private(p.key) }) {
		return v
	}
	b := &mapBuilder{index: map[string]int{}}
	for _, p := range v.pairs {
		if m.known(p.key) || private(p.key) {
			b.set(p)
		}
	}
	for _, p := range v.pairs {
		if m.known(p.key) || private(p.key) {
			continue
		}
		name := n.key(m, p, v, key)
		p.key = name
		b.set(p)
	}
	out := *v
	out.pairs = b.pairs
	return &out
}

// key returns the known key that is meant, or the key itself.
func (n *normaliser) key(m *mapSchema, p pair, parent *node, path string) string {
	name := p.key
	if target, ok := m.alias(name); ok {
		return n.alias(p, target, parent, path)
	}
	steps := []struct {
		level Level
		code  string
		name  string
	}{
		{Warn, "strip_key", strings.TrimSpace(name)},
		{Info, "underscore_key", snakeCase(name)},
		{Warn, "clean_key", cleanKey(name)},
		{Warn, "find_key", n.misspelled(m, name)},
	}
	for _, step := range steps {
		target, ok := step.name, m.known(step.name)
		if !ok {
			target, ok = m.alias(step.name)
		}
		if ok && step.name != "" {
			n.keyMessage(step.level, path, step.code, p.at, args{"original": name, "key": target})
			return target
		}
	}
	return name
}

func (m *mapSchema) alias(name string) (string, bool) {
	if target, ok := m.aliases[name]; ok {
		return target, true
	}
	target, ok := m.aliases[strings.ReplaceAll(name, "-", "_")]
	return target, ok
}

func (n *normaliser) alias(p pair, target string, parent *node, path string) string {
	n.keyMessage(Info, path, "alias_key", p.at, args{"alias": p.key, "key": target})
	if parent.has(target) {
		n.keyMessage(Error, path, "overwrite", p.at, args{"key": p.key, "other": target})
	}
	return target
}

func snakeCase(name string) string {
	name = capitals.ReplaceAllString(name, "${1}_${2}")
	return strings.ToLower(strings.ReplaceAll(name, "-", "_"))
}

func cleanKey(name string) string {
	name = separators.ReplaceAllString(name, "_")
	name = nonWord.ReplaceAllString(name, "")
	return strings.ReplaceAll(underscores.ReplaceAllString(name, ""), "__", "_")
}

// misspelled returns the key of the map that is closest to the word, "" when
// none is close or the word is a key of some other place.
func (n *normaliser) misspelled(m *mapSchema, word string) string {
	if theSchema().words[word] || slices.Contains(neverCorrected(), word) {
		return ""
	}
	words := slices.DeleteFunc(slices.Clone(m.words), func(known string) bool {
		f := m.field(known)
		return known == "elm_test" || f != nil && f.on == "language" && slices.Equal(f.values, []string{"r"})
	})
	return n.closest(words, word)
}

// neverCorrected are words which look like misspelled keys and are not.
func neverCorrected() []string {
	return []string{
		"after_vendor", "branch", "branches", "erlang", "gcc", "golang", "html", "jvm", "nvm", "osx", "pip", "pgsql",
		"postgres", "prose", "sdk", "slack", "start_script", "test", "trusty", "versions", "vimscript",
	}
}
