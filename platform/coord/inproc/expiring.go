package inproc

import (
	"container/heap"
	"time"
)

// expiring is a map whose entries end at a time of their own. It holds at most max of them.
type expiring[V any] struct {
	max     int
	entries map[string]*entry[V]
	order   byEnd[V] // the one that ends first is at the top
}

type entry[V any] struct {
	key   string
	value V
	until time.Time
	index int // its place in order
}

func newExpiring[V any](most int) *expiring[V] {
	return &expiring[V]{max: most, entries: map[string]*entry[V]{}}
}

// get returns the value of a key that has not ended.
func (x *expiring[V]) get(now time.Time, key string) (value V, ok bool) {
	e, ok := x.entries[key]
	if !ok || !e.until.After(now) {
		return value, false
	}
	return e.value, true
}

// put sets a key; false says that max other keys are there and have not ended.
func (x *expiring[V]) put(now time.Time, key string, value V, until time.Time) bool {
	x.sweep(now)
	if e, ok := x.entries[key]; ok {
		e.value, e.until = value, until
		heap.Fix(&x.order, e.index)
		return true
	}
	if len(x.entries) >= x.max {
		return false
	}
	e := &entry[V]{key: key, value: value, until: until}
	x.entries[key] = e
	heap.Push(&x.order, e)
	return true
}

// drop removes a key, if it is there.
func (x *expiring[V]) drop(key string) {
	if e, ok := x.entries[key]; ok {
		delete(x.entries, key)
		heap.Remove(&x.order, e.index)
	}
}

// dropFirst removes the key that ends first.
func (x *expiring[V]) dropFirst() {
	if len(x.order) > 0 {
		x.drop(x.order[0].key)
	}
}

// sweep removes what has ended.
func (x *expiring[V]) sweep(now time.Time) {
	for len(x.order) > 0 && !x.order[0].until.After(now) {
		x.dropFirst()
	}
}

// byEnd is a heap.
type byEnd[V any] []*entry[V]

func (h byEnd[V]) Len() int           { return len(h) }
func (h byEnd[V]) Less(i, j int) bool { return h[i].until.Before(h[j].until) }
func (h byEnd[V]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is heap.Interface's.
func (h *byEnd[V]) Push(x any) {
	e := x.(*entry[V])
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop is heap.Interface's.
func (h *byEnd[V]) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}
