package cache_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/cache"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

// platform is a Cache behind a server, on a database of its own.
type platform struct {
	t     *testing.T
	cache *cache.Cache
	store *store.Store
	url   string
	dir   string
	repo  ci.Repository
}

func newPlatform(t *testing.T, change func(*cache.Config)) *platform {
	t.Helper()
	keys, err := seal.ParseKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{t: t, dir: t.TempDir()}
	if p.store, err = store.Open(t.Context(), store.Config{Path: filepath.Join(p.dir, "db"), Keys: keys}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.store.Close() })
	disk, err := cache.OpenDisk(filepath.Join(p.dir, "kept"), "node-1")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.cache.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	p.url = server.URL
	c := cache.Config{Dir: filepath.Join(p.dir, "incoming"), Keys: keys, Address: func() string { return server.URL }, Pin: "sha256//pin"}
	if change != nil {
		change(&c)
	}
	if p.cache, err = cache.New(p.store, disk, c); err != nil {
		t.Fatal(err)
	}
	if p.repo, err = p.store.AddRepository(t.Context(), ci.NewRepository{Slug: "acme/app", SourceURL: "https://git.example/app", DefaultBranch: "main"}); err != nil {
		t.Fatal(err)
	}
	return p
}

// job makes a build of one job.
func (p *platform) job(b ci.NewBuild, config string) int64 {
	p.t.Helper()
	ctx := p.t.Context()
	if _, _, err := p.store.CreateRequest(ctx, ci.NewRequest{RepositoryID: p.repo.ID, Event: ci.EventPush, Branch: b.Branch}); err != nil {
		p.t.Fatal(err)
	}
	q, ok, err := p.store.ClaimRequest(ctx, "test", time.Minute)
	if err != nil || !ok {
		p.t.Fatal(ok, err)
	}
	b.RequestID, b.RepositoryID, b.Config = q.ID, p.repo.ID, ci.Config(`{}`)
	b.Commit = ci.Commit{SHA: "0123456789abcdef", Ref: "refs/heads/main"}
	b.Jobs = []ci.NewJob{{Stage: -1, Queue: "builds.linux", Config: ci.Config(config)}}
	made, err := p.store.CreateBuild(ctx, b, q.Tries)
	if err != nil {
		p.t.Fatal(err)
	}
	return made.Jobs[0].ID
}

func (p *platform) links(jobID int64) broker.Caches {
	p.t.Helper()
	links, err := p.cache.Links(p.t.Context(), jobID)
	if err != nil || links == nil {
		p.t.Fatalf("links: %v %v", links, err)
	}
	return *links
}

func (p *platform) push(branch string) broker.Caches {
	p.t.Helper()
	return p.links(p.job(ci.NewBuild{Event: ci.EventPush, Branch: branch, Trusted: true}, `{"cache":{"directories":["x"]}}`))
}

func do(t *testing.T, method, address, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

func wantStatus(t *testing.T, what string, want int, status int, text string) {
	t.Helper()
	if status != want {
		t.Errorf("%s: %d %s, want %d", what, status, text, want)
	}
}

func TestCache_branches(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, nil)
	main, dev := p.push("main"), p.push("dev")
	status, text, _ := do(t, http.MethodGet, dev.Fetch.URL, "")
	wantStatus(t, "nothing yet", http.StatusNotFound, status, text)
	status, text, _ = do(t, http.MethodPut, main.Store.URL, "of main")
	wantStatus(t, "store", http.StatusCreated, status, text)
	status, text, header := do(t, http.MethodGet, dev.Fetch.URL, "")
	if status != http.StatusOK || text != "of main" || header.Get("X-Headrace-Branch") != "main" || header.Get("X-Headrace-Age") != "0" {
		t.Errorf("dev gets %d %q %v", status, text, header)
	}
	sum := sha256.Sum256([]byte("of main"))
	if got := header.Get(cache.ChecksumHeader); got != hex.EncodeToString(sum[:]) {
		t.Errorf("checksum %s", got)
	}
	status, text, _ = do(t, http.MethodPut, dev.Store.URL, "of dev")
	wantStatus(t, "store", http.StatusCreated, status, text)
	pull := p.links(p.job(ci.NewBuild{Event: ci.EventPullRequest, Branch: "dev", PullRequest: &ci.PullRequest{Number: 4}}, `{"cache":{"directories":["x"]}}`))
	if _, text, _ = do(t, http.MethodGet, pull.Fetch.URL, ""); text != "of dev" || pull.Store.URL != "" {
		t.Errorf("a pull request from a fork gets %q, and may store at %q", text, pull.Store.URL)
	}
	own := p.links(p.job(ci.NewBuild{Event: ci.EventPullRequest, Branch: "dev", Trusted: true, PullRequest: &ci.PullRequest{Number: 5, Own: true}}, `{"cache":{"directories":["x"]}}`))
	status, text, _ = do(t, http.MethodPut, own.Store.URL, "of 5")
	wantStatus(t, "store", http.StatusCreated, status, text)
	for links, want := range map[broker.Caches]string{own: "of 5", pull: "of dev", main: "of main"} {
		if _, text, _ = do(t, http.MethodGet, links.Fetch.URL, ""); text != want {
			t.Errorf("got %q, want %q", text, want)
		}
	}
}

