package redis

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/platform/coord"
	"github.com/headrace/headrace/platform/coord/coordtest"
	"github.com/redis/go-redis/v9"
)

func TestTLS(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Acme root"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	trust := x509.NewCertPool()
	trust.AddCert(cert)
	server := testkit.OwnRedis(t)
	serving := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	secured := newWay(t, server.URL(), serving).address
	wanting := serving.Clone()
	wanting.ClientAuth = tls.RequireAnyClientCert
	strict := newWay(t, server.URL(), wanting).address

	trusting := &tls.Config{RootCAs: trust}
	t.Run("trusted", func(t *testing.T) {
		t.Parallel()
		c := coordtest.Start(t, open(t, Config{URL: "rediss://" + secured, TLS: trusting, Prefix: "tls:"}))
		if err := c.Publish(t.Context(), "changes", []byte("x")); err != nil {
			t.Error(err)
		}
	})
	for name, tc := range map[string]struct {
		url  string
		tls  *tls.Config
		want string
	}{
		"nobody knows its authority":  {"rediss://" + secured, nil, `issued by "Acme root"`},
		"another name":                {"rediss://" + secured, &tls.Config{RootCAs: trust, ServerName: "redis.internal"}, "not for redis.internal"},
		"it wants our certificate":    {"rediss://" + strict, trusting, "certificate of ours"},
		"it speaks no TLS":            {strings.Replace(server.URL(), "redis:", "rediss:", 1), trusting, "TLS"},
		"it speaks TLS and we do not": {"redis://" + secured, nil, "TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refuses(t, Config{URL: tc.url, TLS: tc.tls}, tc.want)
		})
	}
}

// launch starts a redis-server with a configuration of its own and returns its port and how to kill it.
func launch(t *testing.T, lines ...string) (port int, kill func()) {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("HEADRACE_TEST_REQUIRE") == "1" {
			t.Fatal("redis-server is not installed")
		}
		t.Skip("redis-server is not installed")
	}
	port = freePort(t)
	dir := t.TempDir()
	lines = append(lines, "port "+strconv.Itoa(port), "bind 127.0.0.1", "dir "+dir)
	file := filepath.Join(dir, "redis.conf")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{file}
	if strings.HasPrefix(lines[0], "sentinel ") {
		args = append(args, "--sentinel")
	}
	server := exec.Command(program, args...)
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() { _, _ = server.Process.Kill(), server.Wait() }
	t.Cleanup(kill)
	client := plain(port)
	defer client.Close()
	coordtest.Eventually(t, "redis-server answers", func() bool {
		err := client.Ping(t.Context()).Err()
		return err == nil || answered(err)
	})
	return port, kill
}

func plain(port int) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port), Protocol: 2})
}

