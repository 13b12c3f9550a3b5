package web

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// signInModel is the form, with what was typed before but the password.
type signInModel struct {
	Login, Next, Problem string
}

func (s *server) signInPage(c *gin.Context, u ci.User) error {
	next := local(c.Query("next"))
	if u.ID != 0 {
		c.Redirect(http.StatusSeeOther, next)
		return nil
	}
	return s.render(c, u, "sign-in", view{Title: "Sign in", Page: signInModel{Next: next}})
}

func (s *server) signIn(c *gin.Context, u ci.User) error {
	m := signInModel{Login: strings.TrimSpace(c.PostForm("login")), Next: local(c.PostForm("next"))}
	user, err := s.Auth.SignIn(c.Request.Context(), m.Login, c.PostForm("password"), s.ClientIP(c.Request.Context()))
	code := fault.CodeOf(err)
	switch code {
	case "":
		if err := s.Auth.StartSession(c.Writer, c.Request, user); err != nil {
			return err
		}
		c.Redirect(http.StatusSeeOther, m.Next)
		return nil
	case fault.Unauthenticated, fault.Limited, fault.Invalid, fault.Forbidden:
		m.Problem = fault.Message(err)
		return s.render(c, ci.User{}, "sign-in", view{Title: "Sign in", Page: m, Status: statuses[code]})
	case fault.NotFound, fault.Conflict, fault.Unavailable, fault.Internal:
	}
	return err
}

func (s *server) signOut(c *gin.Context, _ ci.User) error {
	if err := s.Auth.EndSession(c.Writer, c.Request); err != nil {
		return err
	}
	c.Redirect(http.StatusSeeOther, "/sign-in")
	return nil
}
