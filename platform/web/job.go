package web

import (
	"context"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/assets/show"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/web/logview"
)

// jobModel is the page of one job with its log.
type jobModel struct {
	Job        ci.Job
	Build      ci.Build
	Href       string
	Name       string
	State      string
	Why        string
	Length     length
	Usual      string
	Waited     string
	SHA, Title string
	Attempt    attemptView
	Attempts   []choice
	// Old: a later attempt has taken the place of the one shown.
	Old        bool
	Phases     []phaseView
	Log        logModel
	CanCancel  bool
	CanRestart bool
	// CanPrioritize: it waits and was not put first. First: it was.
	CanPrioritize, First bool
	Ask                  string
}

// attemptView is the attempt whose log is shown.
type attemptView struct {
	Number int
	State  string
	Note   string
	Worker string
}

type phaseView struct {
	Name, Href, State, Facts, Class string
}

// logModel is the log as a page shows it at first.
type logModel struct {
	JobID   int64
	Attempt int
	URL     string
	Cursor  string
	Closed  bool
	HTML    template.HTML
	Open    template.HTML
	Size    string
	Text    string // address of the raw text
	Empty   string // why there is nothing
	State   string
	Removed string
}

// jobOf finds "12.3" among the jobs of build 12.
func (s *server) jobOf(ctx context.Context, repo ci.Repository, at place) (ci.Build, ci.Job, error) {
	number, index, _ := strings.Cut(at.arg, ".")
	b, err := s.buildOf(ctx, repo, place{arg: number})
	if err != nil {
		return b, ci.Job{}, err
	}
	i, err := strconv.Atoi(index)
	if err != nil {
		return b, ci.Job{}, fmt.Errorf("job number %q: %w", at.arg, err)
	}
	for _, j := range b.Jobs {
		if j.Index == i {
			return b, j, nil
		}
	}
	return b, ci.Job{}, fault.New(fault.NotFound, "Build #%d of %s has no job %s. It has %s.", b.Number, repo.Slug, at.arg, show.Count(len(b.Jobs), "job"))
}

func (s *server) jobPage(c *gin.Context, u ci.User, repo ci.Repository, at place) error {
	ctx := c.Request.Context()
	b, j, err := s.jobOf(ctx, repo, at)
	if err != nil {
		return err
	}
	m := jobModel{Job: j, Build: b, Href: jobHref(j), Name: jobName(j, b.Jobs), State: string(j.State), SHA: short(b.Commit.SHA), Title: b.Title(),
		CanCancel: !j.State.Final(), CanRestart: j.State.Final(), Ask: "Cancel job " + j.Number() + "?"}
	if err := s.jobTimes(ctx, &m, b); err != nil {
		return err
	}
	attempt, err := s.attemptOf(ctx, c.Query("attempt"), j, &m)
	if err != nil {
		return err
	}
	around, _ := strconv.Atoi(c.Query("line")) // nothing, or nonsense: the page from its beginning
	if err := s.jobLogModel(ctx, &m, attempt, around); err != nil {
		return err
	}
	title := fmt.Sprintf("%s %s · %s", j.Number(), strings.ToLower(word(m.State)), repo.Name())
	return s.render(c, u, "job", view{Title: title, Mark: marks[j.State], Icon: favicon(j.State), Script: "log.js", Live: fmt.Sprintf("job:%d build:%d", j.ID, b.ID),
		Crumbs: repoCrumbs(repo, crumb{Name: fmt.Sprintf("#%d", b.Number), Href: buildHref(repo.Slug, b.Number)}, crumb{Name: "." + strconv.Itoa(j.Index)}), Page: m})
}

func (s *server) jobTimes(ctx context.Context, m *jobModel, b ci.Build) error {
	j, now := m.Job, s.Now()
	m.Length = lengthOf(j.StartedAt, j.FinishedAt, now)
	if !j.ReceivedAt.IsZero() {
		m.Waited = "waited " + show.Duration(j.Waited(now))
	}
	if j.State == ci.Created || j.State == ci.Queued {
		waits, err := s.Store.WhyWaiting(ctx, j.ID)
		if err != nil {
			return err
		}
		m.State, m.Why = standing(j, waits)
		m.CanPrioritize, m.First = canGoFirst([]ci.Job{j})
		m.Waited = "waits since " + show.Ago(j.CreatedAt, now)
	} else {
		m.Why = j.Reason.Text()
	}
	if j.CanceledBy != "" {
		m.Why = "Canceled by " + j.CanceledBy + "."
	}
	if len(b.Jobs) == 1 {
		usual, err := s.Store.UsualDuration(ctx, j.RepositoryID, b.Branch)
		if err != nil {
			return err
		}
		if usual > 0 {
			m.Usual = show.Duration(usual)
		}
	}
	return nil
}

