package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

const (
	// idempotencyKey is the header that makes a request the same when it is sent again.
	idempotencyKey = "Idempotency-Key"
	// maxKey is its longest value.
	maxKey = 200
	// remainingRequests is what v3 clients are told of an hourly allowance; Headrace has none, so it is never used up.
	remainingRequests = 10
)

// mergeModes are the ways to merge a request's configuration over the repository's, the default first.
func mergeModes() []string {
	return []string{"deep_merge_append", "deep_merge_prepend", "deep_merge", "merge", "replace"}
}

// listRequests answers GET /repo/{…}/requests.
func (a *API) listRequests(ctx context.Context, c *call) (answer, error) {
	r, err := a.repository(ctx, c)
	if err != nil {
		return answer{}, err
	}
	state, err := c.text("request.state")
	if err != nil {
		return answer{}, err
	}
	result, err := c.text("request.result")
	if err != nil {
		return answer{}, err
	}
	list, total, err := a.Store.Requests(ctx, ci.RequestFilter{RepositoryID: r.ID, State: ci.RequestState(state), Result: ci.RequestResult(result), Page: c.page})
	if err != nil {
		return answer{}, err
	}
	v := a.view(c)
	shown := make([]*object, len(list))
	for i, q := range list {
		if shown[i], err = v.showRequest(ctx, q, r.Slug); err != nil {
			return answer{}, err
		}
	}
	return ok(c.collection("requests", shown, total), nil)
}

// request is the one that the path names.
func (a *API) request(ctx context.Context, c *call) (ci.Repository, ci.Request, error) {
	r, err := a.repository(ctx, c)
	if err != nil {
		return ci.Repository{}, ci.Request{}, err
	}
	n, err := c.id("request")
	if err != nil {
		return ci.Repository{}, ci.Request{}, about("request", err)
	}
	q, err := a.Store.Request(ctx, r.ID, n)
	return r, q, about("request", err)
}

