package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/internal/testkit/servers"
	"github.com/headrace/headrace/platform/store"
)

// tlsFiles are the settings of one of the servers: "AMQP", "POSTGRES" or "REDIS".
func tlsFiles(server, ca string, client testkit.Identity) []string {
	env := []string{"HEADRACE_" + server + "_TLS_CA=" + ca}
	if client.CertFile != "" {
		env = append(env, "HEADRACE_"+server+"_TLS_CERT="+client.CertFile, "HEADRACE_"+server+"_TLS_KEY="+client.KeyFile)
	}
	return env
}

// amongDead puts two hosts before the one of the URL where nothing listens.
func amongDead(t *testing.T, url string) string {
	t.Helper()
	login, rest, found := strings.Cut(url, "@")
	if !found {
		t.Fatal("no user in the URL")
	}
	return login + "@" + freeAddress(t) + "," + freeAddress(t) + "," + rest
}

// TestTLS: platform and worker use a PostgreSQL, a Redis and a RabbitMQ by TLS, with an authority of their own, and each shows
// a certificate. Whoever has the wrong ones, or none, is told so.
func TestTLS(t *testing.T) {
	t.Parallel()
	authority := testkit.NewAuthority(t)
	ca, client := authority.File(), authority.Client()
	rabbitmq := testkit.OwnRabbitMQ(t, authority.Server())
	postgres := testkit.OwnPostgres(t, servers.Fast, authority.Server())
	plain, secured := securedDatabase(t, postgres.URL())
	judgeOf(t).reads(store.Config{PostgresURL: plain})

	amqp := append(tlsFiles("AMQP", ca, client), "HEADRACE_AMQP_URL="+amongDead(t, rabbitmq.TLSURL()))
	s := shape{}
	s.addNode(t, "node-a", append(amqp, append(
		tlsFiles("POSTGRES", ca, client), append(tlsFiles("REDIS", ca, client),
			"HEADRACE_POSTGRES_URL="+secured, "HEADRACE_REDIS_URL="+testkit.OwnRedis(t, authority.Server()).URL())...)...))
	w := startService(t, amqp)
	w.status("connected", 0, func(st workerState) bool { return st.Broker.Connected })
	api := s.api()
	api.addRepository(t, "acme/secured", repository(t, map[string]string{".travis.yml": "language: shell\nscript: for i in $(seq 1 50); do echo \"line $i of 50\"; done\n"}))
	if b := api.ended(t, api.built(t, "acme/secured", api.trigger(t, "acme/secured", nil)).ID); b.State != "passed" {
		t.Errorf("got %+v", b)
	}
	for line := range strings.Lines(s.nodes[0].out.String()) {
		if strings.Contains(line, "level=WARN") && strings.Contains(strings.ToLower(line), "redis") {
			t.Errorf("the node has trouble with Redis: %s", line)
		}
	}
	refusedWorkers(t, rabbitmq.TLSURL(), ca, client, authority)
	refusedNodes(t, secured, ca, authority)
}

// securedDatabase makes a database of the user who is let in by TLS only.
func securedDatabase(t *testing.T, url string) (plain, secured string) {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, statement := range []string{"CREATE ROLE " + servers.Secured + " LOGIN PASSWORD 'canary-pass'", "CREATE DATABASE ci OWNER " + servers.Secured} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	plain = strings.Replace(url, "/postgres?", "/ci?", 1)
	_, host, _ := strings.Cut(plain, "@")
	host, _, _ = strings.Cut(host, "?")
	return plain, "postgres://" + servers.Secured + ":canary-pass@" + host
}

