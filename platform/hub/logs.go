package hub

import (
	"context"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

const (
	mostParts = 256
	mostBytes = 4 << 20
)

// part is a log part that is not acknowledged yet.
type part struct {
	ci.LogPart
	delivery broker.Delivery
	waits    bool // for its run to become known; heard is since when, in hearing time
	heard    time.Duration
	late     bool // it waits no more
}

// logPart reads a log part and has it stored with others.
func (h *Hub) logPart(ctx context.Context, d broker.Delivery) {
	p, err := broker.DecodeLogPart(d.Message())
	if err != nil {
		h.drop(ctx, d, err)
		return
	}
	select {
	case h.parts <- part{delivery: d, LogPart: ci.LogPart{
		JobID: p.JobID, Attempt: p.Attempt, Run: p.Run, Source: ci.LogWorker, Number: p.Number, Content: p.Content, Elapsed: p.Elapsed, Final: p.Final,
	}}:
	case <-ctx.Done():
	}
}

// behind says that parts come faster than the store takes them. Then it is no sign of an end that nothing was added to a log.
func (h *Hub) behind() bool { return len(h.parts) >= logPrefetch/4 }

// collect stores parts in batches until ctx ends.
func (h *Hub) collect(ctx context.Context) error {
	for {
		batch := h.gather(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		h.storeParts(ctx, batch, defectsBatch)
	}
}

// gather waits for a part and takes what comes shortly after it.
func (h *Hub) gather(ctx context.Context) []part {
	var batch []part
	size := 0
	var due <-chan time.Time
	for len(batch) < mostParts && size < mostBytes {
		select {
		case <-ctx.Done():
			return batch
		case <-due:
			return batch
		case p := <-h.parts:
			if batch = append(batch, p); len(batch) == 1 {
				timer := time.NewTimer(h.config.Collect)
				defer timer.Stop()
				due = timer.C
			}
			size += len(p.Content)
		}
	}
	return batch
}

// storeParts stores a batch and acknowledges it. If the store takes it not for another reason than being away, each part
// is tried alone, so that one which cannot be stored does not hold up the rest.
func (h *Hub) storeParts(ctx context.Context, batch []part, defects int) {
	parts := make([]ci.LogPart, len(batch))
	for i, p := range batch {
		parts[i] = p.LogPart
	}
	var stored []ci.LogStored
	err := h.persist(ctx, "log parts", defects, func(ctx context.Context) (err error) {
		stored, err = h.store.AppendLog(ctx, parts)
		return err
	})
	switch {
	case err == nil:
		unknown := unknownRuns(stored)
		for _, p := range batch {
			if p.Attempt == 0 && unknown[ci.RunRef{JobID: p.JobID, Run: p.Run}] {
				h.keepEarly(ctx, p)
				continue
			}
			h.ack(ctx, p.delivery)
		}
		h.announceLogs(ctx, stored)
	case ctx.Err() != nil: // not acknowledged: they come again
	case len(batch) > 1:
		for i := range batch {
			h.storeParts(ctx, batch[i:i+1], defectsAlone)
		}
	case stale(err):
		h.counts.stale.Add(1)
		h.ack(ctx, batch[0].delivery)
	default:
		h.drop(ctx, batch[0].delivery, err)
	}
}

// announceLogs says how far logs are stored.
func (h *Hub) announceLogs(ctx context.Context, stored []ci.LogStored) {
	var changes []ci.Change
	for _, s := range stored {
		if s.Unknown {
			continue
		}
		if s.Refused {
			h.counts.stale.Add(1)
			continue
		}
		changes = append(changes, ci.Change{
			Kind: ci.ChangeLog, Repository: s.RepositoryID, Build: s.BuildID, Job: s.JobID, Attempt: s.Attempt,
			Source: int(ci.LogWorker), Part: s.Next, Final: s.Closed,
		})
	}
	if len(changes) > 0 {
		h.waiting.wake.Wake()
		h.announce.Announce(ctx, changes...)
	}
}

// stale says that the store refused: the attempt is over, or the job is gone.
func stale(err error) bool { return fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) }
