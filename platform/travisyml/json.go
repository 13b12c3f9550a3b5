package travisyml

import (
	"bytes"
	"encoding/json"
)

// MarshalJSON writes the value with map keys in the order of the file.
func (n *node) MarshalJSON() ([]byte, error) { return n.json(), nil }

func (n *node) json() []byte {
	var b bytes.Buffer
	n.write(&b)
	return b.Bytes()
}

func (n *node) write(b *bytes.Buffer) {
	if n == nil {
		b.WriteString("null")
		return
	}
	switch n.kind {
	case boolKind, intKind:
		b.WriteString(n.str())
	case stringKind:
		writeString(b, n.text)
	case listKind:
		b.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.write(b)
		}
		b.WriteByte(']')
	case mapKind:
		b.WriteByte('{')
		for i, p := range n.pairs {
			if i > 0 {
				b.WriteByte(',')
			}
			writeString(b, p.key)
			b.WriteByte(':')
			p.value.write(b)
		}
		b.WriteByte('}')
	default:
		b.WriteString("null")
	}
}

func writeString(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		b.WriteString(`""`)
		return
	}
	b.Truncate(b.Len() - 1) // the encoder ends each value with a new line
}