func TestCache_addresses(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, nil)
	main := p.push("main")
	for what, address := range map[string]string{
		"another branch":     strings.Replace(main.Store.URL, "branch=main", "branch=dev", 1),
		"one more branch":    main.Store.URL + "&branch=dev",
		"another name":       strings.Replace(main.Store.URL, "cache-", "cachf-", 1),
		"another repository": strings.Replace(main.Store.URL, cache.Path+strconv.FormatInt(p.repo.ID, 10), cache.Path+"77", 1),
		"a longer time":      strings.Replace(main.Store.URL, "until=1", "until=9", 1),
		"the one to fetch":   main.Fetch.URL,
		"no tag":             strings.Split(main.Store.URL, "&tag")[0],
		"nothing":            p.url + cache.Path,
	} {
		status, text, _ := do(t, http.MethodPut, address, "x")
		wantStatus(t, what, http.StatusForbidden, status, text)
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodPost} {
		status, text, _ := do(t, method, main.Store.URL, "")
		wantStatus(t, method, http.StatusForbidden, status, text)
	}
	over := newPlatform(t, func(c *cache.Config) { c.For = time.Nanosecond }).push("main")
	u, err := url.Parse(over.Store.URL)
	if err != nil {
		t.Fatal(err)
	}
	until, err := strconv.ParseInt(u.Query().Get("until"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(until+1, 1))
	defer cancel()
	<-ctx.Done()
	status, text, _ := do(t, http.MethodPut, over.Store.URL, "x")
	wantStatus(t, "too late", http.StatusForbidden, status, text)
}

