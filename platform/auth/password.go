package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/headrace/headrace/internal/fault"
)

// The bounds of a password, in characters.
const (
	MinPassword = 12
	MaxPassword = 128
)

const (
	// hashesAtOnce bounds the memory and the processors that signing in can take: each hash needs 64 MiB.
	hashesAtOnce = 2
	// hashesWaiting is how many sign-ins may wait for their turn.
	hashesWaiting = 64
)

// CheckPassword says what is wrong with a new password.
func CheckPassword(password string) error {
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password):
		return fault.Field("password", "This password holds bytes that are not text. Choose another.")
	case n < MinPassword:
		return fault.Field("password", "A password has at least %d characters; this one has %d.", MinPassword, n)
	case n > MaxPassword:
		return fault.Field("password", "A password has at most %d characters; this one has %d.", MaxPassword, n)
	}
	return nil
}

// cost is how hard a hash is to make.
type cost struct {
	memory  uint32 // KiB
	rounds  uint32
	threads uint8
}

func defaultCost() cost { return cost{memory: 64 << 10, rounds: 3, threads: 2} }

// hasher makes and checks password hashes, a few at a time.
type hasher struct {
	cost    cost
	dummy   phc
	slots   chan struct{}
	waiting chan struct{}
}

func newHasher(c cost) *hasher {
	return &hasher{
		cost: c,
		// Nobody has a password with this hash; checking against it takes as long as checking against a real one.
		dummy: phc{cost: c, salt: randomBytes(16), key: randomBytes(32)},
		slots: make(chan struct{}, hashesAtOnce), waiting: make(chan struct{}, hashesWaiting),
	}
}

// hash returns the PHC string of a password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	p := phc{cost: h.cost, salt: randomBytes(16)}
	key, err := h.derive(ctx, p, password, 32)
	if err != nil {
		return "", err
	}
	p.key = key
	return p.String(), nil
}

// verify reports whether the password belongs to the PHC string. An empty string belongs to no password, and costs the same.
func (h *hasher) verify(ctx context.Context, encoded, password string) (bool, error) {
	p, real := h.dummy, false
	if encoded != "" {
		parsed, err := parsePHC(encoded)
		if err != nil {
			return false, err
		}
		p, real = parsed, true
	}
	key, err := h.derive(ctx, p, password, uint32(len(p.key))) //nolint:gosec // parsePHC bounds the length
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(key, p.key) == 1 && real, nil
}

func (h *hasher) derive(ctx context.Context, p phc, password string, size uint32) ([]byte, error) {
	select {
	case h.waiting <- struct{}{}:
		defer func() { <-h.waiting }()
	default:
		return nil, fault.New(fault.Limited, "Many people are signing in at this moment. Try again in a few seconds.")
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(password), p.salt, p.cost.rounds, p.cost.memory, p.cost.threads, size), nil
}

// phc is an argon2id hash as the PHC string format writes it.
type phc struct {
	cost
	salt, key []byte
}

// String returns the PHC string.
func (p phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.rounds, p.threads,
		b64.EncodeToString(p.salt), b64.EncodeToString(p.key))
}

// parsePHC reads a PHC string. Bounds keep a foreign row in the database from taking all memory.
func parsePHC(s string) (phc, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return phc{}, fmt.Errorf("password hash: not an argon2id PHC string")
	}
	var p phc
	var version int
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return phc{}, fmt.Errorf("password hash: version %q is not known", parts[2])
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.rounds, &p.threads); err != nil {
		return phc{}, fmt.Errorf("password hash: read cost: %w", err)
	}
	var err1, err2 error
	p.salt, err1 = base64.RawStdEncoding.DecodeString(parts[4])
	p.key, err2 = base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || !p.sane() {
		return phc{}, fmt.Errorf("password hash: cost, salt or key is out of bounds")
	}
	return p, nil
}

func (p phc) sane() bool {
	return p.memory >= 8 && p.memory <= 1<<20 && p.rounds >= 1 && p.rounds <= 16 && p.threads >= 1 && p.threads <= 16 &&
		len(p.salt) >= 8 && len(p.salt) <= 64 && len(p.key) >= 16 && len(p.key) <= 64
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) //nolint:errcheck,gosec // documented never to return an error
	return b
}

// newPassword makes a password of 100 random bits in four groups without letters that look alike.
func newPassword() string {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789" // 32 of them: each takes 5 bits of a byte without bias
	var b strings.Builder
	for i, r := range randomBytes(20) {
		if i > 0 && i%5 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(letters[r%32])
	}
	return b.String()
}
