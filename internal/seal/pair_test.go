package seal

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
)

func TestPair(t *testing.T) {
	t.Parallel()
	p, err := newPair(leastBits)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"", "TOKEN=s3cret", strings.Repeat("x", 190), "Überfall\n"} {
		closed, err := Encrypt(p.Public(), value)
		if err != nil {
			t.Fatal(err)
		}
		folded := closed[:50] + "\n  " + closed[50:]
		if got, err := p.Decrypt(folded); err != nil || got != value {
			t.Errorf("decrypted %q, %v; want %q", got, err, value)
		}
	}
	if _, err := Encrypt(p.Public(), strings.Repeat("x", 191)); err == nil || !strings.Contains(err.Error(), "at most 190") {
		t.Errorf("a long value gives %v", err)
	}
	again, err := ParsePair(p.Private())
	if err != nil || again.Fingerprint() != p.Fingerprint() || again.Public() != p.Public() {
		t.Errorf("what was written is read as another pair: %v", err)
	}
}

// TestPairReadsTheOriginal: values in files that were made for the original service, with its key taken over.
func TestPairReadsTheOriginal(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, leastBits)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePair(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 as the original's tools do
	closed, err := rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, []byte("A=1"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.Decrypt(base64.StdEncoding.EncodeToString(closed)); err != nil || got != "A=1" {
		t.Errorf("decrypted %q, %v", got, err)
	}
	for _, foreign := range []string{"", "x", "AAAA", base64.StdEncoding.EncodeToString(make([]byte, 256)), base64.StdEncoding.EncodeToString(make([]byte, 999))} {
		if got, err := p.Decrypt(foreign); err == nil {
			t.Errorf("%.20q opens as %q", foreign, got)
		}
	}
}

func TestParsePairRefuses(t *testing.T) {
	t.Parallel()
	short, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // it is to be refused
	if err != nil {
		t.Fatal(err)
	}
	p := &Pair{key: short}
	for name, text := range map[string]string{"nothing": "", "words": "hello", "a public key": p.Public(), "a short key": string(p.Private())} {
		if _, err := ParsePair([]byte(text)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := Encrypt("x", "y"); err == nil {
		t.Error("anything is taken as a public key")
	}
}
