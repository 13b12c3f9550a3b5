package store

import (
	"context"

	"github.com/headrace/headrace/platform/ci"
)

// RepositorySettings returns what a repository builds, and how much of it at a time. [fault.NotFound] when there is none.
func (s *Store) RepositorySettings(ctx context.Context, repoID int64) (v ci.RepositorySettings, err error) {
	err = s.read(ctx, "find the settings of a repository", func(ctx context.Context, c conn) error {
		v, err = findSettings(ctx, c, repoID)
		return err
	})
	return v, err
}

func findSettings(ctx context.Context, c conn, repoID int64) (v ci.RepositorySettings, err error) {
	err = c.row(ctx, `SELECT build_pushes, build_pull_requests, most_jobs, cancel_pushes, cancel_pull_requests, allow_imports FROM repositories WHERE id = $1`, repoID).
		Scan(&v.BuildPushes, &v.BuildPullRequests, &v.MaxJobs, &v.CancelPushes, &v.CancelPullRequests, &v.AllowImports)
	return v, found(err, errNoRepository)
}

// ChangeRepositorySettings changes settings of a repository, by their names in the Travis API; all, or none where one is
// refused. See [ci.RepositorySettings.With].
func (s *Store) ChangeRepositorySettings(ctx context.Context, repoID int64, changes ...ci.Setting) (v ci.RepositorySettings, err error) {
	err = s.write(ctx, "change the settings of a repository", func(ctx context.Context, c conn) error {
		if err := lockRepository(ctx, c, repoID); err != nil {
			return err
		}
		if v, err = findSettings(ctx, c, repoID); err != nil {
			return err
		}
		for _, change := range changes {
			if v, err = v.With(change.Name, change.Value); err != nil {
				return err
			}
		}
		_, err = c.exec(ctx, `UPDATE repositories SET build_pushes = $2, build_pull_requests = $3, most_jobs = $4, cancel_pushes = $5,
			cancel_pull_requests = $6, allow_imports = $7, updated_at = $8 WHERE id = $1`,
			repoID, v.BuildPushes, v.BuildPullRequests, v.MaxJobs, v.CancelPushes, v.CancelPullRequests, v.AllowImports, at(s.Now()))
		return err
	})
	return v, err
}
