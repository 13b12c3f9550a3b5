package rabbitmq

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/rabbitmq/amqp091-go"
)

// words says for people why there is no connection. It holds nothing that was secret: neither the driver's errors nor
// the network's know the password.
func words(host string, err error) string {
	at := "RabbitMQ at " + host + " "
	e, ok := errors.AsType[*amqp091.Error](err)
	if ok && e.Server {
		return at + "says: " + e.Reason
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return at + "does not answer."
	}
	if _, alert, refused := strings.Cut(text(err), "remote error: tls: "); refused {
		return at + alertWords(alert)
	}
	if ok && e.Code == amqp091.FrameError { // the driver keeps only the text of what went wrong
		if strings.Contains(e.Reason, os.ErrDeadlineExceeded.Error()) {
			return at + "does not answer."
		}
		return at + closedWords(err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return at + "shows a certificate that is not trusted: " + certificateWords(err)
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return "The host name " + e.Name + " of RabbitMQ is not known."
	}
	switch {
	case errors.Is(err, amqp091.ErrCredentials):
		return at + "refuses the user name or the password."
	case errors.Is(err, amqp091.ErrVhost):
		return at + "refuses the virtual host: it does not exist, or the user may not use it."
	case errors.Is(err, syscall.ECONNREFUSED):
		return at + "does not take connections: nothing listens there."
	case errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return at + "does not answer."
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, errLost):
		return at + closedWords(err)
	case errors.As(err, new(tls.RecordHeaderError)):
		return at + "does not speak TLS on this port; its TLS port is usually 5671."
	case err == nil:
		return "The connection to RabbitMQ at " + host + " ended."
	}
	return at + "cannot be used: " + err.Error()
}

// errSecured goes with what went wrong after TLS was set up and before the server had said anything. It is there that a
// server which speaks TLS 1.3 refuses its client.
var errSecured = errors.New("after TLS was set up")

// closedWords: a server that refuses a client's certificate may close the connection before its reason can be read.
func closedWords(err error) string {
	if errors.Is(err, errSecured) {
		return "closed the connection as soon as TLS was set up. It may ask for a certificate of this client, or not accept the one it was shown."
	}
	return "closed the connection."
}

// text is the first line of an error.
func text(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*amqp091.Error](err); ok {
		return e.Reason
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// alertWords says why a server broke off, in TLS' own way of saying it.
func alertWords(alert string) string {
	switch alert {
	case "certificate required":
		return "asks for a certificate of this client. Give it one, with its key."
	case "unknown certificate authority":
		return "does not know the authority of this client's certificate."
	case "expired certificate":
		return "says that this client's certificate is out of date."
	case "bad certificate", "unsupported certificate", "revoked certificate", "unknown certificate", "access denied":
		return "does not accept this client's certificate: " + alert + "."
	}
	return "broke TLS off: " + alert + "."
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

func certificateWords(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "its authority is not known. Give the authority's certificate."
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return "it is for another host than " + e.Host + "."
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return "it is out of date."
	}
	return err.Error()
}
