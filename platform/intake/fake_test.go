package intake_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/intake"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stored is what a request came to in the fake store.
type stored struct {
	postponed []time.Duration
	reason    string
	rejected  bool
	messages  []ci.ConfigMessage
	build     *ci.NewBuild
	stopped   string // why the cron that made the request was stopped
}

// fakeStore keeps requests in memory. Each claim counts a try, as the real one does.
type fakeStore struct {
	mu         sync.Mutex
	repository ci.Repository
	others     map[string]ci.Repository // by their slugs
	pending    []ci.Request
	got        map[int64]*stored
	settled    chan int64 // gets the id of each request that was postponed, rejected or built
	createErr  error
	keys       map[string]ci.Request
	renewErr   error
	settings   *ci.RepositorySettings
}

func newFakeStore() *fakeStore {
	return &fakeStore{
		repository: ci.Repository{ID: 7, Slug: "acme/app", SourceURL: "file:///srv/app", DefaultBranch: "main", Active: true},
		got:        map[int64]*stored{}, settled: make(chan int64, 100), keys: map[string]ci.Request{},
	}
}

func (s *fakeStore) add(q ci.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.RepositoryID = s.repository.ID
	if q.Event == "" {
		q.Event = ci.EventAPI
	}
	s.pending = append(s.pending, q)
}

func (s *fakeStore) result(id int64) *stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of(id)
}

func (s *fakeStore) of(id int64) *stored {
	if s.got[id] == nil {
		s.got[id] = &stored{}
	}
	return s.got[id]
}

func (s *fakeStore) AddRepository(_ context.Context, r ci.NewRepository) (ci.Repository, error) {
	return ci.Repository{ID: 8, Slug: r.Slug, SourceURL: r.SourceURL, DefaultBranch: r.DefaultBranch}, nil
}

func (s *fakeStore) Repository(_ context.Context, id, _ int64) (ci.Repository, error) {
	if id != s.repository.ID {
		return ci.Repository{}, fault.New(fault.NotFound, "There is no such repository.")
	}
	return s.repository, nil
}

func (s *fakeStore) RepositoryBySlug(_ context.Context, slug string, _ int64) (ci.Repository, error) {
	r, known := s.others[slug]
	if !known {
		return ci.Repository{}, fault.New(fault.NotFound, "There is no such repository.")
	}
	return r, nil
}

func (s *fakeStore) Reencrypt(_ context.Context, from, to int64, values []string) (map[string]string, error) {
	out := map[string]string{}
	for _, v := range values {
		out[v] = fmt.Sprintf("%d-for-%d", from, to)
	}
	return out, nil
}

func (s *fakeStore) RepositorySettings(context.Context, int64) (ci.RepositorySettings, error) {
	if s.settings != nil {
		return *s.settings, nil
	}
	return ci.DefaultRepositorySettings(), nil
}

func (s *fakeStore) CreateRequest(_ context.Context, n ci.NewRequest) (ci.Request, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q, found := s.keys[n.Key]; found && n.Key != "" {
		return q, false, nil
	}
	q := ci.Request{
		ID: int64(100 + len(s.keys)), RepositoryID: n.RepositoryID, Event: n.Event, Branch: n.Branch, Tag: n.Tag, SHA: n.SHA,
		Message: n.Message, Config: n.Config, MergeMode: n.MergeMode, State: ci.RequestPending,
	}
	s.keys[n.Key] = q
	s.pending = append(s.pending, q)
	return q, true, nil
}

func (s *fakeStore) RenewRequest(context.Context, int64, int, time.Duration) error { return s.renewErr }

func (s *fakeStore) ReleaseRequests(context.Context, string) error { return nil }

func (s *fakeStore) ClaimRequest(context.Context, string, time.Duration) (ci.Request, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 {
		return ci.Request{}, false, nil
	}
	q := s.pending[0]
	s.pending = s.pending[1:]
	q.Tries++
	return q, true, nil
}

func (s *fakeStore) PostponeRequest(_ context.Context, id int64, _ int, after time.Duration, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(id).postponed = append(s.of(id).postponed, after)
	s.of(id).reason = reason
	s.settled <- id
	return nil
}

func (s *fakeStore) RejectRequest(_ context.Context, id int64, _ int, reason string, m []ci.ConfigMessage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(id).rejected, s.of(id).reason, s.of(id).messages = true, reason, m
	s.settled <- id
	return nil
}

func (s *fakeStore) CreateBuild(_ context.Context, b ci.NewBuild, _ int) (ci.Build, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.createErr != nil {
		return ci.Build{}, s.createErr
	}
	s.of(b.RequestID).build = &b
	s.settled <- b.RequestID
	return ci.Build{ID: 500 + b.RequestID, RepositoryID: b.RepositoryID, State: ci.Created}, nil
}

func (s *fakeStore) StopCron(_ context.Context, requestID int64, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(requestID).stopped = reason
	return nil
}

// fakeGit is source control made of functions.
type fakeGit struct {
	ProbeFunc   func(ctx context.Context, url string) (ci.Remote, error)
	ResolveFunc func(ctx context.Context, r ci.Repository, q ci.Request) (ci.Commit, error)
	text        string
	files       map[string]string // others than .travis.yml, as owner/name:path@sha
	missing     bool
	fileErr     error
	noBranch    bool // the repository has no branch that a pull request could be from
	pullErr     error
}

func (g *fakeGit) Probe(ctx context.Context, url string) (ci.Remote, error) {
	if g.ProbeFunc != nil {
		return g.ProbeFunc(ctx, url)
	}
	return ci.Remote{DefaultBranch: "trunk"}, nil
}

func (g *fakeGit) Resolve(ctx context.Context, r ci.Repository, q ci.Request) (ci.Commit, error) {
	if g.ResolveFunc != nil {
		return g.ResolveFunc(ctx, r, q)
	}
	return ci.Commit{SHA: "abc", Ref: "refs/heads/" + q.Branch, Message: "from git"}, nil
}

func (g *fakeGit) ResolvePull(_ context.Context, _ ci.Repository, p ci.PullRequest) (ci.Commit, ci.PullRequest, error) {
	p.Own = p.Own && !g.noBranch
	return ci.Commit{SHA: "merged", Ref: p.BuildRef, Message: "Faster wheels"}, p, g.pullErr
}

func (g *fakeGit) File(_ context.Context, r ci.Repository, sha, path string, _ int) ([]byte, bool, error) {
	if g.files != nil && path != ".travis.yml" {
		text, found := g.files[r.Slug+":"+path+"@"+sha]
		return []byte(text), found, nil
	}
	return []byte(g.text), !g.missing && g.fileErr == nil, g.fileErr
}

// heard collects what was announced.
type heard struct {
	mu   sync.Mutex
	list []ci.Change
	news chan ci.Change
}

func newHeard() *heard { return &heard{news: make(chan ci.Change, 1000)} }

func (h *heard) Announce(_ context.Context, changes ...ci.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, changes...)
	for _, c := range changes {
		h.news <- c
	}
}

func (h *heard) all() []ci.Change {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]ci.Change(nil), h.list...)
}

// start runs the intake until the test ends.
func start(t *testing.T, in *intake.Intake) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}
