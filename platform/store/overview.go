package store

import (
	"context"
	"strings"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// Repositories returns a page of repositories with their newest builds, and how many there are in all. It takes the same
// few queries whatever the size of the page.
func (s *Store) Repositories(ctx context.Context, f ci.RepositoryFilter) (page []ci.RepositoryOverview, total int, err error) {
	err = s.read(ctx, "list repositories", func(ctx context.Context, c conn) error {
		w := repositoryConditions(f)
		if err := c.row(ctx, "SELECT count(*) FROM repositories r"+w.String(), w.args...).Scan(&total); err != nil {
			return err
		}
		order := " ORDER BY r.id"
		if f.SortByLast {
			order = ` ORDER BY CASE WHEN EXISTS (SELECT 1 FROM builds b WHERE b.repository_id = r.id
				AND b.state IN ('created', 'queued', 'received', 'started')) THEN 0 ELSE 1 END, r.last_build_id DESC, r.id DESC`
		}
		conditions := w.String() + order + w.page(f.Page)
		w.args = append(w.args, f.ForUser)
		columns := strings.Replace(repositoryColumns, "{user}", placeholder(len(w.args)), 1)
		page, err = list(ctx, c, func(row scanner) (o ci.RepositoryOverview, err error) {
			err = row.Scan(append(repositoryFields(&o.Repository), &o.BuildCount)...)
			return o, err
		}, "SELECT "+columns+", r.last_number FROM repositories r"+conditions, w.args...)
		if err != nil || len(page) == 0 {
			return err
		}
		return addNewest(ctx, c, page, f.Recent)
	})
	return page, total, err
}

func repositoryConditions(f ci.RepositoryFilter) *where {
	w := &where{}
	if f.Text != "" {
		w.and(`r.slug_key LIKE ? ESCAPE '\'`, "%"+likeText.Replace(strings.ToLower(text(f.Text)))+"%")
	}
	if f.Owner != "" {
		w.and("r.owner_key = ?", strings.ToLower(text(f.Owner)))
	}
	if f.Active != nil {
		w.and("r.active = ?", *f.Active)
	}
	if f.Starred != nil {
		w.and("EXISTS (SELECT 1 FROM stars s WHERE s.repository_id = r.id AND s.user_id = ?) = ?", f.ForUser, *f.Starred)
	}
	return w
}

// likeText takes their meaning from the characters that have one in LIKE.
var likeText = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// addNewest adds the last build, the recent ones and the last request to the repositories.
func addNewest(ctx context.Context, c conn, page []ci.RepositoryOverview, recent int) error {
	index := make(map[int64]*ci.RepositoryOverview, len(page))
	repos := make([]int64, len(page))
	for i := range page {
		index[page[i].ID] = &page[i]
		repos[i] = page[i].ID
	}
	builds, err := listBuilds(ctx, c, " WHERE b.id IN (SELECT last_build_id FROM repositories WHERE id {{ints $1}})", ids(repos))
	if err != nil {
		return err
	}
	for i := range builds {
		index[builds[i].RepositoryID].Last = &builds[i]
	}
	if recent > 0 {
		// Numbers have no gaps, so that the newest n builds are those with the last n numbers.
		briefs, err := list(ctx, c, scanBrief, `SELECT b.repository_id, b.branch, b.id, b.number, b.state, b.started_at, b.finished_at
			FROM repositories r JOIN builds b ON b.repository_id = r.id AND b.number > r.last_number - $2
			WHERE r.id {{ints $1}} ORDER BY b.repository_id, b.number`, ids(repos), recent)
		if err != nil {
			return err
		}
		for _, b := range briefs {
			index[b.repository].Recent = append(index[b.repository].Recent, b.BuildBrief)
		}
	}
	requests, err := list(ctx, c, scanRequest, "SELECT "+requestColumns+requestTables+
		` WHERE q.id IN (SELECT (SELECT max(x.id) FROM requests x WHERE x.repository_id = r.id) FROM repositories r WHERE r.id {{ints $1}})`, ids(repos))
	if err != nil {
		return err
	}
	for i, q := range requests {
		o := index[q.RepositoryID]
		if o.Last == nil || q.ID > o.Last.RequestID {
			o.LastRequest = &requests[i]
		}
	}
	return nil
}

// brief is a [ci.BuildBrief] and where it belongs.
type brief struct {
	ci.BuildBrief
	repository int64
	branch     string
}

func scanBrief(row scanner) (b brief, err error) {
	var from, to time.Time
	err = row.Scan(&b.repository, &b.branch, &b.ID, &b.Number, &b.State, into(&from), into(&to))
	if !from.IsZero() && !to.IsZero() {
		b.Duration = to.Sub(from)
	}
	return b, err
}
