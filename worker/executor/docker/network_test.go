package docker_test

import (
	"errors"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker/executor"
	"github.com/headrace/headrace/worker/executor/docker"
)

// onHost runs a script on the machine of the engine, which is a network of its own.
func onHost(t *testing.T, script string) {
	t.Helper()
	argv := append(engine.Nsenter(), "sh", "-c", script)
	if out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestNetwork gives the engine's machine the addresses of a cloud, of a database and of a proxy, and lets jobs try them.
func TestNetwork(t *testing.T) {
	t.Parallel()
	e := open(t, func(c *docker.Config) {
		c.OpenNetwork = false
		c.Forbidden = []string{"10.77.0.5:5432", "127.0.0.1:5671", "no.such.host.invalid:1"}
		c.Allowed = []docker.Allowed{{Range: netip.MustParsePrefix("10.77.0.6/32"), Port: 3128}}
	})
	onHost(t, "ip addr add 169.254.169.254/32 dev lo; ip addr add 10.77.0.5/32 dev lo; ip addr add 10.77.0.6/32 dev lo")
	strangers := executor.Spec{JobID: 1, Attempt: 1, Script: []byte("echo ran"), Untrusted: true, Output: newOutput()}
	_, err := e.Start(t.Context(), strangers)
	want := "This worker runs no code of forks: from its containers these can be reached: 10.77.0.5:5432, 169.254.169.254:80, the machine of the worker itself."
	if !strings.HasPrefix(fault.Message(err), want) || errors.Is(err, executor.ErrAway) {
		t.Errorf("Start = %v, want %q", err, want)
	}

	onHost(t, docker.Rules([]docker.Allowed{{Range: netip.MustParsePrefix("10.77.0.6/32"), Port: 3128}}, nil))
	reached, err := e.Reach(t.Context())
	if err != nil || len(reached) > 0 {
		t.Errorf("Reach = %v, %v", reached, err)
	}
	out := newOutput()
	strangers.Output = out
	strangers.Script = []byte(`try() { said=$( (exec 3<>"/dev/tcp/$1/$2") 2>&1) || [[ $said == *refused* ]] && echo "reached $1"; }; export LC_ALL=C
		for at in "169.254.169.254 80" "10.77.0.5 5432" "10.77.0.6 3129" "192.168.1.1 80" "172.17.0.1 22"; do try $at; done; try 10.77.0.6 3128; echo ran`)
	p, err := e.Start(t.Context(), strangers)
	if err != nil {
		t.Fatal(err)
	}
	if exit, err := finish(t, p); err != nil || exit.Code != 0 {
		t.Errorf("exit = %+v, %v", exit, err)
	}
	if diff := cmp.Diff("reached 10.77.0.6\nran\n", out.String()); diff != "" {
		t.Errorf("what was reached (-want +got):\n%s", diff)
	}
	onHost(t, docker.Rules(nil, nil)) // again, and with fewer
}

func TestParseAllowed(t *testing.T) {
	t.Parallel()
	got, err := docker.ParseAllowed("10.1.2.3:443, 10.8.1.0/16 ,192.168.0.1")
	want := []docker.Allowed{
		{Range: netip.MustParsePrefix("10.1.2.3/32"), Port: 443}, {Range: netip.MustParsePrefix("10.8.0.0/16")}, {Range: netip.MustParsePrefix("192.168.0.1/32")},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" || err != nil {
		t.Errorf("allowed (-want +got): %s, %v", diff, err)
	}
	for _, wrong := range []string{"host", "10.0.0.0/33", "10.0.0.1:0", "10.0.0.1:x", "10.0.0.1:70000", "fd00::1", "$(id)", "10.0.0.1:80;id"} {
		if _, err := docker.ParseAllowed(wrong); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	got := docker.Rules([]docker.Allowed{{Range: netip.MustParsePrefix("10.8.0.0/16")}}, []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("127.0.0.53"), netip.MustParseAddr("fd00::1")})
	for _, want := range []string{
		"iptables -A HEADRACE-JOBS -d 10.0.0.2 -p udp --dport 53 -j RETURN\n", "iptables -A HEADRACE-HOST -d 10.8.0.0/16 -j RETURN\n",
		"iptables -A HEADRACE-JOBS -d 169.254.0.0/16 -j REJECT",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the rules have no %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "127.0.0.53") || strings.Contains(got, "fd00") || strings.Index(got, "10.8.0.0/16") > strings.Index(got, "10.0.0.0/8") {
		t.Errorf("rules:\n%s", got)
	}
}
