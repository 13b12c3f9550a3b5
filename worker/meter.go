package worker

import (
	"io"
	"sync"
	"time"
)

// meter measures the output of a job: how much came, and how long none did.
type meter struct {
	out    io.Writer
	limit  int64
	passed func() // called for each write that passes the limit; what passes it is dropped

	mu    sync.Mutex
	count int64
	last  time.Time
	busy  bool // a write waits for room in the spool; that is no silence
}

// Write hands p on as far as the limit allows.
func (m *meter) Write(p []byte) (int, error) {
	pass, over := m.begin(p)
	_, err := m.out.Write(pass)
	m.finish()
	if over {
		m.passed()
	}
	return len(p), err
}

func (m *meter) begin(p []byte) (pass []byte, over bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy = true
	room := m.limit - m.count
	if int64(len(p)) > room {
		p, over = p[:max(room, 0)], true
	}
	m.count += int64(len(p))
	return p, over
}

func (m *meter) finish() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy, m.last = false, time.Now()
}

// touch begins the silence anew.
func (m *meter) touch() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = time.Now()
}

// silence is how long nothing came.
func (m *meter) silence() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.busy {
		return 0
	}
	return time.Since(m.last)
}
