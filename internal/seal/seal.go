// Package seal owns how secrets are closed: those at rest with the keys of the cluster, bound to the place where they are
// kept, and those on their way to a worker with a key that only this worker holds, for one question. It must not know what
// the secrets are, nor where they are stored.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/headrace/headrace/internal/fault"
)

// KeyBytes is the length of a key.
const KeyBytes = 32

// Kind names the faults of values that cannot be sealed or opened here, whatever their code.
const Kind = "sealed"

// version is the first word of what was sealed at rest.
const version = "v1"

// Keys are the keys of a cluster, newest first: the first one seals, each opens what it sealed. Nil holds none: it seals
// and opens nothing. Keys are safe for concurrent use.
type Keys struct{ list []key }

type key struct {
	id   string
	aead cipher.AEAD
	tags []byte // the key for tags
}

// Place is where a sealed value is kept; a value that was moved elsewhere does not open.
type Place struct{ Table, Row, Column string }

// bytes is the place in a form that no other place has.
func (p Place) bytes() []byte {
	var b bytes.Buffer
	for _, part := range []string{version, p.Table, p.Row, p.Column} {
		b.WriteString(strconv.Itoa(len(part)) + ":" + part)
	}
	return b.Bytes()
}

// NewKey makes a key, in the form that [ParseKeys] reads.
func NewKey() string {
	var k [KeyBytes]byte
	_, _ = rand.Read(k[:]) // never fails, see crypto/rand
	return base64.StdEncoding.EncodeToString(k[:])
}

// ParseKeys reads keys in base64, newest first, commas between. Its errors do not quote them.
func ParseKeys(text string) (*Keys, error) {
	k := &Keys{}
	for part := range strings.SplitSeq(text, ",") {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(part))
		if err != nil || len(raw) != KeyBytes {
			return nil, fault.New(fault.Invalid, "Key %d of the cluster key is not %d bytes in base64.", len(k.list)+1, KeyBytes)
		}
		block, err := aes.NewCipher(raw)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(raw)
		k.list = append(k.list, key{id: hex.EncodeToString(sum[:4]), aead: aead, tags: tagKey(raw)})
	}
	return k, nil
}

// IDs names the keys, newest first. An id says nothing about its key.
func (k *Keys) IDs() []string {
	if k == nil {
		return nil
	}
	ids := make([]string, len(k.list))
	for i, one := range k.list {
		ids[i] = one.id
	}
	return ids
}

// Seal closes a value for a place, as text.
func (k *Keys) Seal(plain []byte, at Place) (string, error) {
	if k == nil || len(k.list) == 0 {
		return "", fault.New(fault.Unavailable, "This node has no cluster key, so it keeps no secrets. Set cluster_key and start it again.").Named(Kind)
	}
	newest := k.list[0]
	closed := newest.aead.Seal(nil, nil, plain, at.bytes())
	return strings.Join([]string{version, newest.id, base64.RawStdEncoding.EncodeToString(closed)}, "."), nil
}

// Open opens what was sealed for the place. Its error names the key that is missing.
func (k *Keys) Open(sealed string, at Place) ([]byte, error) {
	parts := strings.Split(sealed, ".")
	if len(parts) != 3 || parts[0] != version {
		return nil, fault.New(fault.Internal, "A sealed value of %s has a form that this version of Headrace does not know.", at.Table).Named(Kind)
	}
	for _, one := range k.known() {
		if one.id != parts[1] {
			continue
		}
		closed, err := base64.RawStdEncoding.Strict().DecodeString(parts[2])
		if err == nil {
			var plain []byte
			if plain, err = one.aead.Open(nil, nil, closed, at.bytes()); err == nil {
				return plain, nil
			}
		}
		return nil, fault.Wrap(fault.Internal, err, "A sealed value of %s was changed or moved after it was sealed with the cluster key %s. Set it again.", at.Table, parts[1]).Named(Kind)
	}
	return nil, fault.New(fault.Unavailable, "A value was sealed with the cluster key %s, which this node does not have. Give every node the same cluster_key, older keys after the newest.", parts[1]).Named(Kind)
}

func (k *Keys) known() []key {
	if k == nil {
		return nil
	}
	return k.list
}
