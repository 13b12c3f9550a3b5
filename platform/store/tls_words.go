package store

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/headrace/headrace/internal/fault"
)

// untrusted says which side of a connection to PostgreSQL does not trust the other; nil: that is not what is wrong.
func untrusted(err error) error {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fault.Wrap(fault.Unavailable, err, "PostgreSQL shows a certificate that is not trusted. Check that postgres_tls.ca is its authority's, and that its certificate is in date and for the host in the URL.")
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" { // an alert of TLS
		return fault.Wrap(fault.Unavailable, err, "PostgreSQL does not accept the certificate of this node. Check that postgres_tls.cert is in date and of an authority that PostgreSQL knows.")
	}
	if e := pq.As(err); e != nil && e.Code == pqerror.InvalidAuthorizationSpecification && strings.Contains(e.Message, "client certificate") {
		return fault.Wrap(fault.Unavailable, err, "PostgreSQL asks for a certificate of this node. Set postgres_tls.cert and postgres_tls.key.")
	}
	return nil
}
