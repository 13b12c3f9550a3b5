package store

import (
	"context"
	"fmt"

	"github.com/headrace/headrace/internal/fault"
)

// first is the priority of what was put first; everything else has 0.
const first = 1

// PrioritizeBuild has the jobs of a build that have not ended go before all that were not put first. [fault.Conflict] when
// none of them waits.
func (s *Store) PrioritizeBuild(ctx context.Context, buildID int64) error {
	return s.prioritize(ctx, "build_id", buildID, buildID,
		fault.New(fault.Conflict, "No job of this build waits for a worker; there is nothing to put first.").Named("build_not_prioritizable"))
}

// PrioritizeJob has a job go before all that were not put first. [fault.Conflict] when it does not wait.
func (s *Store) PrioritizeJob(ctx context.Context, jobID int64) error {
	j, err := s.Job(ctx, jobID)
	if err != nil {
		return err
	}
	return s.prioritize(ctx, "id", jobID, j.BuildID,
		fault.New(fault.Conflict, "This job does not wait for a worker; there is nothing to put first.").Named("job_not_prioritizable"))
}

func (s *Store) prioritize(ctx context.Context, column string, id, build int64, none error) error {
	return s.write(ctx, fmt.Sprintf("put build %d first", build), func(ctx context.Context, c conn) error {
		err := c.row(ctx, "SELECT id FROM builds WHERE id = $1 {{lock}}", build).Scan(&build)
		if err := found(err, errNoBuild); err != nil {
			return err
		}
		var waiting int
		if err := c.row(ctx, "SELECT count(*) FROM jobs WHERE "+column+" = $1 AND state IN ('created', 'queued')", id).Scan(&waiting); err != nil {
			return err
		}
		if waiting == 0 {
			return none
		}
		_, err = c.exec(ctx, "UPDATE jobs SET priority = $2 WHERE "+column+" = $1 AND state IN ('created', 'queued', 'received', 'started')", id, first)
		return err
	})
}
