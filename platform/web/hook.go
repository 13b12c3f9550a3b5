package web

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// hookModel is the page of a repository's webhook.
type hookModel struct {
	repoHead
	Admin      bool
	URLs       []hookURL
	Secret     string // the newest; empty: there is none
	Made       *moment
	Before     *hookSecret // valid beside the newest
	Deliveries []deliveryRow
}

type hookURL struct{ Forge, URL string }

type hookSecret struct {
	ID      string
	Made    *moment
	Confirm bool
}

type deliveryRow struct {
	State, Word string // of the request, or what became of a delivery without one
	What, Sub   string
	Href        string // of the request
	When        *moment
}

// mostDeliveries is how many of the last deliveries are shown.
const mostDeliveries = 20

func (s *server) hookPage(c *gin.Context, u ci.User, repo ci.Repository, _ place) error {
	ctx := c.Request.Context()
	last, _, err := s.Store.Builds(ctx, ci.BuildFilter{RepositoryID: repo.ID, SkipCount: true, Page: ci.Page{Limit: 1}})
	if err != nil {
		return err
	}
	m := hookModel{repoHead: s.head(repo, "Settings", firstOf(last)), Admin: u.Admin}
	if u.Admin {
		if err := s.fillHook(c, repo, &m); err != nil {
			return err
		}
	}
	return s.render(c, u, "hook", view{Title: "Webhook · " + repo.Name(), Crumbs: repoCrumbs(repo), Page: m})
}

func (s *server) fillHook(c *gin.Context, repo ci.Repository, m *hookModel) error {
	ctx, now := c.Request.Context(), s.Now()
	for _, f := range []struct{ name, path string }{{"GitHub", ci.GitHub}, {"Gitea, Forgejo", ci.Gitea}} {
		m.URLs = append(m.URLs, hookURL{f.name, s.publicURL(c) + "/api/hooks/" + f.path})
	}
	secrets, err := s.Store.HookSecrets(ctx, repo.ID)
	if err != nil {
		return err
	}
	for _, v := range secrets {
		if v.Newest {
			m.Secret, m.Made = v.Secret, momentOf(v.CreatedAt, now)
			continue
		}
		m.Before = &hookSecret{ID: v.ID, Made: momentOf(v.CreatedAt, now), Confirm: c.Query("remove") == v.ID}
	}
	list, err := s.Store.HookDeliveries(ctx, repo.ID, mostDeliveries)
	for _, d := range list {
		m.Deliveries = append(m.Deliveries, deliveryRowOf(repo, d, momentOf(d.At, now)))
	}
	return err
}

func deliveryRowOf(repo ci.Repository, d ci.HookDelivery, when *moment) deliveryRow {
	r := deliveryRow{What: d.Event, Sub: d.Reason, When: when}
	switch {
	case d.Request != nil:
		q := *d.Request
		r.State, r.What = string(q.State), askedFor(q)
		if q.State == ci.RequestFinished {
			r.State = string(q.Result)
		}
		r.Word, r.Sub, r.Href = word(r.State), q.Reason, slugHref(repo.Slug)+"/requests#request-"+strconv.FormatInt(q.ID, 10)
	case d.Outcome == ci.HookRefused:
		r.State, r.Word = "warn", "Refused"
	default:
		r.State, r.Word = "info", "Not used"
	}
	if r.What == "" {
		r.What = "no event"
	}
	return r
}

// changeHook makes a new secret, or removes the one before.
func (s *server) changeHook(c *gin.Context, u ci.User, repo ci.Repository, _ place) error {
	if !u.Admin {
		return fault.New(fault.Forbidden, "Only administrators change the webhook of a repository.")
	}
	switch c.PostForm("do") {
	case "rotate":
		if _, err := s.Store.RotateHookSecret(c.Request.Context(), repo.ID); err != nil {
			return err
		}
		s.say(c, "hook-rotated", "")
	case "remove":
		if err := s.Store.RemoveHookSecret(c.Request.Context(), repo.ID, c.PostForm("id")); err != nil {
			return err
		}
		s.say(c, "hook-secret-removed", "")
	default:
		return fault.New(fault.Invalid, "This form asks for something that Headrace does not know.")
	}
	c.Redirect(http.StatusSeeOther, slugHref(repo.Slug)+"/hook")
	return nil
}