// findRequest answers GET /repo/{…}/request/{id}.
func (a *API) findRequest(ctx context.Context, c *call) (answer, error) {
	r, q, err := a.request(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return ok(a.view(c).showRequest(ctx, q, r.Slug))
}

// listMessages answers GET /repo/{…}/request/{id}/messages, the gravest first.
func (a *API) listMessages(ctx context.Context, c *call) (answer, error) {
	_, q, err := a.request(ctx, c)
	if err != nil {
		return answer{}, err
	}
	messages, err := a.view(c).messagesOf(ctx, q)
	if err != nil {
		return answer{}, err
	}
	levels := []string{"alert", "error", "warn", "info"}
	sorted := slices.Clone(messages)
	slices.SortStableFunc(sorted, func(x, y ci.ConfigMessage) int {
		return cmp.Compare(slices.Index(levels, x.Level), slices.Index(levels, y.Level))
	})
	all := showMessages(sorted)
	from := min(c.page.Offset, len(all))
	return ok(c.collection("messages", all[from:min(from+c.page.Limit, len(all))], len(all)), nil)
}

// createRequest answers POST /repo/{…}/requests.
func (a *API) createRequest(ctx context.Context, c *call) (answer, error) {
	r, err := a.repository(ctx, c)
	if err != nil {
		return answer{}, err
	}
	v := a.view(c)
	if !r.Active {
		err := fault.New(fault.Conflict, "%s is not active; activate it first.", r.Slug).Named("repository_inactive")
		return answer{}, &resourceError{resource: "repository", shown: v.minimalRepository(r.ID, r.Slug), err: err}
	}
	n, err := newRequest(c, r)
	if err != nil {
		return answer{}, err
	}
	q, _, err := a.Intake.Submit(ctx, n)
	if err != nil {
		return answer{}, err
	}
	o := newObject("pending").set("remaining_requests", remainingRequests).set("repository", v.minimalRepository(r.ID, r.Slug)).
		set("request", showTaken(r, q)).set("resource_type", "request")
	return answer{status: http.StatusAccepted, body: o}, nil
}

// showTaken shows a request as the answer to its creation does: what was understood, without what was not given.
func showTaken(r ci.Repository, q ci.Request) *object {
	o := new(object).set("repository", new(object).set("id", r.ID).set("vcs_type", "GitRepository").set("owner_name", r.Owner()).set("name", r.Name()))
	o.set("user", new(object).set("id", q.CreatedBy)).set("id", q.ID)
	for _, f := range []struct{ name, value string }{
		{"message", q.Message}, {"branch", q.Branch}, {"tag_name", q.Tag}, {"sha", q.SHA}, {"merge_mode", q.MergeMode}, {"config", q.Config},
	} {
		o.setIf(f.value != "", f.name, f.value)
	}
	return o
}

func newRequest(c *call, r ci.Repository) (n ci.NewRequest, err error) {
	n = ci.NewRequest{RepositoryID: r.ID, Event: ci.EventAPI, CreatedBy: c.user.ID}
	if n.Key, err = c.idempotencyKey(); err != nil {
		return n, err
	}
	for _, f := range []struct {
		name string
		into *string
	}{{"branch", &n.Branch}, {"tag_name", &n.Tag}, {"sha", &n.SHA}, {"message", &n.Message}, {"merge_mode", &n.MergeMode}} {
		if *f.into, err = c.text("request." + f.name); err != nil {
			return n, err
		}
	}
	if n.Config, n.MergeMode, err = c.config(n.MergeMode); err != nil {
		return n, err
	}
	if n.Branch == "" && n.Tag == "" {
		n.Branch = r.DefaultBranch
	}
	return n, nil
}

// idempotencyKey is the client's key, kept apart from those of other users.
func (c *call) idempotencyKey() (string, error) {
	key := c.header.Get(idempotencyKey)
	if key == "" {
		return "", nil
	}
	if len(key) > maxKey || !clean(key) {
		return "", fault.Field(idempotencyKey, "An %s is a text of at most %d bytes.", idempotencyKey, maxKey)
	}
	return "user " + id(c.user.ID) + ": " + key, nil
}

// config is the configuration that came with the request, as text, and how to merge it. It is given as an object or as YAML
// or JSON in a string, or in the newer form as a list of one {config, mode}.
func (c *call) config(mode string) (text, mergeMode string, err error) {
	raw, given := c.raw("request.config")
	if list, found := c.raw("request.configs"); found && !given {
		var fragments []struct {
			Config    json.RawMessage `json:"config"`
			Mode      string          `json:"mode"`
			MergeMode string          `json:"merge_mode"`
		}
		if json.Unmarshal(list, &fragments) != nil || len(fragments) != 1 {
			return "", "", fault.Field("request.configs", "request.configs must be a list of one {config, mode}. Merge several into one before sending them.")
		}
		raw, mode = fragments[0].Config, cmp.Or(fragments[0].Mode, fragments[0].MergeMode, mode)
	}
	if text, err = configText(raw); err != nil {
		return "", "", err
	}
	if mode != "" && !slices.Contains(mergeModes(), mode) {
		return "", "", fault.Field("request.merge_mode", "%q is no merge mode; there are %s.", mode, strings.Join(mergeModes(), ", "))
	}
	if mode == "" && text != "" {
		mode = mergeModes()[0]
	}
	return text, mode, nil
}

func configText(raw json.RawMessage) (string, error) {
	raw = bytes.TrimSpace(raw)
	var s string
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return "", nil
	case raw[0] == '{':
		s = string(raw) // JSON is YAML
	case json.Unmarshal(raw, &s) != nil:
		return "", fault.Field("request.config", "request.config must be an object, or YAML or JSON in a string.")
	}
	if !clean(s) {
		return "", fault.Field("request.config", "request.config holds bytes that are not text.")
	}
	return s, nil
}
