package seal

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"strings"

	"github.com/headrace/headrace/internal/fault"
)

// PairBits is the length of the keys that [NewPair] makes.
const PairBits = 3072

// leastBits is the length of the shortest key that is taken over.
const leastBits = 2048

// Pair is the RSA key pair of a repository: everybody may encrypt a value for it, to stand in a file that many read. A pair is
// safe for concurrent use.
type Pair struct{ key *rsa.PrivateKey }

// NewPair makes a pair.
func NewPair() (*Pair, error) { return newPair(PairBits) }

func newPair(bits int) (*Pair, error) {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, err
	}
	return &Pair{key: key}, nil
}

// ParsePair reads a private key in PEM, PKCS #1 or #8.
func ParsePair(text []byte) (*Pair, error) {
	refused := fault.New(fault.Invalid, "This is no private RSA key in PEM (it begins with -----BEGIN RSA PRIVATE KEY----- or -----BEGIN PRIVATE KEY-----).")
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, refused
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		any8, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, refused
		}
		var ok bool
		if key, ok = any8.(*rsa.PrivateKey); !ok {
			return nil, refused
		}
	}
	if key.N.BitLen() < leastBits {
		return nil, fault.New(fault.Invalid, "The key has %d bits; at least %d are taken.", key.N.BitLen(), leastBits)
	}
	return &Pair{key: key}, nil
}

// Private is the private key in PEM.
func (p *Pair) Private() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(p.key)})
}

// Public is the public key in PEM.
func (p *Pair) Public() string {
	der, err := x509.MarshalPKIXPublicKey(&p.key.PublicKey)
	if err != nil {
		panic(err) // an RSA key always marshals
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// Fingerprint names the public key: the SHA-256 of its DER form.
func (p *Pair) Fingerprint() string {
	block, _ := pem.Decode([]byte(p.Public()))
	sum := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(sum[:])
}

// Decrypt opens a value in base64, as it stands in a .travis.yml. Both paddings are tried: OAEP with SHA-256, which
// [Encrypt] uses, and PKCS #1 v1.5, which the tools of the original use. That the latter tells whether a value opens gives
// nothing away: only who may push to the repository can have values tried, and to them its jobs show the values themselves.
func (p *Pair) Decrypt(sealed string) (string, error) {
	unreadable := fault.New(fault.Invalid, "The value was not encrypted for this repository.")
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(sealed), ""))
	if err != nil || len(raw) == 0 {
		return "", unreadable
	}
	if plain, err := rsa.DecryptOAEP(sha256.New(), nil, p.key, raw, nil); err == nil {
		return string(plain), nil
	}
	//lint:ignore SA1019 values of the original's tools are so, see above
	plain, err := rsa.DecryptPKCS1v15(nil, p.key, raw)
	if err != nil {
		return "", unreadable
	}
	return string(plain), nil
}

// Encrypt closes a value for the holder of a public key in PEM, as base64. How much fits depends on the key.
func Encrypt(public, value string) (string, error) {
	block, _ := pem.Decode([]byte(public))
	if block == nil {
		return "", fault.New(fault.Invalid, "This is no public key in PEM.")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	key, ok := parsed.(*rsa.PublicKey)
	if err != nil || !ok {
		return "", fault.New(fault.Invalid, "This is no public RSA key.")
	}
	if most := key.Size() - 2*sha256.Size - 2; len(value) > most {
		return "", fault.New(fault.Invalid, "The value has %d bytes; at most %d can be encrypted. Set it as a variable of the repository, or encrypt a file with a key that you encrypt here.", len(value), most)
	}
	raw, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key, []byte(value), nil)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}