func TestCache_halfIsNone(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, func(c *cache.Config) { c.Most = 10 })
	main := p.push("main")
	status, text, _ := do(t, http.MethodPut, main.Store.URL, "first")
	wantStatus(t, "store", http.StatusCreated, status, text)
	status, text, _ = do(t, http.MethodPut, main.Store.URL, "01234567890")
	wantStatus(t, "too large", http.StatusRequestEntityTooLarge, status, text)
	status, text, _ = do(t, http.MethodPut, main.Store.URL, "damaged", cache.ChecksumHeader, strings.Repeat("0", 64))
	wantStatus(t, "damaged", http.StatusUnprocessableEntity, status, text)
	status, text, _ = do(t, http.MethodPut, main.Store.URL, "")
	wantStatus(t, "nothing", http.StatusUnprocessableEntity, status, text)
	req := httptest.NewRequest(http.MethodPut, main.Store.URL, io.MultiReader(strings.NewReader("half"), broken{}))
	answer := httptest.NewRecorder()
	p.cache.ServeHTTP(answer, req)
	if answer.Code < 400 {
		t.Errorf("an upload that broke off: %d", answer.Code)
	}
	if _, text, _ = do(t, http.MethodGet, main.Fetch.URL, ""); text != "first" {
		t.Errorf("the cache is %q", text)
	}
	if left, err := os.ReadDir(filepath.Join(p.dir, "incoming")); err != nil || len(left) != 0 {
		t.Errorf("uploads stay: %v %v", left, err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestCache_range(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, nil)
	main := p.push("main")
	do(t, http.MethodPut, main.Store.URL, "0123456789")
	for ask, want := range map[string]string{"bytes=4-": "206 456789", "bytes=0-": "200 0123456789", "bytes=2-3": "200 0123456789", "bytes=-2": "200 0123456789", "nonsense": "200 0123456789"} {
		status, text, header := do(t, http.MethodGet, main.Fetch.URL, "", "Range", ask)
		if got := strconv.Itoa(status) + " " + text; got != want || status == 206 && header.Get("Content-Range") != "bytes 4-9/10" {
			t.Errorf("%s: %s %v", ask, got, header)
		}
	}
	status, text, _ := do(t, http.MethodGet, main.Fetch.URL, "", "Range", "bytes=10-")
	wantStatus(t, "behind the end", http.StatusRequestedRangeNotSatisfiable, status, text)
}

// TestCache_limits: what was not used for longest goes, and its bytes with it.
func TestCache_limits(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, func(c *cache.Config) { c.Limits.Total, c.Every = 25, 10*time.Millisecond })
	for _, branch := range []string{"a", "b", "main"} {
		status, text, _ := do(t, http.MethodPut, p.push(branch).Store.URL, "0123456789")
		wantStatus(t, branch, http.StatusCreated, status, text)
	}
	all, err := p.store.Caches(t.Context(), ci.CacheFilter{RepositoryID: p.repo.ID})
	if err != nil || len(all) != 2 || all[0].Branch != "b" || all[1].Branch != "main" {
		t.Errorf("left are %v %v", all, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	done := make(chan error, 1)
	go func() { done <- p.cache.Run(ctx) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		files := 0
		_ = filepath.WalkDir(filepath.Join(p.dir, "kept"), func(_ string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				files++
			}
			return nil
		})
		if files == 2 {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%d files are left", files)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestCache_elsewhere: what is on the disk of another node is asked for there; who asks here all the same does without.
func TestCache_elsewhere(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, nil)
	x := ci.Cache{RepositoryID: p.repo.ID, Branch: "main", Name: "", Place: "node-2", Blob: "b", Size: 3, SHA256: "5a", Address: "https://node-2.example", Pin: "sha256//two"}
	u, err := url.Parse(p.push("main").Fetch.URL)
	if err != nil {
		t.Fatal(err)
	}
	x.Name = u.Path[strings.LastIndex(u.Path, "/")+1:]
	if err := p.store.ReserveBlob(t.Context(), x.Place, x.Blob, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := p.store.PutCache(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	links := p.push("dev")
	if !strings.HasPrefix(links.Fetch.URL, x.Address+cache.Path) || links.Fetch.Pin != x.Pin || !strings.HasPrefix(links.Store.URL, p.url+cache.Path) {
		t.Errorf("the addresses are %+v", links)
	}
	status, text, _ := do(t, http.MethodGet, strings.Replace(links.Fetch.URL, x.Address, p.url, 1), "")
	wantStatus(t, "here", http.StatusNotFound, status, text)
	says(t, text, "on the disk of another node")
	if status, text, _ = do(t, http.MethodPut, p.push("main").Store.URL, "new"); status != http.StatusCreated {
		t.Errorf("store: %d %s", status, text)
	}
	if _, text, _ = do(t, http.MethodGet, p.push("main").Fetch.URL, ""); text != "new" {
		t.Errorf("then it is %q", text)
	}
}

func TestLinks_none(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, nil)
	for _, config := range []string{`{}`, `{"cache":false}`, `{"cache":{"apt":true}}`, `{"language":"node_js","cache":{"npm":false}}`} {
		links, err := p.cache.Links(t.Context(), p.job(ci.NewBuild{Event: ci.EventPush, Branch: "main", Trusted: true}, config))
		if err != nil || links != nil {
			t.Errorf("%s: %v %v", config, links, err)
		}
	}
}
