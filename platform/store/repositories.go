package store

import (
	"context"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// repositoryColumns need the asking user; its argument takes the place of {user}.
const repositoryColumns = `r.id, r.slug, r.source_url, r.default_branch, r.private, r.active, r.created_at, r.updated_at,
	EXISTS (SELECT 1 FROM stars s WHERE s.repository_id = r.id AND s.user_id = {user})`

func repositoryFields(r *ci.Repository) []any {
	return []any{
		&r.ID, &r.Slug, &r.SourceURL, &r.DefaultBranch, &r.Private, &r.Active, into(&r.CreatedAt), into(&r.UpdatedAt), &r.Starred,
	}
}

func scanRepository(row scanner) (r ci.Repository, err error) {
	err = row.Scan(repositoryFields(&r)...)
	return r, err
}

// selectRepository is the beginning of a query for repositories as the user in the argument sees them.
func selectRepository(user string) string {
	return "SELECT " + strings.Replace(repositoryColumns, "{user}", user, 1) + " FROM repositories r"
}

var errNoRepository = fault.New(fault.NotFound, "There is no such repository.")

// AddRepository adds a repository, active from the start. [fault.Conflict] when its name is taken, in whatever case.
func (s *Store) AddRepository(ctx context.Context, n ci.NewRepository) (r ci.Repository, err error) {
	err = s.write(ctx, "add a repository", func(ctx context.Context, c conn) error {
		owner, _ := ci.SplitSlug(n.Slug)
		var id int64
		err := c.row(ctx, `INSERT INTO repositories
			(slug, slug_key, owner_key, source_url, default_branch, private, active, added_by, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, TRUE, $7, $8, $8) ON CONFLICT (slug_key) DO NOTHING RETURNING id`,
			text(n.Slug), strings.ToLower(text(n.Slug)), strings.ToLower(text(owner)), text(n.SourceURL), text(n.DefaultBranch),
			n.Private, n.AddedBy, at(s.Now())).Scan(&id)
		if err := found(err, fault.New(fault.Conflict, "There is a repository named %s already.", n.Slug).Named("duplicate_resource")); err != nil {
			return err
		}
		if s.config.Keys != nil {
			if err := s.addHookSecret(ctx, c, id); err != nil {
				return err
			}
		}
		r, err = findRepository(ctx, c, id, 0)
		return err
	})
	return r, err
}

// Repository returns a repository as the user sees it; user 0 is nobody. [fault.NotFound] when there is none.
func (s *Store) Repository(ctx context.Context, id, forUser int64) (r ci.Repository, err error) {
	err = s.read(ctx, "find a repository", func(ctx context.Context, c conn) error {
		r, err = findRepository(ctx, c, id, forUser)
		return err
	})
	return r, err
}

func findRepository(ctx context.Context, c conn, id, forUser int64) (ci.Repository, error) {
	r, err := scanRepository(c.row(ctx, selectRepository("$2")+" WHERE r.id = $1", id, forUser))
	return r, found(err, errNoRepository)
}

// RepositoryBySlug returns a repository by its name, in whatever case. [fault.NotFound] when there is none.
func (s *Store) RepositoryBySlug(ctx context.Context, slug string, forUser int64) (r ci.Repository, err error) {
	err = s.read(ctx, "find a repository", func(ctx context.Context, c conn) error {
		r, err = scanRepository(c.row(ctx, selectRepository("$2")+" WHERE r.slug_key = $1", strings.ToLower(text(slug)), forUser))
		return found(err, errNoRepository)
	})
	return r, err
}

// SetActive says whether a repository builds.
func (s *Store) SetActive(ctx context.Context, repoID int64, active bool) error {
	return s.changeRepository(ctx, "UPDATE repositories SET active = $2, updated_at = $3 WHERE id = $1", repoID, active)
}

// SetDefaultBranch stores the name of the default branch.
func (s *Store) SetDefaultBranch(ctx context.Context, id int64, name string) error {
	return s.changeRepository(ctx, "UPDATE repositories SET default_branch = $2, updated_at = $3 WHERE id = $1", id, text(name))
}

func (s *Store) changeRepository(ctx context.Context, statement string, id int64, value any) error {
	return s.write(ctx, "change a repository", func(ctx context.Context, c conn) error {
		changed, err := c.exec(ctx, statement, id, value, s.Now())
		return missed(changed, err, errNoRepository)
	})
}

// SetStar sets or removes the user's star on a repository.
func (s *Store) SetStar(ctx context.Context, userID, repoID int64, on bool) error {
	return s.write(ctx, "star a repository", func(ctx context.Context, c conn) error {
		if _, err := findRepository(ctx, c, repoID, 0); err != nil {
			return err
		}
		statement := "DELETE FROM stars WHERE user_id = $1 AND repository_id = $2"
		if on {
			statement = `INSERT INTO stars (user_id, repository_id)
				SELECT u.id, r.id FROM users u, repositories r WHERE u.id = $1 AND r.id = $2 ON CONFLICT DO NOTHING`
		}
		_, err := c.exec(ctx, statement, userID, repoID)
		return err
	})
}

// DeleteRepository removes a repository with all its requests, builds and logs.
func (s *Store) DeleteRepository(ctx context.Context, id int64) error {
	return s.writeFor(ctx, mostTimeBig, "delete a repository", func(ctx context.Context, c conn) error {
		if err := lockRepository(ctx, c, id); err != nil {
			return err
		}
		for _, statement := range []string{
			"DELETE FROM log_parts WHERE job_id IN (SELECT id FROM jobs WHERE repository_id = $1)",
			"DELETE FROM log_chunks WHERE job_id IN (SELECT id FROM jobs WHERE repository_id = $1)",
			"DELETE FROM logs WHERE job_id IN (SELECT id FROM jobs WHERE repository_id = $1)",
			"DELETE FROM repositories WHERE id = $1",
		} {
			if _, err := c.exec(ctx, statement, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// lockRepository holds the row of a repository until the end of the transaction.
func lockRepository(ctx context.Context, c conn, id int64) error {
	return found(c.row(ctx, "SELECT id FROM repositories WHERE id = $1 {{lock}}", id).Scan(&id), errNoRepository)
}
