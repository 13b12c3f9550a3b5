package intake

import (
	"context"
	"errors"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// AddRepository looks at the source, finds its default branch where none is given, and stores the repository. An address
// that leads nowhere, to something else or to an empty repository is said at once, as an error of the field source_url.
func (in *Intake) AddRepository(ctx context.Context, n ci.NewRepository) (ci.Repository, error) {
	n.Slug = strings.Trim(strings.TrimSpace(n.Slug), "/")
	n.SourceURL = strings.TrimSpace(n.SourceURL)
	n.DefaultBranch = strings.TrimPrefix(strings.TrimSpace(n.DefaultBranch), "refs/heads/")
	if err := ci.CheckSlug(n.Slug); err != nil {
		return ci.Repository{}, err
	}
	if n.DefaultBranch != "" {
		if err := ci.CheckRef("default_branch", n.DefaultBranch); err != nil {
			return ci.Repository{}, err
		}
	}
	remote, err := in.git.Probe(ctx, n.SourceURL)
	if err != nil {
		return ci.Repository{}, aboutSource(err)
	}
	if remote.Empty {
		return ci.Repository{}, fault.Field("source_url", "The repository is empty. Push a commit first, then add it.").Named("git_empty")
	}
	if n.DefaultBranch == "" {
		n.DefaultBranch = remote.DefaultBranch
	}
	r, err := in.store.AddRepository(ctx, n)
	if err != nil {
		return ci.Repository{}, err
	}
	in.announce.Announce(ctx, ci.Change{Kind: ci.ChangeRepository, Repository: r.ID})
	return r, nil
}

// aboutSource makes an error of source control one about the address that was given: whoever adds a repository can mend
// that, whether or not a later try would help.
func aboutSource(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || len(f.Fields) > 0 {
		return err
	}
	return &fault.Error{Code: fault.Invalid, Kind: f.Kind, Message: f.Message, Fields: map[string]string{"source_url": f.Message}, Err: err}
}
