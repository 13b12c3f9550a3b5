package e2e

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/internal/testkit/servers"
)

// forge sends hooks of pushes to a platform, as GitHub does.
type forge struct {
	url, secret, slug, sha string
	client                 *http.Client

	mu       sync.Mutex
	accepted map[string]bool // branches whose hook was answered with 202
	unheard  map[string]bool // branches of whose hook nobody heard an answer: it may be kept or not
	kept     int             // of those, while the database was away
	answers  map[string]int
}

func newForge(t *testing.T, api platformAPI, slug, source string) *forge {
	t.Helper()
	api.addRepository(t, slug, source)
	var hook struct {
		URLs    map[string]string         `json:"urls"`
		Secrets []struct{ Secret string } `json:"secrets"`
	}
	api.must(t, http.StatusOK, http.MethodGet, repo(slug)+"/hook", nil, &hook)
	if len(hook.Secrets) != 1 || !strings.HasSuffix(hook.URLs["github"], "/api/hooks/github") {
		t.Fatalf("the hook of a new repository is %+v", hook)
	}
	return &forge{
		url: api.url + "/api/hooks/github", secret: hook.Secrets[0].Secret, slug: slug, sha: git(t, strings.TrimPrefix(source, "file://"), "rev-parse", "HEAD"),
		client: &http.Client{Timeout: 10 * time.Second}, accepted: map[string]bool{}, unheard: map[string]bool{}, answers: map[string]int{},
	}
}

// push tells of a push to a branch; 0: nobody answered.
func (f *forge) push(ctx context.Context, branch string) (status int, answer string) {
	body := fmt.Sprintf(`{"ref":"refs/heads/%s","before":"%040d","after":%q,"repository":{"id":4711,"full_name":%q},"sender":{"login":"ines"}}`, branch, 0, f.sha, f.slug)
	return f.post(ctx, "push", "delivery of "+branch, body)
}

// post sends a hook; status 0: nobody answered.
func (f *forge) post(ctx context.Context, event, delivery, body string) (status int, answer string) {
	mac := hmac.New(sha256.New, []byte(f.secret))
	mac.Write([]byte(body))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "X-GitHub-Event": event, "X-GitHub-Delivery": delivery, "X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
	} {
		r.Header.Set(name, value)
	}
	resp, err := f.client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, text.String()
}

// send sends hooks at a rate until ctx ends.
func (f *forge) send(ctx context.Context, perSecond int) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	var group sync.WaitGroup
	defer group.Wait()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		group.Go(func() {
			branch := fmt.Sprintf("b-%d", i)
			status, answer := f.push(context.WithoutCancel(ctx), branch)
			f.mu.Lock()
			defer f.mu.Unlock()
			switch status {
			case http.StatusAccepted:
				f.accepted[branch] = true
			case 0:
				f.unheard[branch] = true
			}
			if strings.Contains(answer, `"kept"`) {
				f.kept++
			}
			f.answers[fmt.Sprint(status)]++
		})
	}
}

func (f *forge) keptSoFar() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.kept
}

// buildsByBranch returns the ids of the builds of each branch.
func (a platformAPI) buildsByBranch(t *testing.T, slug string) map[string][]int64 {
	t.Helper()
	found := map[string][]int64{}
	for offset := 0; ; offset += 100 {
		var page struct {
			Builds []struct {
				ID     int64                 `json:"id"`
				Branch struct{ Name string } `json:"branch"`
			} `json:"builds"`
		}
		a.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("%s/builds?limit=100&offset=%d", repo(slug), offset), nil, &page)
		for _, b := range page.Builds {
			found[b.Branch.Name] = append(found[b.Branch.Name], b.ID)
		}
		if len(page.Builds) < 100 {
			return found
		}
	}
}

// TestFault_HooksDatabaseDown: the database goes away under 20 hooks a second, the node is killed and started again while it is
// away, and the database comes back: each hook that was answered with 202 has one build.
func TestFault_HooksDatabaseDown(t *testing.T) {
	t.Parallel()
	postgres := testkit.OwnPostgres(t, servers.Durable)
	var s shape
	s.addNode(t, "node-a", []string{"HEADRACE_POSTGRES_URL=" + postgres.URL()})
	source := repository(t, map[string]string{".travis.yml": "language: shell\nscript: 'true'\n"})
	f := newForge(t, s.api(), "acme/hooked", source)
	if status, answer := f.push(t.Context(), "first"); status != http.StatusAccepted || strings.Contains(answer, "kept") {
		t.Fatalf("the first hook was answered with %d %s", status, answer)
	}
	ctx, stop := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	sending.Go(func() { f.send(ctx, 20) })
	defer func() { stop(); sending.Wait() }()
	if err := postgres.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	more := func(what string) {
		t.Helper()
		before := f.keptSoFar()
		eventually(t, what, func() (bool, string) {
			kept := f.keptSoFar()
			return kept >= before+20, fmt.Sprintf("%d hooks are kept, %d before", kept, before)
		})
	}
	more("hooks kept while the database is away")
	pause(t, lasting(time.Second, 30*time.Second))
	s.nodes[0].kill()
	s.nodes[0].start()
	more("hooks kept by a node that was started while the database is away")
	pause(t, lasting(time.Second, 30*time.Second))
	if err := postgres.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ready(t, s.api().url)
	stop()
	sending.Wait()
	t.Logf("%d hooks were answered with 202, %d of them kept on disk; answers by status: %v", len(f.accepted), f.kept, f.answers)
	f.accepted["first"] = true
	for built := 0; built < len(f.accepted); {
		eventually(t, "builds of more hooks", func() (bool, string) {
			before, found := built, 0
			for branch := range s.api().buildsByBranch(t, f.slug) {
				if f.accepted[branch] {
					found++
				}
			}
			built = found
			return built > before || built >= len(f.accepted), fmt.Sprintf("%d of %d", built, len(f.accepted))
		})
	}
	for branch, ids := range s.api().buildsByBranch(t, f.slug) {
		if len(ids) != 1 || !f.accepted[branch] && !f.unheard[branch] {
			t.Errorf("branch %s has the builds %d; its hook was accepted: %v", branch, ids, f.accepted[branch])
		}
		for _, id := range ids { // there is no worker
			s.api().must(t, http.StatusAccepted, http.MethodPost, fmt.Sprintf("/build/%d/cancel", id), nil, nil)
		}
	}
}
