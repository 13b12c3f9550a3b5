package hooks_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/intake/hooks"
	"github.com/headrace/headrace/platform/store"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

// flaky is a database that can be away.
type flaky struct {
	*store.Store
	down atomic.Bool
}

var errDown = fault.New(fault.Unavailable, "The database does not answer.")

func (f *flaky) HookSources(ctx context.Context) ([]ci.HookSource, error) {
	if f.down.Load() {
		return nil, errDown
	}
	return f.Store.HookSources(ctx)
}

func (f *flaky) TakeHooks(ctx context.Context, list []ci.HookRequest) ([]ci.HookTaken, error) {
	if f.down.Load() {
		return nil, errDown
	}
	return f.Store.TakeHooks(ctx, list)
}

func (f *flaky) NoteHook(ctx context.Context, d ci.HookDelivery) error {
	if f.down.Load() {
		return errDown
	}
	return f.Store.NoteHook(ctx, d)
}

// limiter allows so many, in all.
type limiter struct{ left atomic.Int64 }

func (l *limiter) Allow(context.Context, string, int, time.Duration) (bool, time.Duration, error) {
	return l.left.Add(-1) >= 0, time.Minute, nil
}

// bench is a node that takes hooks.
type bench struct {
	*hooks.Hooks
	tb      testing.TB
	db      *flaky
	limiter *limiter
	dir     string
	keys    *seal.Keys
	repo    ci.Repository
	secret  string
	mu      sync.Mutex
	news    []ci.Change
}

func (b *bench) Announce(_ context.Context, changes ...ci.Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.news = append(b.news, changes...)
}

func newBench(tb testing.TB) *bench {
	tb.Helper()
	keys, err := seal.ParseKeys(seal.NewKey())
	if err != nil {
		tb.Fatal(err)
	}
	s, err := store.Open(tb.Context(), store.Config{Path: filepath.Join(tb.TempDir(), "db"), Keys: keys})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	b := &bench{tb: tb, db: &flaky{Store: s}, limiter: &limiter{}, dir: tb.TempDir(), keys: keys}
	b.limiter.left.Store(1000)
	b.repo, err = s.AddRepository(tb.Context(), ci.NewRepository{Slug: "acme/app", SourceURL: "https://git.example/acme/app.git", DefaultBranch: "main"})
	if err != nil {
		tb.Fatal(err)
	}
	b.secret = b.secrets()[0].Secret
	b.reopen(hooks.Config{})
	return b
}

// reopen is the node after its process died.
func (b *bench) reopen(c hooks.Config) {
	b.tb.Helper()
	c.Dir, c.Keys, c.Retry = b.dir, b.keys, time.Millisecond
	var err error
	if b.Hooks, err = hooks.Open(b.db, b, b.limiter, c); err != nil {
		b.tb.Fatal(err)
	}
	b.tb.Cleanup(func() { _ = b.Close() })
}

func (b *bench) secrets() []ci.HookSecret {
	b.tb.Helper()
	all, err := b.db.HookSecrets(b.tb.Context(), b.repo.ID)
	if err != nil || len(all) == 0 {
		b.tb.Fatal(all, err)
	}
	return all
}

func (b *bench) requests() []ci.Request {
	b.tb.Helper()
	list, _, err := b.db.Requests(b.tb.Context(), ci.RequestFilter{RepositoryID: b.repo.ID, Page: ci.Page{Limit: 100}})
	if err != nil {
		b.tb.Fatal(err)
	}
	return list
}

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// github is a signed message of GitHub.
func (b *bench) github(event, delivery, body string) ci.HookMessage {
	return ci.HookMessage{
		Forge: ci.GitHub, Event: event, Delivery: delivery, Signature: "sha256=" + sign(b.secret, []byte(body)), ContentType: "application/json",
		Body: []byte(body), From: netip.MustParseAddr("192.0.2.7"),
	}
}

