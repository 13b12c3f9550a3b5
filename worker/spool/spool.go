// Package spool owns what a worker has said about its runs and the platform has not stored yet: log and states, in order.
// It publishes each at once, keeps it until a heartbeat's answer says that SQL holds it, and publishes again what does not
// arrive. What it keeps lies on disk, the newest of it in memory too, and is bounded for all runs together: when it is full,
// the writers wait, and with them the processes whose output it is. When the disk takes nothing, only memory is left, with
// a bound of its own. It must not know how a job runs.
package spool

import (
	"context"
	"log/slog"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
)

// Publisher is what the spool needs of a broker.Carrier.
type Publisher interface {
	Publish(ctx context.Context, m broker.Message) error
}

// Config bounds and times a spool.
type Config struct {
	// Dir is where what is kept lies on disk, in a directory for each run; one spool at a time may use it. Empty: everything
	// is in memory.
	Dir string
	// Bytes are kept at most, and with a Dir a segment more for each run. Default 1 GiB, without a Dir 64 MiB.
	Bytes int64
	// Memory bounds the output that is kept in memory beside the disk, and without one that takes it. Default 64 MiB.
	Memory int64
	// Segment is how large a file grows before the next one is begun. Default 8 MiB.
	Segment int64
	// FlushEvery is how long output may wait for more before it is sent. Default 100 ms.
	FlushEvery time.Duration
	// FlushBytes of output are sent without waiting. Default and most: broker.MaxPart.
	FlushBytes int
	// Resend is how long what was published may stay unstored, while answers come, before it is published again; it doubles
	// each time, up to a minute. Default 5 s.
	Resend time.Duration
	// Backoff spaces the tries of a publish that fails.
	Backoff run.Backoff
	// Pressed is called when more than half of Bytes is in use; it must not block.
	Pressed func()
	Log     *slog.Logger
}

func (c Config) withDefaults() Config {
	const usual = 64 << 20
	switch {
	case c.Bytes > 0:
	case c.Dir == "":
		c.Bytes = usual
	default:
		c.Bytes = 1 << 30
	}
	if c.Memory <= 0 {
		c.Memory = usual
	}
	if c.Segment <= 0 {
		c.Segment = 8 << 20
	}
	if c.FlushEvery <= 0 {
		c.FlushEvery = 100 * time.Millisecond
	}
	if c.FlushBytes <= 0 || c.FlushBytes > broker.MaxPart {
		c.FlushBytes = broker.MaxPart
	}
	if c.Resend <= 0 {
		c.Resend = 5 * time.Second
	}
	if c.Pressed == nil {
		c.Pressed = func() {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Spool holds the tapes of a worker's runs within one bound.
type Spool struct {
	pub    Publisher
	cfg    Config
	budget *budget // all that is kept
	memory *budget // text of parts in memory
	disk   disk
}

// New returns an empty spool.
func New(pub Publisher, cfg Config) *Spool {
	cfg = cfg.withDefaults()
	return &Spool{pub: pub, cfg: cfg, budget: newBudget(cfg.Bytes, cfg.Pressed), memory: newBudget(cfg.Memory, cfg.Pressed)}
}

// Used is how many bytes of output are kept.
func (s *Spool) Used() int64 { return s.budget.inUse() }

// piece is how much of the output asks for room at once.
func (s *Spool) piece() int { return int(min(32<<10, s.cfg.Bytes)) }

// Form is the language of the platform that the tape is for.
type Form int

const (
	// Headrace confirms, by the answers to heartbeats, what it has stored.
	Headrace Form = iota
	// Foreign speaks only the original protocol: what the broker took counts as stored.
	Foreign
)

// Open returns the tape of a run. Nothing is sent before [Tape.Send] runs.
func (s *Spool) Open(r broker.Run, form Form) *Tape {
	t := &Tape{
		spool: s, key: r, form: form, began: time.Now(),
		wake: run.NewWaker(), changed: make(chan struct{}), unbound: make(chan struct{}), dropped: make(chan struct{}),
	}
	if s.cfg.Dir != "" {
		t.journal = newJournal(s.cfg.Dir, r, s.cfg.Segment)
	}
	return t
}
