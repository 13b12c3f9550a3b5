package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

const (
	buildColumns = `b.id, b.repository_id, r.slug, b.request_id, b.number, b.state, b.previous_state, b.event, b.branch, b.tag,
	c.id, c.sha, c.ref, c.message, c.compare_url, c.commit_range, c.author_name, c.author_email, c.committed_at, b.pull_number, b.pull_title,
	b.pull_request, b.trusted, b.sender,
	b.fast_finish, r.private, b.created_by, COALESCE(u.login, ''), b.created_at, b.started_at, b.finished_at, b.updated_at`
	buildTables = ` FROM builds b JOIN repositories r ON r.id = b.repository_id JOIN commits c ON c.id = b.commit_id
	LEFT JOIN users u ON u.id = b.created_by`
	stageColumns = "id, build_id, number, name, state, started_at, finished_at"

	// usualOf is of how many builds the usual duration is the median.
	usualOf = 10
)

func scanBuild(row scanner) (b ci.Build, err error) {
	k := &b.Commit
	var pull []byte
	err = row.Scan(&b.ID, &b.RepositoryID, &b.Slug, &b.RequestID, &b.Number, &b.State, &b.PreviousState, &b.Event, &b.Branch, &b.Tag,
		&k.ID, &k.SHA, &k.Ref, &k.Message, &k.CompareURL, &k.Range, &k.AuthorName, &k.AuthorEmail, into(&k.CommittedAt), &b.PullNumber, &b.PullTitle,
		&pull, &b.Trusted, &b.Sender,
		&b.FastFinish, &b.Private, &b.CreatedBy, &b.CreatedByLogin, into(&b.CreatedAt), into(&b.StartedAt), into(&b.FinishedAt), into(&b.UpdatedAt))
	if err != nil {
		return b, err
	}
	b.PullRequest, err = decodePull(pull)
	return b, err
}

func scanStage(row scanner) (s ci.Stage, err error) {
	err = row.Scan(&s.ID, &s.BuildID, &s.Number, &s.Name, &s.State, into(&s.StartedAt), into(&s.FinishedAt))
	return s, err
}

var errNoBuild = fault.New(fault.NotFound, "There is no such build.")

// Build returns a build with its stages, jobs, messages and configuration. [fault.NotFound] when there is none.
func (s *Store) Build(ctx context.Context, id int64) (b ci.Build, err error) {
	err = s.read(ctx, "find a build", func(ctx context.Context, c conn) error {
		b, err = findBuild(ctx, c, " WHERE b.id = $1", id)
		return err
	})
	return b, err
}

// BuildByNumber returns a build by its number in the repository, as [Store.Build] does.
func (s *Store) BuildByNumber(ctx context.Context, repoID, number int64) (b ci.Build, err error) {
	err = s.read(ctx, "find a build", func(ctx context.Context, c conn) error {
		b, err = findBuild(ctx, c, " WHERE b.repository_id = $1 AND b.number = $2", repoID, number)
		return err
	})
	return b, err
}

// findBuild returns one build with all that belongs to it.
func findBuild(ctx context.Context, c conn, where string, args ...any) (ci.Build, error) {
	builds, err := list(ctx, c, scanBuild, "SELECT "+buildColumns+buildTables+where, args...)
	if err != nil {
		return ci.Build{}, err
	}
	if len(builds) == 0 {
		return ci.Build{}, errNoBuild
	}
	if err := addJobs(ctx, c, builds, jobColumns, scanJob); err != nil {
		return ci.Build{}, err
	}
	b := builds[0]
	var messages, files []byte
	err = c.row(ctx, "SELECT messages, config, config_text, files FROM build_configs WHERE build_id = $1", b.ID).
		Scan(&messages, intoConfig(&b.Config), &b.ConfigText, &files)
	if err != nil {
		return b, err
	}
	if b.ConfigFiles, err = decodeFiles(files); err != nil {
		return b, err
	}
	b.Messages, err = decodeMessages(messages)
	return b, err
}

// Builds returns a page of builds, the newest first, and how many there are in all. Jobs come without their configuration.
func (s *Store) Builds(ctx context.Context, f ci.BuildFilter) (page []ci.Build, total int, err error) {
	total = -1
	err = s.read(ctx, "list builds", func(ctx context.Context, c conn) error {
		w := buildConditions(f)
		if !f.SkipCount {
			if total, err = countBuilds(ctx, c, f, w); err != nil {
				return err
			}
		}
		order := " ORDER BY b.id DESC"
		if f.Ascending {
			order = " ORDER BY b.id"
		}
		conditions := w.String() + order + w.page(f.Page)
		if page, err = list(ctx, c, scanBuild, "SELECT "+buildColumns+buildTables+conditions, w.args...); err != nil || len(page) == 0 {
			return err
		}
		if f.WithJobs {
			return addJobs(ctx, c, page, jobColumnsLight, scanJobLight)
		}
		return addCounts(ctx, c, page)
	})
	return page, total, err
}