func pushed(branch, sha string) string {
	return fmt.Sprintf(`{"ref":"refs/heads/%s","before":"%040d","after":%q,"compare":"https://git.example/compare","deleted":false,
		"repository":{"id":1001,"full_name":"acme/app","clone_url":"https://git.example/acme/app.git"},"sender":{"login":"ines"},"head_commit":{"id":%[3]q}}`, branch, 0, sha)
}

const aSHA = "0123456789abcdef0123456789abcdef01234567"

func (b *bench) take(m ci.HookMessage) ci.HookAnswer {
	b.tb.Helper()
	answer, err := b.Take(b.tb.Context(), m)
	if err != nil {
		b.tb.Fatalf("Take(%s %s) = %v", m.Event, m.Delivery, err)
	}
	return answer
}

func (b *bench) refused(m ci.HookMessage, want fault.Code) {
	b.tb.Helper()
	if answer, err := b.Take(b.tb.Context(), m); !fault.Is(err, want) {
		b.tb.Errorf("Take(%s) = %+v, %v; want it refused as %s", m.Delivery, answer, err, want)
	}
}

func TestHooks_push(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.take(b.github("push", "one", pushed("main", aSHA)))
	again := b.take(b.github("push", "one", pushed("main", aSHA)))
	if first != again || first.Outcome != ci.HookAccepted || first.Repository != "acme/app" || first.RequestID == 0 {
		t.Errorf("answers %+v and %+v", first, again)
	}
	list := b.requests()
	if len(list) != 1 || list[0].Branch != "main" || list[0].SHA != aSHA || list[0].Event != ci.EventPush || list[0].ID != first.RequestID {
		t.Fatalf("requests %+v", list)
	}
	want := ci.Hook{Forge: ci.GitHub, Delivery: "one", Sender: "ines", CompareURL: "https://git.example/compare"}
	if list[0].Hook != want {
		t.Errorf("hook %+v, want %+v", list[0].Hook, want)
	}
	if len(b.news) != 1 || b.news[0].Request != first.RequestID {
		t.Errorf("announced %+v", b.news)
	}
	if other := b.take(b.github("push", "two", pushed("main", aSHA))); other.RequestID == first.RequestID {
		t.Error("another delivery gave the same request")
	}
	unnamed := b.github("push", "", pushed("next", aSHA))
	if x, y := b.take(unnamed), b.take(unnamed); x != y {
		t.Errorf("without an id of the delivery: %+v and %+v", x, y)
	}
}

func TestHooks_refuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	good := b.github("push", "x", pushed("main", aSHA))
	for name, c := range map[string]struct {
		change func(m *ci.HookMessage)
		code   fault.Code
	}{
		"no signature":           {func(m *ci.HookMessage) { m.Signature = "" }, fault.Unauthenticated},
		"SHA-1":                  {func(m *ci.HookMessage) { m.Signature = "sha1=" + strings.Repeat("0", 40) }, fault.Unauthenticated},
		"half a signature":       {func(m *ci.HookMessage) { m.Signature = m.Signature[:40] }, fault.Unauthenticated},
		"of another secret":      {func(m *ci.HookMessage) { m.Signature = "sha256=" + sign("guess", m.Body) }, fault.Forbidden},
		"of the empty secret":    {func(m *ci.HookMessage) { m.Signature = "sha256=" + sign("", m.Body) }, fault.Forbidden},
		"of another body":        {func(m *ci.HookMessage) { m.Body = []byte(pushed("evil", aSHA)) }, fault.Forbidden},
		"one byte more":          {func(m *ci.HookMessage) { m.Body = append([]byte(" "), m.Body...) }, fault.Forbidden},
		"cut short":              {func(m *ci.HookMessage) { m.Body = m.Body[:len(m.Body)/2] }, fault.Invalid},
		"empty":                  {func(m *ci.HookMessage) { m.Body = nil }, fault.Invalid},
		"a list":                 {func(m *ci.HookMessage) { m.Body = []byte("[]") }, fault.Invalid},
		"of no repository":       {func(m *ci.HookMessage) { m.Body = []byte(`{"zen":"x"}`) }, fault.Forbidden},
		"another forge's header": {func(m *ci.HookMessage) { m.Forge = ci.Gitea }, fault.Unauthenticated},
		"a form without payload": {func(m *ci.HookMessage) { m.ContentType = "application/x-www-form-urlencoded" }, fault.Invalid},
		"of a repository nobody added": {func(m *ci.HookMessage) {
			*m = b.github("push", "x", `{"ref":"refs/heads/main","repository":{"id":7,"full_name":"acme/other"}}`)
		}, fault.Forbidden},
		"a branch git does not allow": {func(m *ci.HookMessage) { *m = b.github("push", "x", pushed("-x", aSHA)) }, fault.Invalid},
		"a commit that is none":       {func(m *ci.HookMessage) { *m = b.github("push", "x", pushed("main", "--exec")) }, fault.Invalid},
		"a pull request without one":  {func(m *ci.HookMessage) { *m = b.github("pull_request", "x", pushed("main", aSHA)) }, fault.Invalid},
		"a number where text should be": {func(m *ci.HookMessage) {
			*m = b.github("push", "x", `{"ref":7,"repository":{"id":1001,"full_name":"acme/app"}}`)
		}, fault.Invalid},
	} {
		m := good
		c.change(&m)
		m.Delivery = name
		b.refused(m, c.code)
	}
	if list := b.requests(); len(list) != 0 {
		t.Errorf("requests %+v", list)
	}
	b.take(good)
}

