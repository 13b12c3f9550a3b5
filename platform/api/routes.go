package api

import (
	"context"
	"net/http"
)

// routes lists what v3 does. Each is mounted under /api, under /v3, and at the root for clients that ask for version 3 in
// a header. All of them need a signed-in user; openapi.json describes them, and a test holds both together.
func (a *API) routes() []route {
	list := append(a.repositoryRoutes(), a.buildRoutes()...)
	list = append(list, a.jobRoutes()...)
	list = append(list, a.requestRoutes()...)
	list = append(list, a.envVarRoutes()...)
	list = append(list, a.cacheRoutes()...)
	list = append(list, a.keyPairRoutes()...)
	list = append(list, a.sshKeyRoutes()...)
	list = append(list, a.hookRoutes()...)
	list = append(list, a.settingRoutes()...)
	list = append(list, a.queueRoutes()...)
	list = append(list, a.cronRoutes()...)
	list = append(list,
		route{http.MethodGet, "/user", "user#current", "user", nil, 0, a.currentUser},
		route{http.MethodGet, "/user/:user", "user#find", "user", nil, 0, a.findUser},
		route{http.MethodGet, "/owner/:owner", "owner#find", "owner", nil, 0, a.findOwner},
		route{http.MethodGet, "/events", "events#stream", "events", []string{"events.last_event_id"}, 0, a.streamEvents},
		route{http.MethodGet, "/openapi.json", "openapi#find", "openapi", nil, 0, a.findOpenAPI},
	)
	if a.Lint != nil {
		list = append(list, route{http.MethodPost, "/lint", "lint#lint", "lint", []string{"lint.content"}, 0, a.lint})
	}
	return list
}

func (a *API) repositoryRoutes() []route {
	filters := []string{"repository.active", "repository.starred", "repository.name_filter", "repository.slug_filter"}
	fields := []string{"repository.slug", "repository.source_url", "repository.default_branch", "repository.private"}
	return []route{
		{http.MethodGet, "/repos", "repositories#for_current_user", "repositories", filters, 100, a.listRepositories},
		{http.MethodPost, "/repos", "repositories#create", "repository", fields, 0, a.addRepository},
		{http.MethodGet, "/owner/:owner/repos", "repositories#for_owner", "repositories", filters, 100, a.listRepositories},
		{http.MethodGet, "/repo/:repo", "repository#find", "repository", nil, 0, a.findRepository},
		{http.MethodPost, "/repo/:repo/activate", "repository#activate", "repository", nil, 0, a.setActive(true)},
		{http.MethodPost, "/repo/:repo/deactivate", "repository#deactivate", "repository", nil, 0, a.setActive(false)},
		{http.MethodPost, "/repo/:repo/star", "repository#star", "repository", nil, 0, a.setStar(true)},
		{http.MethodPost, "/repo/:repo/unstar", "repository#unstar", "repository", nil, 0, a.setStar(false)},
		{http.MethodGet, "/repo/:repo/branches", "branches#find", "branches", nil, 25, a.listBranches},
		{http.MethodGet, "/repo/:repo/branch/:branch", "branch#find", "branch", nil, 0, a.findBranch},
	}
}

func (a *API) buildRoutes() []route {
	filters := []string{"build.state", "build.event_type", "build.created_by", "branch.name"}
	return []route{
		{http.MethodGet, "/builds", "builds#for_current_user", "builds", filters, 100, a.listBuilds},
		{http.MethodGet, "/repo/:repo/builds", "builds#find", "builds", filters, 25, a.listRepositoryBuilds},
		{http.MethodGet, "/build/:build", "build#find", "build", nil, 0, a.findBuild},
		{http.MethodPost, "/build/:build/cancel", "build#cancel", "build", nil, 0, a.cancelBuild},
		{http.MethodPost, "/build/:build/restart", "build#restart", "build", []string{"build.only_not_passed"}, 0, a.restartBuild},
		{http.MethodGet, "/build/:build/jobs", "jobs#find", "jobs", nil, 0, a.listBuildJobs},
		{http.MethodGet, "/build/:build/stages", "stages#find", "stages", nil, 0, a.listStages},
	}
}

func (a *API) jobRoutes() []route {
	attempt := []string{"log.attempt"}
	return []route{
		{http.MethodGet, "/jobs", "jobs#for_current_user", "jobs", []string{"job.state", "job.active"}, 100, a.listJobs},
		{http.MethodGet, "/job/:job", "job#find", "job", nil, 0, a.findJob},
		{http.MethodPost, "/job/:job/cancel", "job#cancel", "job", nil, 0, a.cancelJob},
		{http.MethodPost, "/job/:job/restart", "job#restart", "job", nil, 0, a.restartJob},
		{http.MethodGet, "/job/:job/log", "log#find", "log", attempt, 0, a.findLog},
		{http.MethodDelete, "/job/:job/log", "log#delete", "log", nil, 0, a.deleteLog},
		{http.MethodGet, "/job/:job/log.txt", "log#text", "log", attempt, 0, a.findLogText},
		{http.MethodGet, "/job/:job/log_parts", "log_parts#find", "log", append([]string{"log_parts.after", "log_parts.part_numbers", "log_parts.require_all", "log_parts.content"}, attempt...), 0, a.listLogParts},
		{http.MethodGet, "/job/:job/log/stream", "log#stream", "log", append([]string{"log.last_event_id"}, attempt...), 0, a.streamLog},
	}
}

func (a *API) requestRoutes() []route {
	fields := []string{
		"request.branch", "request.sha", "request.tag_name", "request.message", "request.config", "request.configs", "request.merge_mode", "request.token",
	}
	return []route{
		{http.MethodGet, "/repo/:repo/requests", "requests#find", "requests", []string{"request.state", "request.result"}, 25, a.listRequests},
		{http.MethodPost, "/repo/:repo/requests", "requests#create", "request", fields, 0, a.createRequest},
		{http.MethodGet, "/repo/:repo/request/:request", "request#find", "request", nil, 0, a.findRequest},
		{http.MethodGet, "/repo/:repo/request/:request/messages", "messages#for_request", "messages", nil, 100, a.listMessages},
	}
}

// currentUser answers GET /user.
func (a *API) currentUser(_ context.Context, c *call) (answer, error) {
	return ok(a.view(c).showUser(c.user, standard), nil)
}

// findUser answers GET /user/{id}.
func (a *API) findUser(ctx context.Context, c *call) (answer, error) {
	n, err := c.id("user")
	if err != nil {
		return answer{}, err
	}
	u, err := a.Store.User(ctx, n)
	if err != nil {
		return answer{}, err
	}
	return ok(a.view(c).showUser(u, standard), nil)
}

// findOwner answers GET /owner/{login}: a user, or an organization that has a repository here.
func (a *API) findOwner(ctx context.Context, c *call) (answer, error) {
	v := a.view(c)
	who, err := a.owner(ctx, v, c.params["owner"])
	if err != nil {
		return answer{}, err
	}
	return ok(v.showOwner(who, standard), nil)
}
