package scm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/scm"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// origin is a repository that tests fetch from.
type origin struct {
	tb  testing.TB
	dir string
}

func newOrigin(tb testing.TB) *origin {
	tb.Helper()
	o := &origin{tb: tb, dir: filepath.Join(tb.TempDir(), "app")}
	o.git("init", "--quiet", "-b", "main", o.dir)
	return o
}

func (o *origin) git(args ...string) string {
	o.tb.Helper()
	cmd := exec.CommandContext(o.tb.Context(), "git", args...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=Ines Mill", "GIT_AUTHOR_EMAIL=ines@mill.example", "GIT_AUTHOR_DATE=2026-11-20T04:44:50Z",
		"GIT_COMMITTER_NAME=Tom", "GIT_COMMITTER_EMAIL=tom@mill.example", "GIT_COMMITTER_DATE=2026-11-20T04:44:51Z")
	if _, err := os.Stat(o.dir); err == nil {
		cmd.Dir = o.dir
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		o.tb.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit writes the file and commits it; it returns the commit's id.
func (o *origin) commit(name, text, message string) string {
	o.tb.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, name), []byte(text), 0o600); err != nil {
		o.tb.Fatal(err)
	}
	o.git("add", "--all")
	o.git("commit", "--quiet", "-m", message)
	return o.git("rev-parse", "HEAD")
}

func (o *origin) url() string { return "file://" + o.dir }

func (o *origin) repository() ci.Repository {
	return ci.Repository{ID: 1, Slug: "acme/app", SourceURL: o.url(), DefaultBranch: "main"}
}

func newGit(tb testing.TB) (*scm.Git, string) {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "scm")
	return scm.New(scm.Config{Dir: dir}), dir
}

