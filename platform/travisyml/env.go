package travisyml

import (
	"errors"
	"strings"
)

// env brings environment variables into their normal form: a list of maps,
// one map per written item. As rows (env.jobs at the root) each item is one
// row of the matrix, and an empty item is a row without variables.
func (n *normaliser) env(v *node, key string, rows bool) *node {
	items := make([]*node, 0, len(v.items))
	for _, item := range flatten(v.list()) {
		out := n.envItem(item, key)
		switch {
		case out.kind == nullKind || out.kind == mapKind && len(out.pairs) == 0:
			if rows && v.kind == listKind {
				items = append(items, newMap(nil, item.at))
			}
		default:
			items = append(items, out)
		}
	}
	return newList(items, v.at)
}

func (n *normaliser) envItem(v *node, key string) *node {
	switch {
	case v.secure():
		return n.encrypted(v, key)
	case v.kind == mapKind:
		return n.envMap(v, key)
	case v.kind == nullKind || v.kind == listKind:
		return v
	}
	pairs, err := parseEnv(v.str())
	if err != nil {
		n.message(Error, key, "invalid_env_var", v.at, args{"value": v.str()})
		return newMap(nil, v.at)
	}
	b := &mapBuilder{index: map[string]int{}}
	for _, p := range pairs {
		b.set(pair{key: p[0], value: newString(p[1], v.at), at: v.at})
	}
	return newMap(b.pairs, v.at)
}

// envMap turns the values of a map into strings.
func (n *normaliser) envMap(v *node, key string) *node {
	out := *v
	out.pairs = make([]pair, 0, len(v.pairs))
	for _, p := range v.pairs {
		value := p.value
		switch {
		case value.secure():
			value = n.encrypted(value, join(key, p.key))
		case value.kind == intKind || value.kind == boolKind:
			value = newString(value.str(), value.at)
		case value.kind == listKind && len(value.items) > 0 && value.items[0].scalar():
			n.message(Warn, join(key, p.key), "unexpected_seq", value.at, args{"value": value.items[0]})
			value = newString(value.items[0].str(), value.at)
		case !value.scalar():
			n.message(Error, join(key, p.key), "invalid_type", value.at, args{"expected": "str", "actual": value.kind.String(), "value": value})
		}
		out.pairs = append(out.pairs, pair{key: p.key, value: value, at: p.at})
	}
	return &out
}

var errEnv = errors.New("not a list of NAME=value pairs")

// parseEnv reads a string like `A=1 B="x y"`. Quotes and backslashes stay in
// the values, which a shell reads later.
func parseEnv(s string) ([][2]string, error) {
	whole := len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' && !strings.Contains(s[1:len(s)-1], `"`)
	if whole {
		s = s[1 : len(s)-1]
	}
	r := &envReader{s: s}
	var out [][2]string
	for r.space(); r.i < len(r.s); r.space() {
		key := r.key()
		if key == "" {
			return nil, errEnv
		}
		value, err := r.value()
		if err != nil {
			return nil, err
		}
		out = append(out, [2]string{key, value})
		if whole {
			break
		}
	}
	return out, nil
}

type envReader struct {
	s string
	i int
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func (r *envReader) space() {
	for r.i < len(r.s) && isSpace(r.s[r.i]) {
		r.i++
	}
}

func (r *envReader) key() string {
	start := r.i
	for r.i < len(r.s) && !isSpace(r.s[r.i]) && r.s[r.i] != '=' {
		r.i++
	}
	return r.s[start:r.i]
}

func (r *envReader) value() (string, error) {
	if r.i >= len(r.s) || r.s[r.i] != '=' {
		return "", nil
	}
	r.i++
	start := r.i
	for r.i < len(r.s) && !isSpace(r.s[r.i]) {
		if err := r.part(); err != nil {
			return "", err
		}
	}
	return r.s[start:r.i], nil
}

// part reads one quoted piece, one group, or one character.
func (r *envReader) part() error {
	switch c := r.s[r.i]; {
	case c == '"' || c == '\'' || c == '`':
		return r.quoted(c)
	case c == '\\':
		r.i = min(r.i+2, len(r.s))
	case c == '$' && strings.HasPrefix(r.s[r.i:], "$("):
		r.i++
		return r.group('(', ')')
	case c == '$' && strings.HasPrefix(r.s[r.i:], "${"):
		r.i++
		return r.group('{', '}')
	default:
		r.i++
	}
	return nil
}

func (r *envReader) quoted(quote byte) error {
	for r.i++; r.i < len(r.s); r.i++ {
		switch c := r.s[r.i]; {
		case c == '\\' && quote != '\'':
			r.i++
		case c == quote:
			r.i++
			return nil
		}
	}
	return errEnv
}

func (r *envReader) group(open, shut byte) error {
	depth := 0
	for ; r.i < len(r.s); r.i++ {
		switch c := r.s[r.i]; c {
		case '\\':
			r.i++
		case open:
			depth++
		case shut:
			if depth--; depth == 0 {
				r.i++
				return nil
			}
		}
	}
	return errEnv
}
