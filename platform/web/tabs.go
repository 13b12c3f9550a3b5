package web

import (
	"cmp"
	"net/url"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/platform/ci"
)

// branchesModel is the tab Branches.
type branchesModel struct {
	repoHead
	Rows  []branchRow
	Pager pager
}

type branchRow struct {
	Name, Href string
	Default    bool
	State      string
	Number     int64
	Title      string
	Spark      spark
	Length     length
	When       *moment
}

func (s *server) branchesPage(c *gin.Context, u ci.User, repo ci.Repository, _ place) error {
	ctx, q := c.Request.Context(), c.Request.URL.Query()
	page := pageOf(q, 50)
	list, total, err := s.Store.Branches(ctx, repo.ID, page)
	if err != nil {
		return err
	}
	last, _, err := s.Store.Builds(ctx, ci.BuildFilter{RepositoryID: repo.ID, SkipCount: true, Page: ci.Page{Limit: 1}})
	if err != nil {
		return err
	}
	m := branchesModel{repoHead: s.head(repo, "Branches", firstOf(last)), Pager: pagerOf(slugHref(repo.Slug)+"/branches", q, page, len(list), total)}
	now := s.Now()
	for _, b := range list {
		r := branchRow{Name: b.Name, Default: b.Default, Href: slugHref(repo.Slug) + "?branch=" + url.QueryEscape(b.Name), State: "none", Spark: sparkOf(b.Recent)}
		if b.Last != nil {
			r.State, r.Number, r.Title = string(b.Last.State), b.Last.Number, b.Last.Title()
			r.Length, r.When = lengthOf(b.Last.StartedAt, b.Last.FinishedAt, now), momentOf(lastMoved(*b.Last), now)
		}
		m.Rows = append(m.Rows, r)
	}
	return s.render(c, u, "branches", view{Title: "Branches · " + repo.Name(), Crumbs: repoCrumbs(repo), Live: live(repo), Page: m})
}

// requestsModel is the tab Requests.
type requestsModel struct {
	repoHead
	Rows  []requestRow
	Pager pager
}

type requestRow struct {
	ID       int64
	State    string // pending, approved or rejected
	Word     string
	What     string // what was asked for
	By       string
	Reason   string
	Tries    int
	NextTry  *moment
	Builds   []choice
	Messages []message
	When     *moment
}

func (s *server) requestsPage(c *gin.Context, u ci.User, repo ci.Repository, _ place) error {
	ctx, q := c.Request.Context(), c.Request.URL.Query()
	page := pageOf(q, 25)
	list, total, err := s.Store.Requests(ctx, ci.RequestFilter{RepositoryID: repo.ID, Page: page})
	if err != nil {
		return err
	}
	last, _, err := s.Store.Builds(ctx, ci.BuildFilter{RepositoryID: repo.ID, SkipCount: true, Page: ci.Page{Limit: 1}})
	if err != nil {
		return err
	}
	m := requestsModel{repoHead: s.head(repo, "Requests", firstOf(last)), Pager: pagerOf(slugHref(repo.Slug)+"/requests", q, page, len(list), total)}
	for _, r := range list {
		row, err := s.requestRow(c, repo, r)
		if err != nil {
			return err
		}
		m.Rows = append(m.Rows, row)
	}
	return s.render(c, u, "requests", view{Title: "Requests · " + repo.Name(), Crumbs: repoCrumbs(repo), Live: live(repo), Page: m})
}

func (s *server) requestRow(c *gin.Context, repo ci.Repository, r ci.Request) (requestRow, error) {
	now := s.Now()
	row := requestRow{ID: r.ID, State: string(ci.RequestPending), What: askedFor(r), By: r.CreatedByLogin, Reason: r.Reason, Tries: r.Tries, Messages: messagesOf(concerns(r.Messages)), When: momentOf(r.Created, now)}
	if r.State == ci.RequestFinished {
		row.State = string(r.Result)
	}
	if r.State == ci.RequestPending && !r.NextTry.IsZero() && r.Tries > 0 {
		row.NextTry = momentOf(r.NextTry, now)
	}
	row.By = cmp.Or(row.By, r.Hook.Sender, string(r.Event))
	for _, id := range r.BuildIDs {
		b, err := s.Store.Build(c.Request.Context(), id)
		if err != nil {
			return row, err
		}
		row.Builds = append(row.Builds, choice{Name: "#" + strconv.FormatInt(b.Number, 10), Href: buildHref(repo.Slug, b.Number)})
	}
	row.Word = word(row.State)
	return row, nil
}

// askedFor names the commit that a request is about.
func askedFor(r ci.Request) string {
	switch {
	case r.PullRequest != nil:
		return "#" + strconv.FormatInt(r.PullRequest.Number, 10) + " " + r.PullRequest.Title
	case r.SHA != "" && r.Branch != "":
		return short(r.SHA) + " of " + r.Branch
	case r.SHA != "":
		return short(r.SHA)
	case r.Tag != "":
		return "Tag " + r.Tag
	case r.Branch != "":
		return "Branch " + r.Branch
	}
	return "The default branch"
}

// message is what the build language says about a configuration.
type message struct {
	Level, Class, Icon string
	Line               int
	Key, Text          string
}

func messagesOf(list []ci.ConfigMessage) []message {
	var out []message
	for _, m := range list {
		x := message{Level: m.Level, Line: m.Line, Key: m.Key, Text: m.Text, Class: "warn", Icon: "warn"}
		switch m.Level {
		case "error", "alert":
			x.Class, x.Icon = "failed", "failed"
		case "info":
			x.Class, x.Icon = "water", "info"
		}
		out = append(out, x)
	}
	return out
}

// concerns leaves out what is for information only: it stands at its line in the configuration as used.
func concerns(list []ci.ConfigMessage) []ci.ConfigMessage {
	var out []ci.ConfigMessage
	for _, m := range list {
		if m.Level != "info" {
			out = append(out, m)
		}
	}
	return out
}
