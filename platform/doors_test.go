package platform_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform"
)

// TestCertificate: made once, the same at the next start, anew before it ends; good for the names of the node.
func TestCertificate(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	hosts := []string{"ci.example.com", "127.0.0.1"}
	first, print, err := platform.Certificate("", "", dir, hosts, now)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(first.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range hosts {
		if err := leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if parts := strings.Split(print, ":"); len(parts) != 32 {
		t.Errorf("fingerprint %s", print)
	}
	if _, again, err := platform.Certificate("", "", dir, hosts, now.Add(300*24*time.Hour)); err != nil || again != print {
		t.Errorf("after 300 days: %s %v, want %s", again, err, print)
	}
	if _, renewed, err := platform.Certificate("", "", dir, hosts, now.Add(380*24*time.Hour)); err != nil || renewed == print {
		t.Errorf("after 380 days: %s %v, want another", renewed, err)
	}
	key, err := os.Stat(filepath.Join(dir, "self-signed.key"))
	if err != nil || key.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v %v", key.Mode(), err)
	}
	if _, _, err := platform.Certificate(filepath.Join(dir, "self-signed.crt"), filepath.Join(dir, "none.key"), dir, hosts, now); !fault.Is(err, fault.Invalid) {
		t.Errorf("a key that is not there: %v", err)
	}
	serve(t, first)
}

// serve does a handshake with the certificate, over TLS 1.2 at least.
func serve(t *testing.T, cert tls.Certificate) {
	t.Helper()
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(leaf)
	client, server := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- tls.Server(server, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake() }()
	if err := tls.Client(client, &tls.Config{RootCAs: pool, ServerName: "ci.example.com"}).Handshake(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestLockDir: one process at a time; the lock of one that is closed is free.
func TestLockDir(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	lock, err := platform.LockDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := platform.LockDir(t.Context(), dir); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "process ") {
		t.Errorf("a second lock: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := platform.LockDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := platform.LockDir(t.Context(), filepath.Join(file, "data")); !fault.Is(err, fault.Invalid) {
		t.Errorf("a directory in a file: %v", err)
	}
}
