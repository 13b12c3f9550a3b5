package travisyml

import "strings"

// deploys brings a list of deploy entries into its normal form. Each entry is
// read by the schema of its provider.
func (n *normaliser) deploys(v *node, key string) *node {
	items := make([]*node, 0, len(v.items))
	for _, item := range flatten(v.list()) {
		if item.kind == nullKind {
			continue
		}
		items = append(items, n.deploy(item, key))
	}
	return newList(items, v.at)
}

func (n *normaliser) deploy(v *node, key string) *node {
	if v.kind == stringKind {
		v = newMap([]pair{{key: "provider", value: v, at: v.at}}, v.at)
	}
	if v.kind != mapKind {
		n.message(Error, key, "invalid_type", v.at, args{"expected": "map", "actual": v.kind.String(), "value": v})
		return v
	}
	common := theSchema().maps["deploy.common"]
	provider := v.get("provider")
	if provider == nil || !provider.scalar() {
		return n.mapping(common, v, key)
	}
	name := n.providerName(provider, key)
	if name != provider.str() {
		v = v.with("provider", newString(name, provider.at))
	}
	schema, ok := theSchema().maps["deploy."+name]
	if !ok {
		schema = common
	}
	n.provider = name
	defer func() { n.provider = "" }()
	return n.mapping(schema, v, key)
}

// providerName finds the provider that is meant; an unknown one is kept.
func (n *normaliser) providerName(v *node, key string) string {
	const prefix = "deploy."
	e := &enumSchema{downcase: true}
	for name := range theSchema().maps {
		if provider, ok := strings.CutPrefix(name, prefix); ok && provider != "common" {
			e.values = append(e.values, provider)
		}
	}
	name := snakeCase(v.str())
	for _, provider := range e.values {
		if provider == name {
			return name
		}
	}
	return n.enum(e, v, join(key, "provider")).str()
}
