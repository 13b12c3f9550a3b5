package servers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strconv"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// RedisDatabases is how many numbered databases a Redis server of this package has.
const RedisDatabases = 4096

// StartRedis starts a Redis server. It keeps nothing over a restart. With certificates it takes clients by TLS only, and with
// a certificate of the same authority.
func StartRedis(ctx context.Context, certificates ...Certificates) (*Server, error) {
	program, err := lookup("redis-server")
	if err != nil {
		return nil, err
	}
	who, err := account()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := newDir("redis", who)
	if err != nil {
		return nil, err
	}
	s := &Server{name: "redis", dir: dir, who: who, stopBy: syscall.SIGTERM, discardBy: syscall.SIGKILL, url: fmt.Sprintf("redis://127.0.0.1:%d/0", port)}
	s.argv = []string{
		program, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--databases", strconv.Itoa(RedisDatabases), "--dir", dir,
	}
	options := &redis.Options{Addr: "127.0.0.1:" + strconv.Itoa(port), MaxRetries: -1}
	if len(certificates) > 0 {
		if err := s.secureRedis(certificates[0], port, options); err != nil {
			return nil, s.abandon(err)
		}
	}
	s.ready = func(ctx context.Context) error {
		client := redis.NewClient(options)
		defer client.Close()
		return client.Ping(ctx).Err()
	}
	if err := s.Start(ctx); err != nil {
		return nil, s.abandon(err)
	}
	return s, nil
}

// secureRedis leaves the port to TLS.
func (s *Server) secureRedis(c Certificates, port int, options *redis.Options) error {
	ca, cert, key, err := c.write(s)
	if err != nil {
		return err
	}
	s.url = fmt.Sprintf("rediss://127.0.0.1:%d/0", port)
	s.argv = append(s.argv, "--port", "0", "--tls-port", strconv.Itoa(port), "--tls-ca-cert-file", ca, "--tls-cert-file", cert, "--tls-key-file", key)
	// The server's own certificate is good enough to ask whether it is there.
	pair, err := tls.X509KeyPair([]byte(c.Cert), []byte(c.Key))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.CA))
	options.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
	return err
}
