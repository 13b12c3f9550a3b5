package docker

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/network"

	"github.com/headrace/headrace/internal/fault"
)

// jobBits is the size of a job's network: sixteen addresses.
const jobBits = 28

// networkName names the network and the bridge of a container; bridges have fifteen characters at most.
func networkName(container string) string {
	return "hr-" + container[strings.LastIndexByte(container, '-')+1:]
}

// networks gives the jobs their addresses.
type networks struct {
	of netip.Prefix

	mu   sync.Mutex
	next uint32
}

func newNetworks(of netip.Prefix) *networks {
	return &networks{of: of, next: rand.Uint32()} //nolint:gosec // workers that share an engine get out of each other's way
}

func (n *networks) count() uint32 { return 1 << (jobBits - n.of.Bits()) }

// take gives the next network, round and round.
func (n *networks) take() netip.Prefix {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next++
	base := n.of.Addr().As4()
	var at [4]byte
	binary.BigEndian.PutUint32(at[:], binary.BigEndian.Uint32(base[:])+(n.next%n.count())<<(32-jobBits))
	return netip.PrefixFrom(netip.AddrFrom4(at), jobBits)
}

// makeNetwork makes the network of a container. An address range that is taken, by another worker for instance, costs a try.
func (e *Executor) makeNetwork(ctx context.Context, name string) error {
	tries := min(e.networks.count(), 64)
	for n := uint32(1); ; n++ {
		no := false
		_, err := e.engine.NetworkCreate(ctx, networkName(name), network.CreateOptions{
			Driver: "bridge", EnableIPv6: &no, Labels: e.labels(name),
			IPAM:    &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{Subnet: e.networks.take().String()}}},
			Options: map[string]string{"com.docker.network.bridge.name": networkName(name), "com.docker.network.bridge.enable_icc": "false"},
		})
		switch {
		case err == nil:
			return nil
		case !taken(err):
			return words(err, "The network of the job could not be made")
		case n >= tries:
			return fault.Wrap(fault.Unavailable, err, "No free network for the job was found in %s. Give the worker a larger HEADRACE_NETWORK that nothing else uses.", e.cfg.Network)
		}
	}
}

func taken(err error) bool {
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "overlap") || strings.Contains(text, "conflicts with") || strings.Contains(text, "address already in use")
}
