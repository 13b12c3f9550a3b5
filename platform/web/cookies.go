package web

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/platform/ci"
)

const year = 365 * 24 * 60 * 60

// toasts are the sentences after an act of one's own. The cookie holds the name and, after a colon, what it was about.
var toasts = map[string]string{
	"restarted": "%s restarts.", "canceled": "%s is canceled.", "first": "%s goes first now.", "paused": "%s is paused. What runs goes on.", "resumed": "%s hands out jobs again.",
	"limited": "The limit of %s is set.", "settings-saved": "The settings are kept.", "removed": "%s is removed. Its git repository is untouched.",
	"activated": "%s builds again.", "deactivated": "%s does not build any more. What was built stays.", "token-deleted": "The token is deleted. Whatever used it is signed out.",
	"variable-added": "%s is set. Jobs that are handed out from now on have it.", "variable-deleted": "The variable is deleted.",
	"hook-rotated": "There is a new secret. Copy it to the forge, then remove the one before.", "hook-secret-removed": "The secret before is not valid any more.",
	"cron-added": "%s is built at set times from now on.", "cron-deleted": "%s is not built at set times any more.",
	"caches-deleted": "Caches that are deleted: %s.",
	"kept":           "Kept for this browser.",
}

func cookie(c *gin.Context, name string) string {
	v, err := c.Cookie(name)
	if err != nil {
		return ""
	}
	return v
}

func (s *server) setCookie(c *gin.Context, name, value string, seconds int) {
	http.SetCookie(c.Writer, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, Secure: s.SecureCookies, SameSite: http.SameSiteLaxMode})
}

// say leaves a sentence for the next page.
func (s *server) say(c *gin.Context, what, about string) {
	s.setCookie(c, "said", what+":"+safe(about), 60)
}

func (s *server) takeToast(c *gin.Context) string {
	v := cookie(c, "said")
	if v == "" {
		return ""
	}
	s.setCookie(c, "said", "", -1)
	what, about, _ := strings.Cut(v, ":")
	return strings.Replace(toasts[what], "%s", safe(about), 1)
}

// safe keeps what names of things are made of.
func safe(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("#/._- ", r) {
			return r
		}
		return -1
	}, s)
}

func themeOf(c *gin.Context) string {
	if t := cookie(c, "theme"); t == "dark" || t == "light" {
		return t
	}
	return ""
}

// preferencesPage is what a browser remembers.
type preferencesPage struct{ Theme string }

func (s *server) preferences(c *gin.Context, u ci.User) error {
	return s.render(c, u, "preferences", view{Title: "Preferences", Crumbs: []crumb{{Name: "Preferences"}}, Page: preferencesPage{Theme: themeOf(c)}})
}

// setPreferences keeps the theme and whether single keys act, and returns to where one was.
func (s *server) setPreferences(c *gin.Context, _ ci.User) error {
	switch theme := c.PostForm("theme"); theme {
	case "dark", "light":
		s.setCookie(c, "theme", theme, year)
	case "system":
		s.setCookie(c, "theme", "", -1)
	}
	switch c.PostForm("keys") {
	case "on":
		s.setCookie(c, "keys", "", -1)
	case "off":
		s.setCookie(c, "keys", "off", year)
	}
	s.say(c, "kept", "")
	c.Redirect(http.StatusSeeOther, local(c.PostForm("next")))
	return nil
}

// local is a path on this server, or the first page.
func local(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}
