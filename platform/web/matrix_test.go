package web

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/ci"
)

func jobsOf(configs ...string) []ci.Job {
	var jobs []ci.Job
	for i, c := range configs {
		jobs = append(jobs, ci.Job{ID: int64(i + 1), BuildNumber: 12, Index: i + 1, Config: ci.Config(c)})
	}
	return jobs
}

func TestJobNames(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		jobs []ci.Job
		want []string
	}{
		{"what differs names them", jobsOf(`{"go":"1.26","os":"linux"}`, `{"go":"1.25","os":"linux"}`), []string{"Go 1.26", "Go 1.25"}},
		{"shared variables are left out", jobsOf(`{"env":[{"A":"1"},{"DB":"pg"}]}`, `{"env":[{"A":"1"},{"DB":"lite"}]}`), []string{"DB=pg", "DB=lite"}},
		{"secrets are a word", jobsOf(`{"env":[{"secure":"abc"}]}`, `{"env":["B=2"]}`), []string{"[secure]", "B=2"}},
		{"two keys", jobsOf(`{"python":3.9,"os":"linux"}`, `{"python":"3.12","os":"osx"}`), []string{"linux · Python 3.9", "osx · Python 3.12"}},
		{"nothing differs", jobsOf(`{"language":"go"}`, `not json`), []string{"go job", "Job 12.2"}},
	}
	for _, c := range cases {
		if diff := cmp.Diff(c.want, jobNames(c.jobs)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	own := jobsOf(`{"go":"1"}`, `{"go":"2"}`)
	own[0].Name = "lint"
	if diff := cmp.Diff([]string{"lint", "Go 2"}, jobNames(own)); diff != "" {
		t.Error(diff)
	}
}

func TestGrid(t *testing.T) {
	t.Parallel()
	full := jobsOf(`{"go":"1","os":"linux"}`, `{"go":"1","os":"osx"}`, `{"go":"2","os":"linux"}`, `{"go":"2","os":"osx"}`, `{"go":"3","os":"linux"}`, `{"go":"3","os":"osx"}`)
	rows, cols, cells, ok := grid(full)
	if !ok || len(cells) != 6 {
		t.Fatalf("ok %v, %d cells", ok, len(cells))
	}
	if diff := cmp.Diff([][]string{{"Go 1", "Go 2", "Go 3"}, {"linux", "osx"}}, [][]string{rows, cols}); diff != "" {
		t.Error(diff)
	}
	for name, jobs := range map[string][]ci.Job{
		"one key":    jobsOf(`{"go":"1"}`, `{"go":"2"}`, `{"go":"3"}`, `{"go":"4"}`),
		"too sparse": jobsOf(`{"go":"1","os":"a"}`, `{"go":"2","os":"b"}`, `{"go":"3","os":"c"}`, `{"go":"4","os":"d"}`),
		"doubled":    jobsOf(`{"go":"1","os":"a"}`, `{"go":"1","os":"a"}`, `{"go":"2","os":"a"}`, `{"go":"2","os":"b"}`),
	} {
		if _, _, _, ok := grid(jobs); ok {
			t.Errorf("%s: drawn as a table", name)
		}
	}
}

func TestPlaceOf(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]place{
		"/acme/app":                             {slug: "acme/app"},
		"/acme/app/":                            {slug: "acme/app"},
		"/a/b/c/branches":                       {slug: "a/b/c", page: "branches"},
		"/acme/branches":                        {slug: "acme/branches"},
		"/acme/app/builds/12":                   {slug: "acme/app", page: "builds", arg: "12"},
		"/acme/app/builds/12/config":            {slug: "acme/app", page: "builds", arg: "12", act: "config"},
		"/acme/app/builds/0":                    {slug: "acme/app/builds/0"},
		"/acme/app/jobs/12.3":                   {slug: "acme/app", page: "jobs", arg: "12.3"},
		"/acme/app/jobs/12.3/log.txt":           {slug: "acme/app", page: "jobs", arg: "12.3", act: "log.txt"},
		"/acme/app/jobs/12":                     {slug: "acme/app/jobs/12"},
		"/a/b/c/jobs/12.3/cancel":               {slug: "a/b/c", page: "jobs", arg: "12.3", act: "cancel"},
		"/acme/app/jobs/99999999999999999999.1": {slug: "acme/app/jobs/99999999999999999999.1"},
	} {
		if got := placeOf(path); got != want {
			t.Errorf("%s: got %+v, want %+v", path, got, want)
		}
	}
}

func TestSlugFrom(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://git.example.com/team/project.git": "team/project", "https://git.example.com/team/sub/project/": "sub/project", "git@git.example.com:team/project.git": "team/project",
		"ssh://git@git.example.com/~me/my project": "me/my-project", "file:///srv/git/app.git": "git/app", "https://u:secret@host/app": "host/app", "nonsense": "", "": "",
	} {
		if got := slugFrom(address); got != want {
			t.Errorf("%q: got %q, want %q", address, got, want)
		}
	}
}
