package api

import (
	"context"
	"net/http"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

func (a *API) envVarRoutes() []route {
	fields := []string{"env_var.name", "env_var.value", "env_var.public", "env_var.branch"}
	return []route{
		{http.MethodGet, "/repo/:repo/env_vars", "env_vars#for_repository", "env_vars", nil, 0, a.listEnvVars},
		{http.MethodPost, "/repo/:repo/env_vars", "env_vars#create", "env_var", fields, 0, a.createEnvVar},
		{http.MethodGet, "/repo/:repo/env_var/:env_var", "env_var#find", "env_var", nil, 0, a.findEnvVar},
		{http.MethodPatch, "/repo/:repo/env_var/:env_var", "env_var#update", "env_var", fields, 0, a.updateEnvVar},
		{http.MethodDelete, "/repo/:repo/env_var/:env_var", "env_var#delete", "env_var", nil, 0, a.deleteEnvVar},
	}
}

// showEnvVar shows a variable; the value of a secret one is not even a field.
func (v *view) showEnvVar(e ci.EnvVar) *object {
	o := v.object("env_var", "/repo/"+id(e.RepositoryID)+"/env_var/"+e.ID, standard)
	o.set("@permissions", permissions([]string{"read"}, nil).set("write", v.user.Admin))
	o.set("id", e.ID).set("name", e.Name).setIf(e.Public, "value", e.Value)
	return o.set("public", e.Public).set("branch", orNull(e.Branch)).set("updated_at", stamp(e.UpdatedAt))
}

// listEnvVars answers GET /repo/{…}/env_vars.
func (a *API) listEnvVars(ctx context.Context, c *call) (answer, error) {
	r, err := a.repository(ctx, c)
	if err != nil {
		return answer{}, err
	}
	list, err := a.Store.EnvVars(ctx, r.ID)
	if err != nil {
		return answer{}, err
	}
	v := a.view(c)
	shown := make([]*object, len(list))
	for i, e := range list {
		shown[i] = v.showEnvVar(e)
	}
	return ok(c.collection("env_vars", shown, len(shown)), nil)
}

// findEnvVar answers GET /repo/{…}/env_var/{id}.
func (a *API) findEnvVar(ctx context.Context, c *call) (answer, error) {
	r, err := a.repository(ctx, c)
	if err != nil {
		return answer{}, err
	}
	e, err := a.Store.EnvVar(ctx, r.ID, c.params["env_var"])
	if err != nil {
		return answer{}, err
	}
	return ok(a.view(c).showEnvVar(e), nil)
}

// settled is the repository of the path, where the user may change its settings.
func (a *API) settled(ctx context.Context, c *call) (ci.Repository, error) {
	r, err := a.repository(ctx, c)
	if err == nil && !c.user.Admin {
		err = about("repository", fault.New(fault.Forbidden, "Only administrators change the variables of a repository."))
	}
	return r, err
}

// createEnvVar answers POST /repo/{…}/env_vars.
func (a *API) createEnvVar(ctx context.Context, c *call) (answer, error) {
	r, err := a.settled(ctx, c)
	if err != nil {
		return answer{}, err
	}
	n := ci.NewEnvVar{RepositoryID: r.ID}
	change, err := envVarChange(c)
	if err != nil {
		return answer{}, err
	}
	for _, f := range []struct{ at, from *string }{{&n.Name, change.Name}, {&n.Value, change.Value}, {&n.Branch, change.Branch}} {
		if f.from != nil {
			*f.at = *f.from
		}
	}
	n.Public = change.Public != nil && *change.Public
	e, err := a.Store.CreateEnvVar(ctx, n)
	if err != nil {
		return answer{}, unprocessable(err)
	}
	return answer{status: http.StatusCreated, body: a.view(c).showEnvVar(e)}, nil
}

// updateEnvVar answers PATCH /repo/{…}/env_var/{id}: what is not given stays.
func (a *API) updateEnvVar(ctx context.Context, c *call) (answer, error) {
	r, err := a.settled(ctx, c)
	if err != nil {
		return answer{}, err
	}
	change, err := envVarChange(c)
	if err != nil {
		return answer{}, err
	}
	e, err := a.Store.UpdateEnvVar(ctx, r.ID, c.params["env_var"], change)
	if err != nil {
		return answer{}, unprocessable(err)
	}
	return ok(a.view(c).showEnvVar(e), nil)
}

// deleteEnvVar answers DELETE /repo/{…}/env_var/{id}.
func (a *API) deleteEnvVar(ctx context.Context, c *call) (answer, error) {
	r, err := a.settled(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, a.Store.DeleteEnvVar(ctx, r.ID, c.params["env_var"])
}

// envVarChange reads the fields that are given; null empties one.
func envVarChange(c *call) (change ci.EnvVarChange, err error) {
	for _, f := range []struct {
		name string
		into **string
	}{{"env_var.name", &change.Name}, {"env_var.value", &change.Value}, {"env_var.branch", &change.Branch}} {
		if _, given := c.raw(f.name); !given {
			continue
		}
		text, err := c.text(f.name)
		if err != nil {
			return change, err
		}
		*f.into = &text
	}
	change.Public, err = c.truth("env_var.public")
	return change, err
}

// unprocessable gives what is wrong with fields the status that v3 has for it here.
func unprocessable(err error) error {
	if !fault.Is(err, fault.Invalid) {
		return err
	}
	return fault.Wrap(fault.Invalid, err, "%s", fault.Message(err)).Named("unprocessable_entity")
}
