package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

const (
	cronColumns = `k.id, k.repository_id, r.slug, k.branch, k.every, k.schedule, k.time_zone, k.skip_if_recent, k.active, k.reason, k.created_by,
	k.created_at, k.first_run, k.next_run, w.due_at, w.at, COALESCE(w.outcome, ''), COALESCE(w.request_id, 0), COALESCE(q.result, ''),
	COALESCE(q.reason, ''), COALESCE(b.id, 0), COALESCE(b.number, 0), COALESCE(b.state, '')`
	cronTables = ` FROM crons k JOIN repositories r ON r.id = k.repository_id
	LEFT JOIN cron_runs w ON w.cron_id = k.id AND w.due_at = (SELECT max(due_at) FROM cron_runs WHERE cron_id = k.id)
	LEFT JOIN requests q ON q.id = w.request_id LEFT JOIN builds b ON b.request_id = q.id`

	// keptCronRuns is how many of the times at which a cron was due are remembered.
	keptCronRuns = 100
)

var errNoCron = fault.New(fault.NotFound, "There is no such cron.")

func scanCron(row scanner) (k ci.Cron, err error) {
	var w ci.CronRun
	err = row.Scan(&k.ID, &k.RepositoryID, &k.Slug, &k.Branch, &k.Interval, &k.Schedule, &k.TimeZone, &k.SkipIfRecent, &k.Active, &k.Reason, &k.CreatedBy,
		into(&k.CreatedAt), into(&k.First), into(&k.NextRun), into(&w.DueAt), into(&w.At), &w.Outcome, &w.RequestID, &w.Result,
		&w.Reason, &w.BuildID, &w.BuildNumber, &w.BuildState)
	if w.Outcome != "" {
		w.CronID, w.RepositoryID = k.ID, k.RepositoryID
		k.Last = &w
	}
	if !k.Active {
		k.NextRun = time.Time{}
	}
	return k, err
}

// Crons returns a page of the crons of a repository, by branch, and how many there are.
func (s *Store) Crons(ctx context.Context, repoID int64, p ci.Page) (page []ci.Cron, total int, err error) {
	err = s.read(ctx, "list crons", func(ctx context.Context, c conn) error {
		w := &where{}
		w.and("k.repository_id = ?", repoID)
		if err := c.row(ctx, "SELECT count(*) FROM crons k"+w.String(), w.args...).Scan(&total); err != nil {
			return err
		}
		page, err = list(ctx, c, scanCron, "SELECT "+cronColumns+cronTables+w.String()+" ORDER BY k.branch"+w.page(p), w.args...)
		return err
	})
	return page, total, err
}

// Cron returns a cron. [fault.NotFound] when there is none.
func (s *Store) Cron(ctx context.Context, id int64) (k ci.Cron, err error) {
	err = s.read(ctx, "find a cron", func(ctx context.Context, c conn) error {
		k, err = findCron(ctx, c, " WHERE k.id = $1", id)
		return err
	})
	return k, err
}

// CronOfBranch returns the cron of a branch. [fault.NotFound] when it has none.
func (s *Store) CronOfBranch(ctx context.Context, repoID int64, branch string) (k ci.Cron, err error) {
	err = s.read(ctx, "find a cron", func(ctx context.Context, c conn) error {
		k, err = findCron(ctx, c, " WHERE k.repository_id = $1 AND k.branch = $2", repoID, text(branch))
		return err
	})
	return k, err
}

func findCron(ctx context.Context, c conn, where string, args ...any) (ci.Cron, error) {
	k, err := scanCron(c.row(ctx, "SELECT "+cronColumns+cronTables+where, args...))
	return k, found(err, errNoCron)
}

// CreateCron adds a cron in the place of the one that the branch has, if any.
func (s *Store) CreateCron(ctx context.Context, n ci.NewCron) (k ci.Cron, err error) {
	err = s.write(ctx, "create a cron", func(ctx context.Context, c conn) error {
		begun, err := n.Begin(s.Now())
		if err != nil {
			return err
		}
		if err := lockRepository(ctx, c, n.RepositoryID); err != nil {
			return err
		}
		if _, err := c.exec(ctx, "DELETE FROM crons WHERE repository_id = $1 AND branch = $2", n.RepositoryID, text(n.Branch)); err != nil {
			return err
		}
		var count int
		if err := c.row(ctx, "SELECT count(*) FROM crons WHERE repository_id = $1", n.RepositoryID).Scan(&count); err != nil {
			return err
		}
		if count >= ci.MaxCrons {
			return fault.Field("branch", "At most %d branches of a repository have a cron. Delete one that is not needed any more.", ci.MaxCrons)
		}
		var id int64
		err = c.row(ctx, `INSERT INTO crons (repository_id, branch, every, schedule, time_zone, skip_if_recent, created_by, created_at, first_run, next_run)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id`, begun.RepositoryID, text(begun.Branch), begun.Interval, begun.Schedule,
			begun.TimeZone, begun.SkipIfRecent, begun.CreatedBy, at(begun.CreatedAt), at(begun.First), at(begun.NextRun)).Scan(&id)
		if err != nil {
			return err
		}
		k, err = findCron(ctx, c, " WHERE k.id = $1", id)
		return err
	})
	return k, err
}

// DeleteCron removes a cron. [fault.NotFound] when there is none.
func (s *Store) DeleteCron(ctx context.Context, id int64) error {
	return s.write(ctx, "delete a cron", func(ctx context.Context, c conn) error {
		changed, err := c.exec(ctx, "DELETE FROM crons WHERE id = $1", id)
		return missed(changed, err, errNoCron)
	})
}

