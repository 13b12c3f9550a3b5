package seal

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/base64"
	"fmt"
)

// Letterbox is a key pair for the answer to one question: what is sealed to its address only its holder opens.
type Letterbox struct {
	key     hpke.PrivateKey
	address string
}

// NewLetterbox makes a key pair that exists in memory only.
func NewLetterbox() (*Letterbox, error) {
	key, err := hpke.DHKEM(ecdh.X25519()).GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("make a key for secrets: %w", err)
	}
	return &Letterbox{key: key, address: base64.StdEncoding.EncodeToString(key.PublicKey().Bytes())}, nil
}

// Address is the public key.
func (l *Letterbox) Address() string { return l.address }

// Open opens a letter that was written to this address about the same subject.
func (l *Letterbox) Open(letter, subject string) ([]byte, error) {
	closed, err := base64.StdEncoding.DecodeString(letter)
	if err != nil {
		return nil, fmt.Errorf("read a letter: %w", err)
	}
	plain, err := hpke.Open(l.key, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(subject), closed)
	if err != nil {
		return nil, fmt.Errorf("open a letter: %w", err)
	}
	return plain, nil
}

// Letter closes plain so that only the holder of the address opens it, as an answer about the subject.
func Letter(address, subject string, plain []byte) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(address)
	if err != nil {
		return "", fmt.Errorf("read the address of a letter: %w", err)
	}
	to, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(raw)
	if err != nil {
		return "", fmt.Errorf("read the address of a letter: %w", err)
	}
	closed, err := hpke.Seal(to, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(subject), plain)
	if err != nil {
		return "", fmt.Errorf("write a letter: %w", err)
	}
	return base64.StdEncoding.EncodeToString(closed), nil
}
