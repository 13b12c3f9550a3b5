package web

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/assets/show"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/web/logview"
)

// buildModel is the page of one build.
type buildModel struct {
	Build    ci.Build
	Href     string
	State    string
	Why      string
	Sum      string // "1 of 15 jobs failed"
	SHA      string
	By       string
	Length   length
	Usual    string
	When     *moment
	Pull     *pullView
	Flow     []flowGate
	Failure  *failure
	Stages   []stageView
	Messages []message
	// MessagesFirst: the configuration stopped the build.
	MessagesFirst bool
	Restart       string // the main button; empty: none
	CanRestart    bool
	CanCancel     bool
	// CanPrioritize: a job waits that was not put first. First: all that waits was.
	CanPrioritize, First bool
	Name                 string // "Build #12" in questions
}

// flowGate is one stage of the flow over a build.
type flowGate struct {
	Name, Facts, State, Href string
	Class                    string // run, stop, dry
	Now                      bool
}

// failure is the lines of the first failing job around what failed.
type failure struct {
	Job   string
	State string
	Facts string
	Lines []logview.Line
	Href  string
	At    int
}

// stageView is one stage with its jobs, as a table where they fill one.
type stageView struct {
	ID, Name string
	Sum      string
	Jobs     []jobCell
	Cols     []string
	Rows     []matrixRow
}

type matrixRow struct {
	Name  string
	Note  string
	Cells []*jobCell
}

// jobCell is a job in a list or a table.
type jobCell struct {
	ID                  int64
	Name, Number, Index string
	Href, State, Label  string
	Length              length
	Fill                string // class of the bar
	Part                int    // of the longest in the build, percent
	Allowed             bool
	Why                 string
}

func (s *server) buildOf(ctx context.Context, repo ci.Repository, at place) (ci.Build, error) {
	number, err := strconv.ParseInt(at.arg, 10, 64)
	if err != nil {
		return ci.Build{}, fmt.Errorf("build number %q: %w", at.arg, err)
	}
	return s.Store.BuildByNumber(ctx, repo.ID, number)
}

func (s *server) buildPage(c *gin.Context, u ci.User, repo ci.Repository, at place) error {
	ctx := c.Request.Context()
	b, err := s.buildOf(ctx, repo, at)
	if err != nil {
		return err
	}
	now := s.Now()
	m := buildModel{Build: b, Href: buildHref(repo.Slug, b.Number), State: string(b.State), Sum: jobsWords(b), SHA: short(b.Commit.SHA), By: asker(b),
		Length: lengthOf(b.StartedAt, b.FinishedAt, now), When: momentOf(lastMoved(b), now), Messages: messagesOf(concerns(b.Messages)), Name: fmt.Sprintf("Build #%d", b.Number)}
	waits, err := s.waitsOf(ctx, b)
	if err != nil {
		return err
	}
	usual, err := s.Store.UsualDuration(ctx, repo.ID, b.Branch)
	if err != nil {
		return err
	}
	if usual > 0 {
		m.Usual = show.Duration(usual)
	}
	if m.Why = whyFirst(b, waits); m.Why != "" {
		m.State = waiting
	}
	m.Pull = pullOf(b)
	m.Flow = flowOf(b, now)
	m.Stages = s.stagesOf(b, waits)
	if m.Failure, err = s.failureOf(ctx, b); err != nil {
		return err
	}
	m.MessagesFirst = b.State == ci.Errored && len(b.Jobs) == 0
	m.Restart, m.CanRestart, m.CanCancel = buildActs(b)
	m.CanPrioritize, m.First = canGoFirst(b.Jobs)
	v := view{Title: fmt.Sprintf("#%d %s · %s", b.Number, strings.ToLower(word(m.State)), repo.Name()), Mark: marks[b.State], Icon: favicon(b.State),
		Crumbs: repoCrumbs(repo, crumb{Name: fmt.Sprintf("#%d", b.Number)}), Live: fmt.Sprintf("build:%d", b.ID), Page: m}
	return s.render(c, u, "build", v)
}

// asker says who asked for the build, and how.
func asker(b ci.Build) string {
	by := byWords(b)
	if b.Event == ci.EventCron || by == "" {
		return "by " + string(b.Event)
	}
	return by + ", by " + strings.ReplaceAll(string(b.Event), "_", " ")
}

// buildActs says what can be done: the words of the main button for what did not pass, restart of all, cancel.
func buildActs(b ci.Build) (restart string, all, cancel bool) {
	bad := b.JobCounts[ci.Failed] + b.JobCounts[ci.Errored]
	if b.State.Final() {
		all = len(b.Jobs) > 0
		switch {
		case b.State == ci.Passed:
		case bad == 1:
			restart = "Restart failed job"
		case bad > 1:
			restart = fmt.Sprintf("Restart %d failed jobs", bad)
		case b.State == ci.Canceled:
			restart = "Restart canceled jobs"
		}
		return restart, all, false
	}
	return "", false, true
}

