package auth

import (
	"net/http"
	"net/netip"
	"strings"
)

// clientIP is the address that the request came from. Forwarded addresses count only as far as trusted proxies wrote
// them: read from the right, the first address that is no trusted proxy is the client.
func (a *Auth) clientIP(r *http.Request) netip.Addr {
	ip := peer(r)
	if !a.trusted(ip) {
		return ip
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return ip
		}
		ip = hop.Unmap().WithZone("")
		if !a.trusted(ip) {
			return ip
		}
	}
	return ip
}

// overTLS reports whether the browser's side of the connection was encrypted.
func (a *Auth) overTLS(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	return a.trusted(peer(r)) && strings.EqualFold(strings.TrimSpace(r.Header.Get("X-Forwarded-Proto")), "https")
}

func (a *Auth) trusted(ip netip.Addr) bool {
	for _, p := range a.config.TrustedProxies {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

func peer(r *http.Request) netip.Addr {
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
