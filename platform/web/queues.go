package web

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// queuesModel is the page of all queues.
type queuesModel struct {
	Admin   bool
	Verdict string
	Rows    []queueRow
	Command string // that does the same
}

type queueRow struct {
	Name, State, Word string
	Why               string
	Since             *moment
	Waiting, Running  int
	Workers           string
	Limit             int
	Paused            bool
	Problem           string // about the limit that was typed
}

func (s *server) queues(c *gin.Context, u ci.User) error {
	return s.renderQueues(c, u, "", "", http.StatusOK)
}

func (s *server) renderQueues(c *gin.Context, u ci.User, about, problem string, status int) error {
	list, err := s.Store.Queues(c.Request.Context())
	if err != nil {
		return err
	}
	m := queuesModel{Admin: u.Admin}
	waits, paused := 0, 0
	for i, q := range list {
		if i == 0 {
			m.Command = "headrace admin queue pause " + q.Queue
		}
		row := s.queueRow(q)
		if q.Queue == about {
			row.Problem = problem
		}
		waits += q.Created
		if q.Paused {
			paused++
		}
		m.Rows = append(m.Rows, row)
	}
	m.Verdict = queuesVerdict(list, waits, paused)
	return s.render(c, u, "queues", view{Title: "Queues", Crumbs: []crumb{{Name: "Queues"}}, Live: "all", Page: m, Status: status})
}

// queuesVerdict is the answer that comes first.
func queuesVerdict(list []ci.QueueStatus, waits, paused int) string {
	lonely := 0
	for _, q := range list {
		if !q.Paused && q.Created+q.Queued > 0 && q.Workers == 0 {
			lonely++
		}
	}
	switch {
	case len(list) == 0:
		return "No queue yet"
	case lonely == 1:
		return "Jobs wait for a worker on 1 queue"
	case lonely > 1:
		return "Jobs wait for workers on " + strconv.Itoa(lonely) + " queues"
	case paused == 1:
		return "1 queue is paused"
	case paused > 1:
		return strconv.Itoa(paused) + " queues are paused"
	case waits > 0:
		return "Jobs are handed out as slots become free"
	}
	return "Nothing waits"
}

func (s *server) queueRow(q ci.QueueStatus) queueRow {
	r := queueRow{Name: q.Queue, State: "passed", Word: "Handing out", Waiting: q.Created, Running: q.Queued + q.Running, Limit: q.MaxJobs, Paused: q.Paused,
		Workers: workersText(q)}
	switch {
	case q.Paused:
		r.State, r.Word, r.Since = waiting, "Paused", momentOf(q.PausedAt, s.Now())
		if q.PausedBy != "" {
			r.Why = "by " + q.PausedBy + ", "
		}
	case q.Workers == 0 && q.Trouble != "":
		r.State, r.Word = "warn", "Cannot start jobs"
	case q.Workers == 0 && q.Draining > 0:
		r.State, r.Word = waiting, "Draining"
	case q.Workers == 0 && q.Created+q.Queued > 0:
		r.State, r.Word = "warn", "No worker"
	case q.Workers == 0:
		r.State, r.Word = "canceled", "No worker"
	case q.MaxJobs > 0 && q.Queued+q.Running >= q.MaxJobs && q.Created > 0:
		r.State, r.Word = waiting, "At its limit"
	}
	return r
}

func workersText(q ci.QueueStatus) string {
	text := "none"
	if q.Workers > 0 {
		text = strconv.Itoa(q.Workers) + ", " + strconv.Itoa(q.Slots-q.FreeSlots) + " of " + strconv.Itoa(q.Slots) + " slots busy"
	}
	if q.Draining > 0 {
		text += ", " + strconv.Itoa(q.Draining) + " that take no more"
	}
	if q.Trouble != "" {
		text += ". " + q.Trouble
	}
	return text
}

// changeQueue pauses, resumes or limits a queue.
func (s *server) changeQueue(c *gin.Context, u ci.User) error {
	if !u.Admin {
		return fault.New(fault.Forbidden, "Only administrators change queues.")
	}
	ctx, name := c.Request.Context(), c.PostForm("queue")
	switch do := c.PostForm("do"); do {
	case "pause", "resume":
		return s.act(c, do+"d", name, "/queues", func() error { return s.Dispatch.PauseQueue(ctx, name, do == "pause", u.Login) })
	case "limit":
		most, err := strconv.Atoi(strings.TrimSpace(c.PostForm("limit")))
		if strings.TrimSpace(c.PostForm("limit")) == "" {
			most, err = 0, nil
		}
		if err != nil || most < 0 {
			return s.renderQueues(c, u, name, "A number of jobs; empty is no limit.", http.StatusUnprocessableEntity)
		}
		return s.act(c, "limited", name, "/queues", func() error { return s.Dispatch.LimitQueue(ctx, name, most) })
	}
	return fault.New(fault.Invalid, "This form asks for something that Headrace does not know.")
}