func flowOf(b ci.Build, now time.Time) []flowGate {
	if len(b.Stages) == 0 {
		return nil
	}
	flow := []flowGate{{Name: sourceName(b), Facts: short(b.Commit.SHA)}}
	dry := false
	for _, st := range b.Stages {
		jobs := stageJobs(b.Jobs, st.Number)
		g := flowGate{Name: st.Name, State: string(st.State), Href: fmt.Sprintf("#stage-%d", st.Number), Facts: stageFacts(st, jobs, now)}
		switch {
		case dry:
			g.Class = "dry"
		case st.State == ci.Started || st.State == ci.Received:
			g.Class, g.Now, dry = "run", true, true
		case st.State.Final() && st.State != ci.Passed:
			g.Class, g.Now, dry = "stop", true, true
		case !st.State.Final():
			g.Class, dry = "dry", true
		}
		flow = append(flow, g)
	}
	return flow
}

func sourceName(b ci.Build) string {
	switch b.Event {
	case ci.EventPullRequest:
		return "Pull request"
	case ci.EventAPI:
		return "Triggered"
	case ci.EventCron:
		return "Cron"
	case ci.EventPush:
	}
	return "Push"
}

func stageFacts(st ci.Stage, jobs []ci.Job, now time.Time) string {
	ended, passed, never := 0, 0, 0
	for _, j := range jobs {
		if j.State.Final() {
			ended++
		}
		if j.State == ci.Passed {
			passed++
		}
		if j.State == ci.Canceled && j.StartedAt.IsZero() {
			never++
		}
	}
	d := ""
	if !st.StartedAt.IsZero() {
		d = " · " + lengthOf(st.StartedAt, st.FinishedAt, now).Text
	}
	switch {
	case never == len(jobs) && never > 0:
		return "did not start"
	case st.State == ci.Passed:
		return show.Count(len(jobs), "job") + d
	case st.State.Final():
		return fmt.Sprintf("%d of %d passed", passed, len(jobs)) + d
	case st.StartedAt.IsZero():
		return show.Count(len(jobs), "job")
	}
	return fmt.Sprintf("%d of %d ended", ended, len(jobs)) + d
}

// failureOf reads what failed first: a required job before one that may fail.
func (s *server) failureOf(ctx context.Context, b ci.Build) (*failure, error) {
	var first *ci.Job
	for i, j := range b.Jobs {
		if (j.State == ci.Failed || j.State == ci.Errored) && (first == nil || first.AllowFailure && !j.AllowFailure) {
			first = &b.Jobs[i]
		}
	}
	if first == nil || first.AllowFailure && b.State == ci.Passed {
		return nil, nil //nolint:nilnil // nothing failed is an answer
	}
	ex, err := logview.FindFailure(ctx, s.Store, first.ID, first.Attempt)
	if err != nil {
		return nil, err
	}
	f := &failure{Job: first.Number() + " " + jobName(*first, b.Jobs), State: string(first.State), Lines: ex.Lines, At: ex.At, Href: jobHref(*first)}
	var facts []string
	if t := first.Reason.Text(); t != "" {
		facts = append(facts, t)
	}
	if d := first.Duration(s.Now()); d > 0 {
		facts = append(facts, "after "+show.Duration(d))
	}
	if first.ExitCode != nil {
		facts = append(facts, fmt.Sprintf("exit code %d", *first.ExitCode))
	}
	f.Facts = strings.Join(facts, ", ")
	return f, nil
}

// act runs one act on a build and returns to it.
func (s *server) act(c *gin.Context, what, about, href string, do func() error) error {
	if err := do(); err != nil {
		return err
	}
	s.say(c, what, about)
	c.Redirect(http.StatusSeeOther, href)
	return nil
}

func (s *server) cancelBuild(c *gin.Context, u ci.User, repo ci.Repository, at place) error {
	b, err := s.buildOf(c.Request.Context(), repo, at)
	if err != nil {
		return err
	}
	return s.act(c, "canceled", fmt.Sprintf("Build #%d", b.Number), buildHref(repo.Slug, b.Number), func() error {
		return s.Dispatch.CancelBuild(c.Request.Context(), b.ID, u.Login)
	})
}

func (s *server) restartBuild(c *gin.Context, u ci.User, repo ci.Repository, at place) error {
	b, err := s.buildOf(c.Request.Context(), repo, at)
	if err != nil {
		return err
	}
	return s.act(c, "restarted", fmt.Sprintf("Build #%d", b.Number), buildHref(repo.Slug, b.Number), func() error {
		return s.Dispatch.RestartBuild(c.Request.Context(), b.ID, u.Login, c.PostForm("only") == "not-passed")
	})
}
