package web

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// tokensModel is the page of one's own API tokens.
type tokensModel struct {
	Rows    []tokenRow
	Name    string
	Fields  map[string]string
	Secret  string // of the token just made, shown this once
	Made    string // its name
	Example string
	Confirm int64 // the token that is about to be deleted
}

type tokenRow struct {
	ID            int64
	Name          string
	Created, Used *moment
	Confirm       bool
}

func (s *server) tokens(c *gin.Context, u ci.User) error {
	m := tokensModel{}
	m.Confirm, _ = strconv.ParseInt(c.Query("delete"), 10, 64) // nonsense confirms nothing
	return s.renderTokens(c, u, m, http.StatusOK)
}

func (s *server) renderTokens(c *gin.Context, u ci.User, m tokensModel, status int) error {
	list, err := s.Auth.Tokens(c.Request.Context(), u.ID)
	if err != nil {
		return err
	}
	now := s.Now()
	for _, t := range list {
		m.Rows = append(m.Rows, tokenRow{ID: t.ID, Name: t.Name, Created: momentOf(t.CreatedAt, now), Used: momentOf(t.UsedAt, now), Confirm: t.ID == m.Confirm})
	}
	m.Example = `curl -H "Travis-API-Version: 3" -H "Authorization: token $HEADRACE_TOKEN" ` + s.publicURL(c) + "/api/repos"
	return s.render(c, u, "tokens", view{Title: "My tokens", Crumbs: []crumb{{Name: "My tokens"}}, Page: m, Status: status})
}

// publicURL is where tools find this installation.
func (s *server) publicURL(c *gin.Context) string {
	if s.PublicURL != "" {
		return strings.TrimRight(s.PublicURL, "/")
	}
	scheme := "http"
	if c.Request.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + c.Request.Host
}

func (s *server) createToken(c *gin.Context, u ci.User) error {
	m := tokensModel{Name: strings.TrimSpace(c.PostForm("name"))}
	if m.Name == "" {
		m.Fields = map[string]string{"name": "Say what the token is for, for example the machine that will use it."}
		return s.renderTokens(c, u, m, http.StatusUnprocessableEntity)
	}
	secret, token, err := s.Auth.CreateToken(c.Request.Context(), u.ID, m.Name)
	if problem, ok := forForm(err); ok {
		m.Fields = problem.Fields
		if len(m.Fields) == 0 {
			m.Fields = map[string]string{"name": problem.Message}
		}
		return s.renderTokens(c, u, m, statuses[problem.Code])
	}
	if err != nil {
		return err
	}
	m.Secret, m.Made, m.Name = secret, token.Name, ""
	return s.renderTokens(c, u, m, http.StatusCreated)
}

func (s *server) deleteToken(c *gin.Context, u ci.User) error {
	id, err := strconv.ParseInt(c.PostForm("id"), 10, 64)
	if err != nil {
		return fault.New(fault.NotFound, "There is no such token.")
	}
	if err := s.Auth.DeleteToken(c.Request.Context(), u.ID, id); err != nil {
		return err
	}
	s.say(c, "token-deleted", "")
	c.Redirect(http.StatusSeeOther, "/account/tokens")
	return nil
}
