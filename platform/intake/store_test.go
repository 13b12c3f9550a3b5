package intake_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/intake"
	"github.com/headrace/headrace/platform/scm"
	"github.com/headrace/headrace/platform/store"
)

// Both fit what intake asks for.
var (
	_ intake.Store = (*store.Store)(nil)
	_ intake.Git   = (*scm.Git)(nil)
)

// sourceWith makes a git repository whose files are at one commit.
func sourceWith(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "app")
	git := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b",
			"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	git("init", "--quiet", "-b", "trunk", dir)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git("-C", dir, "add", "--all")
	git("-C", dir, "commit", "--quiet", "--allow-empty", "-m", "first")
	return dir
}

func openStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "headrace.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// finished waits until a request is finished.
func finished(t *testing.T, s *store.Store, h *heard, q ci.Request) ci.Request {
	t.Helper()
	for c := range h.news {
		if c.Kind == ci.ChangeRequest && c.Request == q.ID && c.State == string(ci.RequestFinished) {
			break
		}
	}
	q, err := s.Request(t.Context(), q.RepositoryID, q.ID)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestOnARealStoreAndGit(t *testing.T) {
	t.Parallel()
	s, h := openStore(t), newHeard()
	in := intake.New(s, scm.New(scm.Config{Dir: t.TempDir()}), h, intake.Config{Node: "a", Pauses: []time.Duration{time.Millisecond}})
	dir := sourceWith(t, map[string]string{".travis.yml": twoStages})
	start(t, in)
	r, err := in.AddRepository(t.Context(), ci.NewRepository{Slug: "acme/app", SourceURL: "file://" + dir})
	if err != nil || r.DefaultBranch != "trunk" {
		t.Fatalf("AddRepository = %+v, %v", r, err)
	}
	if _, err := in.AddRepository(t.Context(), ci.NewRepository{Slug: "ACME/app", SourceURL: "file://" + dir}); !fault.Is(err, fault.Conflict) {
		t.Errorf("AddRepository again = %v, want a conflict", err)
	}
	submit := func(n ci.NewRequest) ci.Request {
		t.Helper()
		n.RepositoryID = r.ID
		q, _, err := in.Submit(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		return finished(t, s, h, q)
	}

	q := submit(ci.NewRequest{})
	if q.Result != ci.RequestApproved || len(q.BuildIDs) != 1 {
		t.Fatalf("request = %+v", q)
	}
	b, err := s.Build(t.Context(), q.BuildIDs[0])
	if err != nil {
		t.Fatal(err)
	}
	if b.Number != 1 || b.Branch != "trunk" || b.Commit.Message != "first" || len(b.Jobs) != 3 || b.Jobs[2].StageName != "deploy" || b.ConfigText != twoStages {
		t.Errorf("build = %+v", b)
	}
	if q := submit(ci.NewRequest{Branch: "gone"}); q.Result != ci.RequestRejected || !strings.Contains(q.Reason, `There is no branch "gone"`) || q.Tries != 1 {
		t.Errorf("request for a branch that is not there = %+v", q)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if q := submit(ci.NewRequest{}); q.Result != ci.RequestRejected || !strings.Contains(q.Reason, "There is no git repository at") {
		t.Errorf("request for a repository that is gone = %+v", q)
	}
}

// A server that does not answer is tried five times; then the request is rejected with the last error.
func TestFiveTries(t *testing.T) {
	t.Parallel()
	s, h := openStore(t), newHeard()
	r, err := s.AddRepository(t.Context(), ci.NewRepository{Slug: "acme/app", SourceURL: "http://127.0.0.1:9/app.git", DefaultBranch: "main"})
	if err != nil {
		t.Fatal(err)
	}
	in := intake.New(s, scm.New(scm.Config{Dir: t.TempDir()}), h, intake.Config{
		Node: "a", Pauses: []time.Duration{time.Millisecond}, Poll: 5 * time.Millisecond,
	})
	start(t, in)
	q, _, err := in.Submit(t.Context(), ci.NewRequest{RepositoryID: r.ID})
	if err != nil {
		t.Fatal(err)
	}
	q = finished(t, s, h, q)
	if q.Tries != 5 || q.Result != ci.RequestRejected || !strings.Contains(q.Reason, "Nothing answers on port 9") {
		t.Errorf("request = %+v", q)
	}
}

// A node that dies with a request leaves it to the next one.
func TestAnotherNodeTakesOver(t *testing.T) {
	t.Parallel()
	s, h := openStore(t), newHeard()
	dir := sourceWith(t, map[string]string{".travis.yml": "script: make"})
	r, err := s.AddRepository(t.Context(), ci.NewRepository{Slug: "acme/app", SourceURL: "file://" + dir, DefaultBranch: "trunk"})
	if err != nil {
		t.Fatal(err)
	}
	q, _, err := s.CreateRequest(t.Context(), ci.NewRequest{RepositoryID: r.ID, Event: ci.EventPush, Branch: "trunk"})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.ClaimRequest(context.Background(), "dead", 50*time.Millisecond); !ok || err != nil {
		t.Fatal(ok, err)
	}
	start(t, intake.New(s, scm.New(scm.Config{Dir: t.TempDir()}), h, intake.Config{Node: "b", Poll: 10 * time.Millisecond}))
	if q = finished(t, s, h, q); q.Result != ci.RequestApproved || q.Tries != 2 {
		t.Errorf("request = %+v", q)
	}
}

// A node that dies and is started again goes on with its request at once.
func TestTheSameNodeGoesOn(t *testing.T) {
	t.Parallel()
	s, h := openStore(t), newHeard()
	dir := sourceWith(t, map[string]string{".travis.yml": "script: make"})
	r, err := s.AddRepository(t.Context(), ci.NewRepository{Slug: "acme/app", SourceURL: "file://" + dir, DefaultBranch: "trunk"})
	if err != nil {
		t.Fatal(err)
	}
	q, _, err := s.CreateRequest(t.Context(), ci.NewRequest{RepositoryID: r.ID, Event: ci.EventPush, Branch: "trunk"})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.ClaimRequest(context.Background(), "b", time.Hour); !ok || err != nil {
		t.Fatal(ok, err)
	}
	start(t, intake.New(s, scm.New(scm.Config{Dir: t.TempDir()}), h, intake.Config{Node: "b", Poll: 10 * time.Millisecond}))
	if q = finished(t, s, h, q); q.Result != ci.RequestApproved || q.Tries != 2 {
		t.Errorf("request = %+v", q)
	}
}
