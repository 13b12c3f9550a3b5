package docker

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/headrace/headrace/internal/fault"
)

// forbidden are the ranges that jobs have no business in: private networks, and what clouds answer their own machines on.
var forbidden = [...]string{
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16",
	"198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
}

// Allowed is an address, or a range of them, that jobs may reach although it is in a private network.
type Allowed struct {
	Range netip.Prefix
	Port  uint16 // 0: all
}

// ParseAllowed reads addresses and ranges, each with a port or without, with commas between them.
func ParseAllowed(text string) ([]Allowed, error) {
	var all []Allowed
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		var a Allowed
		host, port, hasPort := strings.Cut(part, ":")
		if hasPort {
			if _, err := fmt.Sscanf(port+"\n", "%d\n", &a.Port); err != nil || a.Port == 0 {
				return nil, allowFault(part)
			}
		}
		if !strings.Contains(host, "/") {
			host += "/32"
		}
		p, err := netip.ParsePrefix(host)
		if err != nil || !p.Addr().Is4() {
			return nil, allowFault(part)
		}
		a.Range = p.Masked()
		all = append(all, a)
	}
	return all, nil
}

func allowFault(part string) error {
	return fault.Field("allow", "What jobs may reach is a list of IPv4 addresses or ranges, each with a port or without: 10.1.2.3:443,10.8.0.0/24. %q is none.", part)
}

// covers says whether jobs may reach the address.
func covers(all []Allowed, at netip.AddrPort) bool {
	return slices.ContainsFunc(all, func(a Allowed) bool { return a.Range.Contains(at.Addr()) && (a.Port == 0 || a.Port == at.Port()) })
}

// Rules is a script for root that keeps the networks of the jobs away from the machine itself, from private networks and
// from what clouds tell their machines. It may run again at any time. resolvers are the name servers of the machine.
func Rules(allowed []Allowed, resolvers []netip.Addr) string {
	var b strings.Builder
	b.WriteString(rulesHead)
	pass := func(destination string) {
		for _, chain := range []string{"HEADRACE-JOBS", "HEADRACE-HOST"} {
			fmt.Fprintf(&b, "iptables -A %s %s -j RETURN\n", chain, destination)
		}
	}
	for _, r := range resolvers {
		if r.Is4() && !r.IsLoopback() {
			pass(fmt.Sprintf("-d %s -p udp --dport 53", r))
			pass(fmt.Sprintf("-d %s -p tcp --dport 53", r))
		}
	}
	for _, a := range allowed {
		if a.Port == 0 {
			pass("-d " + a.Range.String())
		} else {
			pass(fmt.Sprintf("-d %s -p tcp --dport %d", a.Range, a.Port))
		}
	}
	for _, r := range forbidden {
		fmt.Fprintf(&b, "iptables -A HEADRACE-JOBS -d %s -j REJECT --reject-with icmp-admin-prohibited\n", r)
	}
	b.WriteString(rulesTail)
	return b.String()
}

const rulesHead = `#!/bin/sh
# What the networks of Headrace's jobs (hr-...) may not reach. Made by: headrace worker network rules
set -e
for chain in HEADRACE-JOBS HEADRACE-HOST; do
	iptables -N "$chain" 2>/dev/null || iptables -F "$chain"
	iptables -A "$chain" -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN
done
`

const rulesTail = `iptables -A HEADRACE-HOST -j REJECT --reject-with icmp-admin-prohibited
iptables -N DOCKER-USER 2>/dev/null || :
iptables -C FORWARD -j DOCKER-USER 2>/dev/null || iptables -I FORWARD -j DOCKER-USER
iptables -C DOCKER-USER -i hr-+ -j HEADRACE-JOBS 2>/dev/null || iptables -I DOCKER-USER -i hr-+ -j HEADRACE-JOBS
iptables -C INPUT -i hr-+ -j HEADRACE-HOST 2>/dev/null || iptables -I INPUT -i hr-+ -j HEADRACE-HOST
`
