package hooks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/intake/hooks"
)

// example is one kind of event of GitHub's published examples.
type example struct {
	Name     string            `json:"name"`
	Examples []json.RawMessage `json:"examples"`
}

// anyRepository is a database in which every repository of the examples is, and which takes all.
type anyRepository struct {
	sources []ci.HookSource
	taken   []ci.HookRequest
}

func (s *anyRepository) HookSources(context.Context) ([]ci.HookSource, error) { return s.sources, nil }

func (s *anyRepository) TakeHooks(_ context.Context, list []ci.HookRequest) ([]ci.HookTaken, error) {
	s.taken = append(s.taken, list...)
	return []ci.HookTaken{{RequestID: int64(len(s.taken)), Created: true}}, nil
}

func (s *anyRepository) NoteHook(context.Context, ci.HookDelivery) error { return nil }

func (s *anyRepository) Announce(context.Context, ...ci.Change) {}

const exampleSecret = "of the examples"

// expected says what becomes of an example, read from the JSON in another way than the code does.
type raw map[string]any

func (r raw) at(path string) any {
	var v any = map[string]any(r)
	for part := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[part]
	}
	return v
}

func (r raw) builds(event string) bool {
	switch event {
	case "push":
		return r.at("deleted") == false && r.at("after") != strings.Repeat("0", 40)
	case "pull_request":
		switch r.at("action") {
		case "opened", "reopened", "synchronize", "ready_for_review":
			return r.at("pull_request.state") == "open"
		case "edited":
			return r.at("changes.base") != nil
		}
	}
	return false
}

// TestExamples sends every example that GitHub publishes: none fails, and the right ones make requests.
func TestExamples(t *testing.T) {
	t.Parallel()
	files := exampleFiles(t)
	made := map[string]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var kinds []example
		if err := json.Unmarshal(text, &kinds); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, kind := range kinds {
			for i, body := range kind.Examples {
				if takeExample(t, kind.Name, body, fmt.Sprintf("%s: %s %d", filepath.Base(filepath.Dir(file)), kind.Name, i)) {
					made[kind.Name]++
				}
			}
			made["all"] += len(kind.Examples)
		}
	}
	t.Logf("%d examples; requests by event: %v", made["all"], made)
	if made["all"] < 100 || made["push"] == 0 || made["pull_request"] == 0 {
		t.Errorf("the examples were not read: %v", made)
	}
}

// takeExample sends one, and says whether it made a request.
func takeExample(t *testing.T, event string, body []byte, name string) bool {
	t.Helper()
	var r raw
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	slug, _ := r.at("repository.full_name").(string)
	s := &anyRepository{sources: []ci.HookSource{{RepositoryID: 1, Slug: slug, Secrets: []string{exampleSecret}, Version: 1}}}
	l := &limiter{}
	l.left.Store(2)
	h, err := hooks.Open(s, s, l, hooks.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	answer, err := h.Take(t.Context(), ci.HookMessage{
		Forge: ci.GitHub, Event: event, Delivery: name, Signature: "sha256=" + sign(exampleSecret, body), ContentType: "application/json", Body: body,
	})
	switch {
	case r.at("repository") == nil:
		if !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: it names no repository, and is answered with %+v, %v", name, answer, err)
		}
		return false
	case err != nil:
		t.Errorf("%s: %v", name, err)
		return false
	}
	want := ci.HookUnused
	if r.builds(event) {
		want = ci.HookAccepted
	}
	if answer.Outcome != want {
		t.Errorf("%s: %+v, want it %s", name, answer, want)
	}
	if len(s.taken) == 1 && event == "pull_request" {
		p := s.taken[0].PullRequest
		if float64(p.Number) != r.at("number") || p.HeadSHA != r.at("pull_request.head.sha") || s.taken[0].Branch != r.at("pull_request.base.ref") ||
			p.Own != (r.at("pull_request.head.repo.id") == r.at("repository.id")) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	return len(s.taken) == 1
}

// exampleFiles are those of the npm package @octokit/webhooks-examples, which is data only. `make test` fetches it where it can.
func exampleFiles(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv("HEADRACE_WEBHOOK_EXAMPLES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", ".cache", "webhooks-examples")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || len(files) == 0 {
		t.Skip("GitHub's webhook examples are not there: make webhook-examples fetches them with npm, or HEADRACE_WEBHOOK_EXAMPLES names their folder")
	}
	return files
}
