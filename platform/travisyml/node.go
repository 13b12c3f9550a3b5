package travisyml

import (
	"slices"
	"strings"
)

type kind uint8

const (
	nullKind kind = iota
	boolKind
	intKind
	stringKind
	listKind
	mapKind
)

// String returns the name of the kind as messages show it.
func (k kind) String() string {
	return [...]string{"none", "bool", "num", "str", "seq", "map"}[k]
}

// position is a place in a file. Line and column are 1-based, 0 is unknown.
type position struct {
	source       string
	line, column int
}

// node is one value of a configuration. Nodes are never changed once built,
// so trees share them freely.
type node struct {
	kind   kind
	text   string // the string, or the decimal digits of an integer
	truth  bool
	items  []*node
	pairs  []pair
	at     position
	mode   string // merge mode of the node's YAML tag, "" for none
	anchor bool   // the value carried an anchor in the file
	fixed  bool   // set by a default, not written in the file
}

// pair is one entry of a map, in the order of the file.
type pair struct {
	key   string
	value *node
	at    position
}

func newString(s string, at position) *node { return &node{kind: stringKind, text: s, at: at} }

func newBool(b bool, at position) *node { return &node{kind: boolKind, truth: b, at: at} }

func newList(items []*node, at position) *node { return &node{kind: listKind, items: items, at: at} }

func newMap(pairs []pair, at position) *node { return &node{kind: mapKind, pairs: pairs, at: at} }

// get returns the value of a key of a map, nil when there is none.
func (n *node) get(key string) *node {
	if n == nil || n.kind != mapKind {
		return nil
	}
	for _, p := range n.pairs {
		if p.key == key {
			return p.value
		}
	}
	return nil
}

func (n *node) has(key string) bool { return n.get(key) != nil }

// with returns a copy of the map where key has the value, in its old place or
// at the end.
func (n *node) with(key string, value *node) *node {
	out := *n
	out.pairs = slices.Clone(n.pairs)
	for i := range out.pairs {
		if out.pairs[i].key == key {
			out.pairs[i].value = value
			return &out
		}
	}
	out.pairs = append(out.pairs, pair{key: key, value: value, at: value.at})
	return &out
}

// without returns a copy of the map that lacks the keys.
func (n *node) without(keys ...string) *node {
	out := *n
	out.pairs = nil
	for _, p := range n.pairs {
		if !slices.Contains(keys, p.key) {
			out.pairs = append(out.pairs, p)
		}
	}
	return &out
}

// missing says whether the value is null or an empty list or map.
func (n *node) missing() bool {
	if n == nil {
		return true
	}
	switch n.kind {
	case nullKind:
		return true
	case listKind:
		return len(n.items) == 0
	case mapKind:
		return len(n.pairs) == 0
	default:
		return false
	}
}

// blank is missing, or an empty string.
func (n *node) blank() bool {
	return n.missing() || n.kind == stringKind && n.text == ""
}

func (n *node) scalar() bool { return n.kind != listKind && n.kind != mapKind }

// str returns a scalar as text: the string, the digits, true or false.
func (n *node) str() string {
	if n == nil {
		return ""
	}
	if n.kind == boolKind {
		if n.truth {
			return "true"
		}
		return "false"
	}
	return n.text
}

// list returns the items of a list, the value itself as the only item of
// anything else, and nothing for null.
func (n *node) list() []*node {
	switch {
	case n == nil || n.kind == nullKind:
		return nil
	case n.kind == listKind:
		return n.items
	default:
		return []*node{n}
	}
}

// strings returns the scalars of a list as text.
func (n *node) strings() []string {
	var out []string
	for _, item := range n.list() {
		if item.scalar() {
			out = append(out, item.str())
		}
	}
	return out
}

// secure says whether the value is an encrypted one: {secure: …}.
func (n *node) secure() bool {
	return n != nil && n.kind == mapKind && len(n.pairs) == 1 && n.pairs[0].key == "secure"
}

// anchored says whether an anchor stands anywhere in the value.
func (n *node) anchored() bool {
	if n.anchor || slices.ContainsFunc(n.items, (*node).anchored) {
		return true
	}
	return slices.ContainsFunc(n.pairs, func(p pair) bool { return p.value.anchored() })
}

// equal compares two values. The order of keys does not matter; the order of
// list items does.
func equal(a, b *node) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil || a.kind != b.kind {
		return false
	}
	switch a.kind {
	case listKind:
		return slices.EqualFunc(a.items, b.items, equal)
	case mapKind:
		if len(a.pairs) != len(b.pairs) {
			return false
		}
		index := make(map[string]*node, len(b.pairs))
		for _, p := range b.pairs {
			index[p.key] = p.value
		}
		for _, p := range a.pairs {
			other, ok := index[p.key]
			if !ok || !equal(p.value, other) {
				return false
			}
		}
		return true
	case boolKind:
		return a.truth == b.truth
	default:
		return a.text == b.text
	}
}

// flatten returns the items of a list with nested lists opened.
func flatten(items []*node) []*node {
	if !slices.ContainsFunc(items, func(n *node) bool { return n.kind == listKind }) {
		return items
	}
	var out []*node
	for _, item := range items {
		if item.kind == listKind {
			out = append(out, flatten(item.items)...)
			continue
		}
		out = append(out, item)
	}
	return out
}

// private says whether a root key is one for anchors: it starts with _ or a dot.
func private(key string) bool {
	return strings.HasPrefix(key, "_") || strings.HasPrefix(key, ".")
}
