package spool

import (
	"context"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
)

// Tape is what one run says, in order, until it is stored. Its methods are safe for concurrent use; [Tape.Send] is called once.
type Tape struct {
	spool *Spool
	key   broker.Run
	form  Form
	began time.Time
	wake  run.Waker // there may be something to send

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when something was sent, stored or dropped
	unbound chan struct{} // closed when writers need not wait for room any more
	free    bool          // unbound is closed
	dropped chan struct{} // closed by Drop

	text    []byte // output that is in no part yet
	textAt  time.Time
	cost    int64 // what text took of the budget
	parts   int   // number of the next part
	pieces  int   // number of the next part in the foreign form
	items   []item
	nextSeq int      // of the next item that is added
	journal *journal // nil: everything is in memory
	unsaved int      // items from this one on are not on disk
	cursor  int      // items from this one on are to be sent
	sent    int      // items before this one were sent at least once
	since   time.Time
	resends int
	ended   bool // the last item was added
	over    bool
}

// Write adds output. It waits while the spool is full; it never fails.
func (t *Tape) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), t.spool.piece())
		t.awaitMemory()
		var cost int64
		if t.spool.budget.take(int64(n), t.unbound) {
			cost = int64(n)
		}
		t.add(rest[:n], cost)
		rest = rest[n:]
	}
	return len(p), nil
}

// Say adds text of the worker's own, without waiting for room.
func (t *Tape) Say(text string) { t.add([]byte(text), 0) }

func (t *Tape) add(p []byte, cost int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over || t.ended {
		t.spool.budget.give(cost)
		return
	}
	if len(t.text) == 0 {
		t.textAt = time.Now()
	}
	t.text, t.cost = append(t.text, p...), t.cost+cost
	for len(t.text) >= t.spool.cfg.FlushBytes && t.cut(false) {
	}
	t.wake.Wake()
}

// Unbound lets writers go on without room from now on: the process ends, and what its pipe holds is little.
func (t *Tape) Unbound() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unbind()
}

func (t *Tape) unbind() {
	if !t.free {
		t.free = true
		close(t.unbound)
	}
}

// Report adds a state, and returns when it is safely on the disk, if there is one.
func (t *Tape) Report(r broker.StateReport) error {
	m, err := r.Message()
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.append(item{said: &m, part: -1, state: r.State})
	t.mu.Unlock()
	t.sync()
	return nil
}

// End completes the log and adds the last state. Nothing can be added afterwards.
func (t *Tape) End(r broker.StateReport) error {
	t.mu.Lock()
	if !t.ended && !t.over {
		t.cut(true)
	}
	if r.Headrace != nil {
		extra := *r.Headrace
		extra.LogParts = t.parts
		r.Headrace = &extra
	}
	t.mu.Unlock()
	err := t.Report(r)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.settle()
	return err
}

// cut makes a part of the text, up to a border between characters. It says whether it could. The caller holds t.mu.
func (t *Tape) cut(final bool) bool {
	n := min(len(t.text), broker.MaxPart)
	if !final || n < len(t.text) {
		n = wholeChars(t.text[:n])
	}
	if n == 0 && !final {
		return false
	}
	last := final && n == len(t.text)
	i := item{
		cost: t.cost, part: t.parts, text: slices.Clone(t.text[:n]), size: n,
		final: last, elapsed: time.Since(t.began), first: t.pieces,
	}
	if t.form == Foreign {
		msgs, _ := t.partOf(i, i.text).TextMessages(0) // text always encodes
		t.pieces += len(msgs)
	}
	t.parts++
	t.cost = 0
	t.text, t.textAt = slices.Clone(t.text[n:]), time.Now()
	t.append(i)
	if final && !last {
		return t.cut(true)
	}
	return true
}

// wholeChars is the length of p without an incomplete character at its end; bytes that are no text count as they are.
func wholeChars(p []byte) int {
	for back := 1; back < utf8.UTFMax && back <= len(p); back++ {
		at := len(p) - back
		if !utf8.RuneStart(p[at]) {
			continue
		}
		if !utf8.FullRune(p[at:]) {
			return at
		}
		break
	}
	return len(p)
}

// settle notices that all is stored. The caller holds t.mu.
func (t *Tape) settle() {
	if t.ended && len(t.items) == 0 {
		t.over = true
	}
	close(t.changed)
	t.changed = make(chan struct{})
	if !t.over {
		return
	}
	t.wake.Wake()
	if t.journal == nil {
		return
	}
	if err := t.journal.remove(); err != nil {
		t.spool.cfg.Log.Warn("what a job had in the spool cannot be removed", "dir", t.journal.dir, "err", err)
	}
}

// Drop forgets everything: nothing of the run counts any more.
func (t *Tape) Drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	cost := t.cost
	for _, i := range t.items {
		cost += t.release(i)
	}
	if !t.over {
		close(t.dropped)
	}
	t.items, t.text, t.cost, t.over = nil, nil, 0, true
	t.unbind()
	t.settle()
	t.spool.budget.give(cost)
}

// Resends counts how often in a row what was sent had to be sent again.
func (t *Tape) Resends() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.resends
}

// Published waits until the last state has been published, with all before it, or the tape is over.
func (t *Tape) Published(ctx context.Context) error {
	return t.await(ctx, func() bool { return t.ended && t.sent >= t.nextSeq })
}

// Stored waits until everything is stored, or the tape was dropped.
func (t *Tape) Stored(ctx context.Context) error {
	return t.await(ctx, func() bool { return false })
}

func (t *Tape) await(ctx context.Context, so func() bool) error {
	for {
		t.mu.Lock()
		done, changed := t.over || so(), t.changed
		t.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
