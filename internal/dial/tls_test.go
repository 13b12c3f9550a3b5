package dial_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/dial"
	"github.com/headrace/headrace/internal/fault"
)

// identity is a certificate and its key, as PEM text.
type identity struct {
	cert, key string
	parsed    *x509.Certificate
	signer    *ecdsa.PrivateKey
}

// newIdentity makes a certificate; without an issuer it signs itself and is an authority.
func newIdentity(t *testing.T, issuer *identity, usage ...x509.ExtKeyUsage) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"server.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: usage,
		BasicConstraintsValid: true, IsCA: issuer == nil, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	id := &identity{signer: key}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.parsed, issuer.signer
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if id.parsed, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	id.cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	id.key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
	return id
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// shake makes a TLS connection between both and returns the errors of either side.
func shake(t *testing.T, client, server *tls.Config) error {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			served <- err
			return
		}
		err = conn.(*tls.Conn).HandshakeContext(t.Context())
		served <- errors.Join(err, conn.Close())
	}()
	conn, err := dial.Dialer(5*time.Second).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = tls.Client(conn, client).HandshakeContext(t.Context())
	if err != nil {
		conn.Close()
	}
	return errors.Join(err, <-served)
}

func TestTLSConnects(t *testing.T) {
	t.Parallel()
	ca := newIdentity(t, nil)
	serverID := newIdentity(t, ca, x509.ExtKeyUsageServerAuth)
	clientID := newIdentity(t, ca, x509.ExtKeyUsageClientAuth)
	own := newIdentity(t, nil, x509.ExtKeyUsageServerAuth)
	tests := []struct {
		name    string
		files   dial.TLSFiles
		server  *identity
		want    bool
		clients bool // the server asks for a certificate
	}{
		{"unknown authority", dial.TLSFiles{}, serverID, false, false},
		{"authority from a file", dial.TLSFiles{CA: file(t, ca.cert)}, serverID, true, false},
		{"authority as text", dial.TLSFiles{CA: ca.cert}, serverID, true, false},
		{"a lone certificate of the server", dial.TLSFiles{Cert: own.cert}, own, true, false},
		{"another server's name", dial.TLSFiles{CA: ca.cert, ServerName: "other.test"}, serverID, false, false},
		{"no verification", dial.TLSFiles{SkipVerify: true}, serverID, true, false},
		{"client certificate", dial.TLSFiles{CA: ca.cert, Cert: file(t, clientID.cert), Key: file(t, clientID.key)}, serverID, true, true},
		{"client certificate wanting", dial.TLSFiles{CA: ca.cert}, serverID, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, err := dial.TLS(tt.files)
			if err != nil {
				t.Fatal(err)
			}
			if client.ServerName == "" {
				client.ServerName = "server.test"
			}
			pair, err := tls.X509KeyPair([]byte(tt.server.cert), []byte(tt.server.key))
			if err != nil {
				t.Fatal(err)
			}
			server := &tls.Config{Certificates: []tls.Certificate{pair}}
			if tt.clients {
				server.ClientAuth = tls.RequireAndVerifyClientCert
				server.ClientCAs = x509.NewCertPool()
				server.ClientCAs.AddCert(ca.parsed)
			}
			if err := shake(t, client, server); (err == nil) != tt.want {
				t.Errorf("connection: %v", err)
			}
		})
	}
}

func TestTLSRefusesOldVersions(t *testing.T) {
	t.Parallel()
	ca := newIdentity(t, nil)
	pair, err := tls.X509KeyPair([]byte(ca.cert), []byte(ca.key))
	if err != nil {
		t.Fatal(err)
	}
	client, err := dial.TLS(dial.TLSFiles{SkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	if shake(t, client, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}) == nil {
		t.Error("connects with TLS 1.1")
	}
}

func TestTLSErrorsAreForPeople(t *testing.T) {
	t.Parallel()
	ca := newIdentity(t, nil)
	clientID, other := newIdentity(t, ca, x509.ExtKeyUsageClientAuth), newIdentity(t, ca)
	damaged := "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	tests := []struct {
		name, field, says string
		files             dial.TLSFiles
	}{
		{"missing file", "ca", "There is no file", dial.TLSFiles{CA: filepath.Join(t.TempDir(), "none.pem")}},
		{"a directory", "ca", "cannot be read", dial.TLSFiles{CA: t.TempDir()}},
		{"no certificate", "ca", "There is no certificate in", dial.TLSFiles{CA: file(t, "hello")}},
		{"damaged", "ca", "damaged", dial.TLSFiles{CA: damaged}},
		{"client without key", "key", "give its private key too", dial.TLSFiles{Cert: clientID.cert}},
		{"key without certificate", "cert", "give the certificate too", dial.TLSFiles{Key: clientID.key}},
		{"another's key", "key", "does not belong", dial.TLSFiles{Cert: clientID.cert, Key: other.key}},
		{"locked key", "key", "locked", dial.TLSFiles{Cert: clientID.cert, Key: "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := dial.TLS(tt.files)
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || f.Code != fault.Invalid || !strings.Contains(f.Fields[tt.field], tt.says) {
				t.Errorf("got %#v", err)
			}
		})
	}
}
