package store

import (
	"context"
	"fmt"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// recentOfBranch is how many builds a branch brings along.
const recentOfBranch = 10

// Branches returns a page of the branches that have builds, the default branch first, then by their last build, and how
// many there are in all.
func (s *Store) Branches(ctx context.Context, repoID int64, p ci.Page) (page []ci.Branch, total int, err error) {
	err = s.read(ctx, "list branches", func(ctx context.Context, c conn) error {
		if err := c.row(ctx, "SELECT count(*) FROM branches WHERE repository_id = $1", repoID).Scan(&total); err != nil {
			return err
		}
		w := &where{}
		w.and("x.repository_id = ?", repoID)
		conditions := w.String() + " ORDER BY CASE WHEN x.name = r.default_branch THEN 0 ELSE 1 END, x.last_build_id DESC" + w.page(p)
		page, err = listBranches(ctx, c, repoID, conditions, w.args...)
		return err
	})
	return page, total, err
}

// Branch returns a branch. [fault.NotFound] when the repository has no build of it.
func (s *Store) Branch(ctx context.Context, repoID int64, name string) (b ci.Branch, err error) {
	err = s.read(ctx, "find a branch", func(ctx context.Context, c conn) error {
		found, err := listBranches(ctx, c, repoID, " WHERE x.repository_id = $1 AND x.name = $2", repoID, text(name))
		if err == nil && len(found) == 0 {
			return fault.New(fault.NotFound, "There is no build of such a branch.")
		}
		if err == nil {
			b = found[0]
		}
		return err
	})
	return b, err
}

func listBranches(ctx context.Context, c conn, repoID int64, conditions string, args ...any) ([]ci.Branch, error) {
	page, err := list(ctx, c, func(row scanner) (b ci.Branch, err error) {
		err = row.Scan(&b.RepositoryID, &b.Name, &b.Default)
		return b, err
	}, `SELECT x.repository_id, x.name, x.name = r.default_branch
		FROM branches x JOIN repositories r ON r.id = x.repository_id`+conditions, args...)
	if err != nil || len(page) == 0 {
		return nil, err
	}
	names, index := make([]string, len(page)), map[string]*ci.Branch{}
	for i := range page {
		names[i] = page[i].Name
		index[page[i].Name] = &page[i]
	}
	builds, err := listBuilds(ctx, c, ` WHERE b.id IN (SELECT last_build_id FROM branches WHERE repository_id = $1 AND name {{texts $2}})`,
		repoID, texts(names))
	if err != nil {
		return nil, err
	}
	for i := range builds {
		index[builds[i].Branch].Last = &builds[i]
	}
	briefs, err := list(ctx, c, scanBrief, `SELECT b.repository_id, b.branch, b.id, b.number, b.state, b.started_at, b.finished_at
		FROM branches x JOIN builds b ON b.repository_id = x.repository_id AND b.branch = x.name AND b.id >= COALESCE(
			(SELECT o.id FROM builds o WHERE o.repository_id = x.repository_id AND o.branch = x.name AND o.event <> 'pull_request' AND o.tag = ''
				ORDER BY o.id DESC LIMIT 1 OFFSET `+fmt.Sprint(recentOfBranch-1)+`), 0)
		WHERE x.repository_id = $1 AND x.name {{texts $2}} AND b.event <> 'pull_request' AND b.tag = '' ORDER BY b.id`, repoID, texts(names))
	if err != nil {
		return nil, err
	}
	for _, b := range briefs {
		index[b.branch].Recent = append(index[b.branch].Recent, b.BuildBrief)
	}
	return page, nil
}
