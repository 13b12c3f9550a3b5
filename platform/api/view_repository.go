package api

import (
	"context"
	"net/url"

	"github.com/headrace/headrace/platform/ci"
)

// facts are what is known of a repository beyond itself.
type facts struct {
	last       *ci.Build
	buildCount int64
}

// facts looks up the newest build and the number of builds.
func (v *view) facts(ctx context.Context, repoID int64) (facts, error) {
	list, total, err := v.store.Builds(ctx, ci.BuildFilter{RepositoryID: repoID, Page: ci.Page{Limit: 1}})
	if err != nil || len(list) == 0 {
		return facts{}, err
	}
	return facts{last: &list[0], buildCount: int64(total)}, nil
}

// minimalRepository shows a repository of which only id and slug are known.
func (v *view) minimalRepository(repoID int64, slug string) *object {
	_, name := ci.SplitSlug(slug)
	return v.object("repository", "/repo/"+id(repoID), minimal).set("id", repoID).set("name", name).set("slug", slug)
}

// repositoryOf shows the repository of something, as include has it.
func (v *view) repositoryOf(ctx context.Context, field string, repoID int64, slug string) (*object, error) {
	return v.within("/repo/"+id(repoID), func() (*object, error) {
		if v.as(field) == minimal {
			return v.minimalRepository(repoID, slug), nil
		}
		r, err := v.knownRepository(ctx, repoID)
		if err != nil {
			return nil, err
		}
		f, err := v.facts(ctx, repoID)
		if err != nil {
			return nil, err
		}
		return v.repositoryFields(ctx, r, f)
	})
}

// showRepository shows a repository as standard.
func (v *view) showRepository(ctx context.Context, r ci.Repository, f facts) (*object, error) {
	return v.within("/repo/"+id(r.ID), func() (*object, error) { return v.repositoryFields(ctx, r, f) })
}

func (v *view) repositoryFields(ctx context.Context, r ci.Repository, f facts) (*object, error) {
	who, err := v.knownOwner(ctx, r.Owner())
	if err != nil {
		return nil, err
	}
	branch, err := v.branchOf(ctx, "repository.default_branch", r.ID, r.Slug, r.DefaultBranch)
	if err != nil {
		return nil, err
	}
	o := v.object("repository", "/repo/"+id(r.ID), standard).set("@permissions", v.repositoryPermissions())
	o.set("id", r.ID).set("name", r.Name()).set("slug", r.Slug).set("description", nil).set("github_id", nil).set("vcs_id", id(r.ID))
	o.set("vcs_type", "GitRepository").set("github_language", nil).set("active", r.Active).set("private", r.Private)
	o.set("owner", v.showOwner(who, v.as("repository.owner"))).set("owner_name", r.Owner()).set("vcs_name", r.Name()).set("default_branch", branch)
	o.set("starred", r.Starred).set("managed_by_installation", false).set("active_on_org", nil).set("migration_status", nil)
	o.set("history_migration_status", nil).set("shared", false).set("config_validation", true).set("server_type", "git")
	o.set("scan_failed_at", nil).set("build_count", f.buildCount).set("source_url", r.PublicURL()).set("created_at", stamp(r.CreatedAt))
	for _, field := range []string{"current_build", "last_started_build"} {
		if v.include["repository."+field] {
			last, err := v.lastBuild(ctx, f.last)
			if err != nil {
				return nil, err
			}
			o.set(field, last)
		}
	}
	o.setIf(v.include["repository.allow_migration"], "allow_migration", false)
	return o.setIf(v.include["repository.email_subscribed"], "email_subscribed", false), nil
}

func (v *view) lastBuild(ctx context.Context, b *ci.Build) (any, error) {
	if b == nil {
		return nil, nil //nolint:nilnil // null is what v3 shows
	}
	return v.showBuild(ctx, *b, standard)
}

func (v *view) repositoryPermissions() *object {
	granted := []string{
		"read", "activate", "deactivate", "star", "unstar", "create_request", "build_restart", "build_create", "build_cancel", "log_view", "log_delete",
	}
	denied := []string{
		"migrate", "create_key_pair", "delete_key_pair", "check_scan_results", "settings_create", "settings_delete",
		"settings_update", "settings_read", "build_debug", "cache_delete", "cache_view",
	}
	return permissions(granted, denied).set("create_env_var", v.user.Admin).set("create_cron", v.user.Admin).set("admin", v.user.Admin)
}

func branchHref(repoID int64, name string) string {
	return "/repo/" + id(repoID) + "/branch/" + url.PathEscape(name)
}

// minimalBranch shows a branch of which only the name is known; null where there is none.
func (v *view) minimalBranch(repoID int64, name string) *object {
	if name == "" {
		return nil
	}
	return v.object("branch", branchHref(repoID, name), minimal).set("name", name)
}

// branchOf shows the branch of something, as include has it.
func (v *view) branchOf(ctx context.Context, field string, repoID int64, slug, name string) (*object, error) {
	if name == "" || v.as(field) == minimal {
		return v.minimalBranch(repoID, name), nil
	}
	b, err := v.store.Branch(ctx, repoID, name)
	if err != nil {
		return v.minimalBranch(repoID, name), notMissing(err) // known by name only: nothing was built on it yet
	}
	return v.showBranch(ctx, b, slug)
}

// showBranch shows a branch as standard.
func (v *view) showBranch(ctx context.Context, b ci.Branch, slug string) (*object, error) {
	href := branchHref(b.RepositoryID, b.Name)
	return v.within(href, func() (*object, error) {
		repository, err := v.repositoryOf(ctx, "branch.repository", b.RepositoryID, slug)
		if err != nil {
			return nil, err
		}
		var last any
		if b.Last != nil {
			if last, err = v.showBuild(ctx, *b.Last, v.as("branch.last_build")); err != nil {
				return nil, err
			}
		}
		o := v.object("branch", href, standard).set("@permissions", permissions([]string{"read"}, nil)).set("name", b.Name)
		o.set("repository", repository).set("default_branch", b.Default).set("exists_on_github", true).set("last_build", last)
		return o.setIf(v.include["branch.recent_builds"], "recent_builds", v.recentBuilds(b)), nil
	})
}

func (v *view) recentBuilds(b ci.Branch) []*object {
	list := make([]*object, len(b.Recent))
	for i, r := range b.Recent {
		list[len(list)-1-i] = v.object("build", "/build/"+id(r.ID), minimal).set("id", r.ID).set("number", id(r.Number)).
			set("state", r.State).set("duration", orNull(int64(r.Duration.Seconds())))
	}
	return list
}
