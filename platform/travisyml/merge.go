package travisyml

import (
	"fmt"
	"strings"
)

// Fragment is a piece of configuration that overrides a file, like the config
// of an API request.
type Fragment struct {
	Document *Document
	// Mode is replace, merge, deep_merge, deep_merge_append (the default) or
	// deep_merge_prepend. Dashes count as underscores.
	Mode string
}

const (
	modeReplace = "replace"
	modeShallow = "merge"
	modeDeep    = "deep_merge"
	modeAppend  = "deep_merge_append"
	modePrepend = "deep_merge_prepend"
)

// modeOf reads a merge mode; empty is the default.
func modeOf(written string) (mode string, ok bool) {
	switch mode = strings.ReplaceAll(written, "-", "_"); mode {
	case "":
		return modeAppend, true
	case modeReplace, modeShallow, modeDeep, modeAppend, modePrepend:
		return mode, true
	default:
		return "", false
	}
}

func unknownMode(mode string) error {
	return fmt.Errorf("merge mode %q is not known; use replace, merge, deep_merge, deep_merge_append or deep_merge_prepend", mode)
}

// mergeNodes merges the more important side over the less important one. A
// YAML tag on the more important side changes the mode from there on.
func mergeNodes(more, less *node, mode string) *node {
	if more.mode != "" {
		mode = more.mode
	}
	switch {
	case mode == modeReplace:
		return more
	case more.kind == mapKind && less.kind == mapKind:
		return mergeMaps(more, less, mode)
	case more.kind == listKind && less.kind == listKind && mode == modeAppend:
		return newList(append(append([]*node{}, less.items...), more.items...), more.at)
	case more.kind == listKind && less.kind == listKind && mode == modePrepend:
		return newList(append(append([]*node{}, more.items...), less.items...), more.at)
	default:
		return more
	}
}

func mergeMaps(more, less *node, mode string) *node {
	m := &mapBuilder{index: map[string]int{}}
	for _, p := range less.pairs {
		m.set(p)
	}
	for _, p := range more.pairs {
		if i, ok := m.index[p.key]; ok {
			inner := mode
			if mode == modeShallow {
				inner = modeReplace
			}
			p.value = mergeNodes(p.value, m.pairs[i].value, inner)
		}
		m.set(p)
	}
	out := newMap(m.pairs, more.at)
	out.mode = less.mode
	return out
}

// tagMode reads the merge mode of a YAML tag like !map+deep_merge+append.
func tagMode(tag string) string {
	name, ok := strings.CutPrefix(tag, "!map+")
	if !ok {
		if name, ok = strings.CutPrefix(tag, "!seq+"); !ok {
			return ""
		}
	}
	switch name = strings.NewReplacer("+", "_", "-", "_").Replace(name); name {
	case modeReplace, modeShallow, modeDeep, modeAppend, modePrepend:
		return name
	case "append", "prepend":
		return modeDeep + "_" + name
	default:
		return ""
	}
}
