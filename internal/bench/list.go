package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// manyBuilds starts a node whose repository has so many builds.
func (r *rig) manyBuilds(ctx context.Context, name string, n int) (*house, error) {
	h, err := r.house(ctx, name)
	if err != nil {
		return nil, err
	}
	if _, err = h.repository(ctx, "acme/app", trivial); err == nil {
		if _, err = h.worker(2); err == nil {
			err = h.build(ctx, map[string]any{"branch": "main"})
		}
	}
	if err == nil && n > 1 {
		err = multiply(ctx, h.db, n-1)
	}
	if err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// measureList measures the list of the newest 20 builds of a repository that has 100,000.
func measureList(ctx context.Context, r *rig, o options) ([]figure, error) {
	n := o.n(100_000, 1000)
	h, err := r.manyBuilds(ctx, "list", n)
	if err != nil {
		return nil, err
	}
	defer h.close()
	f, err := h.list(ctx, n, time.Duration(o.n(5000, 300))*time.Millisecond)
	return []figure{f}, err
}

func (h *house) list(ctx context.Context, n int, span time.Duration) (figure, error) {
	equal := same()
	whole := func(status int, body []byte) error {
		if shown := bytes.Count(body, []byte(`"@type": "build"`)); status != http.StatusOK || shown != 20 {
			return fmt.Errorf("answer %d shows %d builds: %.200s", status, shown, body)
		}
		return equal(status, body)
	}
	a, err := newAsk(http.MethodGet, h.url+"/api/repo/"+url.PathEscape("acme/app")+"/builds?limit=20", h.token, nil, whole)
	if err != nil {
		return figure{}, err
	}
	if _, err := drive(ctx, 16, 200, patience, func(int) (ask, error) { return a, nil }); err != nil { // connections to the database are made
		return figure{}, err
	}
	before, err := cpuOf(h.node.cmd.Process.Pid)
	if err != nil {
		return figure{}, err
	}
	got, err := drive(ctx, 16, 0, span, func(int) (ask, error) { return a, nil })
	if err != nil {
		return figure{}, err
	}
	after, err := cpuOf(h.node.cmd.Process.Pid)
	if err != nil {
		return figure{}, err
	}
	name := "list of 20 builds of " + number(float64(n)) + ", 16 connections"
	f := got.checks.figure(name, "5,000 /s, p99 20 ms", "answers", []string{rawGin, rawRows}, append([]amount{perSecond(got.answers, got.took, "/s")}, got.delays.amounts()...)...)
	f.Notes = []string{"CPU of the platform per 1,000 answers: " + number((after.own-before.own).Seconds()*1000/float64(max(got.answers, 1))) + " s"}
	return f, nil
}
