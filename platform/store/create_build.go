package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// CreateBuild turns a request into a build with its stages and jobs, and finishes the request as approved. The number is
// the next one of the repository. Called again for the same request it returns the build that exists. [fault.Conflict]
// when the try is not the request's current one. Older builds that wait are canceled where the repository's settings say so.
func (s *Store) CreateBuild(ctx context.Context, n ci.NewBuild, requestTries int) (b ci.Build, err error) {
	if err := checkNewBuild(n); err != nil {
		return b, err
	}
	err = s.write(ctx, fmt.Sprintf("make a build of request %d", n.RequestID), func(ctx context.Context, c conn) error {
		if err := lockRepository(ctx, c, n.RepositoryID); err != nil {
			return err
		}
		b, err = findBuild(ctx, c, " WHERE b.request_id = $1", n.RequestID)
		if err == nil || !errors.Is(err, errNoBuild) {
			return err
		}
		id, err := insertBuild(ctx, c, n, requestTries, s.Now())
		if err != nil {
			return err
		}
		moved, err := s.supersede(ctx, c, id, n)
		if err != nil {
			return err
		}
		b, err = findBuild(ctx, c, " WHERE b.id = $1", id)
		b.Superseded = moved
		return err
	})
	return b, err
}

func checkNewBuild(n ci.NewBuild) error {
	if len(n.Jobs) == 0 {
		return fault.New(fault.Invalid, "A build needs at least one job.")
	}
	for _, j := range n.Jobs {
		if j.Stage >= len(n.Stages) || (j.Stage < 0 && len(n.Stages) > 0) {
			return fault.New(fault.Invalid, "Every job of a build with stages needs one of them.")
		}
	}
	return nil
}

func insertBuild(ctx context.Context, c conn, n ci.NewBuild, requestTries int, now time.Time) (id int64, err error) {
	changed, err := c.exec(ctx, `UPDATE requests SET state = 'finished', result = 'approved', reason = '', finished_at = $4, owner = ''
		WHERE id = $1 AND repository_id = $2 AND tries = $3 AND state = 'pending'`, n.RequestID, n.RepositoryID, requestTries, at(now))
	if err := missed(changed, err, errLostRequest); err != nil {
		return 0, err
	}
	commit, err := insertCommit(ctx, c, n)
	if err != nil {
		return 0, err
	}
	previous, err := previousState(ctx, c, n.RepositoryID, n.Branch, n.Event, 0)
	if err != nil {
		return 0, err
	}
	pull, pullNumber, pullTitle, err := encodePull(n.PullRequest)
	if err != nil {
		return 0, err
	}
	jobs := newJobs(n)
	var number int64
	if err := c.row(ctx, "SELECT last_number + 1 FROM repositories WHERE id = $1", n.RepositoryID).Scan(&number); err != nil {
		return 0, err
	}
	err = c.row(ctx, `INSERT INTO builds (repository_id, request_id, commit_id, number, state, previous_state, event, branch, tag,
			fast_finish, created_by, created_at, updated_at, trusted, sender, pull_request, pull_number, pull_title)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13, $14, $15, $16, $17) RETURNING id`,
		n.RepositoryID, n.RequestID, commit, number, ci.BuildProgress(jobs, n.FastFinish).State, previous, n.Event, text(n.Branch), text(n.Tag),
		n.FastFinish, n.CreatedBy, at(now), n.Trusted, text(n.Sender), pull, pullNumber, pullTitle).Scan(&id)
	if err != nil {
		return 0, err
	}
	if err := insertConfig(ctx, c, id, n); err != nil {
		return 0, err
	}
	stages, err := insertStages(ctx, c, id, n.Stages, jobs)
	if err != nil {
		return 0, err
	}
	if err := insertJobs(ctx, c, id, number, n, jobs, stages, now); err != nil {
		return 0, err
	}
	return id, noteNewest(ctx, c, id, number, n)
}

func insertCommit(ctx context.Context, c conn, n ci.NewBuild) (id int64, err error) {
	k := n.Commit
	err = c.row(ctx, `INSERT INTO commits (repository_id, sha, ref, message, compare_url, author_name, author_email, committed_at, commit_range)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id`, n.RepositoryID, text(k.SHA), text(k.Ref), text(k.Message),
		text(k.CompareURL), text(k.AuthorName), text(k.AuthorEmail), at(k.CommittedAt), text(k.Range)).Scan(&id)
	return id, err
}

func insertConfig(ctx context.Context, c conn, build int64, n ci.NewBuild) error {
	messages, err := encodeMessages(n.Messages)
	if err != nil {
		return err
	}
	files, err := encodeFiles(n.ConfigFiles)
	if err != nil {
		return err
	}
	_, err = c.exec(ctx, "INSERT INTO build_configs (build_id, messages, config, config_text, files) VALUES ($1, $2, $3, $4, $5)",
		build, messages, object(n.Config), text(n.ConfigText), files)
	return err
}

