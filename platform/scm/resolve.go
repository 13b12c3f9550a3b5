package scm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// want is what a request asks for.
type want struct {
	kind string // branch, tag, commit, head
	name string // of the branch or tag, or the id of the commit
	ref  string // what the commit belongs to, in git's full form
}

// wanted reads a request. Everything that reaches git is checked here.
func wanted(r ci.Repository, q ci.Request) (want, error) {
	w := want{kind: "head", ref: "HEAD"}
	branch := q.Branch
	if branch == "" {
		branch = r.DefaultBranch
	}
	switch {
	case q.Tag != "":
		if err := ci.CheckRef("tag", q.Tag); err != nil {
			return w, err
		}
		w = want{kind: "tag", name: q.Tag, ref: "refs/tags/" + q.Tag}
	case branch != "":
		if err := ci.CheckRef("branch", branch); err != nil {
			return w, err
		}
		w = want{kind: "branch", name: branch, ref: "refs/heads/" + branch}
	}
	if q.SHA != "" {
		if err := ci.CheckSHA(q.SHA); err != nil {
			return w, err
		}
		w.kind, w.name = "commit", strings.ToLower(q.SHA)
	}
	return w, nil
}

// local is the ref of the mirror that keeps what was fetched: its name is made from a digest, so that one branch cannot
// stand in the way of another ("a" and "a/b").
func (w want) local() string {
	if w.kind == "commit" {
		return "refs/headrace/commit-" + w.name[:2]
	}
	sum := sha256.Sum256([]byte(w.ref))
	return "refs/headrace/" + w.kind + "-" + hex.EncodeToString(sum[:8])
}

func (g *Git) resolve(ctx context.Context, m *mirror, w want) (ci.Commit, error) {
	if w.kind == "commit" {
		return g.resolveCommit(ctx, m, w)
	}
	if err := g.fetch(ctx, m, true, "+"+w.ref+":"+w.local()); err != nil {
		if complains(err, "couldn't find remote ref") {
			return ci.Commit{}, fault.Wrap(fault.NotFound, err, "%s", w.missing(m.src)).Named("git_ref_missing")
		}
		return ci.Commit{}, err
	}
	c, err := g.commit(ctx, m, w.local())
	if complains(err, "expected commit type", "unknown revision", "ambiguous argument", "bad revision") {
		return c, fault.Wrap(fault.NotFound, err, "The %s %s does not point to a commit.", w.kind, w.name).Named("git_ref_missing")
	}
	return c, err
}

func (w want) missing(s source) string {
	if w.kind == "head" {
		return fmt.Sprintf("The repository at %s is empty. Push a commit first.", s.shown)
	}
	return fmt.Sprintf("There is no %s %q at %s.", w.kind, w.name, s.shown)
}

// resolveCommit finds a commit by its id: in the mirror, then by asking for just that one, then in the whole history.
func (g *Git) resolveCommit(ctx context.Context, m *mirror, w want) (ci.Commit, error) {
	c, err := g.commit(ctx, m, w.name)
	if err == nil || !absent(err) {
		return c, g.ambiguous(w, err)
	}
	if len(w.name) == 40 || len(w.name) == 64 {
		err := g.fetch(ctx, m, true, "+"+w.name+":"+w.local())
		switch {
		case err == nil:
			return g.commit(ctx, m, w.name)
		case complains(err, "not our ref"):
			return ci.Commit{}, w.noCommit(m.src, err)
		case !complains(err, "unadvertised object", "couldn't find remote ref", "cannot fetch"):
			return ci.Commit{}, err
		}
	}
	err = g.fetch(ctx, m, false, "+refs/heads/*:refs/headrace/all/heads/*", "+refs/tags/*:refs/headrace/all/tags/*")
	if err != nil {
		return ci.Commit{}, err
	}
	c, err = g.commit(ctx, m, w.name)
	if absent(err) {
		return c, w.noCommit(m.src, err)
	}
	return c, g.ambiguous(w, err)
}

func (w want) noCommit(s source, cause error) error {
	return fault.Wrap(fault.NotFound, cause, "There is no commit %s at %s.", w.name, s.shown).Named("git_ref_missing")
}

func (g *Git) ambiguous(w want, err error) error {
	if complains(err, "is ambiguous") {
		return fault.Wrap(fault.Invalid, err, "More than one commit begins with %s. Give more digits of its id.", w.name)
	}
	return err
}

// absent says that the mirror does not hold the revision.
func absent(err error) bool {
	return complains(err, "bad object", "bad revision", "unknown revision") && !complains(err, "is ambiguous")
}

func complains(err error, signs ...string) bool {
	f, ok := errors.AsType[*failure](err)
	if !ok {
		return false
	}
	for _, s := range signs {
		if strings.Contains(f.stderr, s) {
			return true
		}
	}
	return false
}

// maxMessage is how much of a commit's message is kept.
const maxMessage = 64 << 10

// commit reads a commit from the mirror.
func (g *Git) commit(ctx context.Context, m *mirror, revision string) (ci.Commit, error) {
	out, err := g.runner.run(ctx, call{
		args: []string{
			"log", "-1", "--no-color", "--no-decorate", "--encoding=UTF-8", "--format=%H%x00%an%x00%ae%x00%ct%x00%B",
			"--end-of-options", revision + "^{commit}", "--",
		},
		gitDir: m.path, most: 2 * maxMessage,
	})
	if err != nil && !errors.Is(err, errTooMuch) {
		return ci.Commit{}, err
	}
	parts := bytes.SplitN(out, []byte{0}, 5)
	if len(parts) != 5 {
		return ci.Commit{}, &failure{command: "log", stderr: "fatal: the commit cannot be read", err: errUnexplained}
	}
	seconds, err := strconv.ParseInt(string(parts[3]), 10, 64)
	if err != nil {
		return ci.Commit{}, &failure{command: "log", stderr: "fatal: the date of the commit cannot be read", err: err}
	}
	return ci.Commit{
		SHA: string(parts[0]), AuthorName: clean(parts[1], 255), AuthorEmail: clean(parts[2], 255),
		CommittedAt: time.Unix(seconds, 0).UTC(), Message: strings.TrimRight(clean(parts[4], maxMessage), "\n"),
	}, nil
}

// clean makes bytes storable text of at most so many bytes.
func clean(b []byte, most int) string {
	if len(b) > most {
		b = b[:most]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\x00", "")
}
