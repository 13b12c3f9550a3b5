package scm

import (
	"context"
	"slices"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// Probe asks a server what is at the URL.
func (g *Git) Probe(ctx context.Context, sourceURL string) (Remote, error) {
	src, err := parseSource(sourceURL)
	if err != nil {
		return Remote{}, err
	}
	refs, head, err := g.list(ctx, src)
	if err != nil {
		return Remote{}, err
	}
	if len(refs) == 0 {
		return Remote{Empty: true}, nil
	}
	return Remote{DefaultBranch: defaultBranch(refs, head)}, nil
}

// branch is a branch as a server lists it.
type branch struct{ name, sha string }

// head is what a server says of its HEAD.
type head struct{ branch, sha string }

// list asks a server for its branches.
func (g *Git) list(ctx context.Context, src source) ([]branch, head, error) {
	out, err := g.runner.run(ctx, call{
		args: []string{"ls-remote", "--quiet", "--symref", "--end-of-options", src.url, "HEAD", "refs/heads/*"},
		src:  &src, within: g.config.ProbeTime, most: 16 << 20,
	})
	if err != nil {
		return nil, head{}, explain(src, err)
	}
	var list []branch
	var h head
	for line := range strings.Lines(string(out)) {
		left, right, _ := strings.Cut(strings.TrimSpace(line), "\t")
		target, symbolic := strings.CutPrefix(left, "ref: refs/heads/")
		name, isBranch := strings.CutPrefix(right, "refs/heads/")
		switch {
		case right == "HEAD" && symbolic:
			h.branch = target
		case right == "HEAD":
			h.sha = left
		case isBranch && !strings.HasPrefix(left, "ref: "):
			list = append(list, branch{name, left})
		}
	}
	return list, h, nil
}

// defaultBranch chooses the branch that HEAD names. Where the server does not say, or names one that is not there, it is the
// one that HEAD's commit is the head of, main and master first, else main, master, or the first.
func defaultBranch(list []branch, h head) string {
	named := func(name string, sha string) bool {
		return slices.ContainsFunc(list, func(b branch) bool { return b.name == name && (sha == "" || b.sha == sha) })
	}
	if h.branch != "" && named(h.branch, "") {
		return h.branch
	}
	for _, sha := range []string{h.sha, ""} {
		for _, name := range []string{"main", "master"} {
			if named(name, sha) {
				return name
			}
		}
		for _, b := range list {
			if sha != "" && b.sha == sha {
				return b.name
			}
		}
	}
	return list[0].name
}

// Branches lists the names of the branches that the repository has now.
func (g *Git) Branches(ctx context.Context, r ci.Repository) ([]string, error) {
	src, err := parseSource(r.SourceURL)
	if err != nil {
		return nil, err
	}
	list, _, err := g.list(ctx, src)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fault.New(fault.NotFound, "The repository at %s is empty. Push a commit first.", src.shown)
	}
	names := make([]string, len(list))
	for i, b := range list {
		names[i] = b.name
	}
	return names, nil
}
