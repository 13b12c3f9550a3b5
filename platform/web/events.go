package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/platform/ci"
)

const (
	// beat is how often a quiet connection says that it is there.
	beat = 15 * time.Second
	// gather is how long changes are collected before they are sent together.
	gather = 60 * time.Millisecond
	// mostGathered bounds what is collected.
	mostGathered = 500
)

// events streams what changes, as hints. It is the one connection that a browser holds; it ends with the request.
func (s *server) events(c *gin.Context) {
	ctx := c.Request.Context()
	if _, err := s.Who(ctx); err != nil {
		c.AbortWithStatus(http.StatusUnauthorized)
		return
	}
	changes, err := s.Changes(ctx)
	if err != nil {
		c.AbortWithStatus(http.StatusServiceUnavailable)
		return
	}
	h := c.Writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	out := eventWriter{w: c.Writer, flush: http.NewResponseController(c.Writer)}
	if !out.send("hello", []byte("{}")) {
		return
	}
	out.pump(c, changes)
}

type eventWriter struct {
	w     http.ResponseWriter
	flush *http.ResponseController
}

func (e eventWriter) send(name string, data []byte) bool {
	// A reader that takes nothing for longer than two beats is gone.
	_ = e.flush.SetWriteDeadline(time.Now().Add(2 * beat)) // not every server has deadlines
	if _, err := fmt.Fprintf(e.w, "event: %s\ndata: %s\n\n", name, data); err != nil {
		return false
	}
	return e.flush.Flush() == nil
}

func (e eventWriter) pump(c *gin.Context, changes <-chan ci.Change) {
	quiet := time.NewTicker(beat)
	defer quiet.Stop()
	var held []ci.Change
	var ready <-chan time.Time
	for {
		select {
		case <-c.Request.Context().Done():
			return
		case <-quiet.C:
			if !e.send("beat", []byte("{}")) {
				return
			}
		case ch, ok := <-changes:
			if !ok {
				return
			}
			held = merge(held, ch)
			if ready == nil {
				ready = time.After(gather)
			}
		case <-ready:
			data, err := json.Marshal(held)
			if err != nil || !e.send("changes", data) {
				return
			}
			held, ready = held[:0], nil
		}
	}
}

// merge keeps one hint per log: the newest says all.
func merge(held []ci.Change, c ci.Change) []ci.Change {
	for i, h := range held {
		if c.Kind == ci.ChangeLog && h.Kind == ci.ChangeLog && h.Job == c.Job && h.Attempt == c.Attempt {
			held[i] = c
			return held
		}
		if h == c {
			return held
		}
	}
	if len(held) >= mostGathered {
		held = held[1:]
	}
	return append(held, c)
}
