package web

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// addModel is the form that adds a repository, with what was typed.
type addModel struct {
	SourceURL, Slug string
	Problem         string
	Fields          map[string]string
}

func (s *server) newRepository(c *gin.Context, u ci.User) error {
	return s.renderAdd(c, u, addModel{}, http.StatusOK)
}

func (s *server) renderAdd(c *gin.Context, u ci.User, m addModel, status int) error {
	return s.render(c, u, "add", view{Title: "Add a repository", Crumbs: []crumb{{Name: "Repositories", Href: "/"}, {Name: "Add"}}, Page: m, Status: status})
}

// addRepository asks the source at once, so that what is wrong with it is said beside the field.
func (s *server) addRepository(c *gin.Context, u ci.User) error {
	m := addModel{SourceURL: strings.TrimSpace(c.PostForm("source_url")), Slug: strings.Trim(c.PostForm("slug"), " /")}
	if m.Slug == "" {
		m.Slug = slugFrom(m.SourceURL)
	}
	if m.SourceURL == "" {
		m.Fields = map[string]string{"source_url": "Paste the address that you would give to git clone, for example https://git.example.com/team/project."}
		return s.renderAdd(c, u, m, http.StatusUnprocessableEntity)
	}
	repo, err := s.Intake.AddRepository(c.Request.Context(), ci.NewRepository{Slug: m.Slug, SourceURL: m.SourceURL, Private: true, AddedBy: u.ID})
	if problem, ok := forForm(err); ok {
		m.Fields, m.Problem = problem.Fields, problem.Message
		if len(m.Fields) == 0 { // what is not about a field is about the address: it was asked
			m.Fields = map[string]string{"source_url": problem.Message}
		}
		return s.renderAdd(c, u, m, statuses[problem.Code])
	}
	if err != nil {
		return err
	}
	c.Redirect(http.StatusSeeOther, slugHref(repo.Slug))
	return nil
}

// slugFrom proposes a name from an address: the last two parts of its path.
func slugFrom(address string) string {
	address = strings.TrimRight(address, "/")
	address = strings.TrimSuffix(address, ".git")
	if i := strings.Index(address, "://"); i >= 0 {
		address = address[i+3:]
	}
	parts := strings.FieldsFunc(address, func(r rune) bool { return r == '/' || r == ':' })
	if len(parts) < 2 {
		return ""
	}
	parts = parts[len(parts)-2:]
	for i, p := range parts {
		if at := strings.LastIndexByte(p, '@'); at >= 0 {
			p = p[at+1:]
		}
		parts[i] = strings.Trim(slugUnfit.ReplaceAllString(p, "-"), "-._")
	}
	return strings.Join(parts, "/")
}

func asFault(err error) (*fault.Error, bool) { return errors.AsType[*fault.Error](err) }
