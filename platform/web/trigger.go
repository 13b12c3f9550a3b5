package web

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// triggerModel is the form that asks for a build, with what was typed.
type triggerModel struct {
	Repo            ci.Repository
	Href            string
	Ref, SHA        string
	Message, Config string
	MergeMode       string
	Branches        []string
	Problem         string
	Fields          map[string]string
}

var (
	slugUnfit = regexp.MustCompile(`[^A-Za-z0-9._-]+`)
	hexForm   = regexp.MustCompile(`^[0-9a-fA-F]{7,40}$`)
	// mergeModes are those of the Travis API, with what each does.
	mergeModes = map[string]bool{"deep_merge_append": true, "deep_merge": true, "merge": true, "replace": true}
)

func (s *server) triggerPage(c *gin.Context, u ci.User, repo ci.Repository, _ place) error {
	ref := c.Query("branch")
	if ref == "" {
		ref = repo.DefaultBranch
	}
	return s.renderTrigger(c, u, repo, triggerModel{Ref: ref, MergeMode: "deep_merge_append"}, http.StatusOK)
}

func (s *server) renderTrigger(c *gin.Context, u ci.User, repo ci.Repository, m triggerModel, status int) error {
	branches, _, err := s.Store.Branches(c.Request.Context(), repo.ID, ci.Page{Limit: 50})
	if err != nil {
		return err
	}
	m.Repo, m.Href = repo, slugHref(repo.Slug)
	for _, b := range branches {
		m.Branches = append(m.Branches, b.Name)
	}
	return s.render(c, u, "trigger", view{Title: "Trigger a build · " + repo.Name(), Crumbs: repoCrumbs(repo, crumb{Name: "Trigger a build"}), Page: m, Status: status})
}

// triggerBuild stores the request and shows what becomes of it.
func (s *server) triggerBuild(c *gin.Context, u ci.User, repo ci.Repository, _ place) error {
	m := triggerModel{Ref: strings.TrimSpace(c.PostForm("ref")), SHA: strings.TrimSpace(c.PostForm("sha")), Message: strings.TrimSpace(c.PostForm("message")),
		Config: c.PostForm("config"), MergeMode: c.PostForm("merge_mode"), Fields: map[string]string{}}
	if m.SHA != "" && !hexForm.MatchString(m.SHA) {
		m.Fields["sha"] = "A commit is 7 to 40 digits and letters from a to f, for example d40b7aa. For a branch or a tag use the field above."
	}
	if !mergeModes[m.MergeMode] {
		m.MergeMode = "deep_merge_append"
	}
	if len(m.Fields) > 0 {
		return s.renderTrigger(c, u, repo, m, http.StatusUnprocessableEntity)
	}
	n := ci.NewRequest{RepositoryID: repo.ID, Event: ci.EventAPI, SHA: strings.ToLower(m.SHA), Message: m.Message, CreatedBy: u.ID}
	n.Branch, n.Tag = m.Ref, ""
	if tag, ok := strings.CutPrefix(m.Ref, "refs/tags/"); ok {
		n.Branch, n.Tag = "", tag
	}
	n.Branch = strings.TrimPrefix(n.Branch, "refs/heads/")
	if strings.TrimSpace(m.Config) != "" {
		n.Config, n.MergeMode = m.Config, m.MergeMode
	}
	r, _, err := s.Intake.Submit(c.Request.Context(), n)
	if problem, ok := forForm(err); ok {
		m.Problem, m.Fields = problem.Message, renamed(problem.Fields, map[string]string{"branch": "ref", "tag": "ref"})
		return s.renderTrigger(c, u, repo, m, statuses[problem.Code])
	}
	if err != nil {
		return err
	}
	c.Redirect(http.StatusSeeOther, slugHref(repo.Slug)+"/requests#request-"+strconv.FormatInt(r.ID, 10))
	return nil
}

// forForm returns an error that belongs into the form that caused it.
func forForm(err error) (*fault.Error, bool) {
	switch fault.CodeOf(err) {
	case fault.Invalid, fault.Conflict, fault.Unavailable, fault.NotFound, fault.Limited:
		return asFault(err)
	case fault.Internal, fault.Unauthenticated, fault.Forbidden:
	}
	return nil, false
}

func renamed(fields, names map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range fields {
		if n, ok := names[k]; ok {
			k = n
		}
		out[k] = v
	}
	return out
}
