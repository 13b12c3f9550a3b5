package intake

import (
	"bytes"
	"context"
	"regexp"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/travisyml"
)

// library reads the files that the configuration of one request imports: from the repository that is built, and from other
// repositories of this installation.
type library struct {
	in     *Intake
	repo   ci.Repository
	sha    string // the commit that is built
	others map[string]ci.Repository
}

// Import returns the text of a file.
func (l *library) Import(ctx context.Context, at, from travisyml.Place) ([]byte, error) {
	repo, err := l.repository(ctx, at.Repo)
	if err != nil {
		return nil, err
	}
	if err := l.allowed(ctx, repo, from); err != nil {
		return nil, err
	}
	sha := l.sha
	if at.Ref != "" || repo.ID != l.repo.ID {
		if sha, err = l.resolve(ctx, repo, at.Ref); err != nil {
			return nil, err
		}
	}
	text, found, err := l.in.git.File(ctx, repo, sha, at.Path, l.in.mostConfig())
	if err == nil && !found {
		return nil, fault.New(fault.NotFound, "There is no file %s at commit %.10s of %s.", at.Path, sha, repo.Slug)
	}
	if err == nil && repo.ID != l.repo.ID && strings.EqualFold(repo.Owner(), l.repo.Owner()) {
		return l.reencrypt(ctx, repo, text)
	}
	return text, err
}

// sealedValue is an encrypted value as it stands in a file, on one line.
var sealedValue = regexp.MustCompile(`secure:\s*["']?([A-Za-z0-9+/]{100,}={0,2})`)

// reencrypt gives the text with its encrypted values closed for the repository that is built, which has the same owner.
// Source: travis-yml-rules 4.3.
func (l *library) reencrypt(ctx context.Context, from ci.Repository, text []byte) ([]byte, error) {
	var values []string
	for _, m := range sealedValue.FindAllSubmatch(text, -1) {
		values = append(values, string(m[1]))
	}
	if len(values) == 0 {
		return text, nil
	}
	fresh, err := l.in.store.Reencrypt(ctx, from.ID, l.repo.ID, values)
	for old, now := range fresh {
		text = bytes.ReplaceAll(text, []byte(old), []byte(now))
	}
	return text, err
}

// resolve finds the commit of a ref: a commit's id, a branch, or a tag; without one what the repository checks out by itself.
func (l *library) resolve(ctx context.Context, repo ci.Repository, ref string) (sha string, err error) {
	tries := []ci.Request{{Branch: ref}, {Tag: ref}}
	if commitID.MatchString(ref) {
		tries = []ci.Request{{SHA: ref}, {Branch: ref}, {Tag: ref}}
	}
	var first error
	for _, q := range tries {
		q.Event, q.RepositoryID = ci.EventAPI, repo.ID
		c, err := l.in.git.Resolve(ctx, repo, q)
		if err == nil || temporary(err) || ref == "" {
			return c.SHA, err
		}
		if first == nil {
			first = err
		}
	}
	return "", first
}

var commitID = regexp.MustCompile(`^[0-9a-f]{7,64}$`)

// repository finds a repository of this installation by its slug.
func (l *library) repository(ctx context.Context, slug string) (ci.Repository, error) {
	if strings.EqualFold(slug, l.repo.Slug) {
		return l.repo, nil
	}
	if r, ok := l.others[strings.ToLower(slug)]; ok {
		return r, nil
	}
	r, err := l.in.store.RepositoryBySlug(ctx, slug, 0)
	if fault.Is(err, fault.NotFound) {
		return r, fault.New(fault.NotFound, "The repository %s is not known here. Add it, then ask for the build again.", slug)
	}
	if err == nil {
		l.others[strings.ToLower(slug)] = r
	}
	return r, err
}

// allowed says whether a file of a repository may go into a configuration that is written at from. Source:
// travis-yml-rules 4.3.
func (l *library) allowed(ctx context.Context, repo ci.Repository, from travisyml.Place) error {
	parent, err := l.repository(ctx, from.Repo)
	if err != nil || !repo.Private || repo.ID == parent.ID {
		return err
	}
	switch {
	case !parent.Private:
		return fault.New(fault.Forbidden, "%s is private and %s is public.", repo.Slug, parent.Slug).Named("invalid_visibility")
	case !strings.EqualFold(repo.Owner(), parent.Owner()):
		return fault.New(fault.Forbidden, "%s is private and belongs to another owner than %s.", repo.Slug, parent.Slug).Named("invalid_ownership")
	}
	settings, err := l.in.store.RepositorySettings(ctx, repo.ID)
	if err == nil && !settings.AllowImports {
		return fault.New(fault.Forbidden, "%s is private and its settings do not let other repositories import its files.", repo.Slug).Named("import_not_allowed")
	}
	return err
}

// mostConfig is how long one file of a configuration may be.
func (in *Intake) mostConfig() int {
	if in.config.Limits.Bytes > 0 {
		return in.config.Limits.Bytes
	}
	return maxConfig
}
