package intake

import (
	"context"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// wanted says why a repository does not build what a hook told of.
func (in *Intake) wanted(ctx context.Context, q ci.Request) error {
	if q.Event != ci.EventPush && q.Event != ci.EventPullRequest {
		return nil
	}
	settings, err := in.store.RepositorySettings(ctx, q.RepositoryID)
	switch {
	case err != nil:
		return err
	case q.Event == ci.EventPush && !settings.BuildPushes:
		return fault.New(fault.Invalid, "Pushes are not built: the setting %s of this repository is off.", ci.SettingBuildPushes)
	case q.Event == ci.EventPullRequest && !settings.BuildPullRequests:
		return fault.New(fault.Invalid, "Pull requests are not built: the setting %s of this repository is off.", ci.SettingBuildPullRequests)
	}
	return nil
}

// resolve finds the commit. Of a pull request it notes what the repository proves of it.
func (in *Intake) resolve(ctx context.Context, repo ci.Repository, q *ci.Request) (ci.Commit, error) {
	if q.Event != ci.EventPullRequest {
		commit, err := in.git.Resolve(ctx, repo, *q)
		commit.CompareURL = q.Hook.CompareURL
		if q.Hook.Before != "" {
			commit.Range = q.Hook.Before + "..." + commit.SHA
		}
		return commit, err
	}
	if q.PullRequest == nil {
		return ci.Commit{}, fault.New(fault.Invalid, "The request names no pull request.")
	}
	commit, proved, err := in.git.ResolvePull(ctx, repo, *q.PullRequest)
	q.PullRequest = &proved
	commit.CompareURL = proved.URL
	if proved.BaseSHA != "" {
		commit.Range = proved.BaseSHA + "..." + proved.HeadSHA
	}
	return commit, err
}
