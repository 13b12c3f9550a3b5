package web

import (
	"cmp"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/assets/show"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// place is a page inside a repository: /r/owner/name/<page>/<arg>/<act>.
type place struct {
	slug, page, arg, act string
}

// inPage is an action inside a repository.
type inPage func(c *gin.Context, u ci.User, repo ci.Repository, at place) error

var (
	numberForm = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)
	jobForm    = regexp.MustCompile(`^[1-9][0-9]{0,17}\.[1-9][0-9]{0,8}$`)
)

// placeOf reads a path from its end: an owner may have slashes, as groups within groups do.
func placeOf(path string) place {
	seg := strings.Split(strings.Trim(path, "/"), "/")
	n := len(seg)
	slug := func(k int) string { return strings.Join(seg[:n-k], "/") }
	if n >= 5 && (seg[n-3] == "builds" && numberForm.MatchString(seg[n-2]) || seg[n-3] == "jobs" && jobForm.MatchString(seg[n-2])) {
		return place{slug: slug(3), page: seg[n-3], arg: seg[n-2], act: seg[n-1]}
	}
	if n >= 4 && (seg[n-2] == "builds" && numberForm.MatchString(seg[n-1]) || seg[n-2] == "jobs" && jobForm.MatchString(seg[n-1])) {
		return place{slug: slug(2), page: seg[n-2], arg: seg[n-1]}
	}
	if n >= 3 {
		switch seg[n-1] {
		case "branches", "requests", "variables", "crons", "caches", "settings", "hook", "trigger", "star":
			return place{slug: slug(1), page: seg[n-1]}
		}
	}
	return place{slug: slug(0)}
}

// inRepository finds the repository of the path and the page in it.
func (s *server) inRepository(c *gin.Context, u ci.User) error {
	at := placeOf(c.Param("path"))
	repo, err := s.Store.RepositoryBySlug(c.Request.Context(), at.slug, u.ID)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.NotFound, "There is no repository %s.", show.Cut(at.slug, 80))
	}
	if err != nil {
		return err
	}
	do := s.inPages(c.Request.Method, at)
	if do == nil {
		return s.noRoute(c, u)
	}
	return do(c, u, repo, at)
}

func (s *server) inPages(method string, at place) inPage {
	key := at.page
	if at.act != "" {
		key += "/" + at.act
	}
	if method == http.MethodPost {
		return map[string]inPage{
			"star": s.star, "trigger": s.triggerBuild, "settings": s.changeSettings, "variables": s.changeVariables, "crons": s.changeCrons, "caches": s.changeCaches, "hook": s.changeHook,
			"builds/cancel": s.cancelBuild, "builds/restart": s.restartBuild, "builds/priority": s.prioritizeBuild, "jobs/priority": s.prioritizeJob, "jobs/cancel": s.cancelJob, "jobs/restart": s.restartJob,
		}[key]
	}
	return map[string]inPage{
		"": s.buildsPage, "branches": s.branchesPage, "requests": s.requestsPage, "settings": s.settingsPage, "variables": s.variablesPage, "crons": s.cronsPage, "caches": s.cachesPage, "hook": s.hookPage, "trigger": s.triggerPage,
		"builds": s.buildPage, "builds/config": s.configPage, "jobs": s.jobPage, "jobs/log": s.jobLog, "jobs/log.txt": s.jobLogText,
	}[key]
}

// repoHead is what stands over every tab of a repository.
type repoHead struct {
	Repo   ci.Repository
	Href   string
	Source string
	// Now is the build that runs or went last.
	Now   *repoNow
	Tabs  []choice
	First bool // nothing was built yet: triggering is the one thing to do
}

type repoNow struct{ State, Text, Href string }

// head gathers what stands over a tab. last may be nil.
func (s *server) head(repo ci.Repository, here string, last *ci.Build) repoHead {
	href := slugHref(repo.Slug)
	h := repoHead{Repo: repo, Href: href, Source: sourceWords(repo)}
	if last != nil {
		text := word(string(last.State)) + " #" + strconv.FormatInt(last.Number, 10)
		if last.State == ci.Started {
			text = "Building #" + strconv.FormatInt(last.Number, 10)
		}
		h.Now = &repoNow{State: string(last.State), Text: text, Href: buildHref(repo.Slug, last.Number)}
	}
	for _, t := range []struct{ name, path string }{{"Builds", ""}, {"Branches", "/branches"}, {"Requests", "/requests"}, {"Variables", "/variables"}, {"Crons", "/crons"}, {"Caches", "/caches"}, {"Settings", "/settings"}} {
		h.Tabs = append(h.Tabs, choice{Name: t.name, Href: href + t.path, Here: t.name == here})
	}
	return h
}

// sourceWords is where a repository comes from, without password and scheme.
func sourceWords(repo ci.Repository) string {
	words := repo.PublicURL()
	for _, scheme := range []string{"https://", "http://", "ssh://"} {
		words = strings.TrimPrefix(words, scheme)
	}
	return strings.TrimSuffix(words, ".git")
}

