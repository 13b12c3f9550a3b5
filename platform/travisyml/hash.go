package travisyml

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
)

// digest identifies a value: equal values have equal digests.
type digest [sha256.Size]byte

// hasher computes digests and keeps them, as jobs share most of their values.
type hasher map[*node]digest

func (h hasher) sum(n *node) digest {
	if n == nil {
		return digest{}
	}
	if d, ok := h[n]; ok {
		return d
	}
	buf := []byte{byte(n.kind)}
	switch n.kind {
	case listKind:
		for _, item := range n.items {
			d := h.sum(item)
			buf = append(buf, d[:]...)
		}
	case mapKind:
		pairs := slices.Clone(n.pairs)
		slices.SortFunc(pairs, func(a, b pair) int { return strings.Compare(a.key, b.key) })
		for _, p := range pairs {
			d := h.sum(p.value)
			buf = binary.AppendUvarint(buf, uint64(len(p.key)))
			buf = append(append(buf, p.key...), d[:]...)
		}
	default:
		buf = append(buf, n.str()...)
	}
	d := digest(sha256.Sum256(buf))
	h[n] = d
	return d
}
