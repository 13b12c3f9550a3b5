package webtest

import (
	"context"
	"fmt"
	"slices"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// SetQueues replaces the queues.
func (d *Demo) SetQueues(q ...ci.QueueStatus) { d.mu.Lock(); defer d.mu.Unlock(); d.queues = q }

// Queues are those of SetQueues.
func (d *Demo) Queues(context.Context) ([]ci.QueueStatus, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.queues), d.Fail
}

// WhyWaiting gives each job the same reason, but those of later stages theirs.
func (d *Demo) WhyWaiting(_ context.Context, jobIDs ...int64) (map[int64]ci.Wait, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[int64]ci.Wait{}
	for _, b := range d.builds {
		open, _ := ci.StageGate(b.Jobs)
		for _, j := range b.Jobs {
			switch {
			case !slices.Contains(jobIDs, j.ID) || j.State != ci.Created && j.State != ci.Queued:
			case j.StageNumber > open:
				all[j.ID] = ci.Wait{Kind: ci.WaitStage, Name: b.Stages[open-1].Name}
			default:
				all[j.ID] = d.Why
			}
		}
	}
	return all, d.Fail
}

// PauseQueue pauses a queue, or resumes it.
func (d *Demo) PauseQueue(_ context.Context, queue string, paused bool, by string) error {
	return d.changeQueue(queue, fmt.Sprintf("pause %s %v by %s", queue, paused, by), func(q *ci.QueueStatus) {
		q.Paused, q.PausedBy, q.PausedAt = paused, by, d.now
	})
}

// LimitQueue limits a queue.
func (d *Demo) LimitQueue(_ context.Context, queue string, most int) error {
	return d.changeQueue(queue, fmt.Sprintf("limit %s to %d", queue, most), func(q *ci.QueueStatus) { q.MaxJobs = most })
}

func (d *Demo) changeQueue(name, what string, change func(*ci.QueueStatus)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Acts = append(d.Acts, what)
	for i := range d.queues {
		if d.queues[i].Queue == name {
			change(&d.queues[i])
			return d.Fail
		}
	}
	return fault.New(fault.NotFound, "There is no such queue.")
}

// RepositorySettings are those of the repository.
func (d *Demo) RepositorySettings(_ context.Context, repoID int64) (ci.RepositorySettings, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s, changed := d.settings[repoID]; changed {
		return s, d.Fail
	}
	return ci.DefaultRepositorySettings(), d.Fail
}

// ChangeRepositorySettings changes them.
func (d *Demo) ChangeRepositorySettings(ctx context.Context, repoID int64, changes ...ci.Setting) (ci.RepositorySettings, error) {
	s, err := d.RepositorySettings(ctx, repoID)
	for _, c := range changes {
		if err == nil {
			s, err = s.With(c.Name, c.Value)
		}
	}
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.settings[repoID] = s
	}
	return s, err
}