func repoCrumbs(repo ci.Repository, more ...crumb) []crumb {
	if len(more) == 0 {
		return []crumb{{Name: repo.Owner(), Href: "/?q=" + repo.Owner() + "/", Hide: true}, {Name: repo.Name()}}
	}
	deep := len(more) > 1
	return append([]crumb{{Name: repo.Owner(), Href: "/?q=" + repo.Owner() + "/", Hide: true}, {Name: repo.Name(), Href: slugHref(repo.Slug), Hide: deep}}, more...)
}

func live(repo ci.Repository) string { return "repository:" + strconv.FormatInt(repo.ID, 10) }

func (s *server) star(c *gin.Context, u ci.User, repo ci.Repository, _ place) error {
	if err := s.Store.SetStar(c.Request.Context(), u.ID, repo.ID, c.PostForm("on") == "1"); err != nil {
		return err
	}
	c.Redirect(http.StatusSeeOther, slugHref(repo.Slug))
	return nil
}

// settingsModel is the tab Settings.
type settingsModel struct {
	repoHead
	Confirm, Admin bool
	Problem        string
	Builds         int
	Settings       ci.RepositorySettings
	MaxProblem     string // about the number of jobs that was typed
}

func (s *server) settingsPage(c *gin.Context, u ci.User, repo ci.Repository, _ place) error {
	return s.renderSettings(c, u, repo, c.Query("confirm") == "delete", "")
}

func (s *server) renderSettings(c *gin.Context, u ci.User, repo ci.Repository, confirm bool, problem string) error {
	list, total, err := s.Store.Builds(c.Request.Context(), ci.BuildFilter{RepositoryID: repo.ID, Page: ci.Page{Limit: 1}})
	if err != nil {
		return err
	}
	m := settingsModel{repoHead: s.head(repo, "Settings", firstOf(list)), Confirm: confirm, Admin: u.Admin, Problem: problem, Builds: total}
	if m.Settings, err = s.Store.RepositorySettings(c.Request.Context(), repo.ID); err != nil {
		return err
	}
	if !confirm {
		m.Problem, m.MaxProblem = "", problem
	}
	status := http.StatusOK
	if problem != "" {
		status = http.StatusUnprocessableEntity
	}
	return s.render(c, u, "settings", view{Title: "Settings · " + repo.Name(), Crumbs: repoCrumbs(repo), Page: m, Status: status})
}

// changeSettings switches building on or off, or removes the repository after its name was typed.
func (s *server) changeSettings(c *gin.Context, u ci.User, repo ci.Repository, _ place) error {
	if !u.Admin {
		return fault.New(fault.Forbidden, "Only administrators change the settings of a repository.")
	}
	ctx := c.Request.Context()
	href := slugHref(repo.Slug) + "/settings"
	switch c.PostForm("do") {
	case "activate", "deactivate":
		on := c.PostForm("do") == "activate"
		if err := s.Store.SetActive(ctx, repo.ID, on); err != nil {
			return err
		}
		s.say(c, c.PostForm("do")+"d", repo.Slug)
	case "build":
		problem, err := s.saveSettings(c, repo)
		if err != nil {
			return err
		}
		if problem != "" {
			return s.renderSettings(c, u, repo, false, problem)
		}
		s.say(c, "settings-saved", "")
	case "delete":
		if !strings.EqualFold(strings.TrimSpace(c.PostForm("slug")), repo.Slug) {
			return s.renderSettings(c, u, repo, true, "This is not the name of the repository. Type "+repo.Slug+" to remove it.")
		}
		if err := s.Store.DeleteRepository(ctx, repo.ID); err != nil {
			return err
		}
		s.say(c, "removed", repo.Slug)
		href = "/"
	default:
		return fault.New(fault.Invalid, "This form asks for something that Headrace does not know.")
	}
	c.Redirect(http.StatusSeeOther, href)
	return nil
}

// saveSettings keeps what the form says is built; problem is what is wrong with the number of jobs.
func (s *server) saveSettings(c *gin.Context, repo ci.Repository) (problem string, err error) {
	most, err := strconv.Atoi(cmp.Or(strings.TrimSpace(c.PostForm(ci.SettingMaxJobs)), "0"))
	if err != nil {
		return "A number of jobs; empty is no limit.", nil //nolint:nilerr // that is what the error says
	}
	changes := []ci.Setting{{Name: ci.SettingMaxJobs, Value: most}}
	names := []string{ci.SettingBuildPushes, ci.SettingBuildPullRequests, ci.SettingCancelPushes, ci.SettingCancelPullRequests}
	if repo.Private {
		names = append(names, ci.SettingAllowImports) // nobody is kept from importing files of a public one
	}
	for _, name := range names {
		changes = append(changes, ci.Setting{Name: name, Value: c.PostForm(name) == "1"})
	}
	_, err = s.Store.ChangeRepositorySettings(c.Request.Context(), repo.ID, changes...)
	if bad, ok := forForm(err); ok {
		return cmp.Or(bad.Fields["value"], bad.Message), nil
	}
	return "", err
}

func firstOf(list []ci.Build) *ci.Build {
	if len(list) == 0 {
		return nil
	}
	return &list[0]
}
