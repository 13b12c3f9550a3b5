package live

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/ci"
)

// Topic is the coordinator's topic of hints; its payloads are for [Decode].
const Topic = "changes"

const (
	// perPayload bounds the hints that travel together.
	perPayload = 500
	// mostPending bounds the hints that wait; beyond it they are replaced by one resync.
	mostPending = 10_000
	// publishTime bounds one publish.
	publishTime = 2 * time.Second
)

// Coordinator carries payloads to all nodes.
type Coordinator interface {
	Publish(ctx context.Context, topic string, payload []byte) error
}

// Publisher sends hints to all nodes, this one included. It is safe for concurrent use.
type Publisher struct {
	coord   Coordinator
	log     *slog.Logger
	wake    run.Waker
	mu      sync.Mutex
	pending merger
}

// NewPublisher returns a Publisher that sends nothing until [Publisher.Run]. log may be nil.
func NewPublisher(coord Coordinator, log *slog.Logger) *Publisher {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Publisher{coord: coord, log: log, wake: run.NewWaker()}
}

// Announce has hints sent. It never waits: while the coordinator is away they are merged, and in the end replaced by one
// that says to look at everything.
func (p *Publisher) Announce(_ context.Context, changes ...ci.Change) {
	if len(changes) == 0 {
		return
	}
	p.mu.Lock()
	for _, c := range changes {
		p.pending.add(c)
	}
	if len(p.pending.list) > mostPending {
		p.pending = merger{}
		p.pending.add(ci.Change{Kind: ci.ChangeResync})
	}
	p.mu.Unlock()
	p.wake.Wake()
}

// Run sends hints until ctx ends. It returns nil then.
func (p *Publisher) Run(ctx context.Context) error {
	failures := 0
	for {
		batch := p.take()
		if len(batch) == 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-p.wake:
			}
			continue
		}
		err := p.publish(ctx, batch)
		if err == nil {
			failures = 0
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		if failures++; failures == 1 {
			p.log.WarnContext(ctx, "other nodes and open pages are not told of changes; they look by themselves", "err", err)
		}
		p.putBack(batch)
		if run.Pause(ctx, run.Backoff{Most: 5 * time.Second}.After(failures)) != nil {
			return nil
		}
	}
}

func (p *Publisher) publish(ctx context.Context, batch []ci.Change) error {
	payload, err := json.Marshal(batch)
	if err != nil {
		return fmt.Errorf("encode %d changes: %w", len(batch), err)
	}
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	return p.coord.Publish(ctx, Topic, payload)
}

// take takes the oldest hints.
func (p *Publisher) take() []ci.Change {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.pending.list
	n := min(len(list), perPayload)
	p.pending = merger{}
	for _, c := range list[n:] {
		p.pending.add(c)
	}
	return list[:n:n]
}

// putBack puts hints before those that came since.
func (p *Publisher) putBack(batch []ci.Change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := p.pending.list
	p.pending = merger{}
	for _, c := range append(batch, since...) {
		p.pending.add(c)
	}
}
