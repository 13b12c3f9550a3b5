package web

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/assets/show"
	"github.com/headrace/headrace/platform/ci"
)

const (
	histoBars  = 40
	histoStep  = 14
	histoLine  = 48
	histoAbove = 44
)

// buildsModel is the first tab of a repository.
type buildsModel struct {
	repoHead
	Histo  *histo
	Shows  []choice
	Stages string
	Rows   []buildRow
	Empty  string
	Pager  pager
	Waits  string // what became of the last request, where there is no build
}

// histo is the picture of the last builds and what they come to.
type histo struct {
	Bars         []bar
	Width        int
	Label        string
	Passed       string
	Usual, Wait  string
	UsualY       int
	HasUsualLine bool
}

// buildRow is a build in a list.
type buildRow struct {
	ID          int64
	State       string
	Number      int64
	Href, Title string
	Branch, Tag string
	PullNumber  int64
	SHA, By     string
	Gates       []gate
	Length      length
	Cause       string
	When        *moment
}

func (s *server) buildsPage(c *gin.Context, u ci.User, repo ci.Repository, _ place) error {
	ctx, q := c.Request.Context(), c.Request.URL.Query()
	recent, all, err := s.Store.Builds(ctx, ci.BuildFilter{RepositoryID: repo.ID, Page: ci.Page{Limit: histoBars}})
	if err != nil {
		return err
	}
	m := buildsModel{repoHead: s.head(repo, "Builds", firstOf(recent)), Shows: buildShows(repo, q)}
	m.First = all == 0
	filter := buildFilter(repo, q, u)
	list, total, err := s.Store.Builds(ctx, filter)
	if err != nil {
		return err
	}
	if m.Rows, err = s.buildRows(ctx, list); err != nil {
		return err
	}
	if all == 0 {
		m.Waits, err = s.lastRequest(ctx, repo)
	} else {
		m.Histo, err = s.histo(ctx, repo, recent, list)
	}
	if err != nil {
		return err
	}
	m.Stages = stageNames(list)
	m.Empty = emptyWords(q, repo)
	m.Pager = pagerOf(slugHref(repo.Slug), q, filter.Page, len(list), total)
	v := view{Title: repo.Name(), Crumbs: repoCrumbs(repo), Live: live(repo), Page: m}
	if b := firstOf(recent); b != nil {
		v.Mark, v.Icon = marks[b.State], favicon(b.State)
	}
	return s.render(c, u, "builds", v)
}

func buildFilter(repo ci.Repository, q url.Values, u ci.User) ci.BuildFilter {
	f := ci.BuildFilter{RepositoryID: repo.ID, WithJobs: true, Page: pageOf(q, 25), Branch: q.Get("branch")}
	switch q.Get("show") {
	case "mine":
		f.CreatedBy = []string{u.Login}
	case "not-passed":
		f.States = []ci.State{ci.Failed, ci.Errored, ci.Canceled}
	}
	return f
}

func buildShows(repo ci.Repository, q url.Values) []choice {
	href, which, branch := slugHref(repo.Slug), q.Get("show"), q.Get("branch")
	shows := []choice{
		{Name: "All", Href: href, Here: which == "" && branch == ""},
		{Name: repo.DefaultBranch, Href: href + "?branch=" + url.QueryEscape(repo.DefaultBranch), Here: branch != "" && branch == repo.DefaultBranch},
		{Name: "Mine", Href: href + "?show=mine", Here: which == "mine"},
		{Name: "Not passed", Href: href + "?show=not-passed", Here: which == "not-passed"},
	}
	if branch != "" && branch != repo.DefaultBranch {
		shows = append(shows, choice{Name: branch, Href: href + "?branch=" + url.QueryEscape(branch), Here: true})
	}
	return slices.DeleteFunc(shows, func(c choice) bool { return c.Name == "" })
}

func emptyWords(q url.Values, repo ci.Repository) string {
	switch {
	case q.Get("show") == "mine":
		return "No build by you."
	case q.Get("show") == "not-passed":
		return "Every build passed."
	case q.Get("branch") != "":
		return "No build on " + q.Get("branch") + "."
	}
	return "No build of " + repo.Name() + " here."
}

