package hub_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/broker/inproc"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/hub"
	"github.com/headrace/headrace/platform/store"
)

// BenchmarkLogs carries parts of the greatest size from the broker into SQLite.
func BenchmarkLogs(b *testing.B) {
	s, err := store.Open(b.Context(), store.Config{Path: filepath.Join(b.TempDir(), "headrace.db")})
	if err != nil {
		b.Fatal(err)
	}
	j := queuedJob(b, s)
	if _, _, err := s.ClaimAttempt(b.Context(), ci.Claim{JobID: j.ID, Attempt: 1, Run: "r", WorkerID: "w1"}); err != nil {
		b.Fatal(err)
	}
	c, news := inproc.New(), make(heard, 100_000)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- hub.New(s, c, news, hub.Config{Node: "a"}).Run(ctx) }()
	content := make([]byte, broker.MaxPart)
	b.SetBytes(broker.MaxPart)
	n := 0
	for b.Loop() {
		if err := c.Publish(ctx, broker.LogPart{JobID: j.ID, Attempt: 1, Run: "r", Number: n, Content: content}.Message()); err != nil {
			b.Fatal(err)
		}
		n++
	}
	for change := range news {
		if change.Kind == ci.ChangeLog && change.Part == n {
			break
		}
	}
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
	if err := s.Close(); err != nil {
		b.Error(err)
	}
}
