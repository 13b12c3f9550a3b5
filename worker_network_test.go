package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBrokerHosts(t *testing.T) {
	t.Parallel()
	for address, want := range map[string][]string{
		"amqp://u:p@mq.example.com/v":                     {"mq.example.com:5672"},
		"amqps://u:p%40x@a.example.com,b.example.com:1/v": {"a.example.com:5671", "b.example.com:1"},
		"amqp://u:p@[fd00::1]/":                           {"[fd00::1]:5672"},
		"amqps://mq":                                      {"mq:5671"},
		"no address":                                      nil,
	} {
		if diff := cmp.Diff(want, brokerHosts(address)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", address, diff)
		}
	}
}

func TestNameServers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("# x\nsearch example.com\nnameserver 10.0.0.2\nnameserver nonsense\nnameserver 127.0.0.53\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("127.0.0.53")}
	if diff := cmp.Diff(want, nameServers(file), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := nameServers(file + "x"); got != nil {
		t.Errorf("got %v", got)
	}
}
