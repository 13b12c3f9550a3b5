package ci

import "time"

const (
	// MostHeard is the most that one word of a node adds to the time heard.
	MostHeard = 2 * time.Second
	// HearingGap is how long nobody hears before the hearing has to settle: workers may need that long to be heard again.
	HearingGap = 5 * time.Second
)

// Hearing is for how long workers could be heard: the time that leases run in. It hangs on no clock that somebody sets: each
// node counts time as it passes for itself, and the hearing follows the one that is the furthest.
type Hearing struct {
	// Raw is all the time in which some node could hear.
	Raw time.Duration
	// Settled is the raw time up to which nothing counts, after a gap.
	Settled time.Duration
	// Counter is what counts.
	Counter time.Duration
}

// Heard is what a node says when it has found that it hears.
type Heard struct {
	// First: it never heard before. Then Gap is for how long nobody did, as far as one can know.
	First bool
	// Gap is the time since its last word was stored, as it passed for the node.
	Gap time.Duration
	// Raw is the raw time as it was stored then.
	Raw time.Duration
}

// After returns the hearing after the word of a node. The counter never runs faster than time passes, however many nodes
// hear; after a gap, in which nobody heard, it stands still for the time of settle.
func (h Hearing) After(w Heard, settle time.Duration) (next Hearing, gap time.Duration) {
	next = h
	gap = w.Gap
	if !w.First && gap > HearingGap {
		gap -= h.Raw - w.Raw // the others heard meanwhile
	}
	if gap > HearingGap {
		next.Settled = max(h.Settled, h.Raw+max(settle, 0))
	} else {
		gap = 0
	}
	if w.First {
		return next, gap
	}
	next.Raw = max(h.Raw, w.Raw+min(max(w.Gap, 0), MostHeard))
	next.Counter += max(next.Raw-max(h.Raw, next.Settled), 0)
	return next, gap
}
