package scm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// ResolvePull finds what a request for a pull request is to build: the commit that its BuildRef points to, with the message and
// the author of the commit that is proposed. It answers with the pull request as far as the repository proves it: one that
// says it is the repository's own stays so only where there is a branch of that name. While the forge shows another commit
// than the hook told of, or has no merge of it, the error is Unavailable: it may be late.
func (g *Git) ResolvePull(ctx context.Context, r ci.Repository, p ci.PullRequest) (ci.Commit, ci.PullRequest, error) {
	src, err := parseSource(r.SourceURL)
	if err != nil {
		return ci.Commit{}, p, err
	}
	if err := checkPull(p); err != nil {
		return ci.Commit{}, p, err
	}
	refs, err := g.pullRefs(ctx, src, p)
	if err != nil {
		return ci.Commit{}, p, err
	}
	if err := shown(src, refs, p); err != nil {
		return ci.Commit{}, p, err
	}
	p.Own = p.Own && p.HeadRef != "" && refs["refs/heads/"+p.HeadRef] != ""
	var commit ci.Commit
	err = g.onMirror(ctx, r.ID, src, func(m *mirror) error {
		commit, err = g.resolvePull(ctx, m, p)
		return err
	})
	commit.Ref = p.BuildRef
	return commit, p, err
}

func headOf(p ci.PullRequest) string { return "refs/pull/" + strconv.FormatInt(p.Number, 10) + "/head" }

// checkPull looks at everything that reaches git.
func checkPull(p ci.PullRequest) error {
	merge := strings.TrimSuffix(headOf(p), "head") + "merge"
	if p.Number <= 0 || p.BuildRef != headOf(p) && p.BuildRef != merge {
		return fault.New(fault.Invalid, "The hook names no pull request that can be built.")
	}
	if p.Own {
		if err := ci.CheckRef("branch", p.HeadRef); err != nil {
			return err
		}
	}
	return ci.CheckSHA(p.HeadSHA)
}

// pullRefs asks the server what it has of a pull request.
func (g *Git) pullRefs(ctx context.Context, src source, p ci.PullRequest) (map[string]string, error) {
	args := []string{"ls-remote", "--quiet", "--end-of-options", src.url, headOf(p), p.BuildRef}
	if p.Own {
		args = append(args, "refs/heads/"+p.HeadRef)
	}
	out, err := g.runner.run(ctx, call{args: args, src: &src, within: g.config.ProbeTime, most: 1 << 20})
	if err != nil {
		return nil, explain(src, err)
	}
	refs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if sha, ref, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			refs[ref] = sha
		}
	}
	return refs, nil
}

// shown says what keeps a pull request from being built as the server shows it now.
func shown(src source, refs map[string]string, p ci.PullRequest) error {
	head := refs[headOf(p)]
	switch {
	case head == "":
		return late("There is no pull request #%d at %s.", p.Number, src.shown)
	case head != strings.ToLower(p.HeadSHA):
		return late("Pull request #%d is at another commit by now, which has a request of its own.", p.Number)
	case refs[p.BuildRef] == "":
		return late("Pull request #%d cannot be merged for a try: it conflicts with its base branch, or the forge is still at it.", p.Number)
	}
	return nil
}

func late(format string, args ...any) error {
	return fault.New(fault.Unavailable, format, args...).Named("pull_request_not_ready")
}

func (g *Git) resolvePull(ctx context.Context, m *mirror, p ci.PullRequest) (ci.Commit, error) {
	sum := sha256.Sum256([]byte(headOf(p)))
	built, head := "refs/headrace/pull-build-"+hex.EncodeToString(sum[:8]), "refs/headrace/pull-head-"+hex.EncodeToString(sum[:8])
	err := g.fetch(ctx, m, true, "+"+p.BuildRef+":"+built, "+"+headOf(p)+":"+head)
	if complains(err, "couldn't find remote ref") {
		return ci.Commit{}, late("Pull request #%d was changed while it was read.", p.Number)
	}
	if err != nil {
		return ci.Commit{}, err
	}
	commit, err := g.commit(ctx, m, head)
	if err != nil || commit.SHA != strings.ToLower(p.HeadSHA) {
		return commit, orLate(err, "Pull request #%d is at another commit by now, which has a request of its own.", p.Number)
	}
	if p.BuildRef == headOf(p) {
		return commit, nil
	}
	merge, parents, err := g.parents(ctx, m, built)
	if err != nil || !slices.Contains(parents, commit.SHA) {
		return commit, orLate(err, "The forge has not yet merged the newest commit of pull request #%d for a try, or it conflicts with its base branch.", p.Number)
	}
	commit.SHA = merge
	return commit, nil
}

func orLate(err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	return late(format, args...)
}

// parents returns the id of a commit and those of its parents, also of one that was fetched without them.
func (g *Git) parents(ctx context.Context, m *mirror, revision string) (sha string, parents []string, err error) {
	out, err := g.runner.run(ctx, call{args: []string{"cat-file", "--batch"}, gitDir: m.path, stdin: revision + "\n", most: 2 * maxMessage})
	if err != nil {
		return "", nil, err
	}
	first, text, _ := strings.Cut(string(out), "\n")
	words := strings.Fields(first)
	if len(words) != 3 || words[1] != "commit" {
		return "", nil, nil
	}
	sha = words[0]
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" {
			break
		}
		if name == "parent" {
			parents = append(parents, value)
		}
	}
	return sha, parents, nil
}
