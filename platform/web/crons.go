package web

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/assets/show"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/ci/schedule"
)

// cronsModel is the tab Crons.
type cronsModel struct {
	repoHead
	Admin    bool
	Rows     []cronRow
	Pager    pager
	Branches []string
	Form     cronForm
}

// cronForm is what was typed.
type cronForm struct {
	Branch, Every, Schedule, Zone string
	SkipIfRecent                  bool
	Fields                        map[string]string
}

type cronRow struct {
	ID             int64
	Branch, When   string
	Mono           bool // When is cron syntax
	Zone           string
	SkipIfRecent   bool
	Active         bool
	Confirm        bool
	Next           *moment
	NextAt         string // by the clock of the zone
	Last           *moment
	State, Outcome string // of the last time it was due
	Build          *choice
	Trouble        string
}

// bySyntax is the choice of the form that has a schedule of its own.
const bySyntax = "schedule"

func (s *server) cronsPage(c *gin.Context, u ci.User, repo ci.Repository, _ place) error {
	return s.renderCrons(c, u, repo, cronForm{Branch: repo.DefaultBranch, Every: schedule.Daily, Zone: "UTC"}, http.StatusOK)
}

func (s *server) renderCrons(c *gin.Context, u ci.User, repo ci.Repository, form cronForm, status int) error {
	ctx, q := c.Request.Context(), c.Request.URL.Query()
	page := pageOf(q, 50)
	list, total, err := s.Store.Crons(ctx, repo.ID, page)
	if err != nil {
		return err
	}
	last, _, err := s.Store.Builds(ctx, ci.BuildFilter{RepositoryID: repo.ID, SkipCount: true, Page: ci.Page{Limit: 1}})
	if err != nil {
		return err
	}
	branches, _, err := s.Store.Branches(ctx, repo.ID, ci.Page{Limit: 100})
	if err != nil {
		return err
	}
	m := cronsModel{repoHead: s.head(repo, "Crons", firstOf(last)), Admin: u.Admin, Form: form, Pager: pagerOf(slugHref(repo.Slug)+"/crons", q, page, len(list), total)}
	for _, k := range list {
		row := cronRowOf(repo, k, s.Now())
		row.Confirm = u.Admin && strconv.FormatInt(k.ID, 10) == q.Get("delete")
		m.Rows = append(m.Rows, row)
	}
	for _, b := range branches {
		m.Branches = append(m.Branches, b.Name)
	}
	v := view{Title: "Crons · " + repo.Name(), Crumbs: repoCrumbs(repo), Page: m, Status: status}
	if len(form.Fields) == 0 { // else a change would take away what is said at the fields
		v.Live = live(repo)
	}
	return s.render(c, u, "crons", v)
}

func cronRowOf(repo ci.Repository, k ci.Cron, now time.Time) cronRow {
	r := cronRow{
		ID: k.ID, Branch: k.Branch, When: k.Schedule, Mono: k.Interval == "", Zone: k.TimeZone, SkipIfRecent: k.SkipIfRecent, Active: k.Active, Trouble: k.Trouble(),
	}
	rule, err := k.Rule()
	switch {
	case err != nil:
		r.When, r.Mono, r.Trouble = cmp.Or(k.Interval, k.Schedule), false, fault.Message(err)
	default:
		r.When = rule.String()
		if k.Active && repo.Active {
			r.Next = &moment{At: k.NextRun, Text: show.In(k.NextRun, now)}
			r.NextAt = dayAndClock(k.NextRun.In(rule.Zone()), now.In(rule.Zone()))
		}
	}
	if !repo.Active && r.Trouble == "" {
		r.Trouble = "Building is switched off for this repository; the cron goes on when it is switched on."
	}
	if k.Last == nil {
		return r
	}
	r.Last = momentOf(k.Last.At, now)
	switch {
	case k.Last.BuildID != 0:
		r.State = string(k.Last.BuildState)
		r.Build = &choice{Name: "#" + strconv.FormatInt(k.Last.BuildNumber, 10), Href: buildHref(repo.Slug, k.Last.BuildNumber)}
	case k.Last.Outcome == ci.CronRequested && k.Last.Result == ci.RequestOpen:
		r.Outcome = "being read"
	case k.Last.Outcome == ci.CronRecent:
		r.Outcome = "passed over"
	default:
		r.Outcome = "no build"
	}
	return r
}

// dayAndClock is a time as one says it: "today 14:05", "tomorrow 02:30", "Mon 23 Nov 02:30".
func dayAndClock(t, now time.Time) string {
	day := func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC) }
	switch day(t).Sub(day(now)) {
	case 0:
		return "today " + t.Format("15:04")
	case 24 * time.Hour:
		return "tomorrow " + t.Format("15:04")
	}
	if t.Year() != now.Year() {
		return t.Format("Mon 2 Jan 2006 15:04")
	}
	return t.Format("Mon 2 Jan 15:04")
}

// changeCrons adds a cron, or deletes one after it was asked about.
func (s *server) changeCrons(c *gin.Context, u ci.User, repo ci.Repository, _ place) error {
	if !u.Admin {
		return fault.New(fault.Forbidden, "Only administrators change the crons of a repository.")
	}
	ctx := c.Request.Context()
	switch c.PostForm("do") {
	case "add":
		form := cronForm{
			Branch: strings.TrimSpace(c.PostForm("branch")), Every: c.PostForm("every"), Schedule: strings.TrimSpace(c.PostForm("schedule")),
			Zone: strings.TrimSpace(c.PostForm("time_zone")), SkipIfRecent: c.PostForm("skip") == "1",
		}
		made, err := s.Crons.Add(ctx, form.cron(repo, u))
		if problem, ok := forForm(err); ok {
			form.Fields = problem.Fields
			if len(form.Fields) == 0 {
				form.Fields = map[string]string{"branch": problem.Message}
			}
			return s.renderCrons(c, u, repo, form, statuses[problem.Code])
		}
		if err != nil {
			return err
		}
		s.say(c, "cron-added", made.Branch)
	case "delete":
		k, err := s.cronOf(c, repo)
		if err != nil {
			return err
		}
		if err := s.Store.DeleteCron(ctx, k.ID); err != nil {
			return err
		}
		s.say(c, "cron-deleted", k.Branch)
	default:
		return fault.New(fault.Invalid, "This form asks for something that Headrace does not know.")
	}
	c.Redirect(http.StatusSeeOther, slugHref(repo.Slug)+"/crons")
	return nil
}

// cron is what the form asks for. A schedule counts only where it is chosen.
func (f cronForm) cron(repo ci.Repository, u ci.User) ci.NewCron {
	n := ci.NewCron{RepositoryID: repo.ID, Branch: f.Branch, Interval: f.Every, TimeZone: f.Zone, SkipIfRecent: f.SkipIfRecent, CreatedBy: u.ID}
	if n.Branch == "" {
		n.Branch = repo.DefaultBranch
	}
	if f.Every == bySyntax {
		n.Interval, n.Schedule = "", f.Schedule
	}
	return n
}

// cronOf is the cron that the form names, where it is the repository's.
func (s *server) cronOf(c *gin.Context, repo ci.Repository) (ci.Cron, error) {
	n, err := strconv.ParseInt(c.PostForm("id"), 10, 64)
	if err != nil {
		return ci.Cron{}, fault.New(fault.NotFound, "There is no such cron.")
	}
	k, err := s.Store.Cron(c.Request.Context(), n)
	if err == nil && k.RepositoryID != repo.ID {
		err = fault.New(fault.NotFound, "There is no such cron.")
	}
	return k, err
}
