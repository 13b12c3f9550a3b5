package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/ci"
)

func TestStar(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if got := b.do(t, http.MethodPost, "/api/repo/1/star", "").json(t); got["starred"] != true {
		t.Errorf("starred is %v", got["starred"])
	}
	if list, _ := b.get(t, "/api/repos?starred=true").json(t)["repositories"].([]any); len(list) != 1 {
		t.Errorf("%d are starred", len(list))
	}
	if got := b.do(t, http.MethodPost, "/api/repo/1/unstar", "").json(t); got["starred"] != false {
		t.Errorf("starred is %v", got["starred"])
	}
}

func TestAddRepository(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := `{"repository":{"slug":"acme/new","source_url":"https://git.mill.example/new"}}`
	if got := b.do(t, http.MethodPost, "/api/repos", body); got.Code != http.StatusCreated || got.json(t)["slug"] != "acme/new" {
		t.Errorf("answer %d %s", got.Code, got.Body)
	}
	if got := b.do(t, http.MethodPost, "/api/repos", body); got.Code != http.StatusConflict || got.json(t)["error_type"] != "duplicate_resource" {
		t.Errorf("again: %d %s", got.Code, got.Body)
	}
	got := b.do(t, http.MethodPost, "/api/repos", `{"repository":{"slug":"new"}}`)
	if got.Code != http.StatusBadRequest || at(got.json(t), "fields", "slug") == nil {
		t.Errorf("a slug without owner: %d %s", got.Code, got.Body)
	}
}

func TestRequests_AreIdempotent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ask := func(key, message string) any {
		got := b.do(t, http.MethodPost, "/api/repo/1/requests", `{"message":"`+message+`"}`, idempotencyKey, key)
		if got.Code != http.StatusAccepted {
			t.Fatalf("answer %d %s", got.Code, got.Body)
		}
		return at(got.json(t), "request", "id")
	}
	first := ask("a", "one")
	if again := ask("a", "two"); again != first {
		t.Errorf("the same key made request %v and %v", first, again)
	}
	if other := ask("b", "one"); other == first {
		t.Error("another key gave the same request")
	}
	if ask("", "one") == ask("", "one") {
		t.Error("two requests without a key are one")
	}
	b.user = must(b.store.User(t.Context(), 2))(t)
	if theirs := ask("a", "one"); theirs == first {
		t.Error("the key of another user gave the same request")
	}
	if got := b.do(t, http.MethodPost, "/api/repo/1/requests", "{}", idempotencyKey, strings.Repeat("x", 201)); got.Code != http.StatusBadRequest {
		t.Errorf("a long key answers %d", got.Code)
	}
}

func TestRequests_Configuration(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ body, config, mode string }{
		"object":         {`{"config":{"script":"make"}}`, `{"script":"make"}`, "deep_merge_append"},
		"YAML":           {`{"config":"script: make","merge_mode":"replace"}`, "script: make", "replace"},
		"list of one":    {`{"configs":[{"config":"script: make","mode":"merge"}]}`, "script: make", "merge"},
		"its older name": {`{"configs":[{"config":{"a":1},"merge_mode":"merge"}]}`, `{"a":1}`, "merge"},
		"none":           {`{}`, "", ""},
		"null":           {`{"config":null}`, "", ""},
		"nested":         {`{"request":{"config":{"request":"x"}}}`, `{"request":"x"}`, "deep_merge_append"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			if got := b.do(t, http.MethodPost, "/api/repo/1/requests", test.body); got.Code != http.StatusAccepted {
				t.Fatalf("answer %d %s", got.Code, got.Body)
			}
			if b.work.last.Config != test.config || b.work.last.MergeMode != test.mode {
				t.Errorf("submitted %q by %q, want %q by %q", b.work.last.Config, b.work.last.MergeMode, test.config, test.mode)
			}
		})
	}
}

func TestRequests_Fields(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.do(t, http.MethodPost, "/api/repo/1/requests", `{"tag_name":"v1","sha":"f00d","message":"m","branch":""}`, idempotencyKey, "k")
	want := ci.NewRequest{RepositoryID: 1, Key: "user 1: k", Event: ci.EventAPI, Tag: "v1", SHA: "f00d", Message: "m", CreatedBy: 1}
	if diff := cmp.Diff(want, b.work.last); diff != "" {
		t.Error(diff)
	}
}

func TestRequests_OfAnInactiveRepository(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if got := b.do(t, http.MethodPost, "/api/repo/1/deactivate", "").json(t); got["active"] != false {
		t.Errorf("active is %v", got["active"])
	}
	got := b.do(t, http.MethodPost, "/api/repo/1/requests", "{}")
	if got.Code != http.StatusNotAcceptable || got.json(t)["error_type"] != "repository_inactive" || at(got.json(t), "repository", "slug") != "acme/app" {
		t.Errorf("answer %d %s", got.Code, got.Body)
	}
	b.do(t, http.MethodPost, "/api/repo/1/activate", "")
	if got := b.do(t, http.MethodPost, "/api/repo/1/requests", "{}"); got.Code != http.StatusAccepted {
		t.Errorf("activated again, it answers %d", got.Code)
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.startJob(t)
	build, job := fmt.Sprintf("/api/build/%d", j.BuildID), fmt.Sprintf("/api/job/%d", j.ID)
	steps := []struct {
		path   string
		status int
		kind   any // error_type, or state_change
	}{
		{job + "/restart", 409, "job_already_running"},
		{build + "/restart", 409, "build_already_running"},
		{job + "/cancel", 202, "cancel"},
		{job + "/cancel", 409, "job_not_cancelable"},
		{build + "/cancel", 202, "cancel"},
		{build + "/cancel", 409, "build_not_cancelable"},
		{job + "/restart", 202, "restart"},
		{build + "/cancel", 202, "cancel"},
		{build + "/restart?only_not_passed=true", 202, "restart"},
		{"/api/job/999/cancel", 404, "not_found"},
		{"/api/build/999/restart", 404, "not_found"},
		{build + "/restart?only_not_passed=maybe", 400, "wrong_params"},
	}
	for _, s := range steps {
		got := b.do(t, http.MethodPost, s.path, "")
		v := got.json(t)
		if got.Code != s.status || (v["error_type"] != s.kind && v["state_change"] != s.kind) {
			t.Errorf("POST %s answers %d %v", s.path, got.Code, v)
		}
	}
	if after := must(b.store.Job(t.Context(), j.ID))(t); after.Attempt != 3 || after.RestartedBy != "ines" {
		t.Errorf("the job is at attempt %d, restarted by %q", after.Attempt, after.RestartedBy)
	}
}

func TestLint_TakesYAMLAsItIs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for contentType, body := range map[string]string{"text/yaml": "language: ruby", "application/json": `{"lint.content":"language: ruby"}`} {
		got := b.do(t, http.MethodPost, "/api/lint", body, "Content-Type", contentType)
		if at(got.json(t), "warnings", 0, "message") != "[warn] on language: 14 bytes" {
			t.Errorf("%s: %d %s", contentType, got.Code, got.Body)
		}
	}
	if got := b.do(t, http.MethodPost, "/api/lint", "[]", "Content-Type", "text/yaml").json(t); at(got, "warnings", 0, "message") != "[error] on root: It is a list." || len(got["jobs"].([]any)) != 0 { //nolint:forcetypeassert // else the test ends
		t.Errorf("a list answers %v", got)
	}
	if got := b.do(t, http.MethodPost, "/api/lint", ""); got.Code != http.StatusBadRequest {
		t.Errorf("nothing to check answers %d", got.Code)
	}
}
