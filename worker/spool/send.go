package spool

import (
	"context"
	"time"

	"github.com/headrace/headrace/broker"
)

// Send publishes what is on the tape, in order, until the tape is over or ctx ends.
func (t *Tape) Send(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer t.close()
	failures := 0
	for {
		i, wait, over := t.next()
		if over || ctx.Err() != nil {
			return nil
		}
		wake := (<-chan struct{})(t.wake)
		if i != nil {
			err := t.publish(ctx, *i)
			t.note(ctx, err, failures)
			if err == nil {
				failures = 0
				continue
			}
			failures++
			wait, wake = t.spool.cfg.Backoff.After(failures), t.dropped
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-wake:
		case <-timer.C:
		}
	}
}

// close lets go of the file on disk; what is in it stays.
func (t *Tape) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.journal != nil {
		t.journal.close()
	}
}

// note logs that publishing stopped, and that it goes on.
func (t *Tape) note(ctx context.Context, err error, failures int) {
	log := t.spool.cfg.Log
	switch {
	case err != nil && failures == 0 && ctx.Err() == nil:
		log.WarnContext(ctx, "reports of a job cannot leave; they are kept and sent later", "job_id", t.key.JobID, "err", err)
	case err == nil && failures > 0:
		log.InfoContext(ctx, "reports of a job leave again", "job_id", t.key.JobID, "tries", failures)
	}
}

// next gives the item to send now, or how long to wait for one.
func (t *Tape) next() (i *item, wait time.Duration, over bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return nil, 0, true
	}
	// While something waits to be sent, small output gathers to larger parts.
	if t.cursor >= t.nextSeq && len(t.text) > 0 {
		if age := time.Since(t.textAt); age < t.spool.cfg.FlushEvery {
			return nil, t.spool.cfg.FlushEvery - age, false
		}
		if !t.cut(false) {
			return nil, time.Hour, false // half a character; the rest will wake us
		}
	}
	if n := t.index(t.cursor); n < len(t.items) {
		found := t.items[n]
		return &found, 0, false
	}
	return nil, time.Hour, false
}

func (t *Tape) publish(ctx context.Context, i item) error {
	msgs, err := t.messages(i)
	if err != nil {
		return err
	}
	for _, m := range msgs {
		if err := t.spool.pub.Publish(ctx, m); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cursor <= i.seq { // unless an answer had it sent again meanwhile
		if !t.outstanding() {
			t.since = time.Now()
		}
		t.cursor = i.seq + 1
	}
	t.sent = max(t.sent, i.seq+1)
	if t.form == Foreign {
		t.remove(func(o item) bool { return o.seq == i.seq })
	}
	t.settle()
	return nil
}

// outstanding says whether something was sent and is not stored. The caller holds t.mu.
func (t *Tape) outstanding() bool { return len(t.items) > 0 && t.items[0].seq < t.cursor }

// Confirm takes what the platform says it has stored: that is forgotten. What was sent long ago and is still not stored is
// sent again from the first that is missing.
func (t *Tape) Confirm(st broker.RunStatus) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over || t.form == Foreign {
		return
	}
	have := rank(st.State)
	progress := t.remove(func(i item) bool {
		if i.part >= 0 {
			return st.Closed || i.part < st.Next
		}
		return rank(i.state) <= have
	})
	if progress {
		t.since, t.resends = time.Now(), 0
	}
	if t.outstanding() && time.Since(t.since) >= t.patience() {
		t.cursor = t.items[0].seq
		t.since = time.Now()
		t.resends++
		t.spool.cfg.Log.Warn("reports of a job were not stored; they are sent again", "job_id", t.key.JobID, "attempt", t.key.Attempt, "count", len(t.items))
	}
	t.settle()
	t.wake.Wake()
}

func (t *Tape) patience() time.Duration {
	d := t.spool.cfg.Resend
	for range t.resends {
		d = min(2*d, max(time.Minute, t.spool.cfg.Resend))
	}
	return d
}

// rank orders states as a run passes through them.
func rank(state string) int {
	switch state {
	case "received":
		return 1
	case "started":
		return 2
	case "passed", "failed", "errored", "canceled", "reset":
		return lastRank
	}
	return 0
}

// lastRank is the rank of a last state.
const lastRank = 3
