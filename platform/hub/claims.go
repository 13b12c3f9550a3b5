package hub

import (
	"context"
	"errors"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// claim reads the question of a worker whether it may run an attempt.
func (h *Hub) claim(d broker.Delivery) (key string, work func(context.Context)) {
	var c broker.Claim
	err := broker.Decode(d.Message(), &c)
	if err == nil && (c.JobID <= 0 || c.Attempt <= 0 || c.Run == "" || c.WorkerID == "") {
		err = errors.New("read claim: it names no job, attempt, run or worker")
	}
	if err != nil {
		return "", func(ctx context.Context) { h.drop(ctx, d, err) }
	}
	return c.WorkerID, func(ctx context.Context) {
		if err := h.answerClaim(ctx, c); err != nil {
			h.drop(ctx, d, err)
			return
		}
		h.ack(ctx, d)
	}
}

// answerClaim asks the store. While that is away there is no answer: the worker asks again. An error says that the store
// cannot answer this claim.
func (h *Hub) answerClaim(ctx context.Context, c broker.Claim) error {
	log := h.log.With("job_id", c.JobID, "attempt", c.Attempt, "worker", c.Worker)
	answer := broker.ClaimAnswer{JobID: c.JobID, Attempt: c.Attempt, Run: c.Run}
	claimed, moved, err := h.store.ClaimAttempt(ctx, ci.Claim{
		JobID: c.JobID, Attempt: c.Attempt, Run: c.Run, WorkerID: c.WorkerID, Worker: c.Worker, Redelivered: c.Redelivered,
	})
	switch {
	case err == nil:
		answer.Granted, answer.Next = true, claimed.Next
		if err := h.addSecrets(ctx, c, &answer); err != nil {
			h.seldom.warn(ctx, "the secrets of a job cannot be read", "err", err)
			return nil
		}
		h.addCaches(ctx, c, &answer)
		log.InfoContext(ctx, "a worker has a job")
	case fault.Is(err, fault.Conflict), fault.Is(err, fault.NotFound):
		answer.Reason = fault.Message(err)
		h.counts.refused.Add(1)
		log.InfoContext(ctx, "a worker was refused a job", "reason", answer.Reason)
	case fault.Is(err, fault.Unavailable), ctx.Err() != nil:
		h.seldom.warn(ctx, "a claim cannot be answered", "err", err)
		return nil
	default:
		return err
	}
	h.answer(ctx, c.WorkerID, broker.TypeClaimAnswer, answer)
	h.moved(ctx, moved)
	return nil
}
