package rabbitmq_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/broker/rabbitmq"
	"github.com/headrace/headrace/internal/dial"
	"github.com/headrace/headrace/internal/testkit"
)

// TestStateSaysWhy_tls: whatever is wrong with a certificate of either side is said.
func TestStateSaysWhy_tls(t *testing.T) {
	t.Parallel()
	ours, theirs := testkit.NewAuthority(t), testkit.NewAuthority(t)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ours.PEM))
	strict := &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots}
	old := time.Now().Add(-time.Hour)
	for name, tt := range map[string]struct {
		server *tls.Config
		shown  testkit.Identity // by the server
		files  dial.TLSFiles
		says   string
	}{
		"no certificate of ours": {strict, ours.Issue(x509.ExtKeyUsageServerAuth, time.Now().Add(time.Hour)), dial.TLSFiles{}, "asks for a certificate of this client"},
		"an expired one of ours": {strict, ours.Issue(x509.ExtKeyUsageServerAuth, time.Now().Add(time.Hour)), keys(ours.Issue(x509.ExtKeyUsageClientAuth, old)), "this client's certificate"},
		"a foreign one of ours":  {strict, ours.Issue(x509.ExtKeyUsageServerAuth, time.Now().Add(time.Hour)), keys(theirs.Client()), "this client's certificate"},
		"closed without a word":  {&tls.Config{}, ours.Issue(x509.ExtKeyUsageServerAuth, time.Now().Add(time.Hour)), dial.TLSFiles{}, "as soon as TLS was set up"},
		"an expired one":         {&tls.Config{}, ours.Issue(x509.ExtKeyUsageServerAuth, old), dial.TLSFiles{}, "not trusted: it is out of date"},
		"a foreign one":          {&tls.Config{}, theirs.Issue(x509.ExtKeyUsageServerAuth, time.Now().Add(time.Hour)), dial.TLSFiles{}, "its authority is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.files.CA = ours.PEM
			config, err := dial.TLS(tt.files)
			if err != nil {
				t.Fatal(err)
			}
			c, err := rabbitmq.New(rabbitmq.Config{URL: "amqps://u:geheim@" + handshakes(t, tt.server, tt.shown) + "/v", TLS: config})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- c.Run(ctx) }()
			t.Cleanup(func() { cancel(); <-done })
			await(t, c, "words about "+tt.says, func(s broker.State) bool { return strings.Contains(s.LastError, tt.says) })
		})
	}
}

func keys(i testkit.Identity) dial.TLSFiles { return dial.TLSFiles{Cert: i.Cert, Key: i.Key} }

// handshakes is the address of a server that sets TLS up, or refuses to, and then closes the connection.
func handshakes(t *testing.T, config *tls.Config, shown testkit.Identity) string {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(shown.Cert), []byte(shown.Key))
	if err != nil {
		t.Fatal(err)
	}
	config = config.Clone()
	config.Certificates, config.MinVersion = []tls.Certificate{pair}, tls.VersionTLS12
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			secured := tls.Server(raw, config)
			if secured.HandshakeContext(t.Context()) == nil {
				_, _ = secured.Read(make([]byte, 8)) // the client's greeting
			}
			_ = raw.Close()
		}
	}()
	return l.Addr().String()
}
