package web

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/assets/show"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// variablesModel is the tab Variables. It never holds a secret value, not even the one that was just typed.
type variablesModel struct {
	repoHead
	Admin        bool
	Rows         []variableRow
	Name, Branch string
	Public       bool
	Fields       map[string]string
}

type variableRow struct {
	ID, Name, Value, Branch string
	Public, Confirm         bool
	Set                     *moment
}

func (s *server) variablesPage(c *gin.Context, u ci.User, repo ci.Repository, _ place) error {
	return s.renderVariables(c, u, repo, variablesModel{}, http.StatusOK)
}

func (s *server) renderVariables(c *gin.Context, u ci.User, repo ci.Repository, m variablesModel, status int) error {
	ctx := c.Request.Context()
	list, err := s.Store.EnvVars(ctx, repo.ID)
	if err != nil {
		return err
	}
	last, _, err := s.Store.Builds(ctx, ci.BuildFilter{RepositoryID: repo.ID, SkipCount: true, Page: ci.Page{Limit: 1}})
	if err != nil {
		return err
	}
	m.repoHead, m.Admin = s.head(repo, "Variables", firstOf(last)), u.Admin
	for _, v := range list {
		m.Rows = append(m.Rows, variableRow{
			ID: v.ID, Name: v.Name, Value: show.Cut(v.Value, 200), Branch: v.Branch, Public: v.Public, Confirm: u.Admin && v.ID == c.Query("delete"),
			Set: momentOf(v.UpdatedAt, s.Now()),
		})
	}
	return s.render(c, u, "variables", view{Title: "Variables · " + repo.Name(), Crumbs: repoCrumbs(repo), Page: m, Status: status})
}

// changeVariables adds a variable, or deletes one after it was asked about.
func (s *server) changeVariables(c *gin.Context, u ci.User, repo ci.Repository, _ place) error {
	if !u.Admin {
		return fault.New(fault.Forbidden, "Only administrators change the variables of a repository.")
	}
	switch c.PostForm("do") {
	case "add":
		n := ci.NewEnvVar{
			RepositoryID: repo.ID, Name: strings.TrimSpace(c.PostForm("name")), Branch: strings.TrimSpace(c.PostForm("branch")),
			Value: strings.ReplaceAll(c.PostForm("value"), "\r\n", "\n"), Public: c.PostForm("public") == "1",
		}
		made, err := s.Store.CreateEnvVar(c.Request.Context(), n)
		if problem, ok := forForm(err); ok {
			m := variablesModel{Name: n.Name, Branch: n.Branch, Public: n.Public, Fields: problem.Fields}
			if len(m.Fields) == 0 { // what is not about a field is about the name: it is taken, or one too many
				m.Fields = map[string]string{"name": problem.Message}
			}
			return s.renderVariables(c, u, repo, m, statuses[problem.Code])
		}
		if err != nil {
			return err
		}
		s.say(c, "variable-added", made.Name)
	case "delete":
		if err := s.Store.DeleteEnvVar(c.Request.Context(), repo.ID, c.PostForm("id")); err != nil {
			return err
		}
		s.say(c, "variable-deleted", "")
	default:
		return fault.New(fault.Invalid, "This form asks for something that Headrace does not know.")
	}
	c.Redirect(http.StatusSeeOther, slugHref(repo.Slug)+"/variables")
	return nil
}
