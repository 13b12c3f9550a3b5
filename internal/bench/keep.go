package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
)

// measureKeep measures what is kept of the logs of many jobs once they are compressed.
func measureKeep(ctx context.Context, r *rig, o options) ([]figure, error) {
	h, err := r.house(ctx, "keep", "HEADRACE_RETENTION_LOG_COMPACT=2s")
	if err != nil {
		return nil, err
	}
	defer h.close()
	sha, err := h.repository(ctx, "acme/app", trivial)
	if err != nil {
		return nil, err
	}
	if _, err := h.worker(2); err != nil {
		return nil, err
	}
	want, path := lifelike(o.n(5_000_000, 200_000)), r.path("lifelike.txt")
	if err := os.WriteFile(path, want, 0o644); err != nil { //nolint:gosec // the worker reads it
		return nil, err
	}
	n := o.n(200, 4)
	config := fmt.Sprintf("language: shell\ngit:\n  clone: false\nscript: cat %s\n", path)
	body, err := json.Marshal(map[string]any{"request": map[string]any{"branch": "main", "sha": sha, "config": config, "merge_mode": "replace"}})
	if err != nil {
		return nil, err
	}
	a, err := newAsk(http.MethodPost, h.url+"/api/repo/"+url.PathEscape("acme/app")+"/requests", h.token, body, accepted)
	if err != nil {
		return nil, err
	}
	asked, err := drive(ctx, 4, n, patience, func(int) (ask, error) { return a, nil })
	if err != nil {
		return nil, err
	}
	c := asked.checks
	err = within(ctx, 10*patience, "all logs are compressed", func(ctx context.Context) (bool, error) {
		var ended, parts int
		err := h.db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM logs WHERE closed), (SELECT count(*) FROM (SELECT 1 FROM log_parts LIMIT 1) x)`).Scan(&ended, &parts)
		return ended == n && parts == 0, err
	})
	if err != nil {
		return nil, err
	}
	var raw, kept, parts int64
	err = h.db.QueryRowContext(ctx, `SELECT (SELECT sum(worker_bytes) FROM logs), (SELECT sum(length(content) + length(parts)) FROM log_chunks), (SELECT count(*) FROM log_parts)`).
		Scan(&raw, &kept, &parts)
	if err != nil {
		return nil, err
	}
	c.check(parts == 0, "%d parts are left", parts)
	if err := h.checkLogs(ctx, want, &c); err != nil {
		return nil, err
	}
	return []figure{c.figure(fmt.Sprintf("%d jobs of %s MB of log, compressed", n, number(float64(len(want))/1e6)), "<= 1/5, no part left", "requests, and logs read byte for byte", nil,
		amount{"1 /", float64(raw) / float64(kept), "of the bytes"}, amount{"parts left", float64(parts), ""})}, nil
}

// checkLogs reads the log of each job.
func (h *house) checkLogs(ctx context.Context, want []byte, c *checks) error {
	rows, err := h.db.QueryContext(ctx, "SELECT id, state FROM jobs ORDER BY id")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var state string
		if err := rows.Scan(&id, &state); err != nil {
			return err
		}
		status, log, err := h.call(ctx, http.MethodGet, fmt.Sprintf("%s/api/job/%d/log.txt", h.url, id), nil)
		if err != nil {
			return err
		}
		whole := bytes.Contains(bytes.ReplaceAll(log, []byte("\r\n"), []byte("\n")), want)
		c.check(status == http.StatusOK && state == "passed" && whole, "job %d %s: answer %d, %d bytes, whole: %t", id, state, status, len(log), whole)
	}
	return rows.Err()
}

// lifelike are lines as tools write them: words that come again and again, and numbers that do not.
func lifelike(size int) []byte {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same text each time
	words := []string{"compile", "test", "link", "vet", "download", "unpack", "check", "install"}
	rooms := []string{"wheel", "race", "gate", "stone", "mill", "weir", "sluice", "turbine"}
	var b bytes.Buffer
	for n := 0; b.Len() < size; n++ {
		fmt.Fprintf(&b, "2026-11-20T10:%02d:%02d.%03dZ [info] %s internal/%s/%s_%d.go: ok (%d ms) %08x\n", n/60000%60, n/1000%60, n%1000,
			words[random.IntN(len(words))], rooms[random.IntN(len(rooms))], rooms[random.IntN(len(rooms))], random.IntN(40), random.IntN(900), random.Uint32())
	}
	return b.Bytes()
}
