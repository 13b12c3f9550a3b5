package redis

import (
	"crypto/tls"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// way is a way to a server that can be cut and mended, with TLS on the side of the client if so wished.
type way struct {
	address string // host:port; it stays the same
	target  string
	tls     *tls.Config

	breakNext atomic.Bool // the connection of the next message ends instead

	wg       sync.WaitGroup
	mu       sync.Mutex
	open     bool
	listener net.Listener
	conns    map[net.Conn]struct{}
}

func newWay(t *testing.T, serverURL string, config *tls.Config) *way {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	w := &way{address: "127.0.0.1:0", target: u.Host, tls: config, conns: map[net.Conn]struct{}{}}
	w.mend(t)
	t.Cleanup(func() { w.cut(); w.wg.Wait() })
	return w
}

func (w *way) mend(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.open, w.listener, w.address = true, listener, listener.Addr().String()
	w.mu.Unlock()
	w.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			w.wg.Go(func() { w.carry(conn) })
		}
	})
}

func (w *way) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = false
	_ = w.listener.Close()
	for conn := range w.conns {
		_ = conn.Close()
	}
}

func (w *way) carry(client net.Conn) {
	server, err := net.Dial("tcp", w.target)
	if err != nil {
		_ = client.Close()
		return
	}
	w.mu.Lock()
	w.conns[client], w.conns[server] = struct{}{}, struct{}{}
	if !w.open {
		_, _ = client.Close(), server.Close()
	}
	w.mu.Unlock()
	near := client
	if w.tls != nil {
		near = tls.Server(client, w.tls)
	}
	w.wg.Go(func() {
		_, _ = io.Copy(&breaking{server, w}, near)
		_, _ = server.Close(), near.Close()
	})
	_, _ = io.Copy(near, server)
	_ = near.Close()
	_ = client.Close()
}

// breaking ends a connection at the next message where the way was told to.
type breaking struct {
	net.Conn
	way *way
}

func (b *breaking) Write(p []byte) (int, error) {
	if b.way.breakNext.CompareAndSwap(true, false) {
		return 0, io.ErrClosedPipe
	}
	return b.Conn.Write(p)
}
