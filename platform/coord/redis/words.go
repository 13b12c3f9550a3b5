package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/headrace/headrace/internal/fault"
	"github.com/redis/go-redis/v9"
)

// answered reports whether the server answered, if only with a refusal; otherwise it was not reached.
func answered(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok
}

// unavailable says in words why Redis is of no use now.
func (c *Coordinator) unavailable(err error) *fault.Error {
	f := fault.Wrap(fault.Unavailable, scrubbed{err, c.scrub(err.Error())}, "Redis (%s) is not available: %s", c.target.name(), c.scrub(c.words(err)))
	return f.Named("redis_away")
}

// scrubbed is an error whose text holds no password.
type scrubbed struct {
	error
	text string
}

func (s scrubbed) Error() string { return s.text }
func (s scrubbed) Unwrap() error { return s.error }

func (c *Coordinator) scrub(text string) string {
	for _, secret := range []string{c.target.password, c.target.sentinelPassword} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

func (c *Coordinator) words(err error) string {
	if words := c.wordsOfTLS(err); words != "" {
		return words
	}
	if c.target.shape == sentinel && (errors.Is(err, redis.Nil) || strings.Contains(err.Error(), "all sentinels")) {
		return fmt.Sprintf("no sentinel there answers and knows a primary server of the group %s.", c.target.master)
	}
	if answered(err) {
		return c.wordsOfServer(err)
	}
	dns, unknownName := errors.AsType[*net.DNSError](err)
	timeout, _ := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, errNoHandshake):
		return "it does not answer the beginning of a TLS connection. Is that its port for TLS?"
	case errors.Is(err, redis.ErrClosed):
		return "this node has closed its connection."
	case unknownName:
		return fmt.Sprintf("the host name %s is not known here.", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there. Is it running, and is the port right?"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no way to that address."
	case errors.Is(err, context.DeadlineExceeded), timeout != nil && timeout.Timeout(), errors.Is(err, redis.ErrPoolTimeout):
		return fmt.Sprintf("it does not answer within %s.", c.timeout)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return c.wordsOfEnd()
	default:
		return err.Error()
	}
}

func (c *Coordinator) wordsOfEnd() string {
	if c.target.tls {
		return "it closed the connection."
	}
	return "it closed the connection. If it expects TLS, the URL must ask for it."
}

func (c *Coordinator) wordsOfTLS(err error) string {
	authority, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	name, wrongName := errors.AsType[x509.HostnameError](err)
	cert, badCert := errors.AsType[x509.CertificateInvalidError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	switch {
	case unknown && authority.Cert != nil:
		return fmt.Sprintf("its certificate, issued by %q, is signed by nobody who is trusted here. Name its authority's PEM file.", authority.Cert.Issuer.CommonName)
	case wrongName:
		return fmt.Sprintf("its certificate is not for %s.", name.Host)
	case badCert && cert.Reason == x509.Expired:
		return "its certificate has run out, or is not valid yet by the clock of this machine."
	case noTLS:
		return "it does not speak TLS. Without TLS the URL begins with redis://."
	case alert, strings.Contains(err.Error(), "remote error: tls"):
		return fmt.Sprintf("it refuses the TLS connection (%s). Does it want a certificate of ours?", err)
	default:
		return ""
	}
}

// refusals are what a server says when it does not do what it is asked, and what that means.
var refusals = []struct{ prefix, words string }{
	{"NOAUTH", "it wants a password, which the URL does not hold."},
	{"WRONGPASS", "it refuses the user name or the password of the URL."},
	{"ERR invalid password", "it refuses the password of the URL."},
	{"ERR AUTH", "it has no password set, but the URL holds one."},
	{"ERR Client sent AUTH", "it has no password set, but the URL holds one."},
	{"LOADING", "it is still loading its data."},
	{"READONLY", "it is a replica, which takes no changes. The URL must lead to the primary server."},
	{"OOM", "its memory is full. Raise its maxmemory."},
	{"MISCONF", "it cannot write to its disk and takes no changes. Its own log says why."},
	{"NOREPLICAS", "it takes no changes because too few of its replicas are there."},
	{"MASTERDOWN", "it is a replica that has lost its primary server."},
	{"CLUSTERDOWN", "its cluster is not complete."},
	{"MOVED", "it belongs to a cluster. The URL must begin with redis+cluster://."},
	{"ERR This instance has cluster support disabled", "it belongs to no cluster. The URL must begin with redis://."},
	{"ERR DB index", "it does not have the database that the URL names."},
	{"ERR max number of clients", "it takes no more connections. Raise its maxclients."},
}

func (c *Coordinator) wordsOfServer(err error) string {
	for _, r := range refusals {
		if redis.HasErrorPrefix(err, strings.TrimPrefix(r.prefix, "ERR ")) {
			return r.words
		}
	}
	refusal, _ := errors.AsType[redis.Error](err)
	return fmt.Sprintf("it answers %q.", refusal.Error())
}
