package ci_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/ci"
)

func TestHearing(t *testing.T) {
	t.Parallel()
	const s = time.Second
	at := func(raw, settled, counter time.Duration) ci.Hearing {
		return ci.Hearing{Raw: raw * s, Settled: settled * s, Counter: counter * s}
	}
	for name, c := range map[string]struct {
		was  ci.Hearing
		word ci.Heard
		want ci.Hearing
		gap  time.Duration
	}{
		"a second":                      {at(10, 0, 10), ci.Heard{Gap: s, Raw: 10 * s}, at(11, 0, 11), 0},
		"no more than two at a time":    {at(10, 0, 10), ci.Heard{Gap: 4 * s, Raw: 10 * s}, at(12, 0, 12), 0},
		"time does not run back":        {at(10, 0, 10), ci.Heard{Gap: -s, Raw: 10 * s}, at(10, 0, 10), 0},
		"another counted it":            {at(11, 0, 11), ci.Heard{Gap: s, Raw: 10 * s}, at(11, 0, 11), 0},
		"another counted half of it":    {at(10, 0, 10), ci.Heard{Gap: 2 * s, Raw: 9 * s}, at(11, 0, 11), 0},
		"the first word":                {at(10, 0, 10), ci.Heard{First: true, Gap: 3 * s}, at(10, 0, 10), 0},
		"the first after a gap":         {at(10, 0, 10), ci.Heard{First: true, Gap: 6 * s}, at(10, 40, 10), 6 * s},
		"nobody heard":                  {at(10, 0, 10), ci.Heard{Gap: 60 * s, Raw: 10 * s}, at(12, 40, 10), 60 * s},
		"the others heard all the time": {at(69, 0, 69), ci.Heard{Gap: 60 * s, Raw: 10 * s}, at(69, 0, 69), 0},
		"the others heard for a while":  {at(30, 0, 30), ci.Heard{Gap: 60 * s, Raw: 10 * s}, at(30, 60, 30), 40 * s},
		"while it settles":              {at(12, 40, 10), ci.Heard{Gap: s, Raw: 12 * s}, at(13, 40, 10), 0},
		"when it has settled":           {at(39, 40, 10), ci.Heard{Gap: 2 * s, Raw: 39 * s}, at(41, 40, 11), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, gap := c.was.After(c.word, 30*s)
			if diff := cmp.Diff(c.want, got); diff != "" || gap != c.gap {
				t.Errorf("gap %s, want %s (-want +got):\n%s", gap, c.gap, diff)
			}
		})
	}
}

// TestHearing_neverRunsFasterThanTime lets nodes hear, fall silent and come back at random.
func TestHearing_neverRunsFasterThanTime(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // it must be the same each time
		var h ci.Hearing
		var now time.Duration
		type node struct{ at, raw time.Duration }
		nodes := make([]node, 1+rng.IntN(3))
		first := make([]bool, len(nodes))
		for range 500 {
			now += time.Duration(rng.Int64N(int64(time.Second)))
			if rng.IntN(50) == 0 {
				now += time.Duration(rng.Int64N(int64(time.Minute)))
			}
			i := rng.IntN(len(nodes))
			n := &nodes[i]
			next, _ := h.After(ci.Heard{First: !first[i], Gap: now - n.at, Raw: n.raw}, 30*time.Second)
			if next.Raw < h.Raw || next.Counter < h.Counter || next.Raw > now || next.Counter > next.Raw {
				t.Fatalf("seed %d: %+v after %+v, when %s had passed", seed, next, h, now)
			}
			h, first[i], n.at, n.raw = next, true, now, next.Raw
		}
	}
}
