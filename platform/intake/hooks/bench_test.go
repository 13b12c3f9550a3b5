package hooks_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/platform/api"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/intake/hooks"
	"github.com/headrace/headrace/platform/store"
)

// BenchmarkHooks measures hooks over HTTP on PostgreSQL, from the body of 10 KB to the answer after the commit: alone, and with
// 16 forges at once. Each hook is counted in SQL at the end.
func BenchmarkHooks(b *testing.B) {
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) { benchmarkHooks(b, clients) })
	}
}

func benchmarkHooks(b *testing.B, clients int) {
	keys, err := seal.ParseKeys(seal.NewKey())
	if err != nil {
		b.Fatal(err)
	}
	s, err := store.Open(b.Context(), store.Config{PostgresURL: testkit.Postgres(b), Keys: keys})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	n := &bench{tb: b, db: &flaky{Store: s}, limiter: &limiter{}, dir: b.TempDir(), keys: keys}
	n.limiter.left.Store(1)
	if n.repo, err = s.AddRepository(b.Context(), ci.NewRepository{Slug: "acme/app", SourceURL: "https://git.example/acme/app.git", DefaultBranch: "main"}); err != nil {
		b.Fatal(err)
	}
	n.secret = n.secrets()[0].Secret
	n.reopen(hooks.Config{})
	server := httptest.NewServer(api.HooksAlone(n, api.Config{}))
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	body := []byte(pushed("main", aSHA)[:1] + fmt.Sprintf(`"padding":"%010240d",`, 0) + pushed("main", aSHA)[1:])
	signature := "sha256=" + sign(n.secret, body)
	var next atomic.Int64
	var mu sync.Mutex
	var took []time.Duration
	post := func(i int64) {
		r, err := http.NewRequest(http.MethodPost, server.URL+"/api/hooks/github", bytes.NewReader(body))
		if err != nil {
			b.Error(err)
			return
		}
		r.Header.Set("X-GitHub-Event", "push")
		r.Header.Set("X-GitHub-Delivery", fmt.Sprint(i))
		r.Header.Set("X-Hub-Signature-256", signature)
		began := time.Now()
		resp, err := client.Do(r)
		if err != nil {
			b.Error(err)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			b.Errorf("hook %d was answered with %d", i, resp.StatusCode)
		}
		mu.Lock()
		took = append(took, time.Since(began))
		mu.Unlock()
	}
	post(next.Add(1)) // the directory is in memory after it
	took = nil
	b.ResetTimer()
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for i := next.Add(1); i <= int64(b.N)+1; i = next.Add(1) {
				post(i)
			}
		})
	}
	group.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hooks/s")
	if _, total, err := s.Requests(b.Context(), ci.RequestFilter{}); err != nil || total != b.N+1 {
		b.Fatalf("%d requests for %d hooks, %v", total, b.N+1, err)
	}
}
