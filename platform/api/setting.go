package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

func (a *API) settingRoutes() []route {
	return []route{
		{http.MethodGet, "/repo/:repo/settings", "settings#for_repository", "settings", nil, 0, a.listSettings},
		{http.MethodGet, "/repo/:repo/setting/:setting", "setting#find", "setting", nil, 0, a.findSetting},
		{http.MethodPatch, "/repo/:repo/setting/:setting", "setting#update", "setting", []string{"setting.value"}, 0, a.updateSetting},
	}
}

func (v *view) showSetting(repo int64, s ci.Setting) *object {
	o := v.object("setting", "/repo/"+id(repo)+"/setting/"+s.Name, standard)
	return o.set("@permissions", permissions([]string{"read"}, nil).set("write", v.user.Admin)).set("name", s.Name).set("value", s.Value)
}

// listSettings answers GET /repo/{…}/settings.
func (a *API) listSettings(ctx context.Context, c *call) (answer, error) {
	r, err := a.repository(ctx, c)
	if err != nil {
		return answer{}, err
	}
	settings, err := a.Store.RepositorySettings(ctx, r.ID)
	if err != nil {
		return answer{}, err
	}
	v := a.view(c)
	var shown []*object
	for _, s := range settings.List() {
		shown = append(shown, v.showSetting(r.ID, s))
	}
	return ok(c.collection("settings", shown, len(shown)), nil)
}

// findSetting answers GET /repo/{…}/setting/{name}.
func (a *API) findSetting(ctx context.Context, c *call) (answer, error) {
	r, err := a.repository(ctx, c)
	if err != nil {
		return answer{}, err
	}
	settings, err := a.Store.RepositorySettings(ctx, r.ID)
	if err != nil {
		return answer{}, err
	}
	return a.settingOf(c, r, settings)
}

func (a *API) settingOf(c *call, r ci.Repository, settings ci.RepositorySettings) (answer, error) {
	for _, s := range settings.List() {
		if s.Name == c.params["setting"] {
			return ok(a.view(c).showSetting(r.ID, s), nil)
		}
	}
	return answer{}, gone("setting")
}

// updateSetting answers PATCH /repo/{…}/setting/{name}.
func (a *API) updateSetting(ctx context.Context, c *call) (answer, error) {
	r, err := a.repository(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if !c.user.Admin {
		return answer{}, about("repository", fault.New(fault.Forbidden, "Only administrators change the settings of a repository."))
	}
	value, err := settingValue(c)
	if err != nil {
		return answer{}, unprocessable(err)
	}
	settings, err := a.Store.ChangeRepositorySettings(ctx, r.ID, ci.Setting{Name: c.params["setting"], Value: value})
	if err != nil {
		return answer{}, unprocessable(err)
	}
	return a.settingOf(c, r, settings)
}

// settingValue is a bool or an int, which may have come as text.
func settingValue(c *call) (any, error) {
	raw, _ := c.raw("setting.value")
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = []byte(text)
	}
	var on bool
	if json.Unmarshal(raw, &on) == nil && string(raw) != "null" {
		return on, nil
	}
	var n int
	if json.Unmarshal(raw, &n) == nil && string(raw) != "null" {
		return n, nil
	}
	return nil, fault.Field("value", "The value of a setting is true, false or a whole number.")
}
