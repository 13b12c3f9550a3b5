package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/headrace/headrace/platform/ci"
)

func (a *API) keyPairRoutes() []route {
	return []route{
		{http.MethodGet, "/repo/:repo/key_pair/generated", "key_pair_generated#find", "key_pair_generated", nil, 0, a.findKeyPair},
		{http.MethodPut, "/repo/:repo/key_pair/generated", "key_pair_generated#replace", "key_pair_generated", []string{"key_pair.value"}, 0, a.replaceKeyPair},
	}
}

func (v *view) showKeyPair(k ci.RepositoryKey) *object {
	o := v.object("key_pair_generated", "/repo/"+id(k.RepositoryID)+"/key_pair/generated", standard)
	return o.set("description", "Values encrypted with this key may stand in the .travis.yml of the repository.").
		set("public_key", k.Public).set("fingerprint", k.Fingerprint)
}

// findKeyPair answers GET /repo/{…}/key_pair/generated; the pair is made when it is first asked for.
func (a *API) findKeyPair(ctx context.Context, c *call) (answer, error) {
	r, err := a.repository(ctx, c)
	if err != nil {
		return answer{}, err
	}
	k, err := a.Store.RepositoryKey(ctx, r.ID)
	if err != nil {
		return answer{}, err
	}
	return ok(a.view(c).showKeyPair(k), nil)
}

// replaceKeyPair answers PUT /repo/{…}/key_pair/generated: a private key that another installation had is taken over.
func (a *API) replaceKeyPair(ctx context.Context, c *call) (answer, error) {
	r, err := a.settled(ctx, c)
	if err != nil {
		return answer{}, err
	}
	text, err := c.text("key_pair.value")
	if err != nil {
		return answer{}, err
	}
	k, err := a.Store.ReplaceRepositoryKey(ctx, r.ID, []byte(strings.TrimSpace(text)+"\n"))
	if err != nil {
		return answer{}, unprocessable(err)
	}
	return ok(a.view(c).showKeyPair(k), nil)
}
