package store

import (
	"context"
	"fmt"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// CancelBuild cancels every job of the build that has not ended. runs are those that a worker may be at.
// [fault.Conflict] when all have ended.
func (s *Store) CancelBuild(ctx context.Context, buildID int64, by string) (moved []ci.Moved, runs []ci.CanceledRun, err error) {
	err = s.write(ctx, fmt.Sprintf("cancel build %d", buildID), func(ctx context.Context, c conn) error {
		h, err := s.hold(ctx, c, buildID)
		if err != nil {
			return err
		}
		var indexes []int
		for i, j := range h.jobs {
			if !j.State.Final() {
				indexes = append(indexes, i)
			}
		}
		if len(indexes) == 0 {
			return fault.New(fault.Conflict, "This build has ended already; it cannot be canceled.").Named("build_not_cancelable")
		}
		moved, runs, err = h.cancel(ctx, indexes, by)
		return err
	})
	return moved, runs, err
}

// CancelJob cancels a job. runs is what a worker may be at. ci.ErrNotCancelable when the job has ended.
func (s *Store) CancelJob(ctx context.Context, jobID int64, by string) (moved []ci.Moved, runs []ci.CanceledRun, err error) {
	err = s.write(ctx, fmt.Sprintf("cancel job %d", jobID), func(ctx context.Context, c conn) error {
		h, i, err := s.holdJob(ctx, c, jobID)
		if err != nil {
			return err
		}
		moved, runs, err = h.cancel(ctx, []int{i}, by)
		return err
	})
	return moved, runs, err
}

func (h *held) cancel(ctx context.Context, indexes []int, by string) ([]ci.Moved, []ci.CanceledRun, error) {
	for _, i := range indexes {
		if _, err := h.apply(i, ci.JobEvent{Kind: ci.JobCancel, Reason: ci.ReasonUser, By: by}); err != nil {
			return nil, nil, err
		}
		if err := h.sayCanceled(ctx, i, by); err != nil {
			return nil, nil, err
		}
	}
	if err := h.save(ctx); err != nil {
		return nil, nil, err
	}
	runs, err := h.canceledRuns(ctx)
	return h.movedAll(indexes), runs, err
}

// sayCanceled writes under the output of a job that a worker has who canceled it.
func (h *held) sayCanceled(ctx context.Context, i int, by string) error {
	if !h.was[i].State.Owned() || by == "" {
		return nil
	}
	_, err := addNote(ctx, h.c, attemptKey{h.jobs[i].ID, h.jobs[i].Attempt}, ci.LogEpilogue, "Canceled by "+by+".", h.now)
	return err
}

// canceledRuns are the runs of the jobs that were owned and are now canceled.
func (h *held) canceledRuns(ctx context.Context) ([]ci.CanceledRun, error) {
	var owned []int64
	for i, j := range h.jobs {
		if h.was[i].State.Owned() && j.State == ci.Canceled {
			owned = append(owned, j.ID)
		}
	}
	if len(owned) == 0 {
		return nil, nil
	}
	return list(ctx, h.c, func(row scanner) (r ci.CanceledRun, err error) {
		err = row.Scan(&r.JobID, &r.Attempt, &r.Run, &r.WorkerID, &r.Unclaimed)
		return r, err
	}, `SELECT a.job_id, a.number, a.run, a.worker_id, a.unclaimed FROM attempts a JOIN jobs j ON j.id = a.job_id AND j.attempt = a.number
		WHERE a.job_id {{ints $1}} ORDER BY a.job_id`, ids(owned))
}
