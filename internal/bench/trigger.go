package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/headrace/headrace/internal/run"
)

// trivial is a job that only says something: it clones nothing either, as those of the peers that it is compared with.
const trivial = "language: shell\ngit:\n  clone: false\nscript: echo hello\n"

// measureTrigger measures how long it takes from the answer to a request until its job runs, on an idle house: with all
// that is needed in the request, and with a branch whose head and .travis.yml are fetched.
func measureTrigger(ctx context.Context, r *rig, o options) ([]figure, error) {
	h, err := r.house(ctx, "trigger")
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
	if err := h.build(ctx, map[string]any{"branch": "main"}); err != nil { // the mirror is made, the worker is there
		return nil, err
	}
	var all []figure
	for _, way := range []struct {
		name, aim string
		fields    map[string]any
	}{
		{"trigger answered -> started, configuration given", "p50 5, p99 25 ms", map[string]any{"branch": "main", "sha": sha, "config": trivial, "merge_mode": "replace"}},
		{"trigger answered -> started, commit and .travis.yml known", "p50 5, p99 25 ms", map[string]any{"branch": "main", "sha": sha}},
		{"trigger answered -> started, fetched from a warm file:// mirror", "p50 25, p99 60 ms", map[string]any{"branch": "main"}},
	} {
		f, err := h.triggers(ctx, way.name, way.aim, way.fields, o.n(100, 5))
		if err != nil {
			return all, err
		}
		all = append(all, f)
	}
	return all, nil
}

// taken is the answer to a request.
type taken struct {
	Request struct {
		ID int64 `json:"id"`
	} `json:"request"`
}

func (h *house) trigger(ctx context.Context, fields map[string]any) (int64, error) {
	var answer taken
	err := h.post(ctx, "/repo/"+url.PathEscape("acme/app")+"/requests", http.StatusAccepted, map[string]any{"request": fields}, &answer)
	return answer.Request.ID, err
}

// build asks for a build and waits until it has passed.
func (h *house) build(ctx context.Context, fields map[string]any) error {
	id, err := h.trigger(ctx, fields)
	if err != nil {
		return err
	}
	return until(ctx, "the first build has passed", func(ctx context.Context) (bool, error) {
		var n int
		err := h.db.QueryRowContext(ctx, "SELECT count(*) FROM builds WHERE request_id = $1 AND state = 'passed'", id).Scan(&n)
		return n == 1, err
	})
}

// triggers asks for builds one after another; before each the house is idle.
func (h *house) triggers(ctx context.Context, name, aim string, fields map[string]any, n int) (figure, error) {
	var answers, delays spread
	var c checks
	for range n {
		asked := time.Now()
		id, err := h.trigger(ctx, fields)
		if err != nil {
			return figure{}, err
		}
		answered := time.Now()
		var started time.Time
		var state string
		var jobs int
		err = until(ctx, "the job has ended", func(ctx context.Context) (bool, error) {
			if err := run.Pause(ctx, 50*time.Millisecond); err != nil { // the look costs time too
				return false, err
			}
			err := h.db.QueryRowContext(ctx, `SELECT count(*), COALESCE(min(j.state), ''), COALESCE(min(j.started_at), to_timestamp(0)) FROM jobs j
				JOIN builds b ON b.id = j.build_id WHERE b.request_id = $1 AND j.finished_at IS NOT NULL`, id).Scan(&jobs, &state, &started)
			return jobs > 0, err
		})
		if err != nil {
			return figure{}, err
		}
		c.check(jobs == 1 && state == "passed", "request %d made %d jobs, %s", id, jobs, state)
		answers, delays = append(answers, answered.Sub(asked)), append(delays, max(started.Sub(answered), 0))
		if err := run.Pause(ctx, time.Duration(20+rand.IntN(100))*time.Millisecond); err != nil { //nolint:gosec // a pause
			return figure{}, err
		}
	}
	f := c.figure(name, aim, "jobs", []string{rawCommit, rawDeliver, rawConfirm}, delays.amounts()...)
	f.Amounts = append(f.Amounts, amount{"request answered p50", ms(answers.at(50)), "ms"})
	steps, err := h.steps(ctx)
	f.Notes = append(f.Notes, steps)
	return f, err
}

// steps says where the time of the newest builds went, by the database's clock.
func (h *house) steps(ctx context.Context) (string, error) {
	var build, queued, received, started float64
	err := h.db.QueryRowContext(ctx, `SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM b.created_at - q.created_at)),
			percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM j.queued_at - b.created_at)),
			percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM j.received_at - j.queued_at)),
			percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM j.started_at - j.received_at))
		FROM (SELECT * FROM jobs ORDER BY id DESC LIMIT 50) j JOIN builds b ON b.id = j.build_id JOIN requests q ON q.id = b.request_id`).
		Scan(&build, &queued, &received, &started)
	return fmt.Sprintf("median steps: request -> build %s ms, -> queued %s ms, -> claimed %s ms, -> started %s ms",
		number(build*1000), number(queued*1000), number(received*1000), number(started*1000)), err
}
