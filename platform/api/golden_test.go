package api

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/ci"
)

var update = flag.Bool("update", false, "write the golden files anew") //nolint:gochecknoglobals // a flag of the tests

// TestShapes holds the answers against testdata: every field, its order, its value. Each is also held against openapi.json.
func TestShapes(t *testing.T) {
	t.Parallel()
	onBoth(t, shapes)
}

func shapes(t *testing.T, b *bundle) {
	t.Helper()
	j := b.startJob(t)
	b.write(t, j, 0, true, "$ make\n", "\x1b[32mok\x1b[0m <done>\n")
	b.finish(t, j, ci.Passed)
	second := b.addBuild(t, "feature/wheel+race", "")
	b.addBuild(t, "main", "v1")
	build, job := fmt.Sprintf("/api/build/%d", j.BuildID), fmt.Sprintf("/api/job/%d", j.ID)
	tests := []struct{ name, method, path, body string }{
		{"user", "GET", "/api/user", ""},
		{"user_other", "GET", "/api/user/2", ""},
		{"owner_user", "GET", "/api/owner/ines", ""},
		{"owner_organization", "GET", "/api/owner/acme", ""},
		{"repository", "GET", "/api/repo/acme%2Fapp", ""},
		{"repository_include", "GET", "/api/repo/1?include=repository.default_branch,repository.owner,repository.last_started_build,branch.recent_builds", ""},
		{"repositories", "GET", "/api/repos?limit=1", ""},
		{"branch", "GET", "/api/repo/1/branch/feature%2Fwheel+race", ""},
		{"branches", "GET", "/api/repo/1/branches", ""},
		{"build", "GET", build, ""},
		{"build_include", "GET", build + "?include=build.jobs,build.commit,build.branch,build.request,build.created_by,build.stages,build.log_complete,build.repository", ""},
		{"builds", "GET", "/api/repo/1/builds?limit=1&offset=1", ""},
		{"build_tag", "GET", "/api/build/3", ""},
		{"jobs", "GET", build + "/jobs", ""},
		{"job", "GET", job, ""},
		{"job_include", "GET", job + "?include=job.config,job.build,job.commit,job.repository,job.log_complete", ""},
		{"stages", "GET", build + "/stages", ""},
		{"log", "GET", job + "/log", ""},
		{"log_parts", "GET", job + "/log_parts", ""},
		{"requests", "GET", "/api/repo/1/requests?limit=1", ""},
		{"request", "GET", "/api/repo/1/request/1", ""},
		{"messages", "GET", "/api/repo/1/request/1/messages", ""},
		{"lint", "POST", "/api/lint", `{"content":"language: ruby"}`},
		{"request_created", "POST", "/api/repo/acme%2Fapp/requests", `{"request":{"message":"Again","branch":"main","config":{"script":"make"}}}`},
		{"repository_created", "POST", "/api/repos", `{"repository":{"slug":"acme/tool","source_url":"https://git.mill.example/tool"}}`},
		{"build_cancel", "POST", fmt.Sprintf("/api/build/%d/cancel", second.ID), ""},
		{"job_restart", "POST", job + "/restart", ""},
		{"not_found", "GET", "/api/build/999", ""},
	}
	doc := readSpec(t)
	for _, test := range tests { // in order: some change what there is
		t.Run(test.name, func(t *testing.T) {
			got := b.do(t, test.method, test.path, test.body)
			text := fmt.Sprintf("%s %s\n%d %s\n\n%s", test.method, test.path, got.Code, got.Header().Get("Content-Type"), got.Body)
			golden(t, test.name, text)
			doc.check(t, got.json(t))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("answer differs from %s (-want +got):\n%s", path, diff)
	}
}

// spec is openapi.json as far as the tests need it.
type spec struct {
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas map[string]struct {
			Properties map[string]json.RawMessage `json:"properties"`
		} `json:"schemas"`
	} `json:"components"`
}

func readSpec(t *testing.T) spec {
	t.Helper()
	var s spec
	if err := json.Unmarshal(openAPI, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// check finds the schema of every object that says its type, and every field of the object in it.
func (s spec) check(t *testing.T, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			s.check(t, e)
		}
	case map[string]any:
		typ, _ := v["@type"].(string)
		if schema, found := s.Components.Schemas[typ]; found {
			for field := range v {
				if _, known := schema.Properties[field]; !known {
					t.Errorf("openapi.json does not know the field %s of %s", field, typ)
				}
			}
		} else if typ != "" {
			t.Errorf("openapi.json has no schema for %s", typ)
		}
		for _, e := range v {
			s.check(t, e)
		}
	}
}

// TestOpenAPI_HasEveryRoute compares routes and description in both directions.
func TestOpenAPI_HasEveryRoute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var want, got []string
	for _, r := range b.routes() {
		want = append(want, r.method+" "+braces(r.path))
	}
	want = append(want, "GET /v1/ping", "GET /healthz", "GET /readyz", "GET /metrics", "POST /script", "POST /__build__/script", "POST /hooks/{forge}")
	for path, methods := range readSpec(t).Paths {
		for m := range methods {
			if m != "servers" {
				got = append(got, strings.ToUpper(m)+" "+path)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes and openapi.json differ (-routes +openapi.json):\n%s", diff)
	}
}

// TestOpenAPI_HasEveryParameter holds the parameters that a route knows against those that are described.
func TestOpenAPI_HasEveryParameter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	doc := readSpec(t)
	for _, r := range b.routes() {
		described := string(doc.Paths[braces(r.path)][strings.ToLower(r.method)])
		for _, p := range r.params {
			_, name, _ := strings.Cut(p, ".")
			if !strings.Contains(described, `"`+name+`"`) && !strings.Contains(described, `"`+p+`"`) && !strings.Contains(described, "/"+name+`"`) {
				t.Errorf("%s %s: parameter %s is not described", r.method, r.path, p)
			}
		}
	}
}

func braces(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if name, param := strings.CutPrefix(p, ":"); param {
			parts[i] = "{" + name + "}"
		}
	}
	return strings.Join(parts, "/")
}

// TestInclude_KnowsWhatIsShown: every field of the standard shapes can be named in include.
func TestInclude_KnowsWhatIsShown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	build := b.addBuild(t, "main", "")
	for typ, path := range map[string]string{
		"repository": "/api/repo/1", "build": fmt.Sprintf("/api/build/%d", build.ID), "branch": "/api/repo/1/branch/main", "request": "/api/repo/1/request/1",
	} {
		for field := range b.get(t, path).json(t) {
			if strings.HasPrefix(field, "@") || slices.Contains([]string{"tries", "tag_name", "created_at"}, field) {
				continue
			}
			if got := b.get(t, path+"?include="+typ+"."+field); got.Code != http.StatusOK {
				t.Errorf("include=%s.%s answers %d", typ, field, got.Code)
			}
		}
	}
}
