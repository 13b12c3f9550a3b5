package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// kills is how often a kill test ends a process without warning.
func kills() int {
	if os.Getenv("HEADRACE_VERIFY") == "1" {
		return 100
	}
	return 20
}

// linesPerJob is what each job of a kill test prints, numbered, so that a missing or doubled byte shows.
const linesPerJob = 60

// TestKill ends processes with SIGKILL at random moments under load, starts them again, and then finds every request that
// was accepted, with one build each, every job at its right end, and every log whole.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for half a minute; left out by -short")
	}
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	many := []string{"HEADRACE_LIMITS_ATTEMPTS=1000"}
	t.Run("trial", func(t *testing.T) {
		t.Parallel()
		s := trial(t, t.TempDir(), many)
		killUnderLoad(t, s, s.nodes, seed)
	})
	t.Run("servers", func(t *testing.T) {
		t.Parallel()
		s := standard(t, 2, 2, many...)
		killUnderLoad(t, s, append(append([]*process{}, s.nodes...), s.workers...), seed)
	})
}

func killUnderLoad(t *testing.T, s shape, victims []*process, seed uint64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	script := fmt.Sprintf("language: shell\nscript: for i in $(seq 1 %d); do echo \"line $i of %d\"; sleep 0.01; done\n", linesPerJob, linesPerJob)
	s.api().addRepository(t, "acme/load", repository(t, map[string]string{".travis.yml": script}))
	load := newLoad(s.apis)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { load.run(ctx) })
	}
	for range kills() {
		pause(t, time.Duration(200+random.IntN(900))*time.Millisecond)
		victim := victims[random.IntN(len(victims))]
		victim.kill()
		victim.start()
		load.awaitMore(t)
	}
	stop()
	wg.Wait()
	for _, api := range s.apis {
		ready(t, api.url)
	}
	load.check(t, s.api())
}

// pause waits; the moment of a kill is what these tests choose at random.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// load asks for builds, each under a key of its own, until one is accepted, and remembers it.
type load struct {
	apis     []platformAPI
	mu       sync.Mutex
	next     int
	accepted map[string]int64 // key to request
}

func newLoad(apis []platformAPI) *load { return &load{apis: apis, accepted: map[string]int64{}} }

func (l *load) run(ctx context.Context) {
	for ctx.Err() == nil {
		l.askFor(ctx, fmt.Sprintf("load-%d", l.number()))
		wait(ctx, 400*time.Millisecond)
	}
}

// runTo asks for builds until there are so many.
func (l *load) runTo(ctx context.Context, n int) {
	for ctx.Err() == nil {
		number := l.number()
		if number > n {
			return
		}
		l.askFor(ctx, fmt.Sprintf("load-%d", number))
	}
}

func (l *load) number() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	return l.next
}

// askFor asks until the request is accepted.
func (l *load) askFor(ctx context.Context, key string) {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		if id, ok := l.ask(ctx, l.apis[attempt%len(l.apis)], key); ok {
			l.mu.Lock()
			l.accepted[key] = id
			l.mu.Unlock()
			return
		}
		wait(ctx, 20*time.Millisecond)
	}
}

func (l *load) ask(ctx context.Context, api platformAPI, key string) (int64, bool) {
	status, body, err := api.try(ctx, http.MethodPost, repo("acme/load")+"/requests", map[string]any{"request": map[string]any{}}, "Idempotency-Key", key)
	if err != nil || status != http.StatusAccepted {
		return 0, false
	}
	var answer struct {
		Request request `json:"request"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, false
	}
	return answer.Request.ID, answer.Request.ID > 0
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accepted)
}

// awaitMore waits until at least one more request was accepted, so that each kill meets a platform at work.
func (l *load) awaitMore(t *testing.T) {
	t.Helper()
	before := l.count()
	eventually(t, "another accepted request", func() (bool, string) { return l.count() > before, fmt.Sprint(before) })
}

// check finds every accepted request whole.
func (l *load) check(t *testing.T, api platformAPI) {
	t.Helper()
	builds := map[int64]string{}
	oldest := slices.SortedFunc(maps.Keys(l.accepted), func(a, b string) int { return cmp.Compare(l.accepted[a], l.accepted[b]) })
	for _, key := range oldest { // in the order in which they run
		id := l.accepted[key]
		b := api.ended(t, api.built(t, "acme/load", id).ID)
		if other, twice := builds[b.ID]; twice {
			t.Errorf("%s and %s share build %d", key, other, b.ID)
		}
		builds[b.ID] = key
		if b.State != "passed" || len(b.Jobs) != 1 {
			t.Errorf("%s: build %s is %s with %d jobs", key, b.Number, b.State, len(b.Jobs))
			continue
		}
		checkLog(t, api, b.Jobs[0])
	}
	t.Logf("%d requests accepted, %d builds, %d processes killed", len(l.accepted), len(builds), kills())
}

func checkLog(t *testing.T, api platformAPI, j job) {
	t.Helper()
	text, next := "", 1
	eventually(t, "whole log of job "+j.Number, func() (bool, string) {
		text = api.log(t, j.ID)
		return strings.Contains(text, "Your build exited with"), tail(text, 500)
	})
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, "\r")
		if !strings.HasPrefix(line, "line ") {
			continue
		}
		if want := fmt.Sprintf("line %d of %d", next, linesPerJob); line != want {
			t.Errorf("log of job %s: got %q, want %q", j.Number, line, want)
			return
		}
		next++
	}
	if next != linesPerJob+1 {
		t.Errorf("log of job %s has %d of %d lines:\n%s", j.Number, next-1, linesPerJob, tail(text, 2000))
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
