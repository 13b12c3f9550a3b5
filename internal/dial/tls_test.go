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
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/dial"
	"github.com/headrace/headrace/internal/fault"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// identity is a certificate with its key, in memory and as files.
type identity struct {
	cert      *x509.Certificate
	key       *ecdsa.PrivateKey
	certPEM   []byte
	keyPEM    []byte
	CertFile  string
	KeyFile   string
	selfTrust *x509.CertPool
}

// issue makes a certificate that parent signs, or itself where parent is nil.
func issue(t *testing.T, dir, name string, parent *identity, change func(*x509.Certificate)) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
	}
	change(template)
	signer, signerKey := template, key
	if parent != nil {
		signer, signerKey = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, &key.PublicKey, signerKey)
	if err != nil {
		t.Fatal(err)
	}
	id := &identity{key: key, selfTrust: x509.NewCertPool(), CertFile: filepath.Join(dir, name+".crt"), KeyFile: filepath.Join(dir, name+".key")}
	if id.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	id.selfTrust.AddCert(id.cert)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	id.certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	id.keyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	write(t, id.CertFile, id.certPEM)
	write(t, id.KeyFile, id.keyPEM)
	return id
}

func write(t *testing.T, path string, body []byte) string {
	t.Helper()
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func authority(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign }

func server(c *x509.Certificate) {
	c.DNSNames, c.IPAddresses = []string{"redis.internal"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
}

func client(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }

// greet serves one TLS connection with id, asking for a client certificate of clients where that is not nil, and returns
// how the client's handshake and first read went.
func greet(t *testing.T, id *identity, clients *identity, most uint16, config *tls.Config) error {
	t.Helper()
	pair, err := tls.X509KeyPair(id.certPEM, id.keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	serving := &tls.Config{Certificates: []tls.Certificate{pair}, MaxVersion: most, MinVersion: tls.VersionTLS10}
	if clients != nil {
		serving.ClientAuth, serving.ClientCAs = tls.RequireAndVerifyClientCert, clients.selfTrust
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", serving)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "hello")
		_ = conn.Close()
	}()
	defer func() { _ = listener.Close(); <-done }()
	dialer := tls.Dialer{Config: config}
	conn, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	got, err := io.ReadAll(conn)
	if err == nil && string(got) != "hello" {
		t.Errorf("the server says %q, want hello", got)
	}
	return err
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := issue(t, dir, "ca", nil, authority)
	other := issue(t, dir, "other", nil, authority)
	signed := issue(t, dir, "signed", ca, server)
	alone := issue(t, dir, "alone", nil, server)
	us := issue(t, dir, "us", ca, client)
	both := write(t, filepath.Join(dir, "both.crt"), append(append([]byte("# our authorities\n"), other.certPEM...), ca.certPEM...))
	for name, tc := range map[string]struct {
		files   dial.TLSFiles
		server  *identity
		clients *identity
		most    uint16
		refused bool
	}{
		"its authority is trusted":                   {files: dial.TLSFiles{CA: ca.CertFile}, server: signed},
		"one of several authorities":                 {files: dial.TLSFiles{CA: both}, server: signed},
		"the server's own certificate":               {files: dial.TLSFiles{CA: alone.CertFile}, server: alone},
		"a signed server's own certificate":          {files: dial.TLSFiles{CA: signed.CertFile}, server: signed},
		"another authority is not trusted":           {files: dial.TLSFiles{CA: other.CertFile}, server: signed, refused: true},
		"the system does not know it":                {files: dial.TLSFiles{}, server: signed, refused: true},
		"any certificate where checks are off":       {files: dial.TLSFiles{SkipVerify: true}, server: alone},
		"another name than the host":                 {files: dial.TLSFiles{CA: ca.CertFile, ServerName: "redis.internal"}, server: signed},
		"a name that the certificate does not hold":  {files: dial.TLSFiles{CA: ca.CertFile, ServerName: "elsewhere.internal"}, server: signed, refused: true},
		"our certificate is shown":                   {files: dial.TLSFiles{CA: ca.CertFile, Cert: us.CertFile, Key: us.KeyFile}, server: signed, clients: ca},
		"no certificate where the server wants one":  {files: dial.TLSFiles{CA: ca.CertFile}, server: signed, clients: ca, refused: true},
		"the server speaks TLS 1.2":                  {files: dial.TLSFiles{CA: ca.CertFile}, server: signed, most: tls.VersionTLS12},
		"the server speaks nothing later than 1.1":   {files: dial.TLSFiles{CA: ca.CertFile}, server: signed, most: tls.VersionTLS11, refused: true},
		"our certificate, which the server's CA did": {files: dial.TLSFiles{CA: ca.CertFile, Cert: us.CertFile, Key: us.KeyFile}, server: signed, clients: other, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := dial.TLS(tc.files)
			if err != nil {
				t.Fatal(err)
			}
			if err := greet(t, tc.server, tc.clients, tc.most, config); (err != nil) != tc.refused {
				t.Errorf("the connection ended with %v; refused wanted: %t", err, tc.refused)
			}
		})
	}
}

func TestFilesThatDoNotDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := issue(t, dir, "ca", nil, authority)
	us := issue(t, dir, "us", ca, client)
	them := issue(t, dir, "them", ca, client)
	file := func(name string, body []byte) string { return write(t, filepath.Join(dir, name), body) }
	absent := filepath.Join(dir, "absent.pem")
	empty := file("empty.pem", nil)
	der := file("ca.der", ca.cert.Raw)
	damaged := file("damaged.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw[:100]}))
	locked := file("locked.key", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}))
	large := file("large.pem", make([]byte, 2<<20))
	for name, tc := range map[string]struct {
		files dial.TLSFiles
		field string
		want  []string
	}{
		"no CA file":                           {dial.TLSFiles{CA: absent}, "ca", []string{"no file", absent}},
		"a folder":                             {dial.TLSFiles{CA: dir}, "ca", []string{dir, "cannot be read"}},
		"an empty file":                        {dial.TLSFiles{CA: empty}, "ca", []string{empty, "no certificate"}},
		"a key as the CA":                      {dial.TLSFiles{CA: us.KeyFile}, "ca", []string{us.KeyFile, "no certificate"}},
		"DER":                                  {dial.TLSFiles{CA: der}, "ca", []string{der, "openssl x509"}},
		"damaged":                              {dial.TLSFiles{CA: damaged}, "ca", []string{damaged, "Certificate 1"}},
		"too large":                            {dial.TLSFiles{CA: large}, "ca", []string{large, "1 MiB"}},
		"a lone client certificate":            {dial.TLSFiles{CA: us.CertFile}, "key", []string{us.CertFile, "private key"}},
		"a client certificate twice":           {dial.TLSFiles{CA: us.CertFile, Cert: us.CertFile, Key: us.KeyFile}, "ca", []string{us.CertFile, "authority"}},
		"a certificate without its key":        {dial.TLSFiles{Cert: us.CertFile}, "key", []string{us.CertFile, "private key"}},
		"a key without its certificate":        {dial.TLSFiles{Key: us.KeyFile}, "cert", []string{us.KeyFile, "certificate"}},
		"no key file":                          {dial.TLSFiles{Cert: us.CertFile, Key: absent}, "key", []string{"no file", absent}},
		"no certificate file":                  {dial.TLSFiles{Cert: absent, Key: us.KeyFile}, "cert", []string{"no file", absent}},
		"the key of another":                   {dial.TLSFiles{Cert: us.CertFile, Key: them.KeyFile}, "key", []string{us.CertFile, them.KeyFile, "does not fit"}},
		"a certificate as the key":             {dial.TLSFiles{Cert: us.CertFile, Key: us.CertFile}, "key", []string{us.CertFile, "no private key"}},
		"a key with a password":                {dial.TLSFiles{Cert: us.CertFile, Key: locked}, "key", []string{locked, "password"}},
		"the key's file as the certificate's":  {dial.TLSFiles{Cert: us.KeyFile, Key: us.KeyFile}, "cert", []string{us.KeyFile, "no certificate"}},
		"a certificate file that is not there": {dial.TLSFiles{CA: ca.CertFile, Cert: absent, Key: absent}, "cert", []string{absent}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := dial.TLS(tc.files)
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || config != nil {
				t.Fatalf("got %v, %v, want a fault", config, err)
			}
			if f.Code != fault.Invalid || f.Fields[tc.field] == "" {
				t.Errorf("got code %s and fields %v, want a complaint about %s", f.Code, f.Fields, tc.field)
			}
			for _, words := range tc.want {
				if !strings.Contains(f.Message, words) {
					t.Errorf("%q does not say %q", f.Message, words)
				}
			}
		})
	}
}
