package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker/executor/docker"
)

// workerNetworkCommands are about what jobs in containers can reach.
type workerNetworkCommands struct {
	Rules networkRulesCommand `cmd:"" help:"Print a script for root: rules of the firewall that keep jobs away from this machine and from private networks."`
	Check networkCheckCommand `cmd:"" help:"Try, from a container like those of jobs, what they should not reach."`
}

type networkRulesCommand struct {
	Allow string `help:"Addresses that jobs may reach although they are private: 10.1.2.3:443,10.8.0.0/24." env:"HEADRACE_NETWORK_ALLOW" placeholder:"LIST"`
}

// Help shows an example.
func (networkRulesCommand) Help() string {
	return "Example: headrace worker network rules --allow 10.1.2.3:443 | sudo sh\n\nThe rules are gone after a restart of the machine; let its start run them again."
}

// Run prints the script.
func (c networkRulesCommand) Run(_ context.Context, t terminal) error {
	allowed, err := docker.ParseAllowed(c.Allow)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(t.out, docker.Rules(allowed, nameServers("/etc/resolv.conf")))
	return err
}

// nameServers are those of the machine; containers ask them.
func nameServers(file string) []netip.Addr {
	text, err := os.ReadFile(file) //nolint:gosec // always the same
	if err != nil {
		return nil // then there are none to be let through
	}
	var all []netip.Addr
	for line := range strings.SplitSeq(string(text), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "nameserver" {
			if a, err := netip.ParseAddr(f[1]); err == nil {
				all = append(all, a)
			}
		}
	}
	return all
}

type networkCheckCommand struct {
	Target []string    `arg:"" optional:"" help:"Further servers that no job should reach, each host:port." placeholder:"HOST:PORT"`
	JSON   bool        `help:"Print JSON." name:"json"`
	Docker dockerFlags `embed:""`
}

// Help shows an example.
func (networkCheckCommand) Help() string {
	return "Example: headrace worker network check mq.example.com:5671 db.example.com:5432\n\nExit code 0: nothing of it is reached."
}

// Run tries.
func (c networkCheckCommand) Run(ctx context.Context, t terminal) (err error) {
	dir, err := os.MkdirTemp("", "headrace-check-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	c.Docker.OpenNetwork = true // else the start tries it too
	cfg, err := c.Docker.config(dir, newLog(t, "error", "text"))
	if err != nil {
		return err
	}
	cfg.Forbidden = c.Target
	exec, err := docker.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = exec.Close() }()
	if why, _ := exec.Trouble(); why != "" {
		return fault.New(fault.Unavailable, "%s", why)
	}
	reached, err := exec.Reach(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(t.out, map[string]any{"reached": append([]string{}, reached...)})
	} else {
		err = sayReached(t, reached)
	}
	if err == nil && len(reached) > 0 {
		err = errQuiet
	}
	return err
}

func sayReached(t terminal, reached []string) error {
	text := "Jobs reach nothing that they should not, as far as it was tried.\n"
	if len(reached) > 0 {
		text = "Jobs reach what they should not:\n  " + strings.Join(reached, "\n  ") + "\nheadrace worker network rules prints what root does about it. Until then this worker runs no code of forks.\n"
	}
	_, err := fmt.Fprint(t.out, text)
	return err
}

// brokerHosts are the servers of a URL of RabbitMQ.
func brokerHosts(address string) []string {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		return nil // then nothing connects to it either
	}
	port := "5672"
	if scheme == "amqps" {
		port = "5671"
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	hosts, _, _ := strings.Cut(rest, "/")
	var all []string
	for host := range strings.SplitSeq(hosts, ",") {
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
		all = append(all, host)
	}
	return all
}
