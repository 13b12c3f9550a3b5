package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// measureJobs measures trivial builds of one job each over the whole path: asked for by 8 clients, run, and their logs read.
func measureJobs(ctx context.Context, r *rig, o options) ([]figure, error) {
	h, err := r.house(ctx, "jobs")
	if err != nil {
		return nil, err
	}
	defer h.close()
	sha, err := h.repository(ctx, "acme/app", trivial)
	if err != nil {
		return nil, err
	}
	worker, err := h.worker(8)
	if err != nil {
		return nil, err
	}
	if err := h.build(ctx, map[string]any{"branch": "main"}); err != nil {
		return nil, err
	}
	n := o.n(1000, 20)
	before, err := cpuOf(worker.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	node, err := cpuOf(h.node.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	took, asked, err := h.askAll(ctx, sha, n)
	if err != nil {
		return nil, err
	}
	after, err := cpuOf(worker.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	nodeAfter, err := cpuOf(h.node.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	c, err := h.checkJobs(ctx, n)
	if err != nil {
		return nil, err
	}
	c.add(asked.checks)
	f := c.figure("trivial jobs, whole path", "500 /s", "requests and jobs with their logs", []string{rawCommits, rawMessages, rawBash}, perSecond(n, took, "/s"))
	f.Amounts = append(f.Amounts, amount{"requests answered p50", ms(asked.delays.at(50)), "ms"}, amount{"p99", ms(asked.delays.at(99)), "ms"})
	per := 1000 / float64(n)
	f.Notes = []string{fmt.Sprintf("CPU per 1,000 jobs: worker %s s, its shells %s s, platform %s s", number(per*(after.own-before.own).Seconds()),
		number(per*(after.children-before.children).Seconds()), number(per*(nodeAfter.own+nodeAfter.children-node.own-node.children).Seconds()))}
	return []figure{f}, nil
}

// askAll asks for n builds with 8 clients and waits until all have ended; took is until the last job had, by the database.
func (h *house) askAll(ctx context.Context, sha string, n int) (took time.Duration, asked loaded, err error) {
	began := time.Now()
	asked, err = drive(ctx, 8, n, 5*patience, func(i int) (ask, error) {
		config := fmt.Sprintf("language: shell\ngit:\n  clone: false\nscript: %s\n", wheel(i))
		body, err := json.Marshal(map[string]any{"request": map[string]any{"branch": "main", "sha": sha, "config": config, "merge_mode": "replace"}})
		if err != nil {
			return ask{}, err
		}
		return newAsk(http.MethodPost, h.url+"/api/repo/"+url.PathEscape("acme/app")+"/requests", h.token, body, accepted)
	})
	if err != nil {
		return 0, asked, err
	}
	err = within(ctx, 5*patience, "all builds have ended", func(ctx context.Context) (bool, error) {
		var left int
		err := h.db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM requests WHERE state = 'pending')
			+ (SELECT count(*) FROM builds WHERE state IN ('created', 'queued', 'received', 'started'))`).Scan(&left)
		return left == 0, err
	})
	if err != nil {
		return 0, asked, err
	}
	var last time.Time
	if err := h.db.QueryRowContext(ctx, "SELECT max(finished_at) FROM jobs").Scan(&last); err != nil {
		return 0, asked, err
	}
	return last.Sub(began), asked, nil
}

func accepted(status int, body []byte) error {
	if status != http.StatusAccepted {
		return fmt.Errorf("a request answers %d: %.200s", status, body)
	}
	return nil
}

// checkJobs looks at each job: passed at the first attempt, and its log says which one it was.
func (h *house) checkJobs(ctx context.Context, n int) (c checks, err error) {
	rows, err := h.db.QueryContext(ctx, "SELECT id, state, attempt FROM jobs ORDER BY id OFFSET 1") // the first warmed up
	if err != nil {
		return c, err
	}
	defer rows.Close()
	said := map[string]int{}
	for rows.Next() {
		var id int64
		var state string
		var attempt int
		if err := rows.Scan(&id, &state, &attempt); err != nil {
			return c, err
		}
		status, log, err := h.call(ctx, http.MethodGet, fmt.Sprintf("%s/api/job/%d/log.txt", h.url, id), nil)
		if err != nil {
			return c, err
		}
		_, after, _ := strings.Cut(string(log), "\nhello ")
		line, _, _ := strings.Cut(after, "\n")
		said[strings.TrimSpace(line)]++
		c.check(status == http.StatusOK && state == "passed" && attempt == 1 && strings.HasSuffix(strings.TrimSpace(line), " of the wheel"),
			"job %d: %s at attempt %d, log %d bytes: %.300s", id, state, attempt, len(log), log)
	}
	for i := range n {
		if count := said[fmt.Sprintf("%d of the wheel", i)]; count != 1 {
			c.check(false, "%d logs are of request %d", count, i)
		}
	}
	c.check(c.of == n, "%d jobs for %d requests", c.of, n)
	return c, rows.Err()
}
