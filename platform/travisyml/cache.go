package travisyml

// cache folds the short forms of a cache into one map: known names are
// switched on, every other string is a directory.
func (n *normaliser) cache(v *node, key string) *node {
	schema := theSchema().maps["cache"]
	switch v.kind {
	case mapKind:
		return n.mapping(schema, v, key)
	case stringKind:
		if truth, ok := truthOf(v.text); ok && len(v.text) < len("disabled") {
			return newBool(truth, v.at)
		}
	case listKind:
	default:
		return v
	}
	b := &mapBuilder{index: map[string]int{}}
	var directories []*node
	for _, item := range flatten(v.list()) {
		switch {
		case item.kind == mapKind:
			item = n.mapping(schema, item, key)
			directories = append(directories, flatten(item.get("directories").list())...)
			for _, p := range item.without("directories").pairs {
				b.set(p)
			}
		case item.kind == stringKind && cached(schema, item.text):
			b.set(pair{key: item.text, value: newBool(true, item.at), at: item.at})
		case item.scalar() && item.kind != nullKind:
			directories = append(directories, newString(item.str(), item.at))
		}
	}
	if len(directories) > 0 {
		b.set(pair{key: "directories", value: newList(directories, v.at), at: v.at})
	}
	return n.mapping(schema, newMap(b.pairs, v.at), key)
}

// cached says whether the word names a tool with a cache of its own.
func cached(m *mapSchema, word string) bool {
	f := m.field(word)
	return f != nil && f.schema.shape == boolShape && word != "edge"
}
