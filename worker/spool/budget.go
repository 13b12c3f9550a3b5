package spool

import "sync"

// budget counts bytes that are in use, and lets takers wait for more.
type budget struct {
	mu      sync.Mutex
	size    int64
	used    int64
	more    chan struct{} // closed when something is given back
	pressed func()
}

func newBudget(size int64, pressed func()) *budget {
	return &budget{size: size, more: make(chan struct{}), pressed: pressed}
}

// take waits until n bytes are free and takes them, or returns false when giveUp is closed.
func (b *budget) take(n int64, giveUp <-chan struct{}) bool {
	for {
		select {
		case <-giveUp:
			return false
		default:
		}
		more, ok := b.try(n)
		if ok {
			return true
		}
		select {
		case <-more:
		case <-giveUp:
			return false
		}
	}
}

func (b *budget) try(n int64) (more <-chan struct{}, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+n <= b.size {
		b.used += n
		ok = true
	}
	if !ok || b.used > b.size/2 {
		b.pressed()
	}
	return b.more, ok
}

func (b *budget) give(n int64) {
	if n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	close(b.more)
	b.more = make(chan struct{})
}

// force takes n bytes without waiting, free or not.
func (b *budget) force(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += n
}

// over says whether more is in use than there should be.
func (b *budget) over() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used > b.size
}

// full says whether nothing is free, and when to ask again.
func (b *budget) full() (more <-chan struct{}, full bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used >= b.size {
		b.pressed()
	}
	return b.more, b.used >= b.size
}

func (b *budget) inUse() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}
