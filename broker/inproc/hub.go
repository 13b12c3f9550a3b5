package inproc

import (
	"fmt"
	"slices"
	"sync"

	"github.com/headrace/headrace/broker"
)

// hub is the broker that carriers share.
type hub struct {
	mu       sync.Mutex
	queues   map[string]*queue
	bindings []broker.Binding // an empty key takes all
	made     chan struct{}    // closed and replaced when a queue is made
	heard    int              // counts those who listened
}

func newHub() *hub {
	h := &hub{queues: map[string]*queue{}, made: make(chan struct{})}
	layout := broker.Topology()
	for _, name := range layout.Queues {
		h.queues[name] = newQueue(name, nil)
	}
	h.bindings = layout.Bindings
	return h
}

// declare makes a queue if there is none of the name.
func (h *hub) declare(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.queues[name] == nil {
		h.add(newQueue(name, nil))
	}
}

// add lets a queue be found. The lock is held.
func (h *hub) add(q *queue) {
	h.queues[q.name] = q
	close(h.made)
	h.made = make(chan struct{})
}

// bind makes the exclusive queue of a carrier.
func (h *hub) bind(owner *Carrier, name string) (*queue, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if q := h.queues[name]; q != nil {
		if q.owner != owner {
			return nil, fmt.Errorf("bind %s: %w", name, errInUse)
		}
		return q, nil
	}
	q := newQueue(name, owner)
	h.add(q)
	h.bindings = append(slices.Clip(h.bindings),
		broker.Binding{Exchange: broker.CommandsExchange, Queue: name}, broker.Binding{Exchange: broker.ForeignCommands, Queue: name})
	return q, nil
}

// listen makes the queue of one who listens.
func (h *hub) listen(owner *Carrier, exchange string) *queue {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard++
	q := newQueue(fmt.Sprintf("listener %d", h.heard), owner)
	q.forgets = true
	h.add(q)
	h.bindings = append(slices.Clip(h.bindings), broker.Binding{Exchange: exchange, Queue: q.name})
	return q
}

// drop ends an exclusive queue with all that waits in it.
func (h *hub) drop(q *queue) {
	h.mu.Lock()
	if h.queues[q.name] == q {
		delete(h.queues, q.name)
		h.bindings = slices.DeleteFunc(slices.Clone(h.bindings), func(b broker.Binding) bool { return b.Queue == q.name })
	}
	h.mu.Unlock()
	q.end()
}

// leave ends all exclusive queues of a carrier.
func (h *hub) leave(owner *Carrier) {
	h.mu.Lock()
	var own []*queue
	for _, q := range h.queues {
		if q.owner == owner {
			own = append(own, q)
		}
	}
	h.mu.Unlock()
	for _, q := range own {
		h.drop(q)
	}
}

// find returns the queue of the name; where there is none, made is closed when it is worth to look again.
func (h *hub) find(name string) (q *queue, made <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.queues[name], h.made
}

// targets are the queues that a message goes to.
func (h *hub) targets(m broker.Message) []*queue {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.Exchange == "" {
		if q := h.queues[m.Key]; q != nil {
			return []*queue{q}
		}
		return nil
	}
	var found []*queue
	for _, b := range h.bindings {
		if b.Exchange == m.Exchange && (b.Key == "" || b.Key == m.Key) {
			found = append(found, h.queues[b.Queue])
		}
	}
	return found
}
