package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// keeping is a job that keeps a file for those after it, and says what it found.
const keeping = `language: shell
cache:
  directories: [$HOME/kept]
script:
  - 'cat ~/kept/by || echo "nothing is kept"'
  - 'mkdir -p ~/kept && [ -e ~/kept/by ] || echo "kept by $TRAVIS_BUILD_NUMBER" > ~/kept/by'
`

// TestCache: the second build finds what the first one stored; a damaged cache and a platform that has lost it are no reason to
// fail; caches are listed and deleted.
func TestCache(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := trial(t, dir, nil)
	api := s.api()
	api.addRepository(t, "acme/cache", repository(t, map[string]string{".travis.yml": keeping}))
	build := func(wants ...string) {
		t.Helper()
		b := api.ended(t, api.built(t, "acme/cache", api.trigger(t, "acme/cache", nil)).ID)
		if b.State != "passed" {
			t.Errorf("build %s is %s", b.Number, b.State)
		}
		text := logHas(t, api, api.jobs(t, b.ID)[0].ID, "Your build exited with")
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("the log of build %s lacks %q:\n%s", b.Number, want, tail(text, 3000))
			}
		}
		if strings.Contains(text, "tag=") {
			t.Errorf("the log of build %s shows an address", b.Number)
		}
	}
	build("There is no cache yet", "nothing is kept", "Stored the cache")
	build("Fetched the cache of main", "kept by 1", "Nothing has changed since")
	files, err := filepath.Glob(filepath.Join(dir, "caches", "kept", "*", "*", "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.Truncate(files[0], 20); err != nil {
		t.Fatal(err)
	}
	build("The job goes on without it.", "nothing is kept", "Stored the cache")
	build("Fetched the cache of main", "kept by 3")

	var listed struct {
		Caches []struct {
			Branch, Name string
			Size         int64
		}
	}
	api.must(t, http.StatusOK, http.MethodGet, repo("acme/cache")+"/caches", nil, &listed)
	if len(listed.Caches) != 1 || listed.Caches[0].Branch != "main" || listed.Caches[0].Size < 100 {
		t.Errorf("listed are %s", fmt.Sprint(listed))
	}
	api.must(t, http.StatusOK, http.MethodDelete, repo("acme/cache")+"/caches?branch=main", nil, &listed)
	build("There is no cache yet", "nothing is kept", "Stored the cache")
}
