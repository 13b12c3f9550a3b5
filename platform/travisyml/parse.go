package travisyml

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Document is the tree of one file or of several merged ones, before any key
// is understood.
type Document struct {
	root   *node
	merged bool // of several files
}

// Parse reads the text of one file. The error, if any, is a *[SyntaxError].
// source names the file in messages.
func Parse(source string, text []byte, l Limits) (*Document, []Message, error) {
	l = l.withDefaults()
	if len(text) > l.Bytes {
		return nil, nil, &SyntaxError{Source: source, Text: fmt.Sprintf(
			"The file is %d bytes long; at most %d are read. Move scripts into files of their own.", len(text), l.Bytes)}
	}
	clean, indent := cleanText(text)
	top, clean, serr := decode(source, clean, indent)
	if serr != nil {
		return nil, nil, serr
	}
	b := &builder{source: source, limits: l, indent: indent, lines: clean, open: map[*yaml.Node]bool{}}
	root, err := b.document(top)
	if err != nil {
		return nil, nil, err
	}
	return &Document{root: root}, distinctMessages(b.msgs), nil
}

// cleanText does what the original does before it reads YAML, without moving
// lines: no byte order mark, no non-breaking spaces at line starts, no broken
// UTF-8, no common indentation, nothing after the last word. It returns the
// indentation that was removed.
func cleanText(text []byte) (string, int) {
	s := strings.TrimPrefix(string(text), "\ufeff")
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "")
	}
	s = strings.TrimRight(s, " \t\r\n\v\f\x00")
	lines := strings.Split(s, "\n")
	first := -1
	for i, line := range lines {
		lines[i] = spaceStart(line)
		if first < 0 && strings.TrimSpace(lines[i]) != "" {
			first = i
		}
	}
	if first < 0 {
		return "", 0
	}
	indent := len(lines[first]) - len(strings.TrimLeft(lines[first], " "))
	if indent > 0 {
		prefix := lines[first][:indent]
		for i := range lines {
			lines[i] = strings.TrimPrefix(lines[i], prefix)
		}
	}
	return strings.Join(lines, "\n"), indent
}

// spaceStart turns the non-breaking spaces a line begins with into spaces.
func spaceStart(line string) string {
	const nbsp = "\u00a0"
	rest := strings.TrimLeft(line, " "+nbsp)
	start := line[:len(line)-len(rest)]
	return strings.ReplaceAll(start, nbsp, " ") + rest
}

// maxUnknownAliases bounds how many unknown aliases are looked for in a file.
const maxUnknownAliases = 20

var unknownAnchor = regexp.MustCompile(`unknown anchor '([^']*)' referenced`)

// decode reads YAML. An alias of an anchor which does not exist counts as
// null, as in the original: it is overwritten with a tilde in the text, which
// keeps the columns, and the text is read again.
func decode(source, text string, indent int) (*yaml.Node, string, error) {
	for range maxUnknownAliases {
		top := &yaml.Node{}
		err := unmarshal(text, top)
		if err == nil {
			return top, text, nil
		}
		m := unknownAnchor.FindStringSubmatch(err.Error())
		if m == nil {
			return nil, text, locate(source, text, indent, err)
		}
		replaced, ok := blankAlias(text, m[1])
		if !ok {
			return nil, text, locate(source, text, indent, err)
		}
		text = replaced
	}
	return nil, text, &SyntaxError{Source: source, Text: fmt.Sprintf(
		"More than %d aliases refer to anchors that do not exist. Define the anchors with &name, or remove the aliases.", maxUnknownAliases)}
}

// unmarshal keeps a defect of the YAML library from ending the process.
func unmarshal(text string, top *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	return yaml.Unmarshal([]byte(text), top)
}

func blankAlias(text, name string) (string, bool) {
	form, err := regexp.Compile(`(?m)(?:^|[-:,\[{?][ \t]+|[\[{,])[ \t]*(\*` + regexp.QuoteMeta(name) + `)(?:[ \t]*$|[ \t]*[,\]}]|[ \t]+#|[ \t]*\r$)`)
	if err != nil {
		return text, false
	}
	at := form.FindStringSubmatchIndex(text)
	if at == nil {
		return text, false
	}
	filler := "~" + strings.Repeat(" ", at[3]-at[2]-1)
	return text[:at[2]] + filler + text[at[3]:], true
}

// builder turns YAML nodes into ours and watches the limits.
type builder struct {
	source string
	limits Limits
	indent int
	lines  string
	count  int
	path   []string
	open   map[*yaml.Node]bool
	msgs   []Message
}

func (b *builder) document(top *yaml.Node) (*node, error) {
	if top.Kind == 0 || len(top.Content) == 0 {
		return newMap(nil, position{source: b.source, line: 1, column: 1}), nil
	}
	root, err := b.node(top.Content[0], 1)
	if err != nil {
		return nil, err
	}
	switch root.kind {
	case mapKind:
		return root, nil
	case nullKind:
		return newMap(nil, root.at), nil
	default:
		what := "a single value"
		if root.kind == listKind {
			what = "a list"
		}
		return nil, b.fail(top.Content[0], "The file must be a map of keys and values, like \"language: go\"; it is %s.", what)
	}
}

