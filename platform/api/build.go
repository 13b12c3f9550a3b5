package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// listBuilds answers GET /builds: those that the user may see.
func (a *API) listBuilds(ctx context.Context, c *call) (answer, error) {
	return a.builds(ctx, c, ci.BuildFilter{})
}

// listRepositoryBuilds answers GET /repo/{…}/builds.
func (a *API) listRepositoryBuilds(ctx context.Context, c *call) (answer, error) {
	r, err := a.repository(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return a.builds(ctx, c, ci.BuildFilter{RepositoryID: r.ID})
}

func (a *API) builds(ctx context.Context, c *call, f ci.BuildFilter) (answer, error) {
	f, err := buildFilter(c, f)
	if err != nil {
		return answer{}, err
	}
	list, total, err := a.Store.Builds(ctx, f)
	if err != nil {
		return answer{}, err
	}
	v := a.view(c)
	shown := make([]*object, len(list))
	for i, b := range list {
		if shown[i], err = v.showBuild(ctx, b, standard); err != nil {
			return answer{}, err
		}
	}
	return ok(c.collection("builds", shown, total), nil)
}

func buildFilter(c *call, f ci.BuildFilter) (ci.BuildFilter, error) {
	f.WithJobs, f.SkipCount, f.Page = true, c.skipCount, c.page
	var err error
	if f.States, err = c.states("build.state"); err != nil {
		return f, err
	}
	events, err := c.list("build.event_type")
	if err != nil {
		return f, err
	}
	for _, e := range events {
		f.Events = append(f.Events, ci.Event(e))
	}
	if f.CreatedBy, err = c.list("build.created_by"); err != nil {
		return f, err
	}
	if f.Branch, err = c.text("branch.name"); err != nil {
		return f, err
	}
	order := c.sortBy("id", "id:desc", "number", "number:desc", "created_at", "created_at:desc")
	f.Ascending = order != "" && !strings.HasSuffix(order, ":desc")
	return f, nil
}

// states is a parameter as a list of states.
func (c *call) states(param string) ([]ci.State, error) {
	names, err := c.list(param)
	if err != nil {
		return nil, err
	}
	var list []ci.State
	for _, n := range names {
		if !ci.State(n).Valid() {
			return nil, fault.Field(param, "%q is no state; there are %v.", n, ci.States())
		}
		list = append(list, ci.State(n))
	}
	return list, nil
}

// build is the one that the path names.
func (a *API) build(ctx context.Context, c *call) (ci.Build, error) {
	n, err := c.id("build")
	if err != nil {
		return ci.Build{}, about("build", err)
	}
	b, err := a.Store.Build(ctx, n)
	return b, about("build", err)
}

// findBuild answers GET /build/{id}.
func (a *API) findBuild(ctx context.Context, c *call) (answer, error) {
	b, err := a.build(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return ok(a.view(c).showBuild(ctx, b, standard))
}

// cancelBuild answers POST /build/{id}/cancel.
func (a *API) cancelBuild(ctx context.Context, c *call) (answer, error) {
	b, err := a.build(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if err := a.Dispatcher.CancelBuild(ctx, b.ID, c.user.Login); err != nil {
		return answer{}, named("build_not_cancelable", err)
	}
	return a.pendingBuild(ctx, c, "cancel")
}

// restartBuild answers POST /build/{id}/restart.
func (a *API) restartBuild(ctx context.Context, c *call) (answer, error) {
	b, err := a.build(ctx, c)
	if err != nil {
		return answer{}, err
	}
	only, err := c.truth("build.only_not_passed")
	if err != nil {
		return answer{}, err
	}
	if err := a.Dispatcher.RestartBuild(ctx, b.ID, c.user.Login, only != nil && *only); err != nil {
		return answer{}, named("build_already_running", err)
	}
	return a.pendingBuild(ctx, c, "restart")
}

// pendingBuild says that a change of a build was taken.
func (a *API) pendingBuild(ctx context.Context, c *call, change string) (answer, error) {
	b, err := a.build(ctx, c)
	if err != nil {
		return answer{}, err
	}
	shown, err := a.view(c).showBuild(ctx, b, minimal)
	o := newObject("pending").set("build", shown).set("state_change", change).set("resource_type", "build")
	return answer{status: http.StatusAccepted, body: o}, err
}

// listBuildJobs answers GET /build/{id}/jobs.
func (a *API) listBuildJobs(ctx context.Context, c *call) (answer, error) {
	b, err := a.build(ctx, c)
	if err != nil {
		return answer{}, err
	}
	v := a.view(c)
	v.builds[b.ID] = b
	shown := make([]*object, len(b.Jobs))
	for i, j := range b.Jobs {
		if shown[i], err = v.showJob(ctx, j); err != nil {
			return answer{}, err
		}
	}
	return ok(c.collection("jobs", shown, len(shown)), nil)
}

// listStages answers GET /build/{id}/stages.
func (a *API) listStages(ctx context.Context, c *call) (answer, error) {
	b, err := a.build(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return ok(c.collection("stages", a.view(c).stagesOf(b, standard), len(b.Stages)), nil)
}