// attemptOf chooses the attempt to show: the one asked for, or the current one.
func (s *server) attemptOf(ctx context.Context, asked string, j ci.Job, m *jobModel) (int, error) {
	all, err := s.Store.Attempts(ctx, j.ID)
	if err != nil {
		return 0, err
	}
	want := j.Attempt
	if asked != "" {
		n, err := strconv.Atoi(asked)
		if err != nil || n < 1 || n > j.Attempt {
			return 0, fault.New(fault.NotFound, "Job %s has no attempt %s. It has %s.", j.Number(), show.Cut(asked, 20), show.Count(j.Attempt, "attempt"))
		}
		want = n
	}
	m.Old = want != j.Attempt
	m.Attempt = attemptView{Number: want, State: string(j.State), Worker: j.WorkerName}
	for _, a := range all {
		if a.Number == want {
			m.Attempt = attemptView{Number: want, State: string(a.State), Note: a.Note, Worker: a.WorkerName}
		}
		href := m.Href
		if a.Number != j.Attempt {
			href += "?attempt=" + strconv.Itoa(a.Number)
		}
		m.Attempts = append(m.Attempts, choice{Name: strconv.Itoa(a.Number), Href: href, Here: a.Number == want})
	}
	if len(m.Attempts) < 2 {
		m.Attempts = nil
	}
	return want, nil
}

func (s *server) jobLogModel(ctx context.Context, m *jobModel, attempt, around int) error {
	l := logModel{JobID: m.Job.ID, Attempt: attempt, URL: m.Href + "/log", Text: fmt.Sprintf("%s/log.txt?attempt=%d", m.Href, attempt), State: m.State}
	if m.Old {
		l.State = m.Attempt.State
	}
	v, err := logview.Page(ctx, s.Store, m.Job.ID, attempt, around)
	if fault.Is(err, fault.NotFound) { // nothing was written yet
		l.Cursor = logview.Cursor{Attempt: attempt, Line: 1}.String()
		l.Closed = m.Job.State.Final() && m.Job.ReceivedAt.IsZero()
		l.Empty = emptyLog(*m)
		m.Log = l
		return nil
	}
	if err != nil {
		return err
	}
	l.Cursor, l.Closed, l.HTML, l.Size = v.Cursor.String(), v.Log.Closed, logview.HTML(v.Items), logSize(v.Log)
	if v.Open != nil {
		l.Open = v.Open.DrawOpen()
	}
	if len(v.Items) == 0 && v.Open == nil {
		l.Empty = emptyLog(*m)
	}
	if !v.Log.RemovedAt.IsZero() {
		l.Empty = removedLog(v.Log, s.Now())
	}
	m.Log = l
	m.Phases = phasesOf(logview.Phases(v.Items), m.Attempt.State)
	return nil
}

// removedLog says who removed a log and when.
func removedLog(l ci.Log, now time.Time) string {
	if l.RemovedBy == "" {
		return fmt.Sprintf("This log was removed %s: it is older than logs are kept here.", show.Ago(l.RemovedAt, now))
	}
	return fmt.Sprintf("This log was removed by %s, %s.", l.RemovedBy, show.Ago(l.RemovedAt, now))
}

// emptyLog says why a log has no line.
func emptyLog(m jobModel) string {
	switch {
	case m.Why != "" && m.State == waiting:
		return "The log begins when a worker has the job. It waits: " + m.Why
	case m.Job.State == ci.Canceled:
		return "There is no log: the job did not start. " + m.Why
	case m.Job.State.Final():
		return "This job wrote nothing."
	case m.Job.State == ci.Received || m.Job.State == ci.Started:
		return "A worker has the job. Its first lines come in a moment."
	}
	return "The log begins when a worker has the job."
}

func logSize(l ci.Log) string {
	if l.Bytes == 0 {
		return ""
	}
	return show.Count(l.Lines, "line") + ", " + show.Bytes(l.Bytes)
}

func phasesOf(phases []logview.Phase, state string) []phaseView {
	running := state == string(ci.Started) || state == string(ci.Received)
	var out []phaseView
	for i, p := range phases {
		last := i == len(phases)-1
		v := phaseView{Name: p.Name, Href: fmt.Sprintf("#L%d", p.Line), State: "passed"}
		if p.Took > 0 {
			v.Facts = show.Short(p.Took)
		}
		switch {
		case last && running:
			v.State, v.Class = "started", "run"
		case p.Bad && p.Name == "Script" && state == string(ci.Failed), last && p.Open && state == string(ci.Failed):
			v.State = "failed"
		case last && p.Open && (state == string(ci.Errored) || state == string(ci.Canceled)):
			v.State = state
		}
		out = append(out, v)
	}
	return out
}

func (s *server) cancelJob(c *gin.Context, u ci.User, repo ci.Repository, at place) error {
	_, j, err := s.jobOf(c.Request.Context(), repo, at)
	if err != nil {
		return err
	}
	return s.act(c, "canceled", "Job "+j.Number(), jobHref(j), func() error { return s.Dispatch.CancelJob(c.Request.Context(), j.ID, u.Login) })
}

func (s *server) restartJob(c *gin.Context, u ci.User, repo ci.Repository, at place) error {
	_, j, err := s.jobOf(c.Request.Context(), repo, at)
	if err != nil {
		return err
	}
	return s.act(c, "restarted", "Job "+j.Number(), jobHref(j), func() error { return s.Dispatch.RestartJob(c.Request.Context(), j.ID, u.Login) })
}
