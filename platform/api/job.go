package api

import (
	"context"
	"net/http"

	"github.com/headrace/headrace/platform/ci"
)

// listJobs answers GET /jobs: those that the user may see.
func (a *API) listJobs(ctx context.Context, c *call) (answer, error) {
	f := ci.JobFilter{Page: c.page, SkipCount: c.skipCount}
	var err error
	if f.States, err = c.states("job.state"); err != nil {
		return answer{}, err
	}
	active, err := c.truth("job.active")
	if err != nil {
		return answer{}, err
	}
	if active != nil && *active && len(f.States) == 0 {
		f.States = []ci.State{ci.Created, ci.Queued, ci.Received, ci.Started}
	}
	c.sortBy("id:desc") // the order is fixed: another wish is answered with a warning
	list, total, err := a.Store.Jobs(ctx, f)
	if err != nil {
		return answer{}, err
	}
	v := a.view(c)
	shown := make([]*object, len(list))
	for i, j := range list {
		if shown[i], err = v.showJob(ctx, j); err != nil {
			return answer{}, err
		}
	}
	return ok(c.collection("jobs", shown, total), nil)
}

// job is the one that the path names.
func (a *API) job(ctx context.Context, c *call) (ci.Job, error) {
	n, err := c.id("job")
	if err != nil {
		return ci.Job{}, about("job", err)
	}
	j, err := a.Store.Job(ctx, n)
	return j, about("job", err)
}

// findJob answers GET /job/{id}.
func (a *API) findJob(ctx context.Context, c *call) (answer, error) {
	j, err := a.job(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return ok(a.view(c).showJob(ctx, j))
}

// cancelJob answers POST /job/{id}/cancel.
func (a *API) cancelJob(ctx context.Context, c *call) (answer, error) {
	j, err := a.job(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if err := a.Dispatcher.CancelJob(ctx, j.ID, c.user.Login); err != nil {
		return answer{}, named("job_not_cancelable", err)
	}
	return a.pendingJob(c, j, "cancel")
}

// restartJob answers POST /job/{id}/restart.
func (a *API) restartJob(ctx context.Context, c *call) (answer, error) {
	j, err := a.job(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if err := a.Dispatcher.RestartJob(ctx, j.ID, c.user.Login); err != nil {
		return answer{}, named("job_already_running", err)
	}
	return a.pendingJob(c, j, "restart")
}

// pendingJob says that a change of a job was taken.
func (a *API) pendingJob(c *call, j ci.Job, change string) (answer, error) {
	o := newObject("pending").set("job", a.view(c).minimalJob(j)).set("state_change", change).set("resource_type", "job")
	return answer{status: http.StatusAccepted, body: o}, nil
}
