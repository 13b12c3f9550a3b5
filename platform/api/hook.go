package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// Hooks takes the webhooks of forges.
type Hooks interface {
	// Take gives [fault.Invalid] for what cannot be read, [fault.Unauthenticated] without a signature, [fault.Forbidden] with a
	// wrong one, [fault.Limited] after too many of those, and [fault.Unavailable] where it shall be sent again.
	Take(ctx context.Context, m ci.HookMessage) (ci.HookAnswer, error)
}

const (
	// mostHook bounds the body of a hook; GitHub sends none that is longer.
	mostHook = 25 << 20
	// hookWithin is how long a body may take to arrive.
	hookWithin = 30 * time.Second
	// smallHook bytes of a body are read whatever else is being read; what is beyond counts against mostHooks.
	smallHook = 64 << 10
	// mostHooks bounds the bytes of all large bodies that are being read at a time: nobody has been proved to be a forge yet.
	mostHooks = 8 * mostHook
)

// hookHeaders are where a forge says what a hook is.
type hookHeaders struct{ event, kind, delivery, signature string }

// hookHeadersOf are the headers of the forges whose hooks are understood. kind names the event more exactly.
func hookHeadersOf(forge string) (hookHeaders, bool) {
	h, ok := map[string]hookHeaders{
		ci.GitHub: {event: "X-GitHub-Event", delivery: "X-GitHub-Delivery", signature: "X-Hub-Signature-256"},
		ci.Gitea:  {event: "X-Gitea-Event", kind: "X-Gitea-Event-Type", delivery: "X-Gitea-Delivery", signature: "X-Gitea-Signature"},
	}[forge]
	return h, ok
}

// mountHooks adds what forges send to. They sign what they send, and need no other sign-in.
func (a *API) mountHooks(e *gin.Engine) {
	if a.Hooks == nil {
		return
	}
	var reading atomic.Int64
	e.POST("/api/hooks/:forge", func(c *gin.Context) { a.hook(c, &reading) })
}

// HooksAlone answers what forges send, and nothing else: for a node that waits for its database.
func HooksAlone(h Hooks, config Config) http.Handler {
	a := &API{Deps: Deps{Hooks: h}, config: config.withDefaults()}
	a.log = a.config.Log.With("component", "api")
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.Use(secure)
	a.mountHooks(e)
	return e
}

// hook answers POST /api/hooks/{forge}.
func (a *API) hook(c *gin.Context, reading *atomic.Int64) {
	headers, known := hookHeadersOf(c.Param("forge"))
	if !known {
		a.noRoute(c)
		return
	}
	m := ci.HookMessage{
		Forge: c.Param("forge"), Event: c.GetHeader(headers.event), Delivery: c.GetHeader(headers.delivery), Signature: c.GetHeader(headers.signature),
		ContentType: c.ContentType(), From: a.hookFrom(c.Request.Context()),
	}
	if headers.kind != "" && strings.HasPrefix(c.GetHeader(headers.kind), "pull_request_") {
		m.Event = c.GetHeader(headers.kind) // to labels, assignees, reviews, which build nothing
	}
	var err error
	if m.Body, err = readHook(c, reading); err != nil {
		a.hookRefused(c, err)
		return
	}
	answer, err := a.Hooks.Take(c.Request.Context(), m)
	if err != nil {
		a.hookRefused(c, err)
		return
	}
	status := http.StatusAccepted
	if answer.Outcome == ci.HookUnused {
		status = http.StatusOK
	}
	body := new(object).set("result", answer.Outcome).set("repository", answer.Repository).setIf(answer.RequestID != 0, "request_id", answer.RequestID)
	if err := writeJSON(c.Writer, status, "application/json", body.set("message", answer.Message)); err != nil {
		a.log.DebugContext(c.Request.Context(), "answer to a hook not sent", "err", err)
	}
}

// hookFrom is the address that a hook came from.
func (a *API) hookFrom(ctx context.Context) netip.Addr {
	if a.ClientIP == nil {
		return netip.Addr{}
	}
	return a.ClientIP(ctx)
}

// readHook reads a body within its limits.
func readHook(c *gin.Context, reading *atomic.Int64) ([]byte, error) {
	if c.Request.ContentLength > mostHook {
		return nil, &http.MaxBytesError{Limit: mostHook}
	}
	_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(hookWithin)) // a connection that knows none has no slow sender
	r := &countedReader{from: http.MaxBytesReader(c.Writer, c.Request.Body, mostHook), all: reading}
	defer func() { reading.Add(-r.counted) }()
	body, err := io.ReadAll(r)
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	if _, ours := errors.AsType[*fault.Error](err); err == nil || tooLarge || ours {
		return body, err
	}
	return nil, fault.Wrap(fault.Invalid, err, "The body broke off before its end. Send it again.")
}

// countedReader counts what is beyond the small part of a body.
type countedReader struct {
	from    io.Reader
	all     *atomic.Int64
	read    int64
	counted int64
}

// Read refuses to go on where too much is being read already.
func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.read += int64(n)
	if more := r.read - smallHook - r.counted; more > 0 {
		r.counted += more
		if r.all.Add(more) > mostHooks {
			return n, fault.New(fault.Unavailable, "Too many large hooks arrive at once. Send this one again.")
		}
	}
	return n, err
}

// hookRefused answers a hook that was not taken.
func (a *API) hookRefused(c *gin.Context, err error) {
	status, known := map[fault.Code]int{
		fault.Invalid: http.StatusBadRequest, fault.Unauthenticated: http.StatusUnauthorized, fault.Forbidden: http.StatusForbidden,
		fault.Limited: http.StatusTooManyRequests, fault.Unavailable: http.StatusServiceUnavailable,
	}[fault.CodeOf(err)]
	if !known {
		status = http.StatusInternalServerError
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		status, err = http.StatusRequestEntityTooLarge, fault.New(fault.Invalid, "A hook has at most %d MiB.", mostHook>>20)
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		c.Header("Retry-After", "30")
	}
	a.problem(c, status, err)
}
