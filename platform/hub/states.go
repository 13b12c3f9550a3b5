package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/platform/ci"
)

// mostNote bounds what a worker may write about the end of an attempt.
const mostNote = 2000

// state reads a state report.
func (h *Hub) state(d broker.Delivery) (key string, work func(context.Context)) {
	r, err := broker.DecodeStateReport(d.Message())
	if err != nil {
		return "", func(ctx context.Context) { h.drop(ctx, d, err) }
	}
	key = strconv.FormatInt(r.ID, 10)
	report, ok := reportOf(r)
	if !ok {
		err := fmt.Errorf("read state report: job %d cannot be reported as %q", r.ID, r.State)
		return key, func(ctx context.Context) { h.drop(ctx, d, err) }
	}
	if foreign(d.Message()) {
		return key, func(ctx context.Context) { h.foreignReport(ctx, d, report, r.AttemptOf()) }
	}
	if report.State.Final() && r.Headrace.LogParts > 0 {
		last := lastState{report: report, parts: r.Headrace.LogParts, delivery: d}
		return key, func(ctx context.Context) { h.last(ctx, last) }
	}
	return key, func(ctx context.Context) { h.report(ctx, d, report) }
}

// foreign says whether the report comes from a worker that does not claim its attempts.
func foreign(m broker.Message) bool {
	var own struct {
		Headrace *json.RawMessage `json:"headrace"`
	}
	return json.Unmarshal(m.Body, &own) != nil || own.Headrace == nil
}

// reportOf translates a report. received says nothing that the claim has not said.
func reportOf(r broker.StateReport) (ci.StateReport, bool) {
	out := ci.StateReport{
		RunRef: ci.RunRef{JobID: r.ID, Attempt: r.Headrace.Attempt, Run: r.Meta.UUID},
		State:  ci.State(r.State), Reset: r.State == "reset", Reason: ci.Reason(r.Headrace.Reason), ExitCode: r.Headrace.ExitCode, Note: r.Headrace.Note,
	}
	if len(out.Note) > mostNote {
		out.Note = out.Note[:mostNote]
	}
	if out.Reset {
		out.State = ""
	}
	return out, out.Reset || out.State == ci.Received || out.State == ci.Started || out.State.Final()
}

// report stores a report, then acknowledges it.
func (h *Hub) report(ctx context.Context, d broker.Delivery, r ci.StateReport) {
	if r.State == ci.Received {
		h.ack(ctx, d)
		return
	}
	var moved ci.Moved
	err := h.persist(ctx, "a state report", defectsEach, func(ctx context.Context) (err error) {
		moved, err = h.store.Report(ctx, r, h.config.MaxTries)
		return err
	})
	switch {
	case ctx.Err() != nil && err != nil:
		return // not acknowledged: it comes again
	case stale(err) || (err == nil && moved.Stale):
		h.counts.stale.Add(1)
		h.log.DebugContext(ctx, "a report of an attempt that is over was dropped", "job_id", r.JobID, "attempt", r.Attempt, "state", r.State)
	case err != nil:
		h.drop(ctx, d, err)
		return
	default:
		h.log.InfoContext(ctx, "a job was reported", "job_id", r.JobID, "number", moved.Job.Number(), "repo", moved.Job.Slug, "attempt", r.Attempt,
			"state", moved.Job.State, "reason", moved.Job.Reason)
	}
	h.ack(ctx, d)
	h.moved(ctx, moved)
}
