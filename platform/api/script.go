package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/internal/fault"
)

// Scripts makes build scripts for workers that do not make them themselves.
type Scripts interface {
	// Allowed says whether the token is what such a worker must show. It takes a time that says nothing about the right one.
	Allowed(ctx context.Context, token string) (bool, error)
	// Script turns a job message into bash text; jobID is the job that was named beside it, "" for none. The job's secrets
	// are in it for a message that shows the token of its attempt; that of another gives a [fault.Forbidden]. A job that no
	// script can be made of gets one that says so; a message that is none gives a [fault.Invalid].
	Script(ctx context.Context, message []byte, jobID string) ([]byte, error)
}

// mostMessage bounds a job message.
const mostMessage = 8 << 20

// scriptPaths are the addresses at which scripts are served: ours, and the one that the open-source worker knows from
// Travis CI Enterprise.
func scriptPaths() []string { return []string{"/script", "/__build__/script"} }

// script answers POST /script. Its clients are programs that look at the status only.
func (a *API) script(c *gin.Context) {
	header := c.GetHeader("Authorization")
	if header == "" {
		c.Header("WWW-Authenticate", "token")
		a.problem(c, http.StatusUnauthorized, fault.New(fault.Unauthenticated, "Scripts are given for a token: send the header Authorization: token with what headrace admin rabbitmq-password --script-token shows."))
		return
	}
	scheme, given, _ := strings.Cut(header, " ")
	allowed, err := a.Scripts.Allowed(c.Request.Context(), strings.TrimSpace(given))
	if err != nil {
		a.problem(c, shapeOf(err, "script").status, err)
		return
	}
	if !strings.EqualFold(scheme, "token") || !allowed {
		a.problem(c, http.StatusForbidden, fault.New(fault.Forbidden, "This is not the token for scripts. headrace admin rabbitmq-password --script-token shows it."))
		return
	}
	message, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, mostMessage))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		a.problem(c, http.StatusRequestEntityTooLarge, fault.New(fault.Invalid, "The job message is larger than %d bytes.", mostMessage))
		return
	}
	if err != nil {
		return // they went away
	}
	text, err := a.Scripts.Script(c.Request.Context(), message, c.Query("job_id"))
	if err != nil {
		a.problem(c, shapeOf(err, "script").status, err)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.Data(http.StatusOK, "text/plain; charset=utf-8", text)
}
