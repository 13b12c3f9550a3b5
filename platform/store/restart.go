package store

import (
	"context"
	"fmt"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// RestartBuild begins the next attempt of every job of a build that has ended, or only of those that did not pass.
// [fault.Conflict] when a job has not ended, or none is left to restart.
func (s *Store) RestartBuild(ctx context.Context, buildID int64, by string, onlyNotPassed bool) (moved []ci.Moved, err error) {
	err = s.write(ctx, fmt.Sprintf("restart build %d", buildID), func(ctx context.Context, c conn) error {
		h, err := s.hold(ctx, c, buildID)
		if err != nil {
			return err
		}
		var indexes []int
		for i, j := range h.jobs {
			if !j.State.Final() {
				return fault.New(fault.Conflict, "This build has not ended yet; cancel it first, or wait.").Named("build_already_running")
			}
			if !onlyNotPassed || j.State != ci.Passed {
				indexes = append(indexes, i)
			}
		}
		if len(indexes) == 0 {
			return fault.New(fault.Conflict, "Every job of this build passed; there is none to restart.")
		}
		moved, err = h.restart(ctx, indexes, by)
		return err
	})
	return moved, err
}

// RestartJob begins the next attempt of a job, and of the jobs of later stages that did not run because of its stage.
// ci.ErrRunning when it has not ended, [fault.Conflict] when an earlier stage keeps it from running.
func (s *Store) RestartJob(ctx context.Context, jobID int64, by string) (moved []ci.Moved, err error) {
	err = s.write(ctx, fmt.Sprintf("restart job %d", jobID), func(ctx context.Context, c conn) error {
		h, i, err := s.holdJob(ctx, c, jobID)
		if err != nil {
			return err
		}
		indexes := []int{i}
		for k, j := range h.jobs {
			if j.StageNumber > h.jobs[i].StageNumber && j.State == ci.Canceled && j.Reason == ci.ReasonStage {
				indexes = append(indexes, k)
			}
		}
		moved, err = h.restart(ctx, indexes, by)
		return err
	})
	return moved, err
}

func (h *held) restart(ctx context.Context, indexes []int, by string) ([]ci.Moved, error) {
	for _, i := range indexes {
		if _, err := h.apply(i, ci.JobEvent{Kind: ci.JobRestart, By: by}); err != nil {
			return nil, err
		}
	}
	if err := h.settle(); err != nil {
		return nil, err
	}
	if h.jobs[indexes[0]].State.Final() {
		return nil, fault.New(fault.Conflict, "An earlier stage of this build did not pass. Restart the jobs there first.")
	}
	if err := h.save(ctx); err != nil {
		return nil, err
	}
	if err := h.usual(ctx, indexes); err != nil {
		return nil, err
	}
	return h.movedAll(indexes), nil
}

// usual takes from the jobs that they were put first: that was for the time before.
func (h *held) usual(ctx context.Context, indexes []int) error {
	var some []int64
	for _, i := range indexes {
		if h.jobs[i].Priority != 0 {
			h.jobs[i].Priority = 0
			some = append(some, h.jobs[i].ID)
		}
	}
	if len(some) == 0 {
		return nil
	}
	_, err := h.c.exec(ctx, "UPDATE jobs SET priority = 0 WHERE id {{ints $1}}", ids(some))
	return err
}
