package api

import (
	"context"
	"net/http"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

func (a *API) sshKeyRoutes() []route {
	fields := []string{"key_pair.description", "key_pair.value"}
	const path = "/repo/:repo/key_pair"
	return []route{
		{http.MethodGet, path, "key_pair#find", "key_pair", nil, 0, a.findSSHKey},
		{http.MethodPost, path, "key_pair#create", "key_pair", fields, 0, a.createSSHKey},
		{http.MethodPatch, path, "key_pair#update", "key_pair", fields, 0, a.updateSSHKey},
		{http.MethodDelete, path, "key_pair#delete", "key_pair", nil, 0, a.deleteSSHKey},
	}
}

func (v *view) showSSHKey(k ci.SSHKey) *object {
	return v.object("key_pair", "/repo/"+id(k.RepositoryID)+"/key_pair", standard).
		set("description", k.Description).set("public_key", k.Public).set("fingerprint", k.Fingerprint)
}

// findSSHKey answers GET /repo/{…}/key_pair: the key that jobs fetch with, without its private half.
func (a *API) findSSHKey(ctx context.Context, c *call) (answer, error) {
	r, err := a.settled(ctx, c)
	if err != nil {
		return answer{}, err
	}
	k, err := a.Store.SSHKey(ctx, r.ID)
	if err != nil {
		return answer{}, about("key_pair", err)
	}
	return ok(a.view(c).showSSHKey(k), nil)
}

// createSSHKey answers POST /repo/{…}/key_pair.
func (a *API) createSSHKey(ctx context.Context, c *call) (answer, error) {
	r, err := a.settled(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if _, err := a.Store.SSHKey(ctx, r.ID); err == nil {
		return answer{}, fault.New(fault.Conflict, "The repository has an SSH key already. Change it with PATCH.").Named("duplicate_resource")
	} else if !fault.Is(err, fault.NotFound) {
		return answer{}, err
	}
	value, err := c.text("key_pair.value")
	if err != nil {
		return answer{}, err
	}
	if value == "" {
		return answer{}, unprocessable(fault.Field("value", "Send the private key as key_pair.value."))
	}
	description, err := c.text("key_pair.description")
	if err != nil {
		return answer{}, err
	}
	k, err := a.Store.SaveSSHKey(ctx, r.ID, description, value)
	if err != nil {
		return answer{}, unprocessable(err)
	}
	return answer{status: http.StatusCreated, body: a.view(c).showSSHKey(k)}, nil
}

// updateSSHKey answers PATCH /repo/{…}/key_pair: what is not given stays.
func (a *API) updateSSHKey(ctx context.Context, c *call) (answer, error) {
	r, err := a.settled(ctx, c)
	if err != nil {
		return answer{}, err
	}
	k, err := a.Store.SSHKey(ctx, r.ID)
	if err != nil {
		return answer{}, about("key_pair", err)
	}
	description, value := k.Description, ""
	if _, given := c.raw("key_pair.description"); given {
		if description, err = c.text("key_pair.description"); err != nil {
			return answer{}, err
		}
	}
	if value, err = c.text("key_pair.value"); err != nil {
		return answer{}, err
	}
	if k, err = a.Store.SaveSSHKey(ctx, r.ID, description, value); err != nil {
		return answer{}, unprocessable(err)
	}
	return ok(a.view(c).showSSHKey(k), nil)
}

// deleteSSHKey answers DELETE /repo/{…}/key_pair.
func (a *API) deleteSSHKey(ctx context.Context, c *call) (answer, error) {
	r, err := a.settled(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, about("key_pair", a.Store.DeleteSSHKey(ctx, r.ID))
}
