// Package dial owns how connections to other servers are secured: it turns the PEM files that an operator names into a TLS
// configuration, and says in words what is the matter with a file. It must not know which server is spoken to.
package dial

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/headrace/headrace/internal/fault"
)

// maxFile bounds what is read of a file; the largest bundles of authorities have a quarter of it.
const maxFile = 1 << 20

// TLSFiles names the PEM files of a connection. The zero value stands for the system's authorities and no certificate of
// our own.
type TLSFiles struct {
	// CA holds whom to trust, and nobody else is trusted then: authorities, or the server's own certificate. Empty: the
	// system's authorities.
	CA string
	// Cert and Key are our own certificate, with its chain, and its key. Both or neither.
	Cert string
	Key  string
	// ServerName is the name that the server's certificate must hold. Empty: the host that is connected to.
	ServerName string
	// SkipVerify takes any certificate of the server; CA does not count then.
	SkipVerify bool
}

// TLS reads the files and returns the configuration of a client that speaks TLS 1.2 or later. What is wrong with a file
// is a [fault.Error] with the field ca, cert or key.
func TLS(f TLSFiles) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: f.ServerName,
		InsecureSkipVerify: f.SkipVerify, //nolint:gosec // the operator asked for it by name
	}
	var err error
	if f.CA != "" {
		if config.RootCAs, err = roots(f); err != nil {
			return nil, err
		}
	}
	switch {
	case f.Cert != "" && f.Key == "":
		return nil, fault.Field("key", "The certificate %s needs its private key. Name the key's file too.", f.Cert)
	case f.Cert == "" && f.Key != "":
		return nil, fault.Field("cert", "The private key %s needs its certificate. Name the certificate's file too.", f.Key)
	case f.Cert != "":
		pair, err := keyPair(f.Cert, f.Key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// roots reads the CA file. A client's certificate there is a mix-up: it proves who we are and can vouch for nobody.
func roots(f TLSFiles) (*x509.CertPool, error) {
	certs, err := certificates("ca", f.CA)
	if err != nil {
		return nil, err
	}
	pool, found := x509.NewCertPool(), false
	for _, c := range certs {
		if vouches(c) {
			pool.AddCert(c)
			found = true
		}
	}
	switch {
	case found:
		return pool, nil
	case f.Key == "":
		return nil, fault.Field("key", "%s is a client certificate, which proves who Headrace is and needs its private key. "+
			"Name it as the certificate together with its key, or give the authority's certificate here.", f.CA)
	default:
		return nil, fault.Field("ca", "%s is a client certificate. The certificate of the authority that signed the server's is needed here.", f.CA)
	}
}

// vouches reports whether a certificate can be a root of trust: an authority's, or a server's own.
func vouches(c *x509.Certificate) bool {
	if c.IsCA || len(c.ExtKeyUsage) == 0 {
		return true
	}
	return slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// certificates returns every certificate of a PEM file, at least one.
func certificates(field, path string) ([]*x509.Certificate, error) {
	text, err := read(field, path)
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for block := range blocks(text) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			f := fault.Field(field, "Certificate %d in %s cannot be read. The file may be damaged; copy it again.", len(certs)+1, path)
			f.Err = err
			return nil, f
		}
		certs = append(certs, c)
	}
	if len(certs) > 0 {
		return certs, nil
	}
	if _, err := x509.ParseCertificates(text); err == nil && len(text) > 0 {
		return nil, fault.Field(field, "%s holds a certificate in DER form; PEM is needed. Convert it: openssl x509 -inform der -in FILE -out FILE.pem", path)
	}
	return nil, fault.Field(field, "%s holds no certificate. A PEM file is needed, with a line -----BEGIN CERTIFICATE-----.", path)
}

func keyPair(certPath, keyPath string) (tls.Certificate, error) {
	if _, err := certificates("cert", certPath); err != nil {
		return tls.Certificate{}, err
	}
	cert, err := read("cert", certPath)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := privateKey(keyPath)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err == nil {
		return pair, nil
	}
	f := fault.Field("key", "The private key in %s does not fit the certificate in %s. The two files must belong together, the server's or client's own certificate first.", keyPath, certPath)
	f.Err = err
	return tls.Certificate{}, f
}

// privateKey returns the text of a key file that holds a key which can be read.
func privateKey(path string) ([]byte, error) {
	text, err := read("key", path)
	if err != nil {
		return nil, err
	}
	for block := range blocks(text) {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, fault.Field("key", "The private key in %s is protected by a password, which Headrace cannot be given. "+
				"Write it without one, readable for Headrace's user only: openssl pkey -in FILE -out FILE.plain", path)
		}
		return text, nil
	}
	return nil, fault.Field("key", "%s holds no private key. A PEM file is needed, with a line that ends in PRIVATE KEY-----.", path)
}

// blocks yields the PEM blocks of a file.
func blocks(text []byte) func(yield func(*pem.Block) bool) {
	return func(yield func(*pem.Block) bool) {
		for {
			block, rest := pem.Decode(text)
			if block == nil || !yield(block) {
				return
			}
			text = rest
		}
	}
}

func read(field, path string) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, unreadable(field, path, err)
	}
	defer file.Close() //nolint:errcheck // it is only read
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, unreadable(field, path, err)
	}
	if len(text) > maxFile {
		return nil, fault.Field(field, "%s is larger than 1 MiB and no PEM file. Name the right file.", path)
	}
	return text, nil
}

func unreadable(field, path string, err error) error {
	var f *fault.Error
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f = fault.Field(field, "There is no file %s.", path)
	case errors.Is(err, fs.ErrPermission):
		f = fault.Field(field, "%s cannot be read: the user that Headrace runs as has no right to.", path)
	default:
		f = fault.Field(field, "%s cannot be read.", path)
	}
	f.Err = err
	return f
}
