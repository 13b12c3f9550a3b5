package api

import (
	"context"
	"net/http"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

func (a *API) cronRoutes() []route {
	fields := []string{"cron.interval", "cron.schedule", "cron.time_zone", "cron.dont_run_if_recent_build_exists"}
	return []route{
		{http.MethodGet, "/repo/:repo/crons", "crons#for_repository", "crons", nil, 25, a.listCrons},
		{http.MethodGet, "/repo/:repo/branch/:branch/cron", "cron#for_branch", "cron", nil, 0, a.findBranchCron},
		{http.MethodPost, "/repo/:repo/branch/:branch/cron", "cron#create", "cron", fields, 0, a.createCron},
		{http.MethodGet, "/cron/:cron", "cron#find", "cron", nil, 0, a.findCron},
		{http.MethodDelete, "/cron/:cron", "cron#delete", "cron", nil, 0, a.deleteCron},
	}
}

// showCron shows a cron as standard.
func (v *view) showCron(ctx context.Context, k ci.Cron) (*object, error) {
	href := "/cron/" + id(k.ID)
	return v.within(href, func() (*object, error) {
		repository, err := v.repositoryOf(ctx, "cron.repository", k.RepositoryID, k.Slug)
		if err != nil {
			return nil, err
		}
		branch, err := v.branchOf(ctx, "cron.branch", k.RepositoryID, k.Slug, k.Branch)
		if err != nil {
			return nil, err
		}
		o := v.object("cron", href, standard)
		o.set("@permissions", permissions([]string{"read"}, nil).set("delete", v.user.Admin).set("start", false))
		o.set("id", k.ID).set("repository", repository).set("branch", branch).set("interval", orNull(k.Interval))
		o.set("dont_run_if_recent_build_exists", k.SkipIfRecent)
		last := ci.CronRun{}
		if k.Last != nil {
			last = *k.Last
		}
		o.set("last_run", stamp(last.At)).set("next_run", stamp(k.NextRun)).set("created_at", stamp(k.CreatedAt)).set("active", k.Active)
		o.set("schedule", orNull(k.Schedule)).set("time_zone", k.TimeZone).set("message", orNull(k.Trouble()))
		return o.set("last_build", v.lastOfCron(last)), nil
	})
}

// lastOfCron shows the build of the last run, null where it made none.
func (v *view) lastOfCron(r ci.CronRun) *object {
	if r.BuildID == 0 {
		return nil
	}
	return v.object("build", "/build/"+id(r.BuildID), minimal).set("id", r.BuildID).set("number", id(r.BuildNumber)).set("state", r.BuildState)
}

// listCrons answers GET /repo/{…}/crons.
func (a *API) listCrons(ctx context.Context, c *call) (answer, error) {
	r, err := a.repository(ctx, c)
	if err != nil {
		return answer{}, err
	}
	list, total, err := a.Store.Crons(ctx, r.ID, c.page)
	if err != nil {
		return answer{}, err
	}
	v := a.view(c)
	shown := make([]*object, len(list))
	for i, k := range list {
		if shown[i], err = v.showCron(ctx, k); err != nil {
			return answer{}, err
		}
	}
	return ok(c.collection("crons", shown, total), nil)
}

// findBranchCron answers GET /repo/{…}/branch/{name}/cron.
func (a *API) findBranchCron(ctx context.Context, c *call) (answer, error) {
	r, err := a.repository(ctx, c)
	if err != nil {
		return answer{}, err
	}
	k, err := a.Store.CronOfBranch(ctx, r.ID, c.params["branch"])
	if err != nil {
		return answer{}, err
	}
	return ok(a.view(c).showCron(ctx, k))
}

// createCron answers POST /repo/{…}/branch/{name}/cron. What the branch has is replaced.
func (a *API) createCron(ctx context.Context, c *call) (answer, error) {
	r, err := a.repository(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if !c.user.Admin {
		return answer{}, about("repository", fault.New(fault.Forbidden, "Only administrators change the crons of a repository."))
	}
	n := ci.NewCron{RepositoryID: r.ID, Branch: c.params["branch"], CreatedBy: c.user.ID}
	for _, f := range []struct {
		name string
		into *string
	}{{"interval", &n.Interval}, {"schedule", &n.Schedule}, {"time_zone", &n.TimeZone}} {
		if *f.into, err = c.text("cron." + f.name); err != nil {
			return answer{}, err
		}
	}
	skip, err := c.truth("cron.dont_run_if_recent_build_exists")
	if err != nil {
		return answer{}, err
	}
	n.SkipIfRecent = skip != nil && *skip
	k, err := a.Crons.Add(ctx, n)
	if err != nil {
		return answer{}, unprocessable(err)
	}
	return ok(a.view(c).showCron(ctx, k))
}

// cron is the one that the path names.
func (a *API) cron(ctx context.Context, c *call) (ci.Cron, error) {
	n, err := c.id("cron")
	if err != nil {
		return ci.Cron{}, err
	}
	return a.Store.Cron(ctx, n)
}

// findCron answers GET /cron/{id}.
func (a *API) findCron(ctx context.Context, c *call) (answer, error) {
	k, err := a.cron(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return ok(a.view(c).showCron(ctx, k))
}

// deleteCron answers DELETE /cron/{id}.
func (a *API) deleteCron(ctx context.Context, c *call) (answer, error) {
	k, err := a.cron(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if !c.user.Admin {
		return answer{}, fault.New(fault.Forbidden, "Only administrators change the crons of a repository.")
	}
	return answer{status: http.StatusNoContent}, a.Store.DeleteCron(ctx, k.ID)
}
