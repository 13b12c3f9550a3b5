package testkit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/testkit/servers"
)

// Authority signs certificates, for tests of TLS.
type Authority struct {
	tb     testing.TB
	own    *x509.Certificate
	signer *ecdsa.PrivateKey
	// PEM is its own certificate.
	PEM string
}

// Identity is a certificate with its key: PEM text, and files that hold it.
type Identity struct {
	Cert, Key         string
	CertFile, KeyFile string
}

// NewAuthority makes an authority that nobody knows yet.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	a := &Authority{tb: tb}
	a.signer = a.newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	a.own, a.PEM = a.sign(template, template, &a.signer.PublicKey)
	return a
}

// Server returns what a server on 127.0.0.1 proves itself with, and knows clients of this authority by.
func (a *Authority) Server() servers.Certificates {
	a.tb.Helper()
	i := a.Issue(x509.ExtKeyUsageServerAuth, time.Now().Add(time.Hour))
	return servers.Certificates{CA: a.PEM, Cert: i.Cert, Key: i.Key}
}

// Client returns a certificate for a client.
func (a *Authority) Client() Identity {
	a.tb.Helper()
	return a.Issue(x509.ExtKeyUsageClientAuth, time.Now().Add(time.Hour))
}

// Issue signs a certificate for a server on 127.0.0.1, or a client, that is good until then.
func (a *Authority) Issue(usage x509.ExtKeyUsage, until time.Time) Identity {
	a.tb.Helper()
	key := a.newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "headrace"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	if usage == x509.ExtKeyUsageServerAuth { // servers' health is asked with it, too
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	_, cert := a.sign(template, a.own, &key.PublicKey)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.tb.Fatal(err)
	}
	i := Identity{Cert: cert, Key: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))}
	dir := a.tb.TempDir()
	i.CertFile, i.KeyFile = a.file(dir, "cert.pem", i.Cert), a.file(dir, "key.pem", i.Key)
	return i
}

// File is the path of its own certificate.
func (a *Authority) File() string {
	a.tb.Helper()
	return a.file(a.tb.TempDir(), "ca.pem", a.PEM)
}

func (a *Authority) newKey() *ecdsa.PrivateKey {
	a.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.tb.Fatal(err)
	}
	return key
}

func (a *Authority) sign(template, parent *x509.Certificate, key *ecdsa.PublicKey) (*x509.Certificate, string) {
	a.tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, a.signer)
	if err != nil {
		a.tb.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		a.tb.Fatal(err)
	}
	return parsed, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func (a *Authority) file(dir, name, text string) string {
	a.tb.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		a.tb.Fatal(err)
	}
	return path
}
