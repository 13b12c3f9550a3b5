package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/ci"
)

const (
	// retryAfter is how soon a client shall come back after a stream broke off.
	retryAfter = 2 * time.Second
	// writeWithin is how long one event may take to be sent; a client that takes longer is let go, and resumes.
	writeWithin = 30 * time.Second
)

// stream writes server-sent events.
type stream struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	control *http.ResponseController
}

// newStream begins an answer of events.
func newStream(w http.ResponseWriter) (*stream, error) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)
	s := &stream{w: w, control: controller(w)}
	return s, s.send(fmt.Sprintf("retry: %d\n\n", retryAfter.Milliseconds()))
}

// controller controls the connection itself: gin's own Flush hides that there is none.
func controller(w http.ResponseWriter) *http.ResponseController {
	if u, wrapped := w.(interface{ Unwrap() http.ResponseWriter }); wrapped {
		w = u.Unwrap()
	}
	return http.NewResponseController(w)
}

// allowTime gives the next write its time.
func allowTime(c *http.ResponseController) error {
	if err := c.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// patient writes a long answer: each piece has a time limit, instead of the whole.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

func newPatient(w http.ResponseWriter) patient { return patient{w, controller(w)} }

// Write writes a piece.
func (p patient) Write(b []byte) (int, error) {
	if err := allowTime(p.control); err != nil {
		return 0, err
	}
	return p.ResponseWriter.Write(b)
}

// event sends data as JSON. Empty name and id are left out.
func (s *stream) event(id, name string, data any) error {
	var b bytes.Buffer
	if id != "" {
		b.WriteString("id: " + id + "\n")
	}
	if name != "" {
		b.WriteString("event: " + name + "\n")
	}
	b.WriteString("data: ")
	if err := encode(&b, data); err != nil {
		return err
	}
	b.WriteString("\n\n")
	return s.send(b.String())
}

func (s *stream) send(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := allowTime(s.control); err != nil {
		return err
	}
	if _, err := io.WriteString(s.w, text); err != nil {
		return err
	}
	return s.control.Flush()
}

// serve keeps a stream alive while produce fills it: until produce returns, the client goes, the time is over or the
// server shuts down.
func (a *API) serve(ctx context.Context, w http.ResponseWriter, produce func(context.Context, *stream) error) error {
	ctx, cancel := context.WithTimeout(ctx, a.config.StreamFor)
	defer cancel()
	s, err := newStream(w)
	if err != nil {
		return err
	}
	a.metrics.streams.Inc()
	defer a.metrics.streams.Dec()
	g := run.NewGroup(ctx)
	g.Go("keep stream alive", func(ctx context.Context) error { return a.keepAlive(ctx, g, s) })
	g.Go("fill stream", func(ctx context.Context) error {
		defer g.Stop()
		return produce(ctx, s)
	})
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

func (a *API) keepAlive(ctx context.Context, g *run.Group, s *stream) error {
	tick := time.NewTicker(a.config.KeepAlive)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.config.Closing:
			g.Stop()
			return nil
		case <-tick.C:
			if err := s.send(": still here\n\n"); err != nil {
				return err
			}
		}
	}
}

// streamLog answers GET /job/{id}/log/stream. The id of an event is attempt.source.number; a client that comes back with
// it goes on after that part, at whatever node. The event "end" says that the log is closed.
func (a *API) streamLog(ctx context.Context, c *call) (answer, error) {
	j, err := a.job(ctx, c)
	if err != nil {
		return answer{}, err
	}
	attempt, from, err := streamFrom(c)
	if err != nil {
		return answer{}, err
	}
	if attempt == 0 {
		attempt = j.Attempt
	}
	if attempt > j.Attempt {
		return answer{}, gone("log")
	}
	l := ci.Log{JobID: j.ID, Attempt: attempt}
	text, err := a.stitcherAt(ctx, l, from)
	if err != nil {
		return answer{}, err
	}
	return answer{write: func(w http.ResponseWriter) error {
		return a.serve(ctx, w, func(ctx context.Context, s *stream) error { return a.followLog(ctx, s, l, from, text) })
	}}, nil
}

func (a *API) followLog(ctx context.Context, s *stream, l ci.Log, from ci.LogPos, text *stitcher) error {
	err := a.Live.Follow(ctx, l.JobID, l.Attempt, from, func(parts []ci.LogPart) error {
		for _, p := range parts {
			data := new(object).set("number", p.Number).set("source", int(p.Source)).set("content", text.text(p)).set("final", p.Final)
			if err := s.event(fmt.Sprintf("%d.%d.%d", l.Attempt, p.Source, p.Number), "", data.set("first_line", p.FirstLine)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.event("", "end", new(object).set("attempt", l.Attempt))
}

// streamFrom is where a stream of a log begins: after the last event that the client has, or at the start of an attempt.
func streamFrom(c *call) (attempt int, from ci.LogPos, err error) {
	if attempt, err = c.number("log.attempt", 0); err != nil {
		return 0, ci.LogPos{}, err
	}
	last, err := c.lastEventID("log.last_event_id")
	if err != nil || last == "" {
		return attempt, ci.LogPos{}, err
	}
	parts := strings.Split(last, ".")
	n := make([]int, len(parts))
	for i, p := range parts {
		if n[i], err = strconv.Atoi(p); err != nil || n[i] < 0 || n[i] >= sourceStep {
			n = nil
			break
		}
	}
	if len(n) != 3 || n[0] < 1 || (attempt != 0 && attempt != n[0]) {
		return 0, ci.LogPos{}, fault.Field("Last-Event-ID", "Last-Event-ID must be the id of an event of this attempt's log: attempt.source.number, for example 1.1.42.")
	}
	return n[0], ci.LogPos{Source: ci.LogSource(n[1]), Number: n[2] + 1}, nil
}

// lastEventID is the last event that the client has, from the header, or from the query for clients that cannot set one.
func (c *call) lastEventID(param string) (string, error) {
	if h := c.header.Get("Last-Event-ID"); h != "" {
		if !clean(h) || len(h) > 200 {
			return "", fault.Field("Last-Event-ID", "Last-Event-ID must be the id of an event of this stream.")
		}
		return h, nil
	}
	return c.text(param)
}

// streamEvents answers GET /events: hints that something changed. Readers look the thing up.
func (a *API) streamEvents(ctx context.Context, c *call) (answer, error) {
	last, err := c.lastEventID("events.last_event_id")
	if err != nil {
		return answer{}, err
	}
	return answer{write: func(w http.ResponseWriter) error {
		return a.serve(ctx, w, func(ctx context.Context, s *stream) error {
			return a.Live.Subscribe(ctx, last, func(id string, changes []ci.Change) error { return s.event(id, "", changes) })
		})
	}}, nil
}
