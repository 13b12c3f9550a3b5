package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestPullRequest: of a pull request the merge is built, with the words that Travis has for it; from the repository itself its
// job has secrets, from a fork it has none.
func TestPullRequest(t *testing.T) {
	t.Parallel()
	s := trial(t, t.TempDir(), nil)
	source := repository(t, map[string]string{".travis.yml": "language: minimal\nscript: echo base\n"})
	dir := strings.TrimPrefix(source, "file://")
	base := git(t, dir, "rev-parse", "HEAD")
	git(t, dir, "checkout", "--quiet", "-b", "wheels")
	const script = `language: minimal
script:
- 'echo "seen: $TRAVIS_EVENT_TYPE $TRAVIS_PULL_REQUEST $TRAVIS_BRANCH $TRAVIS_PULL_REQUEST_BRANCH $TRAVIS_PULL_REQUEST_SLUG $TRAVIS_PULL_REQUEST_IS_DRAFT"'
- 'echo "commits: $TRAVIS_PULL_REQUEST_SHA $TRAVIS_COMMIT $TRAVIS_COMMIT_RANGE $(git rev-parse HEAD)"'
- 'echo "secrets: $TRAVIS_SECURE_ENV_VARS ${#TOKEN}"'
- 'ls'
`
	commitFiles(t, dir, "Faster wheels", map[string]string{".travis.yml": script})
	head := git(t, dir, "rev-parse", "HEAD")
	git(t, dir, "checkout", "--quiet", "main")
	commitFiles(t, dir, "Meanwhile", map[string]string{"meanwhile": "x"})
	git(t, dir, "checkout", "--quiet", "-b", "try")
	git(t, dir, "merge", "--quiet", "--no-ff", "-m", "Merge for a try", "wheels")
	merge := git(t, dir, "rev-parse", "HEAD")
	git(t, dir, "checkout", "--quiet", "main")
	git(t, dir, "branch", "--quiet", "-D", "try")
	for _, number := range []string{"5", "6"} {
		git(t, dir, "update-ref", "refs/pull/"+number+"/merge", merge)
		git(t, dir, "update-ref", "refs/pull/"+number+"/head", head)
	}
	f := newForge(t, s.api(), "acme/app", source)
	s.api().must(t, http.StatusCreated, http.MethodPost, repo(f.slug)+"/env_vars", map[string]any{"env_var": map[string]any{"name": "TOKEN", "value": "hunter22"}}, nil)
	for _, c := range []struct {
		number, id int
		slug, want string
	}{
		{5, 4711, "acme/app", "secrets: true 8"}, {6, 99, "tom/app", "secrets: false 0"},
	} {
		body := fmt.Sprintf(`{"action":"opened","number":%d,"repository":{"id":4711,"full_name":"acme/app"},"sender":{"login":"tom"},"pull_request":{"number":%[1]d,"title":"Faster wheels",
			"state":"open","head":{"ref":"wheels","sha":%q,"repo":{"id":%d,"full_name":%q}},"base":{"ref":"main","sha":%q,"repo":{"id":4711}}}}`, c.number, head, c.id, c.slug, base)
		if status, answer := f.post(t.Context(), "pull_request", fmt.Sprint(c.number), body); status != http.StatusAccepted {
			t.Fatalf("the hook was answered with %d %s", status, answer)
		}
		var page struct {
			Builds []struct {
				ID     int64 `json:"id"`
				Number int   `json:"pull_request_number"`
			} `json:"builds"`
		}
		eventually(t, "a build of the pull request", func() (bool, string) {
			s.api().must(t, http.StatusOK, http.MethodGet, repo(f.slug)+"/builds?event_type=pull_request", nil, &page)
			return len(page.Builds) > 0 && page.Builds[0].Number == c.number, fmt.Sprint(page)
		})
		b := s.api().ended(t, page.Builds[0].ID)
		log := s.api().log(t, s.api().jobs(t, b.ID)[0].ID)
		for _, want := range []string{
			fmt.Sprintf("seen: pull_request %d main wheels %s false", c.number, c.slug), fmt.Sprintf("commits: %s %s %s...%[1]s %[2]s", head, merge, base), c.want, "meanwhile",
		} {
			if !strings.Contains(log, want) {
				t.Errorf("pull request %d: the log lacks %q:\n%s", c.number, want, tail(log, 4000))
			}
		}
		if b.State != "passed" {
			t.Errorf("pull request %d: the build is %s", c.number, b.State)
		}
	}
}