func (b *builder) at(y *yaml.Node) position {
	return position{source: b.source, line: y.Line, column: y.Column + b.indent}
}

func (b *builder) fail(y *yaml.Node, format string, a ...any) error {
	return syntaxError(b.source, b.lines, y.Line, y.Column, b.indent, fmt.Sprintf(format, a...))
}

func (b *builder) node(y *yaml.Node, depth int) (*node, error) {
	if b.count++; b.count > b.limits.Aliases {
		return nil, b.fail(y, "The file has more than %d values once its aliases are expanded. Use fewer aliases of aliases.", b.limits.Aliases)
	}
	if depth > b.limits.Depth {
		return nil, b.fail(y, "Lists and maps are nested more than %d deep here. Make the file flatter.", b.limits.Depth)
	}
	var n *node
	var err error
	switch y.Kind {
	case yaml.AliasNode:
		return b.alias(y, depth)
	case yaml.ScalarNode:
		n = b.scalar(y)
	case yaml.SequenceNode:
		n, err = b.list(y, depth)
	case yaml.MappingNode:
		n, err = b.mapping(y, depth)
	default:
		return nil, b.fail(y, "This cannot be read as YAML.")
	}
	if err != nil {
		return nil, err
	}
	n.anchor = y.Anchor != ""
	n.mode = tagMode(y.Tag)
	return n, nil
}

func (b *builder) alias(y *yaml.Node, depth int) (*node, error) {
	if y.Alias == nil || b.open[y.Alias] {
		return nil, b.fail(y, "The alias *%s refers to a value that contains it. Remove the alias.", y.Value)
	}
	return b.node(y.Alias, depth+1)
}

func (b *builder) scalar(y *yaml.Node) *node {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	forced := y.Style&yaml.TaggedStyle != 0 && (y.Tag == "!!str" || y.Tag == "!" || y.Tag == "!!binary")
	if y.Style&quoted != 0 || forced {
		return newString(y.Value, b.at(y))
	}
	return plainScalar(y.Value, b.at(y))
}

func (b *builder) list(y *yaml.Node, depth int) (*node, error) {
	b.open[y] = true
	defer delete(b.open, y)
	items := make([]*node, 0, len(y.Content))
	for _, child := range y.Content {
		item, err := b.node(child, depth+1)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return newList(items, b.at(y)), nil
}

func (b *builder) mapping(y *yaml.Node, depth int) (*node, error) {
	b.open[y] = true
	defer delete(b.open, y)
	m := &mapBuilder{index: map[string]int{}}
	written := map[string]bool{}
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		name, err := b.key(key)
		if err != nil {
			return nil, err
		}
		b.path = append(b.path, name)
		child, err := b.node(value, depth+1)
		b.path = b.path[:len(b.path)-1]
		if err != nil {
			return nil, err
		}
		if name == "<<" && key.Style == 0 && m.merge(child) {
			continue
		}
		if written[name] {
			b.duplicate(name, b.at(key))
		}
		written[name] = true
		m.set(pair{key: name, value: child, at: b.at(key)})
	}
	return newMap(m.pairs, b.at(y)), nil
}

func (b *builder) key(y *yaml.Node) (string, error) {
	if y.Kind == yaml.AliasNode && y.Alias != nil {
		y = y.Alias
	}
	if y.Kind != yaml.ScalarNode {
		return "", b.fail(y, "A key must be a word, not a list or a map.")
	}
	if y.Style == 0 && len(y.Value) > 1 && y.Value[0] == ':' {
		return symbol(y.Value), nil
	}
	return y.Value, nil
}

func (b *builder) duplicate(name string, at position) {
	path := slices.DeleteFunc(slices.Clone(b.path), func(key string) bool { return key == "<<" })
	b.msgs = append(b.msgs, newMessage(Error, strings.Join(path, "."), "duplicate_key", at, args{"key": name}))
}

// mapBuilder gathers the pairs of a map. Merge keys overwrite what stands
// before them and are overwritten by what follows.
type mapBuilder struct {
	pairs []pair
	index map[string]int
}

func (m *mapBuilder) set(p pair) {
	if i, ok := m.index[p.key]; ok {
		m.pairs[i] = p
		return
	}
	m.index[p.key] = len(m.pairs)
	m.pairs = append(m.pairs, p)
}

// merge applies the value of a merge key: a map, or a list of maps where the
// first map wins. It says whether the value was one of these.
func (m *mapBuilder) merge(value *node) bool {
	switch value.kind {
	case mapKind:
		for _, p := range value.pairs {
			m.set(p)
		}
		return true
	case listKind:
		for _, item := range value.items {
			if item.kind != mapKind {
				return false
			}
		}
		for i := len(value.items) - 1; i >= 0; i-- {
			m.merge(value.items[i])
		}
		return true
	default:
		return false
	}
}