func wantFault(tb testing.TB, err error, code fault.Code, words string) {
	tb.Helper()
	if fault.CodeOf(err) != code || !strings.Contains(fault.Message(err), words) {
		tb.Errorf("error is %q (%s), want one that says %q (%s); cause %v", fault.Message(err), fault.CodeOf(err), words, code, err)
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	g, _ := newGit(t)
	o := newOrigin(t)

	got, err := g.Probe(t.Context(), o.url())
	if diff := cmp.Diff(scm.Remote{Empty: true}, got); diff != "" || err != nil {
		t.Errorf("Probe(empty): %v, %s", err, diff)
	}
	o.commit("a", "1", "one")
	o.git("branch", "a-first")
	got, err = g.Probe(t.Context(), o.url())
	if diff := cmp.Diff(scm.Remote{DefaultBranch: "main"}, got); diff != "" || err != nil {
		t.Errorf("Probe: %v, %s", err, diff)
	}
	o.git("checkout", "--quiet", "-b", "trunk")
	if got, err = g.Probe(t.Context(), o.url()); got.DefaultBranch != "trunk" || err != nil {
		t.Errorf("Probe with HEAD on trunk = %+v, %v", got, err)
	}
	o.git("symbolic-ref", "HEAD", "refs/heads/nowhere")
	if got, err = g.Probe(t.Context(), o.url()); got.DefaultBranch != "main" || err != nil {
		t.Errorf("Probe with HEAD on a branch that is not there = %+v, %v", got, err)
	}
}

func TestProbeSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	g, _ := newGit(t)
	plain := t.TempDir()
	for name, c := range map[string]struct {
		url   string
		code  fault.Code
		words string
	}{
		"nothing there":        {"file:///nowhere/at/all", fault.NotFound, "There is no git repository at file:///nowhere/at/all"},
		"a plain directory":    {"file://" + plain, fault.NotFound, "There is no git repository at"},
		"unknown host":         {"https://git.nowhere.invalid/acme/app.git", fault.Unavailable, "The host git.nowhere.invalid is not known"},
		"unknown ssh host":     {"git@git.nowhere.invalid:acme/app.git", fault.Unavailable, "The host git.nowhere.invalid is not known"},
		"nobody listens":       {"http://127.0.0.1:9/acme/app.git", fault.Unavailable, "Nothing answers on port 9 of 127.0.0.1"},
		"nobody listens, ssh":  {"ssh://git@127.0.0.1:9/acme/app.git", fault.Unavailable, "Nothing answers on port 9 of 127.0.0.1"},
		"another scheme":       {"git://git.example.org/acme/app.git", fault.Invalid, "start with git:// are not fetched from"},
		"a command":            {"ext::sh -c true", fault.Invalid, "holds a space"},
		"a command, no spaces": {"ext::true", fault.Invalid, "not an address that git can fetch from"},
		"a path":               {"/srv/git/app.git", fault.Invalid, "starts with https://"},
		"an option":            {"--upload-pack=true", fault.Invalid, "not an address that git can fetch from"},
		"an option as host":    {"ssh://-oProxyCommand=true/x", fault.Invalid, "cannot start with a dash"},
		"an option as scp":     {"-oProxyCommand=true@host:x", fault.Invalid, "not an address"},
		"an option as path":    {"git@host:-x", fault.Invalid, "not an address"},
		"no host":              {"https:///acme/app.git", fault.Invalid, "name of the host is missing"},
		"no path":              {"https://git.example.org/", fault.Invalid, "path of the repository is missing"},
		"a file on a host":     {"file://server/acme", fault.Invalid, "three slashes"},
		"empty":                {"  ", fault.Invalid, "is missing"},
		"a line break":         {"https://host/a\nb", fault.Invalid, "control character"},
		"an ssh password":      {"ssh://git:secret@host/a", fault.Invalid, "ssh takes no password"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := g.Probe(t.Context(), c.url)
			wantFault(t, err, c.code, c.words)
		})
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	g, _ := newGit(t)
	o := newOrigin(t)
	one := o.commit("a", "1", "One\n\nwith a body")
	o.git("tag", "light")
	two := o.commit("a", "2", "Two: größer")
	o.git("tag", "-a", "v1", "-m", "a tag of its own")
	o.git("tag", "blob", o.git("hash-object", "-w", "a"))
	o.git("checkout", "--quiet", "-b", "x/y")
	three := o.commit("a", "3", "three")

	for name, c := range map[string]struct {
		request ci.Request
		sha     string
		ref     string
	}{
		"nothing said":      {ci.Request{}, two, "refs/heads/main"},
		"branch":            {ci.Request{Branch: "x/y"}, three, "refs/heads/x/y"},
		"tag":               {ci.Request{Tag: "light"}, one, "refs/tags/light"},
		"annotated tag":     {ci.Request{Tag: "v1", Branch: "main"}, two, "refs/tags/v1"},
		"older commit":      {ci.Request{Branch: "main", SHA: one}, one, "refs/heads/main"},
		"commit by prefix":  {ci.Request{Branch: "x/y", SHA: one[:8]}, one, "refs/heads/x/y"},
		"commit in capital": {ci.Request{SHA: strings.ToUpper(two)}, two, "refs/heads/main"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := g.Resolve(t.Context(), o.repository(), c.request)
			if err != nil || got.SHA != c.sha || got.Ref != c.ref {
				t.Errorf("Resolve = %s %s, %v; want %s %s", got.SHA, got.Ref, err, c.sha, c.ref)
			}
		})
	}
	got, err := g.Resolve(t.Context(), o.repository(), ci.Request{SHA: one})
	want := ci.Commit{
		SHA: one, Ref: "refs/heads/main", Message: "One\n\nwith a body", AuthorName: "Ines Mill", AuthorEmail: "ines@mill.example",
		CommittedAt: got.CommittedAt,
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("Resolve: %v\n%s", err, diff)
	}
	if s := got.CommittedAt.Format("2006-01-02T15:04:05Z07:00"); s != "2026-11-20T04:44:51Z" {
		t.Errorf("committed at %s", s)
	}

	for name, c := range map[string]struct {
		request ci.Request
		code    fault.Code
		words   string
	}{
		"unknown branch":       {ci.Request{Branch: "gone"}, fault.NotFound, `There is no branch "gone"`},
		"unknown tag":          {ci.Request{Tag: "v9"}, fault.NotFound, `There is no tag "v9"`},
		"unknown commit":       {ci.Request{SHA: strings.Repeat("ab", 20)}, fault.NotFound, "There is no commit abab"},
		"unknown short commit": {ci.Request{SHA: "abababab"}, fault.NotFound, "There is no commit abababab"},
		"tag of a file":        {ci.Request{Tag: "blob"}, fault.NotFound, "The tag blob does not point to a commit."},
		"an option":            {ci.Request{Branch: "--upload-pack=touch /tmp/x"}, fault.Invalid, "starts with a dash"},
		"an option as commit":  {ci.Request{SHA: "--output=x"}, fault.Invalid, "is not the id of a commit"},
		"a refspec":            {ci.Request{Branch: "main:refs/heads/other"}, fault.Invalid, "git allows no branch named"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := g.Resolve(t.Context(), o.repository(), c.request)
			wantFault(t, err, c.code, c.words)
		})
	}
}

