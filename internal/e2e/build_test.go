package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const twoStages = `language: shell
env:
  global: GREETING="hello there"
  jobs:
    - KIND=one
    - KIND=two
stages: [test, deploy]
install: echo installing
script:
  - echo "$GREETING from $KIND"
  - '[ "$KIND" != broken ]'
jobs:
  include:
    - name: may fail
      env: KIND=broken
    - stage: deploy
      name: ship it
      env: KIND=ship
      script: echo shipped $TRAVIS_COMMIT
  allow_failures:
    - name: may fail
`

// TestBuild_green adds a repository, asks for a build, and looks at every result: the main job of Headrace.
func TestBuild_green(t *testing.T) {
	t.Parallel()
	everyShape(t, func(t *testing.T, s shape) {
		source := repository(t, map[string]string{".travis.yml": twoStages})
		api := s.api()
		api.addRepository(t, "acme/app", source)
		b := api.ended(t, api.built(t, "acme/app", api.trigger(t, "acme/app", nil)).ID)
		if b.State != "passed" || b.Number != "1" || len(b.Jobs) != 4 {
			t.Fatalf("got build %+v", b)
		}
		sha := git(t, strings.TrimPrefix(source, "file://"), "rev-parse", "HEAD")
		for i, want := range []struct{ number, state, text string }{
			{"1.1", "passed", "hello there from one"}, {"1.2", "passed", "hello there from two"},
			{"1.3", "failed", "hello there from broken"}, {"1.4", "passed", "shipped " + sha},
		} {
			j := b.Jobs[i]
			if j.Number != want.number || j.State != want.state {
				t.Errorf("job %d: got %s %s, want %s %s", i, j.Number, j.State, want.number, want.state)
			}
			for _, other := range s.apis { // each node has all of it
				text := other.log(t, j.ID)
				if !strings.Contains(text, want.text) || !strings.Contains(text, "Your build exited with") {
					t.Errorf("log of %s lacks %q:\n%s", j.Number, want.text, tail(text, 2000))
				}
			}
		}
	})
}

// TestBuild_acts cancels and restarts jobs and builds.
func TestBuild_acts(t *testing.T) {
	t.Parallel()
	everyShape(t, func(t *testing.T, s shape) {
		gate := t.TempDir() + "/gate"
		source := repository(t, map[string]string{".travis.yml": "language: shell\nenv: [A=1, A=2]\nscript: echo waiting; while [ ! -e " + gate + " ]; do sleep 0.1; done; echo through\n"})
		api := s.api()
		api.addRepository(t, "acme/acts", source)
		b := api.built(t, "acme/acts", api.trigger(t, "acme/acts", nil))
		api.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/build/%d?include=build.jobs", b.ID), nil, &b)
		awaitJob(t, api, b.Jobs[0].ID, "started")
		api.must(t, http.StatusAccepted, http.MethodPost, fmt.Sprintf("/build/%d/cancel", b.ID), nil, nil)
		b = api.ended(t, b.ID)
		if b.State != "canceled" || b.Jobs[0].State != "canceled" || b.Jobs[1].State != "canceled" {
			t.Fatalf("after cancel: %+v", b)
		}
		api.must(t, http.StatusConflict, http.MethodPost, fmt.Sprintf("/build/%d/cancel", b.ID), nil, nil)
		touch(t, gate)
		api.must(t, http.StatusAccepted, http.MethodPost, fmt.Sprintf("/build/%d/restart", b.ID), nil, nil)
		b = api.ended(t, b.ID)
		if b.State != "passed" {
			t.Fatalf("after restart: %+v", b)
		}
		if text := api.log(t, b.Jobs[0].ID); !strings.Contains(text, "through") {
			t.Errorf("log of the second attempt: %s", text)
		}
		api.must(t, http.StatusAccepted, http.MethodPost, fmt.Sprintf("/job/%d/restart", b.Jobs[1].ID), nil, nil)
		if b = api.ended(t, b.ID); b.State != "passed" {
			t.Fatalf("after the job's restart: %+v", b)
		}
	})
}

func awaitJob(t *testing.T, api platformAPI, id int64, state string) {
	t.Helper()
	eventually(t, fmt.Sprintf("job %d %s", id, state), func() (bool, string) {
		var j job
		api.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/job/%d", id), nil, &j)
		return j.State == state, j.State
	})
}

// TestRequest_noBuild asks for what cannot become a build; each says why, and stays visible.
func TestRequest_noBuild(t *testing.T) {
	t.Parallel()
	s := trial(t, t.TempDir(), nil)
	api := s.api()
	api.addRepository(t, "acme/plain", repository(t, map[string]string{"README": "nothing to build"}))
	api.addRepository(t, "acme/broken", repository(t, map[string]string{".travis.yml": "language: go\n  script: x\n"}))
	api.addRepository(t, "acme/bomb", repository(t, map[string]string{".travis.yml": bomb()}))
	api.addRepository(t, "acme/huge", repository(t, map[string]string{".travis.yml": "script: " + strings.Repeat("x", 5<<20)}))
	for _, tt := range []struct {
		slug   string
		fields map[string]any
		want   string
	}{
		{"acme/plain", nil, ".travis.yml"},
		{"acme/plain", map[string]any{"branch": "nowhere"}, "nowhere"},
		{"acme/plain", map[string]any{"sha": strings.Repeat("ab", 20)}, "abab"},
		{"acme/broken", nil, "line 2"},
		{"acme/bomb", nil, "alias"},
		{"acme/huge", nil, "Make it shorter"},
	} {
		id := api.trigger(t, tt.slug, tt.fields)
		var r request
		eventually(t, tt.slug+" rejected", func() (bool, string) {
			api.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("%s/request/%d", repo(tt.slug), id), nil, &r)
			return r.Result == "rejected", fmt.Sprintf("%+v", r)
		})
		if !strings.Contains(r.Message, tt.want) {
			t.Errorf("%s %v: the reason %q does not speak of %q", tt.slug, tt.fields, r.Message, tt.want)
		}
	}
}

func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	b.WriteString("script: *a11\n")
	return b.String()
}

// TestRepository_refused adds what is no repository; each is said at once.
func TestRepository_refused(t *testing.T) {
	t.Parallel()
	s := trial(t, t.TempDir(), nil)
	empty := t.TempDir()
	git(t, empty, "init", "--quiet")
	for source, want := range map[string]string{
		"file:///does/not/exist":      "no git repository",
		"file://" + t.TempDir():       "git repository",
		"file://" + empty:             "empty",
		"http://127.0.0.1:1/acme/app": "127.0.0.1",
		"ext::sh":                     "https",
		"--upload-pack=touch":         "https",
	} {
		status, body, err := s.api().try(t.Context(), http.MethodPost, "/repos", map[string]any{"repository": map[string]string{"slug": "acme/app", "source_url": source}})
		if err != nil || status < 400 || status >= 500 && status != http.StatusServiceUnavailable {
			t.Errorf("%s: got %d %v: %s", source, status, err, body)
		}
		if !strings.Contains(string(body), want) {
			t.Errorf("%s: the answer does not speak of %q: %s", source, want, body)
		}
	}
}
