package script

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace/broker"
)

// origin is a repository to clone from: main with five commits (c1 … c5), a branch feature, a tag v1 on c2, a ref of a pull
// request, a submodule.
type origin struct {
	url  string
	shas map[string]string
}

// git runs git in a directory with an identity and a calendar of its own and returns what it prints.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=Ines", "GIT_AUTHOR_EMAIL=ines@mill.example",
		"GIT_COMMITTER_NAME=Ines", "GIT_COMMITTER_EMAIL=ines@mill.example")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func newOrigin(t *testing.T) origin {
	t.Helper()
	dir := t.TempDir()
	o := origin{url: "file://" + dir, shas: map[string]string{}}
	commit := func(name string) {
		if err := os.WriteFile(filepath.Join(dir, "version"), []byte(name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		git(t, dir, "add", ".")
		git(t, dir, "commit", "-q", "-m", name)
		o.shas[name] = git(t, dir, "rev-parse", "HEAD")
	}
	git(t, dir, "init", "-q", "-b", "main")
	commit("c1")
	commit("c2")
	git(t, dir, "tag", "-a", "-m", "one", "v1")
	git(t, dir, "checkout", "-q", "-b", "feature/1")
	commit("f1")
	git(t, dir, "checkout", "-q", "-b", "pull")
	commit("p1")
	git(t, dir, "update-ref", "refs/pull/5/merge", "HEAD")
	commit("p2")
	git(t, dir, "checkout", "-q", "main")
	git(t, dir, "branch", "-q", "-D", "pull")
	commit("c3")
	commit("c4")
	commit("c5")
	return o
}

// job returns a job that prints what it finds.
func (o origin) job(t *testing.T, gitConfig map[string]any, details broker.JobDetails) broker.Job {
	t.Helper()
	config, err := json.Marshal(map[string]any{"language": "shell", "git": gitConfig, "script": []string{
		`echo "version=$(cat version 2>/dev/null) head=$(git rev-parse HEAD)"`,
		`echo "commits=$(git rev-list --count HEAD) dir=${TRAVIS_BUILD_DIR#"$HOME"/} here=${PWD#"$HOME"/} commit=$TRAVIS_COMMIT"`,
	}})
	if err != nil {
		t.Fatal(err)
	}
	job := jobOf(string(config))
	details.ID, details.Number = 1, "1.1"
	job.Job = details
	job.Repository.SourceURL = o.url
	return job
}

func TestCheckout(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	for name, c := range map[string]struct {
		git     map[string]any
		job     broker.JobDetails
		version string
		says    []string
		not     []string
	}{
		"branch": {job: broker.JobDetails{Branch: "main", Commit: o.shas["c5"]}, version: "c5",
			says: []string{"$ git clone --depth=50 --branch=main " + o.url + " app", "commits=5", "dir=build/acme/app here=build/acme/app"}},
		"other branch":     {job: broker.JobDetails{Branch: "feature/1", Commit: o.shas["f1"]}, version: "f1", says: []string{"commits=3"}},
		"tag":              {job: broker.JobDetails{Branch: "v1", Tag: "v1", Commit: o.shas["c2"]}, version: "c2"},
		"tag alone":        {job: broker.JobDetails{Tag: "v1"}, version: "c2", says: []string{"commit=" + o.shas["c2"]}},
		"head of a branch": {job: broker.JobDetails{Branch: "feature/1"}, version: "f1", says: []string{"commit=" + o.shas["f1"]}},
		"older than depth": {git: map[string]any{"depth": 1}, job: broker.JobDetails{Branch: "main", Commit: o.shas["c1"]}, version: "c1",
			says: []string{"--depth=1", "The clone does not hold the commit"}},
		"full history": {git: map[string]any{"depth": false}, job: broker.JobDetails{Branch: "main", Commit: o.shas["c3"]}, version: "c3",
			says: []string{"commits=3"}, not: []string{"--depth", "git fetch"}},
		"quiet": {git: map[string]any{"quiet": true}, job: broker.JobDetails{Branch: "main", Commit: o.shas["c5"]}, version: "c5", not: []string{"Cloning into"}},
		"pull request": {job: broker.JobDetails{Branch: "main", Ref: "refs/pull/5/merge", PullRequest: float64(5), Commit: o.shas["p1"]}, version: "p1",
			says: []string{"$ git fetch --depth=50 origin +refs/pull/5/merge:"}},
		"pull request without a commit": {job: broker.JobDetails{Branch: "main", Ref: "refs/pull/5/merge", PullRequest: float64(5)}, version: "p1"},
		"branch that is gone": {job: broker.JobDetails{Branch: "merged", Commit: o.shas["c2"]}, version: "c2",
			says: []string{"The repository has no merged any more. Cloning without it."}},
		"sparse": {git: map[string]any{"sparse_checkout": "nothing/here"}, job: broker.JobDetails{Branch: "main", Commit: o.shas["c5"]}, version: "",
			says: []string{"head=" + o.shas["c5"]}},
		"line ends": {git: map[string]any{"autocrlf": "input", "symlinks": false, "lfs_skip_smudge": true, "strategy": "tarball"},
			job: broker.JobDetails{Branch: "main", Commit: o.shas["c5"]}, version: "c5", says: []string{"git.strategy"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := newMachine(t).run(t, o.job(t, c.git, c.job))
			out.wantCode(t, ExitPassed)
			out.wantText(t, "version="+c.version+" head=")
			out.wantText(t, c.says...)
			out.wantNoText(t, c.not...)
			if c.job.Commit != "" {
				out.wantText(t, "head="+c.job.Commit)
			}
		})
	}
}

func TestCheckout_serverWithoutSingleCommits(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	m := newMachine(t)
	// The first protocol refuses to serve a commit that no ref points to.
	m.env = []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=protocol.version", "GIT_CONFIG_VALUE_0=0"}
	out := m.run(t, o.job(t, map[string]any{"depth": 1}, broker.JobDetails{Branch: "feature/1", Commit: o.shas["c4"]}))
	out.wantCode(t, ExitPassed)
	out.wantText(t, "Fetching the whole history.", "version=c4 ")
}

func TestCheckout_fails(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	gone := strings.Repeat("ab", 20)
	out := newMachine(t).run(t, o.job(t, nil, broker.JobDetails{Branch: "main", Commit: gone}))
	out.wantCode(t, ExitErrored)
	out.wantText(t, "The repository has no commit "+gone+" any more.", "in the phase checkout. The job stops here: errored.", "Done. Your build exited with 2.")
	out.wantNoText(t, "version=")

	o.url = "https://user:pass-word@127.0.0.1:1/none.git"
	out = newMachine(t).run(t, o.job(t, nil, broker.JobDetails{Branch: "main", Commit: gone}))
	out.wantCode(t, ExitErrored)
	out.wantText(t, "$ git clone --depth=50 --branch=main https://127.0.0.1:1/none.git app", "Trying again, 3 of 3.", "failed with exit code 128 in the phase checkout")
	out.wantNoText(t, "pass-word", "user:")
}

func TestCheckout_submodules(t *testing.T) {
	t.Parallel()
	inner := newOrigin(t)
	o := newOrigin(t)
	dir := strings.TrimPrefix(o.url, "file://")
	git(t, dir, "submodule", "--quiet", "add", inner.url, "inner")
	git(t, dir, "commit", "-q", "-m", "with a submodule")
	job := o.job(t, nil, broker.JobDetails{Branch: "main", Commit: git(t, dir, "rev-parse", "HEAD")})
	job.Config = json.RawMessage(`{"language":"shell","git":{"submodules_depth":1},"script":"cat inner/version"}`)
	m := newMachine(t)
	m.env = []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=protocol.file.allow", "GIT_CONFIG_VALUE_0=always"}
	out := m.run(t, job)
	out.wantCode(t, ExitPassed)
	out.wantText(t, "$ git submodule update --init --recursive --depth=1", "\nc5\n")

	job.Config = json.RawMessage(`{"language":"shell","git":{"submodules":false},"script":"test ! -e inner/version"}`)
	m.home = t.TempDir()
	out = m.run(t, job)
	out.wantCode(t, ExitPassed)
	out.wantNoText(t, "git submodule")
}

func TestCheckout_none(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	job := o.job(t, map[string]any{"clone": false}, broker.JobDetails{Branch: "main", Commit: o.shas["c5"]})
	job.Config = json.RawMessage(`{"language":"shell","git":{"clone":false},"script":"ls -A | wc -l && echo ${PWD##*/}"}`)
	out := newMachine(t).run(t, job)
	out.wantCode(t, ExitPassed)
	out.wantText(t, "git.clone is false: nothing is cloned.", "\n0\napp\n")
}

func TestGenerate_refuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*broker.Job, *Options){
		"branch that is an option":  func(j *broker.Job, _ *Options) { j.Job.Branch = "--upload-pack=x" },
		"tag that is an option":     func(j *broker.Job, _ *Options) { j.Job.Tag = "-x" },
		"ref that is an option":     func(j *broker.Job, _ *Options) { j.Job.Ref = "--exec=x" },
		"commit that is an option":  func(j *broker.Job, _ *Options) { j.Job.Commit = "-h" },
		"URL that is an option":     func(_ *broker.Job, o *Options) { o.CloneURL = "--config=x" },
		"slug that climbs out":      func(j *broker.Job, _ *Options) { j.Repository.Slug = "../../etc" },
		"directory that climbs out": func(_ *broker.Job, o *Options) { o.Dir = "a/../../b" },
		"absolute directory":        func(_ *broker.Job, o *Options) { o.Dir = "/etc" },
		"config that is a list":     func(j *broker.Job, _ *Options) { j.Config = json.RawMessage(`[1]`) },
		"env that is text":          func(j *broker.Job, _ *Options) { j.Config = json.RawMessage(`{"env":["A=1"]}`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			job, options := jobOf(`{}`), Options{}
			change(&job, &options)
			if script, err := Generate(job, options); err == nil {
				t.Errorf("there is a script:\n%s", withoutRuntime(script))
			}
		})
	}
}
