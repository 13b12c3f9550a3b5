package dial

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/headrace/headrace/internal/fault"
)

// TLSFiles names what a TLS connection is made with. Each of CA, Cert and Key is the path of a PEM file or PEM text, and
// may be empty.
type TLSFiles struct {
	// CA holds the authorities that are trusted instead of the system's.
	CA string
	// Cert is the certificate that is shown to the server, with its intermediates. A certificate of an authority or a
	// server without a Key is trusted as if it stood in CA.
	Cert string
	// Key is the private key of Cert.
	Key string
	// SkipVerify trusts any server. It is for tests of a connection only.
	SkipVerify bool
	// ServerName is the name in the server's certificate; empty: the host that is connected to.
	ServerName string
}

// TLS returns the settings for connections with TLS 1.2 or later. Its errors are about the fields ca, cert and key.
func TLS(f TLSFiles) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: f.ServerName,
		InsecureSkipVerify: f.SkipVerify, //nolint:gosec // asked for by name
	}
	ca := f.CA
	if f.Key == "" && f.Cert != "" {
		if err := loneCertificate(f.Cert); err != nil {
			return nil, err
		}
		if ca == "" {
			ca = f.Cert
		}
	}
	if ca != "" {
		pool, err := roots(ca)
		if err != nil {
			return nil, err
		}
		config.RootCAs = pool
	}
	if f.Key != "" {
		pair, err := keyPair(f.Cert, f.Key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// load returns PEM text and the words for where it is from.
func load(field, value string) (text []byte, where string, err error) {
	if strings.Contains(value, "-----BEGIN ") {
		return []byte(value), "the PEM text", nil
	}
	text, err = os.ReadFile(value)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", fault.Field(field, "There is no file %s.", value)
	case errors.Is(err, fs.ErrPermission):
		return nil, "", fault.Field(field, "The file %s may not be read by this process.", value)
	case err != nil:
		return nil, "", fault.Field(field, "The file %s cannot be read.", value)
	}
	return text, value, nil
}

func certificates(field, value string) ([]*x509.Certificate, error) {
	text, where, err := load(field, value)
	if err != nil {
		return nil, err
	}
	var found []*x509.Certificate
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fault.Field(field, "A certificate in %s is damaged.", where)
		}
		found = append(found, c)
	}
	if len(found) == 0 {
		return nil, fault.Field(field, "There is no certificate in %s. A PEM file with CERTIFICATE blocks is expected.", where)
	}
	return found, nil
}

func roots(ca string) (*x509.CertPool, error) {
	list, err := certificates("ca", ca)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, c := range list {
		pool.AddCert(c)
	}
	return pool, nil
}

// loneCertificate refuses a client's certificate that has no key.
func loneCertificate(cert string) error {
	list, err := certificates("cert", cert)
	if err != nil {
		return err
	}
	c := list[0]
	if !c.IsCA && slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) && !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) {
		return fault.Field("key", "The certificate is a client's; give its private key too.")
	}
	return nil
}

func keyPair(cert, key string) (tls.Certificate, error) {
	if cert == "" {
		return tls.Certificate{}, fault.Field("cert", "There is a private key without a certificate; give the certificate too.")
	}
	if _, err := certificates("cert", cert); err != nil {
		return tls.Certificate{}, err
	}
	certText, _, err := load("cert", cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyText, where, err := load("key", key)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(certText, keyText)
	if err == nil {
		return pair, nil
	}
	if strings.Contains(string(keyText), "ENCRYPTED") {
		return pair, fault.Field("key", "The private key in %s is locked with a password; give it without one.", where)
	}
	return pair, fault.Field("key", "The private key in %s does not belong to the certificate, or is not a PEM private key.", where)
}
