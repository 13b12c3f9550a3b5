package api

import (
	"context"
	"net/url"
	"slices"
	"strconv"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// The representations of a resource.
const (
	minimal  = "minimal"
	standard = "standard"
)

// view turns what the rooms know into what v3 shows, for one request. It looks up what an object needs from others, each
// once. It is not safe for concurrent use.
type view struct {
	store   Store
	mount   string
	user    ci.User
	include map[string]bool
	// path are the hrefs of the objects around the one being shown; one that would show itself again is only named.
	path []string

	owners       map[string]owner
	users        map[int64]ci.User
	repositories map[int64]ci.Repository
	builds       map[int64]ci.Build
	waits        map[int64]ci.Wait // by job
}

// owner is whose a repository is: a user of that login, or else an organization, of which only the login is known.
type owner struct {
	login string
	user  *ci.User
}

func (a *API) view(c *call) *view {
	return &view{
		store: a.Store, mount: c.mount, user: c.user, include: c.include,
		owners: map[string]owner{}, users: map[int64]ci.User{}, repositories: map[int64]ci.Repository{}, builds: map[int64]ci.Build{}, waits: map[int64]ci.Wait{},
	}
}

// object begins a resource that has an address.
func (v *view) object(typ, href, representation string) *object {
	return newObject(typ).set("@href", v.mount+href).set("@representation", representation)
}

// within shows an object with the href on the path, or only names it where it is there already.
func (v *view) within(href string, show func() (*object, error)) (*object, error) {
	if slices.Contains(v.path, href) {
		return new(object).set("@href", v.mount+href), nil
	}
	v.path = append(v.path, href)
	defer func() { v.path = v.path[:len(v.path)-1] }()
	return show()
}

// as is how a field is shown: standard where it was asked for by include.
func (v *view) as(field string) string {
	if v.include[field] {
		return standard
	}
	return minimal
}

// permissions shows what the user may do: all of granted, nothing of denied.
func permissions(granted, denied []string) *object {
	o := new(object)
	for _, name := range granted {
		o.set(name, true)
	}
	for _, name := range denied {
		o.set(name, false)
	}
	return o
}

func id(n int64) string { return strconv.FormatInt(n, 10) }

// knownUser is a user by id; found is false for one that is gone.
func (v *view) knownUser(ctx context.Context, userID int64) (user ci.User, found bool, err error) {
	if u, ok := v.users[userID]; ok {
		return u, u.ID != 0, nil
	}
	user, err = v.store.User(ctx, userID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return ci.User{}, false, err
	}
	v.users[userID] = user
	return user, err == nil, nil
}

// knownBuild is a build by id, with its commit.
func (v *view) knownBuild(ctx context.Context, buildID int64) (ci.Build, error) {
	if b, ok := v.builds[buildID]; ok {
		return b, nil
	}
	b, err := v.store.Build(ctx, buildID)
	if err == nil {
		v.builds[buildID] = b
	}
	return b, err
}

// knownRepository is a repository by id.
func (v *view) knownRepository(ctx context.Context, repoID int64) (ci.Repository, error) {
	if r, ok := v.repositories[repoID]; ok {
		return r, nil
	}
	r, err := v.store.Repository(ctx, repoID, v.user.ID)
	if err == nil {
		v.repositories[repoID] = r
	}
	return r, err
}

// knownOwner says whether a login is a user's.
func (v *view) knownOwner(ctx context.Context, login string) (owner, error) {
	if o, ok := v.owners[login]; ok {
		return o, nil
	}
	o := owner{login: login}
	user, _, err := v.store.UserByLogin(ctx, login)
	switch {
	case err == nil:
		o.user = &user
	case !fault.Is(err, fault.NotFound):
		return owner{}, err
	}
	v.owners[login] = o
	return o, nil
}

// showUser shows a user. The e-mail address is shown to its owner only.
func (v *view) showUser(u ci.User, representation string) *object {
	o := v.object("user", "/user/"+id(u.ID), representation)
	if representation == minimal {
		return o.set("id", u.ID).set("login", u.Login).set("name", orNull(u.Name)).set("vcs_type", nil).set("ro_mode", false)
	}
	o.set("@permissions", permissions([]string{"read"}, []string{"sync"}))
	o.set("id", u.ID).set("login", u.Login).set("name", orNull(u.Name)).set("github_id", nil).set("vcs_id", nil).set("vcs_type", nil)
	o.set("avatar_url", nil).set("education", nil).set("allow_migration", false).set("allowance", nil).set("ro_mode", false)
	o.set("custom_keys", []string{}).set("trial_allowed", false).set("account_env_vars", []string{})
	o.setIf(u.ID == v.user.ID, "email", orNull(u.Email))
	o.set("is_syncing", false).set("synced_at", nil).set("recently_signed_up", false).set("secure_user_hash", nil)
	o.set("confirmed_at", stamp(u.CreatedAt)).set("internal", false).set("last_activity_at", nil).set("memberships", []string{})
	return o.set("admin", u.Admin).set("created_at", stamp(u.CreatedAt))
}

// showOwner shows an owner: a user, or an organization.
func (v *view) showOwner(o owner, representation string) *object {
	if o.user != nil {
		return v.showUser(*o.user, representation)
	}
	shown := v.object("organization", "/owner/"+url.PathEscape(o.login), representation)
	if representation == minimal {
		return shown.set("id", nil).set("login", o.login).set("name", nil).set("vcs_type", nil).set("ro_mode", false)
	}
	shown.set("@permissions", permissions([]string{"read"}, []string{"sync", "admin", "settings_create", "settings_delete"}))
	shown.set("id", nil).set("login", o.login).set("name", nil).set("github_id", nil).set("vcs_id", nil).set("vcs_type", nil)
	shown.set("avatar_url", nil).set("education", false).set("allow_migration", false).set("allowance", nil).set("ro_mode", false)
	return shown.set("custom_keys", []string{}).set("trial_allowed", false).set("account_env_vars", []string{})
}

// creator shows who began something: null for the system.
func (v *view) creator(ctx context.Context, userID int64, login, representation string) (any, error) {
	if userID == 0 {
		return nil, nil //nolint:nilnil // null is what v3 shows
	}
	if representation == standard {
		if u, found, err := v.knownUser(ctx, userID); err != nil || found {
			return v.showUser(u, standard), err
		}
	}
	return v.object("user", "/user/"+id(userID), minimal).set("id", userID).set("login", login), nil
}
