package store

import (
	"context"
	"sync"
	"time"
)

// measureEvery is how often the offset to the database's clock is measured anew.
const measureEvery = 10 * time.Second

// clock gives the time of the database: the last time it said, plus what has passed here since. Without a measured time,
// as on SQLite, it is the clock of this machine.
type clock struct {
	source func() time.Time // replaces the machine's clock where it is set

	mu       sync.Mutex
	base     time.Time // what the database said
	at       time.Time // when it said so, by the monotonic clock of this machine
	last     time.Time // the latest time given
	measured bool
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	var t time.Time
	switch {
	case c.source != nil:
		t = c.source()
	case c.measured:
		t = c.base.Add(time.Since(c.at))
	default:
		t = time.Now()
	}
	t = t.UTC().Round(0).Truncate(time.Microsecond)
	if t.Before(c.last) {
		return c.last
	}
	c.last = t
	return t
}

// due reports whether the offset should be measured.
func (c *clock) due() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.source == nil && (!c.measured || time.Since(c.at) > measureEvery)
}

// measure asks the database for its time. An answer that took long says little and is used only if there is no other.
func (c *clock) measure(ctx context.Context, db conn) error {
	before := time.Now()
	var base time.Time
	if err := db.row(ctx, "SELECT clock_timestamp()").Scan(&base); err != nil {
		return err
	}
	c.set(base, before, time.Since(before))
	return nil
}

func (c *clock) set(base, asked time.Time, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if took > time.Second && c.measured {
		return
	}
	c.base, c.at, c.measured = base, asked.Add(took/2), true
}