func (s *server) buildRows(ctx context.Context, list []ci.Build) ([]buildRow, error) {
	waits, err := s.whyBuilds(ctx, list...)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	var rows []buildRow
	for _, b := range list {
		r := buildRow{ID: b.ID, State: string(b.State), Number: b.Number, Href: buildHref(b.Slug, b.Number), Title: b.Title(), Branch: b.Branch, Tag: b.Tag,
			PullNumber: b.PullNumber, SHA: short(b.Commit.SHA), By: byWords(b), Gates: gatesOf(b), Length: lengthOf(b.StartedAt, b.FinishedAt, now), When: momentOf(lastMoved(b), now)}
		r.Cause = jobsWords(b)
		if why := waits[b.ID]; why != "" {
			r.State, r.Cause = waiting, why
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// byWords says who asked for a build.
func byWords(b ci.Build) string {
	switch {
	case b.Event == ci.EventCron:
		return "cron"
	case b.CreatedByLogin != "":
		return b.CreatedByLogin
	case b.Sender != "":
		return b.Sender
	}
	return b.Commit.AuthorName
}

// jobsWords is the one line under the time of a build: how many of its jobs are not well.
func jobsWords(b ci.Build) string {
	total := 0
	for _, n := range b.JobCounts {
		total += n
	}
	count := func(st ci.State, verb string) string {
		return fmt.Sprintf("%d of %s %s", b.JobCounts[st], show.Count(total, "job"), verb)
	}
	switch b.State {
	case ci.Failed:
		return count(ci.Failed, "failed")
	case ci.Errored:
		return count(ci.Errored, "errored")
	case ci.Started:
		return fmt.Sprintf("%d of %s ended", b.JobCounts[ci.Passed]+b.JobCounts[ci.Failed]+b.JobCounts[ci.Errored]+b.JobCounts[ci.Canceled], show.Count(total, "job"))
	case ci.Passed:
		if bad := b.JobCounts[ci.Failed] + b.JobCounts[ci.Errored]; bad > 0 {
			return show.Count(bad, "allowed failure")
		}
	case ci.Created, ci.Queued, ci.Received, ci.Canceled:
	}
	return ""
}

func stageNames(list []ci.Build) string {
	for _, b := range list {
		if len(b.Stages) > 0 {
			var names []string
			for _, st := range b.Stages {
				names = append(names, st.Name)
			}
			return "Stages: " + strings.Join(names, ", ")
		}
	}
	return ""
}

// lastRequest says what became of the last request of a repository without builds.
func (s *server) lastRequest(ctx context.Context, repo ci.Repository) (string, error) {
	list, _, err := s.Store.Requests(ctx, ci.RequestFilter{RepositoryID: repo.ID, Page: ci.Page{Limit: 1}})
	if err != nil || len(list) == 0 {
		return "", err
	}
	return requestWords(list[0]), nil
}

// histo draws the last builds, the oldest first.
func (s *server) histo(ctx context.Context, repo ci.Repository, recent, shown []ci.Build) (*histo, error) {
	usual, err := s.Store.UsualDuration(ctx, repo.ID, repo.DefaultBranch)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	var briefs []ci.BuildBrief
	ended, longest := 0, time.Second
	for _, b := range slices.Backward(recent) {
		d := b.Duration(now)
		longest = max(longest, d)
		briefs = append(briefs, ci.BuildBrief{ID: b.ID, Number: b.Number, State: b.State, Duration: d})
		if b.State.Final() {
			ended++
		}
	}
	bars, passed := barsOf(briefs, histoStep, histoLine, histoAbove)
	h := &histo{Bars: bars, Width: max(len(bars)*histoStep, 20*histoStep), Label: fmt.Sprintf("Last %s: %d passed; the same is in the list below", show.Count(len(bars), "build"), passed)}
	if ended > 0 {
		h.Passed = fmt.Sprintf("%d of %d", passed, ended)
	}
	if usual > 0 && usual <= longest {
		h.HasUsualLine, h.UsualY = true, histoLine-int(float64(usual)/float64(longest)*histoAbove)
	}
	if usual > 0 {
		h.Usual = show.Duration(usual)
	}
	if wait, ok := usualWait(shown); ok {
		h.Wait = show.Duration(wait)
	}
	return h, nil
}

// usualWait is the median time that first jobs of the builds shown waited for a worker.
func usualWait(list []ci.Build) (time.Duration, bool) {
	var waits []time.Duration
	for _, b := range list {
		for _, j := range b.Jobs {
			if j.StageNumber <= 1 && !j.ReceivedAt.IsZero() && j.Attempt == 1 {
				waits = append(waits, j.ReceivedAt.Sub(j.CreatedAt))
			}
		}
	}
	if len(waits) == 0 {
		return 0, false
	}
	slices.Sort(waits)
	return waits[len(waits)/2], true
}