// newJobs are the jobs as far as the rules of states and stages need them.
func newJobs(n ci.NewBuild) []ci.Job {
	jobs := make([]ci.Job, len(n.Jobs))
	for i, j := range n.Jobs {
		jobs[i] = ci.Job{State: ci.Created, AllowFailure: j.AllowFailure, StageNumber: j.Stage + 1}
	}
	return jobs
}

// insertStages returns the ids of the stages.
func insertStages(ctx context.Context, c conn, build int64, names []string, jobs []ci.Job) ([]int64, error) {
	stages := make([]int64, len(names))
	for i, name := range names {
		own := slices.DeleteFunc(slices.Clone(jobs), func(j ci.Job) bool { return j.StageNumber != i+1 })
		err := c.row(ctx, "INSERT INTO stages (build_id, number, name, state) VALUES ($1, $2, $3, $4) RETURNING id",
			build, i+1, text(name), ci.StageProgress(own).State).Scan(&stages[i])
		if err != nil {
			return nil, err
		}
	}
	return stages, nil
}

func insertJobs(ctx context.Context, c conn, build, number int64, n ci.NewBuild, jobs []ci.Job, stages []int64, now time.Time) error {
	open, _ := ci.StageGate(jobs)
	queues := map[string]bool{}
	args := make([]any, 0, 14*len(n.Jobs))
	for i, j := range n.Jobs {
		stage, name := int64(0), ""
		if j.Stage >= 0 {
			stage, name = stages[j.Stage], text(n.Stages[j.Stage])
		}
		queues[text(j.Queue)] = true
		args = append(args, n.RepositoryID, build, number, i+1, stage, j.Stage+1, name, text(j.Name), j.AllowFailure, j.Stage+1 == open,
			text(j.Queue), at(now), at(now), object(j.Config))
	}
	const columns = 14
	for batch := range slices.Chunk(args, rowsPerInsert*columns) {
		_, err := c.exec(ctx, `INSERT INTO jobs (repository_id, build_id, build_number, position, stage_id, stage_number, stage_name,
			name, allow_failure, ready, queue, created_at, updated_at, config) VALUES `+tuples(len(batch)/columns, columns, 1), batch...)
		if err != nil {
			return err
		}
	}
	for queue := range queues {
		if err := knowQueue(ctx, c, queue); err != nil {
			return err
		}
	}
	_, err := c.exec(ctx, "INSERT INTO attempts (job_id, number, state) SELECT id, attempt, state FROM jobs WHERE build_id = $1", build)
	return err
}

// knowQueue notes that there is a broker queue of that name.
func knowQueue(ctx context.Context, c conn, name string) error {
	_, err := c.exec(ctx, "INSERT INTO queues (name) VALUES ($1) ON CONFLICT DO NOTHING", name)
	return err
}

// noteNewest makes the build the newest one of its repository and branch.
func noteNewest(ctx context.Context, c conn, build, number int64, n ci.NewBuild) error {
	_, err := c.exec(ctx, "UPDATE repositories SET last_number = $2, last_build_id = $3 WHERE id = $1", n.RepositoryID, number, build)
	if err != nil || n.Branch == "" || n.Tag != "" || n.Event == ci.EventPullRequest {
		return err
	}
	_, err = c.exec(ctx, `INSERT INTO branches (repository_id, name, last_build_id) VALUES ($1, $2, $3)
		ON CONFLICT (repository_id, name) DO UPDATE SET last_build_id = excluded.last_build_id`, n.RepositoryID, text(n.Branch), build)
	return err
}

// previousState is the state of the branch's newest ended build before the given one, before any for 0. Builds of pull
// requests follow one another, and so do the others.
func previousState(ctx context.Context, c conn, repo int64, branch string, event ci.Event, build int64) (ci.State, error) {
	w := &where{}
	w.and("repository_id = ?", repo)
	w.and("branch = ?", text(branch))
	w.and("state IN ('passed', 'failed', 'errored', 'canceled')")
	if build != 0 {
		w.and("id < ?", build)
	}
	if event == ci.EventPullRequest {
		w.and("event = 'pull_request'")
	} else {
		w.and("event <> 'pull_request'")
	}
	states, err := list(ctx, c, func(row scanner) (v ci.State, err error) {
		err = row.Scan(&v)
		return v, err
	}, "SELECT state FROM builds"+w.String()+" ORDER BY id DESC LIMIT 1", w.args...)
	if err != nil || len(states) == 0 {
		return "", err
	}
	return states[0], nil
}
