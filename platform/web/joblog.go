package web

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/web/logview"
)

// mostRange is how many lines of a gap are given at once.
const mostRange = 2 * logview.BlockLines

// logAnswer is what has come since a cursor.
type logAnswer struct {
	Ops    []logview.Op `json:"ops"`
	Open   string       `json:"open,omitempty"`
	Cursor string       `json:"cursor"`
	More   bool         `json:"more"`
	Closed bool         `json:"closed"`
	Size   string       `json:"size"`
}

// jobLog answers what has come since a cursor, or, with from and to, lines out of a gap.
func (s *server) jobLog(c *gin.Context, _ ci.User, repo ci.Repository, at place) error {
	ctx := c.Request.Context()
	_, j, err := s.jobOf(ctx, repo, at)
	if err != nil {
		return err
	}
	if c.Query("from") != "" {
		return s.logRange(c, j)
	}
	cur, err := logview.ParseCursor(c.Query("cursor"))
	if err != nil {
		return err
	}
	if cur.Attempt > j.Attempt {
		return fault.New(fault.NotFound, "Job %s has no attempt %d.", j.Number(), cur.Attempt)
	}
	v, err := logview.After(ctx, s.Store, j.ID, cur)
	if fault.Is(err, fault.NotFound) {
		v, err = logview.View{Cursor: cur}, nil
		v.Log.Closed = cur.Attempt < j.Attempt
	}
	if err != nil {
		return err
	}
	a := logAnswer{Ops: logview.Ops(v.Items), Cursor: v.Cursor.String(), More: v.More, Closed: v.Log.Closed, Size: logSize(v.Log)}
	if v.Open != nil {
		a.Open = string(v.Open.DrawOpen())
	}
	return s.json(c, a)
}

func (s *server) logRange(c *gin.Context, j ci.Job) error {
	from, err1 := strconv.Atoi(c.Query("from"))
	to, err2 := strconv.Atoi(c.Query("to"))
	attempt, err3 := strconv.Atoi(c.DefaultQuery("attempt", strconv.Itoa(j.Attempt)))
	if err1 != nil || err2 != nil || err3 != nil || from < 1 || to < from || attempt < 1 || attempt > j.Attempt {
		return fault.New(fault.Invalid, "Ask for lines of a log by from, to and attempt, each a number from 1.")
	}
	items, err := logview.Range(c.Request.Context(), s.Store, j.ID, attempt, from, min(to, from+mostRange-1))
	if err != nil {
		return err
	}
	return s.json(c, map[string]string{"html": string(logview.HTML(items))})
}

func (s *server) json(c *gin.Context, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	c.Header("Cache-Control", "no-store")
	c.Data(http.StatusOK, "application/json; charset=utf-8", body)
	return nil
}

// jobLogText streams the log as it was written, piece by piece.
func (s *server) jobLogText(c *gin.Context, _ ci.User, repo ci.Repository, at place) error {
	ctx := c.Request.Context()
	_, j, err := s.jobOf(ctx, repo, at)
	if err != nil {
		return err
	}
	attempt, err := strconv.Atoi(c.DefaultQuery("attempt", strconv.Itoa(j.Attempt)))
	if err != nil || attempt < 1 || attempt > j.Attempt {
		return fault.New(fault.NotFound, "Job %s has no such attempt.", j.Number())
	}
	name := fmt.Sprintf("%s-%s-attempt-%d.txt", repo.Name(), j.Number(), attempt)
	kind := "inline"
	if c.Query("download") != "" {
		kind = "attachment"
	}
	c.Header("Content-Type", "text/plain; charset=utf-8")
	c.Header("Content-Disposition", kind+`; filename="`+safe(name)+`"`)
	c.Header("Cache-Control", "private, no-store")
	c.Status(http.StatusOK)
	s.copyLog(ctx, c.Writer, j.ID, attempt)
	return nil
}

// copyLog writes what is stored. An error in the middle can only end it.
func (s *server) copyLog(ctx context.Context, w http.ResponseWriter, jobID int64, attempt int) {
	const piece = 512 << 10
	var next ci.LogPos
	for {
		parts, err := s.Store.LogParts(ctx, jobID, attempt, next, piece)
		if err != nil {
			s.Log.WarnContext(ctx, "raw log broke off", slog.Int64("job_id", jobID), slog.Any("err", err))
			return
		}
		for _, p := range parts {
			if _, err := w.Write(p.Content); err != nil {
				return
			}
			next = ci.LogPos{Source: p.Source, Number: p.Number + 1}
		}
		if len(parts) == 0 {
			return
		}
	}
}
