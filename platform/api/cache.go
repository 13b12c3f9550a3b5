package api

import (
	"context"
	"net/http"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

func (a *API) cacheRoutes() []route {
	fields := []string{"caches.branch", "caches.match"}
	return []route{
		{http.MethodGet, "/repo/:repo/caches", "caches#find", "caches", fields, 0, a.listCaches},
		{http.MethodDelete, "/repo/:repo/caches", "caches#delete", "caches", fields, 0, a.deleteCaches},
	}
}

// showCache shows a cache, which has no address of its own.
func (v *view) showCache(x ci.Cache, r ci.Repository) *object {
	return newObject("cache").set("@representation", standard).set("repository_id", x.RepositoryID).set("size", x.Size).set("name", x.Name).
		set("branch", x.Branch).set("last_modified", stamp(x.Stored)).set("repo", v.minimalRepository(r.ID, r.Slug))
}

// cacheFilter is which caches the call is about.
func (a *API) cacheFilter(ctx context.Context, c *call) (r ci.Repository, f ci.CacheFilter, err error) {
	if r, err = a.repository(ctx, c); err != nil {
		return r, f, err
	}
	f.RepositoryID = r.ID
	if f.Branch, err = c.text("caches.branch"); err == nil {
		f.Match, err = c.text("caches.match")
	}
	return r, f, err
}

// listCaches answers GET /repo/{…}/caches.
func (a *API) listCaches(ctx context.Context, c *call) (answer, error) {
	r, f, err := a.cacheFilter(ctx, c)
	if err != nil {
		return answer{}, err
	}
	list, err := a.Store.Caches(ctx, f)
	return a.showCaches(c, r, list, err)
}

// deleteCaches answers DELETE /repo/{…}/caches with those that it has deleted.
func (a *API) deleteCaches(ctx context.Context, c *call) (answer, error) {
	r, f, err := a.cacheFilter(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if !c.user.Admin {
		return answer{}, about("repository", fault.New(fault.Forbidden, "Only administrators delete the caches of a repository."))
	}
	list, err := a.Store.DeleteCaches(ctx, f)
	return a.showCaches(c, r, list, err)
}

func (a *API) showCaches(c *call, r ci.Repository, list []ci.Cache, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	v := a.view(c)
	shown := make([]*object, len(list))
	for i, x := range list {
		shown[i] = v.showCache(x, r)
	}
	return ok(c.collection("caches", shown, len(shown)), nil)
}
