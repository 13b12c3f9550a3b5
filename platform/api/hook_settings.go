package api

import (
	"context"
	"net/http"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// hookRoutes are what administrators do about the webhooks of a repository; forges send theirs to mountHooks.
func (a *API) hookRoutes() []route {
	return []route{
		{http.MethodGet, "/repo/:repo/hook", "hook#find", "hook", nil, 0, a.findHook},
		{http.MethodPost, "/repo/:repo/hook/rotate", "hook#rotate", "hook", nil, 0, a.rotateHook},
		{http.MethodDelete, "/repo/:repo/hook/secret/:secret", "hook_secret#delete", "hook_secret", nil, 0, a.deleteHookSecret},
		{http.MethodGet, "/repo/:repo/hook/deliveries", "hook_deliveries#find", "hook_deliveries", nil, 0, a.listHookDeliveries},
	}
}

// mostDeliveries is how many of the last deliveries are shown.
const mostDeliveries = 30

// hooked is the repository of the path, for those who may see what its hooks are signed with.
func (a *API) hooked(ctx context.Context, c *call) (ci.Repository, error) {
	r, err := a.repository(ctx, c)
	if err == nil && !c.user.Admin {
		err = about("repository", fault.New(fault.Forbidden, "Only administrators see and change the webhook of a repository."))
	}
	return r, err
}

func (v *view) showHook(r ci.Repository, secrets []ci.HookSecret, web string) *object {
	href := "/repo/" + id(r.ID) + "/hook"
	o := v.object("hook", href, standard).set("repository", v.minimalRepository(r.ID, r.Slug))
	urls := new(object)
	for _, forge := range []string{ci.GitHub, ci.Gitea} {
		urls.set(forge, web+"/api/hooks/"+forge)
	}
	shown := make([]*object, len(secrets))
	for i, s := range secrets {
		shown[i] = v.object("hook_secret", href+"/secret/"+s.ID, standard).set("id", s.ID).set("secret", s.Secret).set("newest", s.Newest).set("created_at", stamp(s.CreatedAt))
	}
	return o.set("urls", urls).set("content_type", "application/json").set("events", []string{"push", "pull_request"}).set("secrets", shown)
}

// findHook answers GET /repo/{…}/hook.
func (a *API) findHook(ctx context.Context, c *call) (answer, error) {
	r, err := a.hooked(ctx, c)
	if err != nil {
		return answer{}, err
	}
	secrets, err := a.Store.HookSecrets(ctx, r.ID)
	if err != nil {
		return answer{}, err
	}
	return ok(a.view(c).showHook(r, secrets, a.config.WebURL()), nil)
}

// rotateHook answers POST /repo/{…}/hook/rotate: a new secret, and the one before beside it.
func (a *API) rotateHook(ctx context.Context, c *call) (answer, error) {
	r, err := a.hooked(ctx, c)
	if err != nil {
		return answer{}, err
	}
	secrets, err := a.Store.RotateHookSecret(ctx, r.ID)
	if err != nil {
		return answer{}, err
	}
	return ok(a.view(c).showHook(r, secrets, a.config.WebURL()), nil)
}

// deleteHookSecret answers DELETE /repo/{…}/hook/secret/{id}.
func (a *API) deleteHookSecret(ctx context.Context, c *call) (answer, error) {
	r, err := a.hooked(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, a.Store.RemoveHookSecret(ctx, r.ID, c.params["secret"])
}

// listHookDeliveries answers GET /repo/{…}/hook/deliveries.
func (a *API) listHookDeliveries(ctx context.Context, c *call) (answer, error) {
	r, err := a.hooked(ctx, c)
	if err != nil {
		return answer{}, err
	}
	list, err := a.Store.HookDeliveries(ctx, r.ID, mostDeliveries)
	if err != nil {
		return answer{}, err
	}
	v := a.view(c)
	shown := make([]*object, len(list))
	for i, d := range list {
		o := newObject("hook_delivery").set("@representation", standard).set("forge", d.Forge).set("event", d.Event).set("delivery", d.Delivery)
		o.set("outcome", d.Outcome).set("reason", orNull(d.Reason)).set("created_at", stamp(d.At)).set("request", nil)
		if d.Request != nil {
			o.set("request", v.minimalRequest(*d.Request))
		}
		shown[i] = o
	}
	return ok(c.collection("hook_deliveries", shown, len(shown)), nil)
}
