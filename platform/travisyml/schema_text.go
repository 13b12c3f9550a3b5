package travisyml

import (
	"fmt"
	"slices"
	"strings"
)

// schemaReader reads schema.txt. Its grammar stands at the top of that file.
type schemaReader struct {
	out    *schemas
	bodies map[string][]string
	heads  map[string][]string
}

// mustReadSchema panics on a schema that is broken: that is a defect of the
// program, found by any test.
func mustReadSchema(text string) *schemas {
	r := &schemaReader{
		out:    &schemas{maps: map[string]*mapSchema{}, enums: map[string]*enumSchema{}, words: map[string]bool{}},
		bodies: map[string][]string{}, heads: map[string][]string{},
	}
	for _, b := range schemaBlocks(text) {
		name := b.head[1]
		if b.head[0] == "enum" {
			r.out.enums[name] = readEnum(b.head[2:], b.body)
			continue
		}
		r.heads[name], r.bodies[name] = b.head[2:], b.body
		r.out.maps[name] = &mapSchema{name: name}
	}
	for _, m := range r.out.maps {
		r.fill(m)
	}
	return r.out
}

// schemaBlock is a head line with the indented lines under it.
type schemaBlock struct {
	head []string
	body []string
}

func schemaBlocks(text string) []schemaBlock {
	var blocks []schemaBlock
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(words[0], "#"):
		case line[0] != ' ':
			blocks = append(blocks, schemaBlock{head: words})
		default:
			last := &blocks[len(blocks)-1]
			last.body = append(last.body, strings.TrimSpace(line))
		}
	}
	return blocks
}

func readEnum(options, lines []string) *enumSchema {
	e := &enumSchema{aliases: map[string]string{}, downcase: slices.Contains(options, "downcase")}
	for _, line := range lines {
		words := strings.Fields(line)
		e.values = append(e.values, words[0])
		for _, alias := range words[1:] {
			e.aliases[alias] = words[0]
		}
	}
	return e
}

func (r *schemaReader) fill(m *mapSchema) {
	for _, option := range r.heads[m.name] {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "prefix":
			m.prefix = value
		case "prefix_text":
			m.prefix, m.prefixText = value, true
		case "enable":
			m.enable = true
		case "free":
			m.free = true
		case "required":
			m.required = strings.Split(value, ",")
		default:
			panic(fmt.Sprintf("schema: map %s has an unknown option %q", m.name, option))
		}
	}
	m.index, m.aliases = map[string]int{}, map[string]string{}
	r.fields(m, r.bodies[m.name], m.name == "root")
	for _, f := range m.fields {
		delete(m.aliases, f.name) // a key of its own here
		m.words = append(m.words, f.name)
		r.out.words[f.name] = true
	}
	for alias := range m.aliases {
		m.words = append(m.words, alias)
	}
	slices.Sort(m.words[len(m.fields):])
}

func (r *schemaReader) fields(m *mapSchema, lines []string, lists bool) {
	for _, line := range lines {
		if part, ok := strings.CutPrefix(line, "+"); ok {
			if part == "deploy.common" {
				m.required = append(m.required, "provider")
			}
			r.fields(m, r.bodies[part], lists)
			continue
		}
		words := strings.Fields(line)
		f := field{name: words[0], schema: r.schema(words[1])}
		for _, option := range words[2:] {
			r.option(m, &f, option)
		}
		if f.expand && !f.listed && !lists {
			f.schema = f.schema.item
		}
		m.index[f.name] = len(m.fields)
		m.fields = append(m.fields, f)
	}
}

func (r *schemaReader) option(m *mapSchema, f *field, option string) {
	name, value, _ := strings.Cut(option, "=")
	switch name {
	case "alias":
		for alias := range strings.SplitSeq(value, ",") {
			m.aliases[alias] = f.name
		}
	case "on":
		on, values, _ := strings.Cut(value, ":")
		f.on, f.values = on, strings.Split(values, ",")
	case "default":
		f.def = value
	case "deprecated":
		f.deprecated = true
	case "edge":
		f.edge = true
	case "expand":
		f.expand = true
	case "listed":
		f.listed = true
	default:
		panic(fmt.Sprintf("schema: key %s of %s has an unknown option %q", f.name, m.name, option))
	}
}

// schema reads a type. A choice is split at the bars outside brackets.
func (r *schemaReader) schema(text string) *schema {
	if parts := splitChoice(text); len(parts) > 1 {
		s := &schema{shape: anyShape}
		for _, part := range parts {
			s.alts = append(s.alts, r.schema(part))
		}
		return s
	}
	if inner, ok := strings.CutPrefix(text, "list<"); ok {
		return &schema{shape: listShape, item: r.schema(strings.TrimSuffix(inner, ">"))}
	}
	if name, ok := strings.CutPrefix(text, "map:"); ok {
		return &schema{shape: mapShape, mapped: r.out.maps[name]}
	}
	if name, ok := strings.CutPrefix(text, "enum:"); ok {
		return &schema{shape: enumShape, enum: r.out.enums[name]}
	}
	if values, ok := strings.CutPrefix(text, "enum("); ok {
		return &schema{shape: enumShape, enum: &enumSchema{values: strings.Split(strings.TrimSuffix(values, ")"), ",")}}
	}
	simple := map[string]*schema{
		"str": {shape: textShape}, "num": {shape: numberShape}, "bool": {shape: boolShape}, "free": {shape: freeShape},
		"secure": {shape: secureShape}, "secure?": {shape: secureShape, plain: true},
		"env": {shape: envShape}, "env_rows": {shape: envRowsShape}, "cache": {shape: cacheShape},
		"deploys": {shape: deploysShape},
	}
	s, ok := simple[text]
	if !ok {
		panic(fmt.Sprintf("schema: unknown type %q", text))
	}
	return s
}

func splitChoice(text string) []string {
	var parts []string
	depth, start := 0, 0
	for i, c := range text {
		switch c {
		case '<', '(':
			depth++
		case '>', ')':
			depth--
		case '|':
			if depth == 0 {
				parts = append(parts, text[start:i])
				start = i + 1
			}
		}
	}
	return append(parts, text[start:])
}
