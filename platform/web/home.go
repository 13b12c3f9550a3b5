package web

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/assets/show"
	"github.com/headrace/headrace/platform/ci"
)

const (
	homeRows    = 50
	sparkBuilds = 20
	runningJobs = 3
)

// homeModel is the page of all repositories.
type homeModel struct {
	Any       bool // there is a repository at all
	All       int
	Text      string
	Show      string
	ShowWords string
	Shows     []choice
	Running   []runningTile
	Waits     int
	Slots     string
	Rows      []repoRow
	Pager     pager
}

// runningTile is a job that runs now.
type runningTile struct {
	ID                       int64
	Repo, Number, Name, Href string
	State                    string
	BuildNumber              int64
	Started, BuildStart      time.Time
	Took, Ran, Usual         time.Duration
	Left                     string
}

// repoRow is a repository in the list.
type repoRow struct {
	ID                int64
	Owner, Name, Href string
	State             string
	Number            int64
	Title, Cause      string
	Branch            string
	Spark             spark
	Length            length
	When              *moment
}

func (s *server) home(c *gin.Context, u ci.User) error {
	ctx, q := c.Request.Context(), c.Request.URL.Query()
	m := homeModel{Text: q.Get("q"), Show: q.Get("show")}
	filter, words := homeFilter(m.Text, m.Show, u.ID)
	m.ShowWords = words
	filter.Page = pageOf(q, homeRows)
	list, total, err := s.Store.Repositories(ctx, filter)
	if err != nil {
		return err
	}
	m.All, m.Any = total, total > 0
	if m.Text != "" || m.Show != "" {
		if _, m.All, err = s.Store.Repositories(ctx, ci.RepositoryFilter{Page: ci.Page{Limit: 1}}); err != nil {
			return err
		}
		m.Any = m.All > 0
	}
	queues, err := s.Store.Queues(ctx)
	if err != nil {
		return err
	}
	m.Slots, m.Waits = slotsText(queues)
	if m.Running, err = s.runningNow(ctx); err != nil {
		return err
	}
	var last []ci.Build
	for _, r := range list {
		if r.Last != nil {
			last = append(last, *r.Last)
		}
	}
	waits, err := s.whyBuilds(ctx, last...)
	if err != nil {
		return err
	}
	for _, r := range list {
		m.Rows = append(m.Rows, s.repoRow(r, waits))
	}
	m.Shows = homeShows(m.Text, m.Show)
	m.Pager = pagerOf("/", q, filter.Page, len(list), total)
	v := view{Title: "Repositories", Crumbs: []crumb{{Name: "Repositories"}}, Live: "all", Page: m}
	if len(m.Running) > 0 {
		v.Icon, v.Mark = "started", "▶"
	}
	return s.render(c, u, "home", v)
}

func homeFilter(text, which string, user int64) (ci.RepositoryFilter, string) {
	f := ci.RepositoryFilter{Text: text, ForUser: user, Recent: sparkBuilds, SortByLast: true}
	yes, no := true, false
	switch which {
	case "starred":
		f.Starred = &yes
		return f, "is starred by you"
	case "inactive":
		f.Active = &no
		return f, "is switched off"
	}
	return f, ""
}

func homeShows(text, here string) []choice {
	var all []choice
	for _, o := range []struct{ name, show string }{{"All", ""}, {"Starred", "starred"}, {"Switched off", "inactive"}} {
		v := url.Values{}
		if text != "" {
			v.Set("q", text)
		}
		if o.show != "" {
			v.Set("show", o.show)
		}
		href := "/"
		if len(v) > 0 {
			href += "?" + v.Encode()
		}
		all = append(all, choice{Name: o.name, Href: href, Here: here == o.show})
	}
	return all
}

// slotsText sums the queues up, and says how many jobs wait.
func slotsText(queues []ci.QueueStatus) (text string, waits int) {
	slots, free := 0, 0
	for _, q := range queues {
		slots, free, waits = slots+q.Slots, free+q.FreeSlots, waits+q.Created+q.Queued
	}
	switch {
	case slots == 0 && waits > 0:
		return show.Count(waits, "job") + " waiting, and no worker is there to take them", waits
	case slots == 0:
		return "no worker is there", waits
	}
	text = strconv.Itoa(slots-free) + " of " + show.Count(slots, "slot") + " busy"
	if waits > 0 {
		text += ", " + show.Count(waits, "job") + " waiting"
	}
	return text, waits
}

func (s *server) runningNow(ctx context.Context) ([]runningTile, error) {
	jobs, _, err := s.Store.Jobs(ctx, ci.JobFilter{States: []ci.State{ci.Started, ci.Received}, SkipCount: true, Page: ci.Page{Limit: runningJobs}})
	if err != nil {
		return nil, err
	}
	now := s.Now()
	var tiles []runningTile
	for _, j := range jobs {
		b, err := s.Store.Build(ctx, j.BuildID)
		if err != nil {
			return nil, err
		}
		usual, err := s.Store.UsualDuration(ctx, j.RepositoryID, b.Branch)
		if err != nil {
			return nil, err
		}
		_, name := ci.SplitSlug(j.Slug)
		began := j.StartedAt
		if began.IsZero() {
			began = j.ReceivedAt
		}
		t := runningTile{ID: j.ID, Repo: name, Number: j.Number(), Name: jobName(j, b.Jobs), Href: jobHref(j), State: string(j.State), BuildNumber: j.BuildNumber,
			Started: began, BuildStart: b.StartedAt, Took: now.Sub(began), Ran: b.Duration(now), Usual: usual}
		if left := usual - t.Ran; usual > 0 && !b.StartedAt.IsZero() {
			t.Left = "build: " + show.About(left) + " left"
			if left <= 0 {
				t.Left = "build: longer than the usual " + show.Duration(usual)
			}
		} else {
			t.Usual = 0
		}
		tiles = append(tiles, t)
	}
	return tiles, nil
}

func (s *server) repoRow(r ci.RepositoryOverview, waits map[int64]string) repoRow {
	now := s.Now()
	row := repoRow{ID: r.ID, Owner: r.Owner(), Name: r.Name(), Href: slugHref(r.Slug), State: "created", Branch: r.DefaultBranch, Spark: sparkOf(r.Recent)}
	if r.Last == nil {
		row.State, row.Title = "none", "Trigger the first build"
		if r.LastRequest != nil {
			row.Title = requestWords(*r.LastRequest)
		}
		return row
	}
	b := *r.Last
	row.State, row.Number, row.Title, row.Branch = string(b.State), b.Number, b.Title(), b.Branch
	if b.Tag != "" {
		row.Branch = b.Tag
	}
	row.Length = lengthOf(b.StartedAt, b.FinishedAt, now)
	row.When = momentOf(lastMoved(b), now)
	switch {
	case waits[b.ID] != "":
		row.State, row.Cause = waiting, waits[b.ID]
	case r.LastRequest != nil:
		row.Cause = requestWords(*r.LastRequest)
	}
	return row
}

// requestWords says how a request stands that has made no build.
func requestWords(r ci.Request) string {
	switch {
	case r.Result == ci.RequestRejected:
		return "The last request made no build: " + r.Reason
	case r.Reason != "":
		return "A request is tried again: " + r.Reason
	case r.State == ci.RequestPending:
		return "A request is being read"
	}
	return ""
}

// lastMoved is when something last happened to a build.
func lastMoved(b ci.Build) time.Time {
	for _, t := range []time.Time{b.FinishedAt, b.StartedAt} {
		if !t.IsZero() {
			return t
		}
	}
	return b.CreatedAt
}
