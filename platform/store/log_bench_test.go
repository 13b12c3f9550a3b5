package store

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/testkit"
)

// BenchmarkCompactLogs compacts logs of 5 MB each.
func BenchmarkCompactLogs(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkCompact(b, Config{Path: filepath.Join(b.TempDir(), "store.db")}) })
	b.Run("postgres", func(b *testing.B) { benchmarkCompact(b, Config{PostgresURL: testkit.Postgres(b)}) })
}

func benchmarkCompact(b *testing.B, config Config) {
	const size = 5_000_000
	k := newKeeper(b, config)
	for i, run := range k.jobs(b.N) {
		k.fill(run, buildOutput(i, size))
	}
	k.now = k.now.Add(time.Hour)
	b.SetBytes(size)
	b.ResetTimer()
	for done := 0; done < b.N; {
		n, err := k.CompactLogs(b.Context(), time.Minute)
		if err != nil || n == 0 {
			b.Fatal(n, err)
		}
		done += n
	}
	b.StopTimer()
	raw, packed := k.count("SELECT sum(size) FROM log_chunks"), k.count("SELECT sum(length(content) + length(parts)) FROM log_chunks")
	b.ReportMetric(float64(raw)/float64(packed), "ratio")
}