func TestCluster(t *testing.T) {
	t.Parallel()
	var ports []int
	var nodes []*redis.Client
	const third = 16384 / 3
	for i := range 3 {
		bus := freePort(t)
		port, _ := launch(t, "cluster-enabled yes", "cluster-port "+strconv.Itoa(bus), `save ""`)
		node := plain(port)
		t.Cleanup(func() { _ = node.Close() })
		last := (i+1)*third - 1
		if i == 2 {
			last = 16383
		}
		if err := node.ClusterAddSlotsRange(t.Context(), i*third, last).Err(); err != nil {
			t.Fatal(err)
		}
		for _, other := range nodes {
			if err := other.Do(t.Context(), "CLUSTER", "MEET", "127.0.0.1", port, bus).Err(); err != nil {
				t.Fatal(err)
			}
		}
		ports, nodes = append(ports, port), append(nodes, node)
	}
	for _, node := range nodes {
		coordtest.Eventually(t, "the cluster is complete", func() bool {
			info := node.ClusterInfo(t.Context()).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	absent := freePort(t) // as of a node that is down
	coordtest.Run(t, nodesOf(func(testing.TB) string {
		return fmt.Sprintf("redis+cluster://127.0.0.1:%d,127.0.0.1:%d", absent, ports[0])
	}))
	t.Run("not a cluster", func(t *testing.T) {
		t.Parallel()
		server := testkit.OwnRedis(t)
		refuses(t, Config{URL: strings.Replace(server.URL(), "redis:", "redis+cluster:", 1)}, "belongs to no cluster")
	})
	t.Run("a cluster", func(t *testing.T) {
		t.Parallel()
		config := Config{URL: fmt.Sprintf("redis://127.0.0.1:%d", ports[0])}
		for i := range 50 { // until the key lies with another of the three
			if config.Prefix = fmt.Sprintf("p%d:", i); hashtagOf(t, nodes[0], config.Prefix+"probe") >= third {
				break
			}
		}
		refuses(t, config, "belongs to a cluster")
	})
}

func hashtagOf(t *testing.T, node *redis.Client, key string) int64 {
	t.Helper()
	slot, err := node.ClusterKeySlot(t.Context(), key).Result()
	if err != nil {
		t.Fatal(err)
	}
	return slot
}

// refuses runs a coordinator until it says why it is not connected.
func refuses(t *testing.T, config Config, want string) {
	t.Helper()
	c := open(t, config)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	defer func() { cancel(); <-done }()
	coordtest.Eventually(t, "the reason is told", func() bool { return strings.Contains(c.State().LastError, "is not available") })
	if got := c.State().LastError; !strings.Contains(got, want) {
		t.Errorf("%q does not say %q", got, want)
	}
}

// freePort returns a port on which nobody listens.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	const secret = "requirepass hunter2\nmasterauth hunter2"
	primary, kill := launch(t, secret, `save ""`)
	launch(t, secret, `save ""`, fmt.Sprintf("replicaof 127.0.0.1 %d", primary))
	watcher, _ := launch(
		t, fmt.Sprintf("sentinel monitor main 127.0.0.1 %d 1", primary), "sentinel auth-pass main hunter2", "requirepass watch0ut",
		"sentinel down-after-milliseconds main 500", "sentinel failover-timeout main 3000",
	)
	sentinels := redis.NewSentinelClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", watcher), Password: "watch0ut", Protocol: 2})
	defer sentinels.Close()
	coordtest.Eventually(t, "the sentinel knows the replica", func() bool {
		known, err := sentinels.Replicas(t.Context(), "main").Result()
		return err == nil && len(known) == 1 && strings.Contains(known[0]["flags"], "slave") && known[0]["master-link-status"] == "ok"
	})
	url := fmt.Sprintf("redis+sentinel://:hunter2@127.0.0.1:%d,127.0.0.1:%d/3?master=main&sentinel_password=watch0ut", freePort(t), watcher)
	t.Run("contract", func(t *testing.T) { coordtest.Run(t, nodesOf(func(testing.TB) string { return url })) })
	t.Run("an unknown group", func(t *testing.T) {
		c := open(t, Config{URL: strings.Replace(url, "master=main", "master=nobody", 1)})
		defer c.client.Close()
		if got := c.unavailable(c.probe(t.Context())).Message; !strings.Contains(got, "nobody") {
			t.Errorf("%q does not name the group", got)
		}
	})
	t.Run("fail-over", func(t *testing.T) {
		a := coordtest.Start(t, open(t, Config{URL: url}))
		b := coordtest.Start(t, open(t, Config{URL: url}))
		l := coordtest.Listen(t, b, a, "changes")
		kill()
		coordtest.Eventually(t, "it is known that the primary is away", func() bool { return !a.State().Connected })
		if got := l.Next(t); got != nil {
			t.Errorf("got %q, want the gap", got)
		}
		coordtest.Eventually(t, "both have found the new primary", func() bool { return a.State().Connected && b.State().Connected })
		reaches(t, a, l)
	})
}

func reaches(t *testing.T, from coord.Coordinator, l *coordtest.Listener) {
	t.Helper()
	if err := from.Publish(t.Context(), "changes", []byte("after")); err != nil {
		t.Fatal(err)
	}
	for got := l.Next(t); string(got) != "after"; got = l.Next(t) {
		if got != nil {
			t.Errorf("got %q, want after", got)
		}
	}
}