func TestResolveFollowsTheBranch(t *testing.T) {
	t.Parallel()
	g, _ := newGit(t)
	o := newOrigin(t)
	r := o.repository()
	for _, text := range []string{"1", "2", "3"} {
		want := o.commit("a", text, "commit "+text)
		if got, err := g.Resolve(t.Context(), r, ci.Request{}); err != nil || got.SHA != want {
			t.Fatalf("Resolve = %s, %v; want %s", got.SHA, err, want)
		}
	}
	o.git("reset", "--quiet", "--hard", "HEAD~2")
	want := o.commit("a", "4", "forced")
	if got, err := g.Resolve(t.Context(), r, ci.Request{}); err != nil || got.SHA != want {
		t.Errorf("Resolve after a forced push = %s, %v; want %s", got.SHA, err, want)
	}
	o.git("checkout", "--quiet", "-b", "a")
	if _, err := g.Resolve(t.Context(), r, ci.Request{Branch: "a"}); err != nil {
		t.Error(err)
	}
	o.git("checkout", "--quiet", "main")
	o.git("branch", "-D", "a")
	o.git("branch", "a/b")
	if got, err := g.Resolve(t.Context(), r, ci.Request{Branch: "a/b"}); err != nil || got.SHA != want {
		t.Errorf("Resolve of a/b after a was deleted = %s, %v", got.SHA, err)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	g, _ := newGit(t)
	o := newOrigin(t)
	old := o.commit(".travis.yml", "language: c\n", "one")
	if err := os.Symlink(".travis.yml", filepath.Join(o.dir, "link.yml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(o.dir, "dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	o.commit("dir/x", "", "two")
	sha := o.commit(".travis.yml", "language: go\n", "three")

	for name, c := range map[string]struct{ sha, path, want string }{
		"the file":       {sha, ".travis.yml", "language: go\n"},
		"at an older":    {old, ".travis.yml", "language: c\n"},
		"through a link": {sha, "link.yml", "language: go\n"},
		"an empty one":   {sha, "dir/x", ""},
	} {
		t.Run(name, func(t *testing.T) {
			text, found, err := g.File(t.Context(), o.repository(), c.sha, c.path, 1000)
			if err != nil || !found || string(text) != c.want {
				t.Errorf("File = %q, %v, %v; want %q", text, found, err, c.want)
			}
		})
	}
	for _, path := range []string{"nothing.yml", "dir", "dir/nothing"} {
		if text, found, err := g.File(t.Context(), o.repository(), sha, path, 1000); found || err != nil {
			t.Errorf("File(%q) = %q, %v, %v; want none", path, text, found, err)
		}
	}
	_, _, err := g.File(t.Context(), o.repository(), sha, ".travis.yml", 12)
	wantFault(t, err, fault.Invalid, ".travis.yml has 13 bytes at this commit; at most 12 are read")
	if text, _, err := g.File(t.Context(), o.repository(), sha, ".travis.yml", 13); err != nil || len(text) != 13 {
		t.Errorf("File at exactly the limit = %q, %v", text, err)
	}
	o.commit("big", strings.Repeat("x", 3<<20), "big")
	_, _, err = g.File(t.Context(), o.repository(), o.git("rev-parse", "HEAD"), "big", 1<<20)
	wantFault(t, err, fault.Invalid, "big has 3145728 bytes")
	_, _, err = g.File(t.Context(), o.repository(), strings.Repeat("cd", 20), ".travis.yml", 100)
	wantFault(t, err, fault.NotFound, "There is no commit cdcd")
}

func TestSourceIsDeleted(t *testing.T) {
	t.Parallel()
	g, _ := newGit(t)
	o := newOrigin(t)
	o.commit("a", "1", "one")
	if _, err := g.Resolve(t.Context(), o.repository(), ci.Request{}); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(o.dir); err != nil {
		t.Fatal(err)
	}
	_, err := g.Resolve(t.Context(), o.repository(), ci.Request{})
	wantFault(t, err, fault.NotFound, "There is no git repository at")
}

func TestMirrorHealsItself(t *testing.T) {
	t.Parallel()
	damage := map[string]func(t *testing.T, mirror string){
		"deleted":      func(t *testing.T, mirror string) { check(t, os.RemoveAll(mirror)) },
		"without HEAD": func(t *testing.T, mirror string) { check(t, os.Remove(filepath.Join(mirror, "HEAD"))) },
		"without refs": func(t *testing.T, mirror string) { check(t, os.RemoveAll(filepath.Join(mirror, "refs"))) },
		"bad config": func(t *testing.T, mirror string) {
			check(t, os.WriteFile(filepath.Join(mirror, "config"), []byte("[x"), 0o600))
		},
		"left-over": func(t *testing.T, mirror string) {
			check(t, os.WriteFile(filepath.Join(mirror, "shallow.lock"), nil, 0o600))
		},
		"lost objects": func(t *testing.T, mirror string) { eachObject(t, mirror, func(f string) { check(t, os.Remove(f)) }) },
		"empty objects": func(t *testing.T, mirror string) {
			eachObject(t, mirror, func(f string) { check(t, os.Truncate(f, 0)) })
		},
	}
	for name, do := range damage {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, dir := newGit(t)
			o := newOrigin(t)
			o.commit(".travis.yml", "one", "one")
			read := func() {
				t.Helper()
				c, err := g.Resolve(t.Context(), o.repository(), ci.Request{})
				if err != nil {
					t.Fatal(err)
				}
				text, found, err := g.File(t.Context(), o.repository(), c.SHA, ".travis.yml", 100)
				if err != nil || !found || !strings.HasPrefix(string(text), "one") {
					t.Fatalf("File = %q, %v, %v", text, found, err)
				}
			}
			read()
			found, err := filepath.Glob(filepath.Join(dir, "mirrors", "*.git"))
			if err != nil || len(found) != 1 {
				t.Fatalf("mirrors: %v, %v", found, err)
			}
			do(t, found[0])
			read()
			o.commit(".travis.yml", "one and two", "two")
			read()
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eachObject(t *testing.T, mirror string, f func(file string)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(mirror, "objects", "??", "*"))
	packs, err2 := filepath.Glob(filepath.Join(mirror, "objects", "pack", "*.pack"))
	files = append(files, packs...)
	if err != nil || err2 != nil || len(files) == 0 {
		t.Fatalf("no objects found in the mirror: %v, %v", err, err2)
	}
	for _, file := range files {
		check(t, os.Chmod(file, 0o600))
		f(file)
	}
}

func BenchmarkWarmFetch(b *testing.B) {
	g, _ := newGit(b)
	o := newOrigin(b)
	o.commit(".travis.yml", "language: go\n", "one")
	for b.Loop() {
		c, err := g.Resolve(b.Context(), o.repository(), ci.Request{})
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := g.File(b.Context(), o.repository(), c.SHA, ".travis.yml", 1000); err != nil {
			b.Fatal(err)
		}
	}
}
