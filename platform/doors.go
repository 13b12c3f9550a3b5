package platform

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/settings"
)

// stopWithin is how long requests may still take when the node stops.
const stopWithin = 10 * time.Second

// doors are the listening sockets of a node and what answers behind them.
type doors struct {
	plain, secure, dashboard net.Listener // plain or secure may be nil
	dashboardTLS             bool
	cert                     tls.Certificate
	fingerprint              string // of cert, empty without TLS
	ui, admin                http.Handler
}

// openDoors takes the addresses, so that one which is taken is said before anything else happens.
func openDoors(ctx context.Context, s settings.Settings) (*doors, error) {
	d := &doors{}
	for _, door := range []struct {
		key, address string
		at           *net.Listener
	}{
		{"listen.http", s.ListenHTTP, &d.plain}, {"listen.https", s.ListenHTTPS, &d.secure}, {"listen.dashboard", s.ListenDashboard, &d.dashboard},
	} {
		if door.address == "" {
			continue
		}
		l, err := listen(ctx, door.address)
		if err != nil {
			d.close()
			return nil, taken(door.key, door.address, err)
		}
		*door.at = l
	}
	d.dashboardTLS = d.dashboard != nil && !loopback(d.dashboard.Addr())
	if d.secure == nil && !d.dashboardTLS {
		return d, nil
	}
	var err error
	d.cert, d.fingerprint, err = Certificate(s.TLS.Cert, s.TLS.Key, s.DataDir, certificateHosts(s), time.Now())
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// listen takes an address. One that a process which just died had may still be held for a moment by a child of it.
func listen(ctx context.Context, address string) (net.Listener, error) {
	for began := time.Now(); ; {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if !errors.Is(err, syscall.EADDRINUSE) || time.Since(began) > lockPatience || run.Pause(ctx, 20*time.Millisecond) != nil {
			return l, err
		}
	}
}

func taken(key, address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fault.Wrap(fault.Unavailable, err, "The address %s (%s) is taken by another program. Stop that program, or choose another address.", address, key)
	case errors.Is(err, os.ErrPermission):
		return fault.Wrap(fault.Forbidden, err, "This user may not listen on %s (%s). Ports below 1024 need root or a higher port.", address, key)
	}
	return fault.Wrap(fault.Invalid, err, "Nothing can listen on %s (%s).", address, key)
}

func certificateHosts(s settings.Settings) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if name := hostOf(s.Hostname); name != "" {
		hosts = append([]string{name}, hosts...)
	}
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name)
	}
	return hosts
}

// hostOf is the host in a name or a URL.
func hostOf(name string) string {
	if u, err := url.Parse(name); err == nil && u.Host != "" {
		return u.Hostname()
	}
	host, _, err := net.SplitHostPort(name)
	if err != nil {
		return name
	}
	return host
}

func loopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

func (d *doors) close() {
	for _, l := range []net.Listener{d.plain, d.secure, d.dashboard} {
		if l != nil {
			_ = l.Close()
		}
	}
}

// serve answers on all doors until ctx ends. It closes ready when they are open and calls closing when they begin to close;
// requests then have [stopWithin] to end.
func (d *doors) serve(ctx context.Context, ready chan struct{}, closing func(), log *slog.Logger) error {
	g := run.NewGroup(context.WithoutCancel(ctx))
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{d.cert}, NextProtos: []string{"h2", "http/1.1"}}
	var servers []*http.Server
	open := func(name string, l net.Listener, h http.Handler, secure bool) {
		if l == nil {
			return
		}
		if secure {
			l = tls.NewListener(l, tlsConfig)
		}
		server := &http.Server{
			Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
			ErrorLog: slog.NewLogLogger(log.With("component", "http").Handler(), slog.LevelDebug),
		}
		servers = append(servers, server)
		g.Go(name, func(context.Context) error {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
			return nil
		})
	}
	plain := d.ui
	if d.secure != nil {
		plain = redirect(d.secure.Addr(), d.ui)
	}
	open("http", d.plain, plain, false)
	open("https", d.secure, d.ui, true)
	open("dashboard", d.dashboard, d.admin, d.dashboardTLS)
	close(ready)
	select {
	case <-ctx.Done():
	case <-g.Context().Done():
	}
	closing()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	for _, s := range servers {
		if err := s.Shutdown(stopping); err != nil {
			_ = s.Close()
		}
	}
	return g.Wait()
}

// redirect sends browsers from plain HTTP to the same page over TLS. Health checks are answered where they ask.
func redirect(secure net.Addr, ui http.Handler) http.Handler {
	_, port, _ := net.SplitHostPort(secure.String())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz", "/readyz", "/api/v1/ping":
			ui.ServeHTTP(w, r)
			return
		}
		host := hostOf(r.Host)
		if port != "443" {
			host = net.JoinHostPort(host, port)
		}
		to := url.URL{Scheme: "https", Host: host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
		http.Redirect(w, r, to.String(), http.StatusPermanentRedirect)
	})
}

// WebURL is the address of the pages, without a slash at the end: the public name where one is set, else what the node
// listens on.
func (n *Node) WebURL() string {
	name := n.settings.Hostname
	if u, err := url.Parse(name); err == nil && u.Scheme != "" && u.Host != "" {
		return u.Scheme + "://" + u.Host
	}
	scheme, l := "http", n.doors.plain
	if n.doors.secure != nil {
		scheme, l = "https", n.doors.secure
	}
	return address(scheme, name, l)
}

// DashboardURL is the address of the admin dashboard.
func (n *Node) DashboardURL() string {
	scheme := "http"
	if n.doors.dashboardTLS {
		scheme = "https"
	}
	return address(scheme, hostOf(n.settings.Hostname), n.doors.dashboard)
}

// Fingerprint is the SHA-256 of the certificate in use, empty without TLS.
func (n *Node) Fingerprint() string { return n.doors.fingerprint }

func address(scheme, name string, l net.Listener) string {
	if l == nil {
		return ""
	}
	tcp, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return scheme + "://" + l.Addr().String()
	}
	host := name
	switch {
	case host != "":
	case tcp.IP.IsUnspecified():
		host, _ = os.Hostname()
	default:
		host = tcp.IP.String()
	}
	standard := map[string]int{"http": 80, "https": 443}
	if tcp.Port == standard[scheme] {
		return scheme + "://" + host
	}
	return scheme + "://" + net.JoinHostPort(host, fmt.Sprint(tcp.Port))
}
