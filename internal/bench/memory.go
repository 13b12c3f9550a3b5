package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// measureMemory sends a million requests to a node and looks at what it holds in memory before and after.
func measureMemory(ctx context.Context, r *rig, o options) ([]figure, error) {
	h, err := r.manyBuilds(ctx, "memory", 100)
	if err != nil {
		return nil, err
	}
	defer h.close()
	pings, reads := o.n(1_000_000, 2000), o.n(10_000, 200)
	read := []string{"/api/repo/" + url.PathEscape("acme/app") + "/builds?limit=20", "/api/repos", "/", "/r/acme/app", "/api/nothing"}
	load := func(pings, reads int) (checks, error) {
		var c checks
		ping, err := newAsk(http.MethodGet, h.url+"/api/v1/ping", "", nil, answers(http.StatusOK))
		if err != nil {
			return c, err
		}
		got, err := drive(ctx, 16, pings, 10*patience, func(int) (ask, error) { return ping, nil })
		if err != nil {
			return c, err
		}
		c.add(got.checks)
		var asks []ask
		for i, path := range read {
			a, err := newAsk(http.MethodGet, h.url+path, h.token, nil, answers([]int{200, 200, 200, 200, 404}[i]))
			if err != nil {
				return c, err
			}
			asks = append(asks, a)
		}
		got, err = drive(ctx, 16, reads, 10*patience, func(n int) (ask, error) { return asks[n%len(asks)], nil })
		c.add(got.checks)
		return c, err
	}
	if _, err := load(pings/20, reads/5); err != nil { // what is made once is made
		return nil, err
	}
	before, err := memoryOf(h.node.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	c, err := load(pings, reads)
	if err != nil {
		return nil, err
	}
	after, err := memoryOf(h.node.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	const mib = 1 << 20
	name := "memory after " + number(float64(pings+reads)) + " requests"
	return []figure{c.figure(name, "flat", "answers", nil, amount{"before", float64(before) / mib, "MiB"}, amount{"after", float64(after) / mib, "MiB"})}, nil
}

// answers wants a status.
func answers(want int) func(int, []byte) error {
	return func(status int, body []byte) error {
		if status != want {
			return fmt.Errorf("answer %d, want %d: %.200s", status, want, body)
		}
		return nil
	}
}