// refusedWorkers start with wrong certificates; each says in its log and its status what is wrong, and goes on trying.
func refusedWorkers(t *testing.T, url, ca string, good testkit.Identity, authority *testkit.Authority) {
	t.Helper()
	stranger := testkit.NewAuthority(t)
	old := expiredServer(t, authority)
	for name, tt := range map[string]struct {
		url, ca string
		client  testkit.Identity
		says    string
	}{
		"wrong authority":       {url, stranger.File(), good, "shows a certificate that is not trusted: its authority is not known"},
		"no certificate":        {url, ca, testkit.Identity{}, "asks for a certificate of this client"},
		"foreign certificate":   {url, ca, stranger.Client(), "does not know the authority of this client's certificate"},
		"expired certificate":   {url, ca, authority.Issue(x509.ExtKeyUsageClientAuth, time.Now().Add(-time.Hour)), "says that this client's certificate is out of date"},
		"expired server":        {"amqps://u:canary-pass@" + old + "/v", ca, good, "shows a certificate that is not trusted: it is out of date"},
		"for another host":      {strings.Replace(url, "@127.0.0.1:", "@localhost:", 1), ca, good, "it is for another host than localhost"},
		"the port without TLS":  {"amqps://u:canary-pass@" + plainServer(t) + "/v", ca, good, "does not speak TLS on this port"},
		"TLS files, plain amqp": {"amqp://u:canary-pass@" + old + "/v", ca, good, "Write amqps:// to use TLS"},
	} {
		env := append(tlsFiles("AMQP", tt.ca, tt.client), "HEADRACE_AMQP_URL="+tt.url)
		w := startService(t, env)
		if strings.HasPrefix(tt.url, "amqp:") {
			w.exited(2)
		} else {
			w.status(name, 1, func(st workerState) bool {
				return !st.Broker.Connected && strings.Contains(st.Broker.LastError, tt.says)
			})
			w.stop()
		}
		if log := w.out.String(); !strings.Contains(log, tt.says) || strings.Contains(log, "canary") || strings.Contains(log, "travis-test") {
			t.Errorf("%s: the log should say %q and no password:\n%s", name, tt.says, log)
		}
	}
}

// refusedNodes start with wrong certificates for PostgreSQL; each ends and says why.
func refusedNodes(t *testing.T, url, ca string, authority *testkit.Authority) {
	t.Helper()
	stranger := testkit.NewAuthority(t)
	for name, tt := range map[string]struct {
		ca     string
		client testkit.Identity
		says   string
	}{
		"wrong authority":     {stranger.File(), authority.Client(), "PostgreSQL shows a certificate that is not trusted"},
		"no certificate":      {ca, testkit.Identity{}, "PostgreSQL asks for a certificate of this node"},
		"expired certificate": {ca, authority.Issue(x509.ExtKeyUsageClientAuth, time.Now().Add(-time.Hour)), "PostgreSQL does not accept the certificate of this node"},
	} {
		out, code := command(t, append(tlsFiles("POSTGRES", tt.ca, tt.client),
			"HEADRACE_POSTGRES_URL="+url, "HEADRACE_DATA_DIR="+filepath.Join(t.TempDir(), "node"),
			"HEADRACE_LISTEN_HTTP="+freeAddress(t), "HEADRACE_LISTEN_HTTPS=", "HEADRACE_LISTEN_DASHBOARD="+freeAddress(t)), "platform")
		if code == 0 || !strings.Contains(out, tt.says) || strings.Contains(out, "canary") {
			t.Errorf("%s: exit code %d, should say %q and no password:\n%s", name, code, tt.says, out)
		}
	}
}

// expiredServer is the address of a server that shows a certificate which is out of date.
func expiredServer(t *testing.T, authority *testkit.Authority) string {
	t.Helper()
	i := authority.Issue(x509.ExtKeyUsageServerAuth, time.Now().Add(-time.Hour))
	pair, err := tls.X509KeyPair([]byte(i.Cert), []byte(i.Key))
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, func(c net.Conn) {
		_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}).HandshakeContext(t.Context())
	})
}

// plainServer is the address of a server that answers as RabbitMQ does to who speaks TLS on its other port.
func plainServer(t *testing.T) string {
	t.Helper()
	return serve(t, func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, 8))
		_, _ = fmt.Fprint(c, "AMQP\x00\x00\x09\x01")
	})
}

// serve calls handle for each connection, and closes it.
func serve(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			handle(c)
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}