func TestHooks_usesNot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	about := `"repository":{"id":1001,"full_name":"acme/app"}`
	for name, m := range map[string]ci.HookMessage{
		"a ping":                  b.github("ping", "1", `{"zen":"x",`+about+`}`),
		"a deleted branch":        b.github("push", "2", `{"ref":"refs/heads/x","after":"0000000000000000000000000000000000000000","deleted":true,`+about+`}`),
		"zeros alone":             b.github("push", "3", `{"ref":"refs/heads/x","after":"0000000000000000000000000000000000000000",`+about+`}`),
		"the event of a delete":   b.github("delete", "4", `{"ref":"x","ref_type":"branch",`+about+`}`),
		"the event of a tag":      b.github("create", "5", `{"ref":"v1","ref_type":"tag",`+about+`}`),
		"a comment":               b.github("issue_comment", "6", `{"action":"created","number":"text",`+about+`}`),
		"notes":                   b.github("push", "7", `{"ref":"refs/notes/x","after":"`+aSHA+`",`+about+`}`),
		"a closed pull request":   b.github("pull_request", "8", `{"action":"closed","number":1,"pull_request":{},`+about+`}`),
		"a label":                 b.github("pull_request", "9", `{"action":"labeled","number":1,"pull_request":{},`+about+`}`),
		"a new title":             b.github("pull_request", "10", `{"action":"edited","changes":{"title":{}},"number":1,"pull_request":{},`+about+`}`),
		"no event":                b.github("", "11", `{`+about+`}`),
		"reopened, but it is not": b.github("pull_request", "12", `{"action":"reopened","number":1,"pull_request":{"state":"closed"},`+about+`}`),
	} {
		if answer := b.take(m); answer.Outcome != ci.HookUnused || answer.Message == "" || answer.RequestID != 0 {
			t.Errorf("%s: %+v", name, answer)
		}
	}
	if list := b.requests(); len(list) != 0 {
		t.Errorf("requests %+v", list)
	}
	noted, err := b.db.HookDeliveries(t.Context(), b.repo.ID, 100)
	if err != nil || len(noted) != 12 || noted[0].Outcome != ci.HookUnused || noted[0].Reason == "" {
		t.Errorf("%d deliveries, %v: %+v", len(noted), err, noted)
	}
}

func TestHooks_inactive(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if err := b.db.SetActive(t.Context(), b.repo.ID, false); err != nil {
		t.Fatal(err)
	}
	if a := b.take(b.github("push", "one", pushed("main", aSHA))); a.Outcome != ci.HookUnused || !strings.Contains(a.Message, "turned off") {
		t.Errorf("answer %+v", a)
	}
}

