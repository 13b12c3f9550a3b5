package scm_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/scm"
)

// proposal is an origin with a pull request, as a forge keeps it.
type proposal struct {
	*origin
	base, head, merge string
}

func newProposal(t *testing.T) proposal {
	t.Helper()
	o := newOrigin(t)
	p := proposal{origin: o, base: o.commit(".travis.yml", "script: base\n", "First")}
	o.git("checkout", "--quiet", "-b", "fix")
	p.head = o.commit(".travis.yml", "script: fixed\n", "Faster wheels")
	o.git("checkout", "--quiet", "main")
	o.commit("other", "x", "Meanwhile")
	o.git("merge", "--quiet", "--no-ff", "-m", "Merge for a try", "fix")
	p.merge = o.git("rev-parse", "HEAD")
	o.git("reset", "--quiet", "--hard", "HEAD~1")
	o.git("update-ref", "refs/pull/5/merge", p.merge)
	o.git("update-ref", "refs/pull/5/head", p.head)
	return p
}

func (p proposal) pull() ci.PullRequest {
	return ci.PullRequest{Number: 5, Own: true, HeadSHA: p.head, HeadRef: "fix", BuildRef: "refs/pull/5/merge"}
}

func (p proposal) repository() ci.Repository {
	return ci.Repository{ID: 1, SourceURL: p.url(), DefaultBranch: "main"}
}

func TestGit_ResolvePull(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(p proposal, pull *ci.PullRequest)
		sha    func(p proposal) string
		own    bool
	}{
		"the merge is built": {func(proposal, *ci.PullRequest) {}, func(p proposal) string { return p.merge }, true},
		"the head, where the forge keeps no merge": {
			func(_ proposal, pull *ci.PullRequest) { pull.BuildRef = "refs/pull/5/head" }, func(p proposal) string { return p.head }, true,
		},
		"from a fork": {func(_ proposal, pull *ci.PullRequest) { pull.Own = false }, func(p proposal) string { return p.merge }, false},
		"of a branch that is not there": {
			func(p proposal, _ *ci.PullRequest) { p.git("branch", "--quiet", "-D", "fix") }, func(p proposal) string { return p.merge }, false,
		},
		"of a commit instead of a branch": {
			func(p proposal, pull *ci.PullRequest) { pull.HeadRef = p.head }, func(p proposal) string { return p.merge }, false,
		},
		"of a branch whose name another one ends with": {func(p proposal, pull *ci.PullRequest) {
			p.git("update-ref", "refs/heads/refs/heads/fix", p.head)
			p.git("branch", "--quiet", "-D", "fix")
		}, func(p proposal) string { return p.merge }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProposal(t)
			pull := p.pull()
			c.change(p, &pull)
			g := scm.New(scm.Config{Dir: t.TempDir()})
			for range 2 { // the second time the mirror is there
				got, proved, err := g.ResolvePull(t.Context(), p.repository(), pull)
				if err != nil {
					t.Fatal(err)
				}
				want := ci.Commit{SHA: c.sha(p), Ref: pull.BuildRef, Message: "Faster wheels", AuthorName: "Ines Mill", AuthorEmail: "ines@mill.example", CommittedAt: got.CommittedAt}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("commit (-want +got):\n%s", diff)
				}
				if proved.Own != c.own {
					t.Errorf("own %v, want %v", proved.Own, c.own)
				}
			}
			text, found, err := g.File(t.Context(), p.repository(), c.sha(p), ".travis.yml", 1000)
			if err != nil || !found || string(text) != "script: fixed\n" {
				t.Errorf("File = %q, %v, %v", text, found, err)
			}
		})
	}
}

func TestGit_ResolvePull_late(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(p proposal, pull *ci.PullRequest)
		words  string
	}{
		"no such pull request":    {func(p proposal, _ *ci.PullRequest) { p.git("update-ref", "-d", "refs/pull/5/head") }, "no pull request #5"},
		"no merge":                {func(p proposal, _ *ci.PullRequest) { p.git("update-ref", "-d", "refs/pull/5/merge") }, "conflicts"},
		"the head has moved on":   {func(p proposal, _ *ci.PullRequest) { p.git("update-ref", "refs/pull/5/head", "main") }, "another commit"},
		"the merge is of another": {func(p proposal, _ *ci.PullRequest) { p.git("update-ref", "refs/pull/5/merge", "main") }, "not yet merged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProposal(t)
			pull := p.pull()
			c.change(p, &pull)
			_, _, err := scm.New(scm.Config{Dir: t.TempDir()}).ResolvePull(t.Context(), p.repository(), pull)
			if !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Message(err), c.words) {
				t.Errorf("ResolvePull = %v, want one that says %q", err, c.words)
			}
		})
	}
}

func TestGit_ResolvePull_refuses(t *testing.T) {
	t.Parallel()
	for name, pull := range map[string]ci.PullRequest{
		"another ref":         {Number: 5, HeadSHA: "0123456789", BuildRef: "refs/heads/main"},
		"another's ref":       {Number: 5, HeadSHA: "0123456789", BuildRef: "refs/pull/6/merge"},
		"no number":           {HeadSHA: "0123456789", BuildRef: "refs/pull/0/merge"},
		"an option for a sha": {Number: 5, HeadSHA: "--upload-pack=x", BuildRef: "refs/pull/5/merge"},
		"an option for a ref": {Number: 5, Own: true, HeadSHA: "0123456789", HeadRef: "--exec", BuildRef: "refs/pull/5/merge"},
		"a pattern for a ref": {Number: 5, Own: true, HeadSHA: "0123456789", HeadRef: "*", BuildRef: "refs/pull/5/merge"},
	} {
		_, _, err := scm.New(scm.Config{Dir: t.TempDir()}).ResolvePull(t.Context(), ci.Repository{ID: 1, SourceURL: "file:///nowhere"}, pull)
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: ResolvePull = %v, want it refused", name, err)
		}
	}
}