// countBuilds counts what the filter chooses. All builds of a repository are not counted one by one: their numbers have no
// gaps.
func countBuilds(ctx context.Context, c conn, f ci.BuildFilter, w *where) (total int, err error) {
	if f.RepositoryID != 0 && len(w.parts) == 1 {
		err = c.row(ctx, "SELECT last_number FROM repositories WHERE id = $1", f.RepositoryID).Scan(&total)
		if errors.Is(err, sql.ErrNoRows) {
			return 0, nil
		}
		return total, err
	}
	err = c.row(ctx, "SELECT count(*) FROM builds b"+w.String(), w.args...).Scan(&total)
	return total, err
}

func buildConditions(f ci.BuildFilter) *where {
	w := &where{}
	if f.RepositoryID != 0 {
		w.and("b.repository_id = ?", f.RepositoryID)
	}
	if len(f.States) > 0 {
		w.and("b.state {{texts ?}}", texts(f.States))
	}
	if len(f.Events) > 0 {
		w.and("b.event {{texts ?}}", texts(f.Events))
	}
	if f.Branch != "" {
		w.and("b.branch = ?", text(f.Branch))
	}
	if len(f.CreatedBy) > 0 {
		w.and("b.created_by IN (SELECT id FROM users WHERE login_key {{texts ?}})", texts(lower(f.CreatedBy)))
	}
	return w
}

// listBuilds returns builds with their job counts.
func listBuilds(ctx context.Context, c conn, conditions string, args ...any) ([]ci.Build, error) {
	builds, err := list(ctx, c, scanBuild, "SELECT "+buildColumns+buildTables+conditions, args...)
	if err != nil || len(builds) == 0 {
		return nil, err
	}
	return builds, addCounts(ctx, c, builds)
}

// addCounts adds to the builds how many jobs they have in each state.
func addCounts(ctx context.Context, c conn, builds []ci.Build) error {
	type count struct {
		build int64
		state ci.State
		n     int
	}
	counts, err := list(ctx, c, func(row scanner) (v count, err error) {
		err = row.Scan(&v.build, &v.state, &v.n)
		return v, err
	}, "SELECT build_id, state, count(*) FROM jobs WHERE build_id {{ints $1}} GROUP BY build_id, state", ids(buildIDs(builds)))
	if err != nil {
		return err
	}
	index := make(map[int64]map[ci.State]int, len(builds))
	for i := range builds {
		builds[i].JobCounts = map[ci.State]int{}
		index[builds[i].ID] = builds[i].JobCounts
	}
	for _, v := range counts {
		index[v.build][v.state] = v.n
	}
	return nil
}

// addJobs adds stages and jobs to the builds, and how many jobs they have in each state.
func addJobs(ctx context.Context, c conn, builds []ci.Build, columns string, scan func(scanner) (ci.Job, error)) error {
	wanted := ids(buildIDs(builds))
	stages, err := list(ctx, c, scanStage, "SELECT "+stageColumns+" FROM stages WHERE build_id {{ints $1}} ORDER BY build_id, number", wanted)
	if err != nil {
		return err
	}
	jobs, err := list(ctx, c, scan, "SELECT "+columns+jobTables+" WHERE j.build_id {{ints $1}} ORDER BY j.build_id, j.position", wanted)
	if err != nil {
		return err
	}
	index := make(map[int64]*ci.Build, len(builds))
	for i := range builds {
		builds[i].JobCounts = map[ci.State]int{}
		index[builds[i].ID] = &builds[i]
	}
	for _, v := range stages {
		index[v.BuildID].Stages = append(index[v.BuildID].Stages, v)
	}
	for _, v := range jobs {
		b := index[v.BuildID]
		b.Jobs = append(b.Jobs, v)
		b.JobCounts[v.State]++
	}
	return nil
}

func buildIDs(builds []ci.Build) []int64 {
	found := make([]int64, len(builds))
	for i, b := range builds {
		found[i] = b.ID
	}
	return found
}

// UsualDuration is how long the branch's builds take: the median of the last passed ones, 0 when there is none.
func (s *Store) UsualDuration(ctx context.Context, repoID int64, branch string) (usual time.Duration, err error) {
	err = s.read(ctx, "find the usual duration", func(ctx context.Context, c conn) error {
		took, err := list(ctx, c, func(row scanner) (time.Duration, error) {
			var from, to time.Time
			err := row.Scan(into(&from), into(&to))
			return to.Sub(from), err
		}, `SELECT started_at, finished_at FROM builds WHERE repository_id = $1 AND branch = $2 AND state = 'passed'
			AND started_at IS NOT NULL AND finished_at IS NOT NULL ORDER BY id DESC LIMIT $3`, repoID, text(branch), usualOf)
		if err != nil || len(took) == 0 {
			return err
		}
		slices.Sort(took)
		usual = (took[(len(took)-1)/2] + took[len(took)/2]) / 2
		return nil
	})
	return usual, err
}