func TestHooks_tagAndForm(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tagged := `{"ref":"refs/tags/v1.2","before":"0000000000000000000000000000000000000000","after":"ffff456789abcdef0123456789abcdef01234567",
		"head_commit":{"id":"` + aSHA + `"},"repository":{"id":1001,"full_name":"Acme/App"}}`
	form := url.Values{"payload": {tagged}}.Encode()
	m := b.github("push", "one", form)
	m.ContentType = "application/x-www-form-urlencoded; charset=utf-8"
	b.take(m)
	if q := b.requests()[0]; q.Tag != "v1.2" || q.Branch != "" || q.SHA != aSHA || q.Hook.Before != "" {
		t.Errorf("request %+v", q)
	}
	m.Forge, m.Delivery, m.Signature = ci.Gitea, "two", sign(b.secret, []byte(tagged)) // Gitea signs the JSON
	if a := b.take(m); a.Outcome != ci.HookAccepted {
		t.Errorf("answer %+v", a)
	}
}

func TestHooks_rotation(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	other := &bench{tb: t, db: b.db, limiter: b.limiter, dir: t.TempDir(), keys: b.keys, repo: b.repo} // a node that hears nothing of what changes
	other.reopen(hooks.Config{})
	old := b.github("push", "old", pushed("main", aSHA))
	other.take(old)
	all, err := b.db.RotateHookSecret(t.Context(), b.repo.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []*bench{b, other} {
		for _, v := range all {
			b.secret = v.Secret
			if a := node.take(b.github("push", v.ID, pushed("main", aSHA))); a.Outcome != ci.HookAccepted {
				t.Errorf("answer %+v", a)
			}
		}
	}
	if err := b.db.RemoveHookSecret(t.Context(), b.repo.ID, all[1].ID); err != nil {
		t.Fatal(err)
	}
	b.secret = all[1].Secret
	for _, node := range []*bench{b, other} {
		node.refused(b.github("push", "late", pushed("main", aSHA)), fault.Forbidden)
	}
	if list := b.requests(); len(list) != 3 {
		t.Errorf("%d requests, want 3", len(list))
	}
}

func TestHooks_limit(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	right := b.github("push", "right", pushed("main", aSHA))
	b.take(right)
	b.limiter.left.Store(2)
	wrong := right
	wrong.Signature = "sha256=" + sign("guess", wrong.Body)
	b.refused(wrong, fault.Forbidden)
	b.refused(wrong, fault.Forbidden)
	b.refused(wrong, fault.Limited)
	right.Delivery = "next"
	b.take(right) // what is proved is not counted
	noted, err := b.db.HookDeliveries(t.Context(), b.repo.ID, 100)
	if err != nil || len(noted) != 4 || noted[1].Outcome != ci.HookRefused && noted[2].Outcome != ci.HookRefused {
		t.Errorf("%v: %+v", err, noted)
	}
}

func TestHooks_renamed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.take(b.github("push", "one", pushed("main", aSHA))) // now the id is known
	b.Refresh()
	moved := strings.ReplaceAll(pushed("main", aSHA), "acme/app", "mill/wheels")
	if a := b.take(b.github("push", "two", moved)); a.Repository != "acme/app" {
		t.Errorf("answer %+v", a)
	}
	b.reopen(hooks.Config{})
	b.take(b.github("push", "three", moved))
	b.refused(b.github("push", "four", strings.ReplaceAll(pushed("main", aSHA), "1001", "2002")), fault.Forbidden) // has the name, is another
}

func TestHooks_diskGone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if err := os.RemoveAll(b.dir); err != nil {
		t.Fatal(err)
	}
	if a := b.take(b.github("push", "one", pushed("main", aSHA))); a.Outcome != ci.HookAccepted {
		t.Errorf("answer %+v", a)
	}
}
