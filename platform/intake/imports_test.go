package intake_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// library is a repository acme/app that imports, and others that it may import from.
func library() (*fakeStore, *fakeGit) {
	s := newFakeStore()
	s.others = map[string]ci.Repository{
		"acme/ci": {ID: 8, Slug: "acme/ci"}, "acme/closed": {ID: 9, Slug: "acme/closed", Private: true}, "other/closed": {ID: 10, Slug: "other/closed", Private: true},
	}
	g := &fakeGit{
		files: map[string]string{
			"acme/app:ci/go.yml@abc": "language: go\nimport: ./lint.yml", "acme/app:ci/lint.yml@abc": "before_script: lint",
			"acme/ci:base.yml@head": "os: linux", "acme/ci:base.yml@one": "os: osx", "acme/closed:x.yml@head": "os: linux", "other/closed:x.yml@head": "os: linux",
		},
		ResolveFunc: func(_ context.Context, r ci.Repository, q ci.Request) (ci.Commit, error) {
			switch {
			case r.Slug == "acme/app":
				return ci.Commit{SHA: "abc"}, nil
			case q.Branch == "away":
				return ci.Commit{}, fault.New(fault.Unavailable, "The server of acme/ci does not answer.")
			case q.Branch == "" && q.Tag == "" && q.SHA == "":
				return ci.Commit{SHA: "head"}, nil
			case q.Tag == "v1":
				return ci.Commit{SHA: "one"}, nil
			}
			return ci.Commit{}, fault.New(fault.NotFound, "There is no branch %q.", q.Branch)
		},
	}
	return s, g
}

func TestImports(t *testing.T) {
	t.Parallel()
	s, g := library()
	g.text = "import: [ci/go.yml, {source: 'acme/ci:base.yml@v1', mode: merge}]\nscript: make\n"
	got, _ := work(t, s, g, ci.Request{CreatedBy: 3, Event: ci.EventPush})
	if got.build == nil {
		t.Fatalf("no build: %s", got.reason)
	}
	want := []ci.ConfigFile{
		{Source: "ci/go.yml", Mode: "deep_merge_append", Text: g.files["acme/app:ci/go.yml@abc"]},
		{Source: "ci/lint.yml", Mode: "deep_merge_append", Text: "before_script: lint"},
		{Source: "acme/ci:base.yml@v1", Mode: "merge", Text: "os: osx"},
	}
	if diff := cmp.Diff(want, got.build.ConfigFiles); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for _, part := range []string{`"language":"go"`, `"before_script":["lint"]`, `"os":"osx"`, `"script":["make"]`} {
		if config := string(got.build.Jobs[0].Config); !strings.Contains(config, part) {
			t.Errorf("the job %s lacks %s", config, part)
		}
	}
}

// TestImportedSecrets: those of the same owner are encrypted again for the repository that is built.
func TestImportedSecrets(t *testing.T) {
	t.Parallel()
	s, g := library()
	closed := strings.Repeat("Q", 172)
	s.others["other/ci"] = ci.Repository{ID: 11, Slug: "other/ci"}
	g.text = "import: [acme/ci:secret.yml, other/ci:secret.yml]"
	g.files["acme/ci:secret.yml@head"] = "env:\n  global:\n    - secure: \"" + closed + "\"\n"
	g.files["other/ci:secret.yml@head"] = "env:\n  global:\n    - secure: " + closed + "\n"
	got, _ := work(t, s, g, ci.Request{CreatedBy: 3, Event: ci.EventPush})
	if got.build == nil {
		t.Fatalf("no build: %s", got.reason)
	}
	config := string(got.build.Jobs[0].Config)
	if !strings.Contains(config, `{"secure":"8-for-7"}`) || !strings.Contains(config, `{"secure":"`+closed+`"}`) {
		t.Errorf("the job is %s", config)
	}
}

func TestImportsThatCannotBeHad(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		private    bool // the repository that is built
		allowed    bool // its owner's others may be imported from
		reason     string
		again      bool // it is tried again
	}{
		{"missing file", "import: nope.yml", false, false, "There is no file nope.yml at commit abc of acme/app.", false},
		{"unknown repository", "import: acme/nope:x.yml", false, false, "The repository acme/nope is not known here.", false},
		{"unknown branch", "import: acme/ci:base.yml@nope", false, false, `There is no branch "nope".`, false},
		{"the other server is down", "import: acme/ci:base.yml@away", false, false, "does not answer", true},
		{"private into public", "import: acme/closed:x.yml", false, true, "acme/closed is private and acme/app is public.", false},
		{"private of another owner", "import: other/closed:x.yml", true, true, "belongs to another owner", false},
		{"private and not shared", "import: acme/closed:x.yml", true, false, "do not let other repositories import", false},
		{"private and shared", "import: acme/closed:x.yml", true, true, "", false},
		{"not a file", "import: nothing", false, false, ".travis.yml line 1 column 9", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, g := library()
			s.repository.Private, g.text = tt.private, tt.text
			settings := ci.DefaultRepositorySettings()
			settings.AllowImports = tt.allowed
			s.settings = &settings
			got, _ := work(t, s, g, ci.Request{CreatedBy: 3, Event: ci.EventPush})
			if (got.build != nil) != (tt.reason == "") || !strings.Contains(got.reason, tt.reason) {
				t.Errorf("build %v, reason %q, want one saying %q", got.build != nil, got.reason, tt.reason)
			}
			if again := len(got.postponed) > 0; again != tt.again {
				t.Errorf("tried again is %v, want %v", again, tt.again)
			}
		})
	}
}
