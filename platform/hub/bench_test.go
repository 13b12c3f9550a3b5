package hub_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/broker/inproc"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/hub"
	"github.com/headrace/headrace/platform/store"
)

// BenchmarkLogs carries parts of the greatest size, of one log, from the broker into the database.
func BenchmarkLogs(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		benchmarkLogs(b, store.Config{Path: filepath.Join(b.TempDir(), "headrace.db")})
	})
	b.Run("postgres", func(b *testing.B) { benchmarkLogs(b, store.Config{PostgresURL: testkit.Postgres(b)}) })
	b.Run("postgres, with secrets", func(b *testing.B) {
		keys, err := seal.ParseKeys(seal.NewKey())
		if err != nil {
			b.Fatal(err)
		}
		benchmarkLogs(b, store.Config{PostgresURL: testkit.Postgres(b), Keys: keys})
	})
}

func benchmarkLogs(b *testing.B, config store.Config) {
	s, err := store.Open(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	j := queuedJob(b, s)
	if _, _, err := s.ClaimAttempt(b.Context(), ci.Claim{JobID: j.ID, Attempt: 1, Run: "r", WorkerID: "w1"}); err != nil {
		b.Fatal(err)
	}
	for i := 0; config.Keys != nil && i < 10; i++ {
		v := ci.NewEnvVar{RepositoryID: j.RepositoryID, Name: fmt.Sprintf("S%d", i), Value: fmt.Sprintf("hunter-%d-%x", i, i*7919)}
		if _, err := s.CreateEnvVar(b.Context(), v); err != nil {
			b.Fatal(err)
		}
	}
	c, news := inproc.New(), make(heard, 100_000)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- hub.New(s, c, news, hub.Config{Node: "a"}).Run(ctx) }()
	content := buildOutput()
	b.SetBytes(broker.MaxPart)
	b.ResetTimer()
	for n := range b.N { // Loop would stop the clock before the last part is stored
		if err := c.Publish(ctx, broker.LogPart{JobID: j.ID, Attempt: 1, Run: "r", Number: n, Content: content}.Message()); err != nil {
			b.Fatal(err)
		}
	}
	for change := range news {
		if change.Kind == ci.ChangeLog && change.Part == b.N {
			break
		}
	}
	b.StopTimer()
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
	if err := s.Close(); err != nil {
		b.Error(err)
	}
}

// buildOutput is text as builds write it, as long as the longest part.
func buildOutput() []byte {
	var text []byte
	for i := 0; len(text) < broker.MaxPart; i++ {
		text = fmt.Appendf(text, "ok  \tgithub.com/acme/app/internal/wheel%d\t0.%03ds\tcoverage: %d.%d%% of statements\n", i*7919%1000, i*104729%1000, i%100, i%10)
	}
	return text[:broker.MaxPart]
}
