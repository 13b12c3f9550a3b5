package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/headrace/headrace/platform/ci"
)

// repository is the one that the path names by id or slug.
func (a *API) repository(ctx context.Context, c *call) (ci.Repository, error) {
	name := c.params["repo"]
	if n, err := strconv.ParseInt(name, 10, 64); err == nil {
		r, err := a.Store.Repository(ctx, n, c.user.ID)
		return r, about("repository", err)
	}
	r, err := a.Store.RepositoryBySlug(ctx, name, c.user.ID)
	return r, about("repository", err)
}

// owner is a user, or an organization that has a repository here.
func (a *API) owner(ctx context.Context, v *view, login string) (owner, error) {
	who, err := v.knownOwner(ctx, login)
	if err != nil || who.user != nil {
		return who, err
	}
	list, _, err := a.Store.Repositories(ctx, ci.RepositoryFilter{Owner: login, Page: ci.Page{Limit: 1}})
	if err != nil {
		return owner{}, err
	}
	if len(list) == 0 {
		return owner{}, gone("owner")
	}
	return owner{login: list[0].Owner()}, nil
}

// listRepositories answers GET /repos and GET /owner/{login}/repos.
func (a *API) listRepositories(ctx context.Context, c *call) (answer, error) {
	filter, err := repositoryFilter(c)
	if err != nil {
		return answer{}, err
	}
	v := a.view(c)
	if filter.Owner != "" {
		if _, err := a.owner(ctx, v, filter.Owner); err != nil {
			return answer{}, err
		}
	}
	list, total, err := a.Store.Repositories(ctx, filter)
	if err != nil {
		return answer{}, err
	}
	shown := make([]*object, len(list))
	for i, r := range list {
		if shown[i], err = v.showRepository(ctx, r.Repository, facts{last: r.Last, buildCount: r.BuildCount}); err != nil {
			return answer{}, err
		}
	}
	return ok(c.collection("repositories", shown, total), nil)
}

func repositoryFilter(c *call) (f ci.RepositoryFilter, err error) {
	f = ci.RepositoryFilter{Owner: c.params["owner"], ForUser: c.user.ID, Page: c.page}
	if f.Active, err = c.truth("repository.active"); err != nil {
		return f, err
	}
	if f.Starred, err = c.truth("repository.starred"); err != nil {
		return f, err
	}
	for _, name := range []string{"repository.slug_filter", "repository.name_filter"} {
		if f.Text == "" {
			if f.Text, err = c.text(name); err != nil {
				return f, err
			}
		}
	}
	order := c.sortBy("id", "default_branch.last_build:desc", "current_build:desc")
	f.SortByLast = strings.HasSuffix(order, ":desc")
	return f, nil
}

// addRepository answers POST /repos.
func (a *API) addRepository(ctx context.Context, c *call) (answer, error) {
	n, err := newRepository(c)
	if err != nil {
		return answer{}, err
	}
	r, err := a.Intake.AddRepository(ctx, n)
	if err != nil {
		return answer{}, named("duplicate_resource", err)
	}
	shown, err := a.view(c).showRepository(ctx, r, facts{})
	return answer{status: http.StatusCreated, body: shown}, err
}

func newRepository(c *call) (n ci.NewRepository, err error) {
	n.AddedBy = c.user.ID
	for _, f := range []struct {
		name string
		into *string
	}{{"slug", &n.Slug}, {"source_url", &n.SourceURL}, {"default_branch", &n.DefaultBranch}} {
		if *f.into, err = c.text("repository." + f.name); err != nil {
			return n, err
		}
		*f.into = strings.TrimSpace(*f.into)
	}
	private, err := c.truth("repository.private")
	n.Private = private != nil && *private
	return n, err
}

// findRepository answers GET /repo/{id or slug}.
func (a *API) findRepository(ctx context.Context, c *call) (answer, error) {
	r, err := a.repository(ctx, c)
	if err != nil {
		return answer{}, err
	}
	v := a.view(c)
	f, err := v.facts(ctx, r.ID)
	if err != nil {
		return answer{}, err
	}
	return ok(v.showRepository(ctx, r, f))
}

// setActive answers POST /repo/{…}/activate and deactivate.
func (a *API) setActive(active bool) func(context.Context, *call) (answer, error) {
	return func(ctx context.Context, c *call) (answer, error) {
		r, err := a.repository(ctx, c)
		if err != nil {
			return answer{}, err
		}
		if err := a.Store.SetActive(ctx, r.ID, active); err != nil {
			return answer{}, err
		}
		return a.findRepository(ctx, c)
	}
}

// setStar answers POST /repo/{…}/star and unstar.
func (a *API) setStar(on bool) func(context.Context, *call) (answer, error) {
	return func(ctx context.Context, c *call) (answer, error) {
		r, err := a.repository(ctx, c)
		if err != nil {
			return answer{}, err
		}
		if err := a.Store.SetStar(ctx, c.user.ID, r.ID, on); err != nil {
			return answer{}, err
		}
		return a.findRepository(ctx, c)
	}
}

// listBranches answers GET /repo/{…}/branches.
func (a *API) listBranches(ctx context.Context, c *call) (answer, error) {
	r, err := a.repository(ctx, c)
	if err != nil {
		return answer{}, err
	}
	list, total, err := a.Store.Branches(ctx, r.ID, c.page)
	if err != nil {
		return answer{}, err
	}
	c.sortBy("default_branch", "exists_on_github", "last_build:desc") // the order is fixed: another wish is answered with a warning
	v := a.view(c)
	shown := make([]*object, len(list))
	for i, b := range list {
		if shown[i], err = v.showBranch(ctx, b, r.Slug); err != nil {
			return answer{}, err
		}
	}
	return ok(c.collection("branches", shown, total), nil)
}

// findBranch answers GET /repo/{…}/branch/{name}.
func (a *API) findBranch(ctx context.Context, c *call) (answer, error) {
	r, err := a.repository(ctx, c)
	if err != nil {
		return answer{}, err
	}
	b, err := a.Store.Branch(ctx, r.ID, c.params["branch"])
	if err != nil {
		return answer{}, err
	}
	return ok(a.view(c).showBranch(ctx, b, r.Slug))
}