// DueCrons returns up to limit crons that are due, the longest due first, and how long it is until the next one will be:
// negative where none will.
func (s *Store) DueCrons(ctx context.Context, limit int) (ids []int64, next time.Duration, err error) {
	err = s.read(ctx, "find crons that are due", func(ctx context.Context, c conn) error {
		now := s.Now()
		ids, err = list(ctx, c, scanID, "SELECT id FROM crons WHERE active AND next_run <= $1 ORDER BY next_run, id LIMIT $2", at(now), limit)
		if err != nil {
			return err
		}
		var soonest time.Time
		err := c.row(ctx, "SELECT next_run FROM crons WHERE active AND next_run > $1 ORDER BY next_run LIMIT 1", at(now)).Scan(into(&soonest))
		if next = soonest.Sub(now); errors.Is(err, sql.ErrNoRows) {
			next, err = -1, nil
		}
		return err
	})
	return ids, next, err
}

// FireCron does what a cron that is due asks for and sets when it is due next, in one transaction: times that were missed
// meanwhile count as one. fired is false where it is not due (any more).
func (s *Store) FireCron(ctx context.Context, id int64) (run ci.CronRun, fired bool, err error) {
	err = s.write(ctx, fmt.Sprintf("run cron %d", id), func(ctx context.Context, c conn) error {
		run, fired = ci.CronRun{}, false
		now := s.Now()
		// The lock makes two nodes take turns; the second then finds a cron that is not due.
		ids, err := list(ctx, c, scanID, "SELECT id FROM crons WHERE id = $1 AND active AND next_run <= $2 {{lock}}", id, at(now))
		if err != nil || len(ids) == 0 {
			return err
		}
		k, err := findCron(ctx, c, " WHERE k.id = $1", id)
		if err != nil {
			return err
		}
		rule, err := k.Rule()
		if err != nil {
			return stopCron(ctx, c, id, fault.Message(err))
		}
		if fired, err = recordCron(ctx, c, k, now, &run); err != nil {
			return err
		}
		next := rule.Next(now)
		if next.IsZero() {
			return stopCron(ctx, c, id, "It was due for the last time.")
		}
		_, err = c.exec(ctx, "UPDATE crons SET next_run = $2 WHERE id = $1", id, at(next))
		return err
	})
	return run, fired, err
}

// recordCron writes the row of a due time, with the request where there is to be one; first is false where the row is there.
func recordCron(ctx context.Context, c conn, k ci.Cron, now time.Time, run *ci.CronRun) (first bool, err error) {
	*run = ci.CronRun{CronID: k.ID, RepositoryID: k.RepositoryID, DueAt: k.NextRun, At: now}
	if run.Outcome, err = cronOutcome(ctx, c, k, now); err != nil {
		return false, err
	}
	changed, err := c.exec(ctx, "INSERT INTO cron_runs (cron_id, due_at, at, outcome, request_id) VALUES ($1, $2, $3, $4, 0) ON CONFLICT DO NOTHING",
		k.ID, at(run.DueAt), at(now), run.Outcome)
	if err != nil || changed == 0 {
		return false, err
	}
	if run.Outcome == ci.CronRequested {
		key := fmt.Sprintf("cron %d: %s", k.ID, run.DueAt.UTC().Format(time.RFC3339))
		ids, err := insertRequest(ctx, c, ci.NewRequest{RepositoryID: k.RepositoryID, Event: ci.EventCron, Branch: k.Branch}, key, nil, now)
		if err != nil {
			return false, err
		}
		if len(ids) != 1 {
			return false, fmt.Errorf("the request of %s is there already", key)
		}
		run.RequestID = ids[0]
		if _, err := c.exec(ctx, "UPDATE cron_runs SET request_id = $3 WHERE cron_id = $1 AND due_at = $2", k.ID, at(run.DueAt), run.RequestID); err != nil {
			return false, err
		}
	}
	_, err = c.exec(ctx, `DELETE FROM cron_runs WHERE cron_id = $1 AND due_at <=
		(SELECT due_at FROM cron_runs WHERE cron_id = $1 ORDER BY due_at DESC LIMIT 1 OFFSET $2)`, k.ID, keptCronRuns)
	return true, err
}

// cronOutcome decides what a due cron does.
func cronOutcome(ctx context.Context, c conn, k ci.Cron, now time.Time) (ci.CronOutcome, error) {
	var active bool
	if err := c.row(ctx, "SELECT active FROM repositories WHERE id = $1", k.RepositoryID).Scan(&active); err != nil {
		return "", err
	}
	if !active {
		return ci.CronInactive, nil
	}
	var built time.Time
	err := c.row(ctx, `SELECT created_at FROM builds WHERE repository_id = $1 AND branch = $2 AND tag = '' AND event NOT IN ('cron', 'pull_request')
		ORDER BY id DESC LIMIT 1`, k.RepositoryID, text(k.Branch)).Scan(into(&built))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	if k.PassedOver(now, built) {
		return ci.CronRecent, nil
	}
	return ci.CronRequested, nil
}

func stopCron(ctx context.Context, c conn, id int64, reason string) error {
	_, err := c.exec(ctx, "UPDATE crons SET active = FALSE, reason = $2 WHERE id = $1", id, text(reason))
	return err
}

// StopCron stops the cron that made a request, for a reason which later runs would meet too. Other requests are none of its
// business.
func (s *Store) StopCron(ctx context.Context, requestID int64, reason string) error {
	return s.write(ctx, "stop a cron", func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, "UPDATE crons SET active = FALSE, reason = $2 WHERE active AND id IN (SELECT cron_id FROM cron_runs WHERE request_id = $1)",
			requestID, text(reason))
		return err
	})
}
