package store

import (
	"context"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

const (
	// jobColumnsLight are all but the configuration, which is large and never changes.
	jobColumnsLight = `j.id, j.repository_id, r.slug, j.build_id, j.build_number, j.position, j.stage_id, j.stage_number, j.stage_name,
	j.name, j.state, j.reason, j.allow_failure, j.queue, j.priority, j.attempt, j.tries, j.worker_name, j.run, j.exit_code, r.private,
	j.created_at, j.queued_at, j.received_at, j.started_at, j.finished_at, j.updated_at, j.restarted_at, j.restarted_by, j.canceled_by`
	jobColumns = jobColumnsLight + ", j.config"
	jobTables  = " FROM jobs j JOIN repositories r ON r.id = j.repository_id"

	attemptColumns = `a.job_id, a.number, a.state, a.reason, a.run, a.worker_id, a.worker_name, a.exit_code, a.note,
	a.queued_at, a.received_at, a.started_at, a.finished_at`
)

func jobFields(j *ci.Job) []any {
	return []any{
		&j.ID, &j.RepositoryID, &j.Slug, &j.BuildID, &j.BuildNumber, &j.Index, &j.StageID, &j.StageNumber, &j.StageName,
		&j.Name, &j.State, &j.Reason, &j.AllowFailure, &j.Queue, &j.Priority, &j.Attempt, &j.Tries, &j.WorkerName, &j.Run, &j.ExitCode, &j.Private,
		into(&j.CreatedAt), into(&j.QueuedAt), into(&j.ReceivedAt), into(&j.StartedAt), into(&j.FinishedAt), into(&j.UpdatedAt),
		into(&j.RestartedAt), &j.RestartedBy, &j.CanceledBy,
	}
}

func scanJobLight(row scanner) (j ci.Job, err error) {
	err = row.Scan(jobFields(&j)...)
	return j, err
}

func scanJob(row scanner) (j ci.Job, err error) {
	err = row.Scan(append(jobFields(&j), intoConfig(&j.Config))...)
	return j, err
}

func scanAttempt(row scanner) (a ci.Attempt, err error) {
	err = row.Scan(&a.JobID, &a.Number, &a.State, &a.Reason, &a.Run, &a.WorkerID, &a.WorkerName, &a.ExitCode, &a.Note,
		into(&a.QueuedAt), into(&a.ReceivedAt), into(&a.StartedAt), into(&a.FinishedAt))
	return a, err
}

var errNoJob = fault.New(fault.NotFound, "There is no such job.")

// Job returns a job with its configuration. [fault.NotFound] when there is none.
func (s *Store) Job(ctx context.Context, id int64) (j ci.Job, err error) {
	err = s.read(ctx, "find a job", func(ctx context.Context, c conn) error {
		j, err = findJob(ctx, c, id)
		return err
	})
	return j, err
}

func findJob(ctx context.Context, c conn, id int64) (ci.Job, error) {
	j, err := scanJob(c.row(ctx, "SELECT "+jobColumns+jobTables+" WHERE j.id = $1", id))
	return j, found(err, errNoJob)
}

// Jobs returns a page of jobs, of one build in its order, else the newest first, and how many there are in all.
func (s *Store) Jobs(ctx context.Context, f ci.JobFilter) (page []ci.Job, total int, err error) {
	total = -1
	err = s.read(ctx, "list jobs", func(ctx context.Context, c conn) error {
		w, order := &where{}, " ORDER BY j.id DESC"
		if f.BuildID != 0 {
			w.and("j.build_id = ?", f.BuildID)
			order = " ORDER BY j.position"
		}
		if f.RepositoryID != 0 {
			w.and("j.repository_id = ?", f.RepositoryID)
		}
		if len(f.States) > 0 {
			w.and("j.state {{texts ?}}", texts(f.States))
		}
		if !f.SkipCount {
			if err := c.row(ctx, "SELECT count(*) FROM jobs j"+w.String(), w.args...).Scan(&total); err != nil {
				return err
			}
		}
		statement := "SELECT " + jobColumns + jobTables + w.String() + order + w.page(f.Page)
		page, err = list(ctx, c, scanJob, statement, w.args...)
		return err
	})
	return page, total, err
}

// Attempts returns the attempts at a job, the first one first. [fault.NotFound] when there is no such job.
func (s *Store) Attempts(ctx context.Context, jobID int64) (all []ci.Attempt, err error) {
	err = s.read(ctx, "list attempts", func(ctx context.Context, c conn) error {
		all, err = list(ctx, c, scanAttempt, "SELECT "+attemptColumns+" FROM attempts a WHERE a.job_id = $1 ORDER BY a.number", jobID)
		if err == nil && len(all) == 0 {
			return errNoJob
		}
		return err
	})
	return all, err
}

func lower(list []string) []string {
	low := make([]string, len(list))
	for i, v := range list {
		low[i] = strings.ToLower(text(v))
	}
	return low
}
