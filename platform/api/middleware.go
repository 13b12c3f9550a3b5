package api

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// requestIDHeader names a request in answers and logs.
const requestIDHeader = "X-Request-Id"

// requestID is the name that observe gave the request.
func requestID(c *gin.Context) string { return c.Writer.Header().Get(requestIDHeader) }

// mountOf returns where the path hangs, and whether v3 answers there.
func mountOf(r *http.Request) (mount string, v3 bool) {
	for _, m := range mounts {
		if m != "" && (r.URL.Path == m || strings.HasPrefix(r.URL.Path, m+"/")) {
			return m, true
		}
	}
	return "", speaksV3(r)
}

// observe names, times, counts and logs a request. Queries are not logged: they may hold what is not for logs.
func (a *API) observe(c *gin.Context) {
	var id [8]byte
	rand.Read(id[:]) //nolint:errcheck,gosec // documented never to return an error
	c.Header(requestIDHeader, hex.EncodeToString(id[:]))
	start := time.Now()
	c.Next()
	took := time.Since(start)
	route := routeName(c.FullPath())
	a.metrics.request(c.Request.Method, route, c.Writer.Status(), took)
	level := slog.LevelDebug
	if c.Request.Method != http.MethodGet && c.Request.Method != http.MethodHead {
		level = slog.LevelInfo
	}
	a.log.LogAttrs(c.Request.Context(), level, "request", slog.String("request_id", requestID(c)), slog.String("method", c.Request.Method),
		slog.String("path", c.Request.URL.Path), slog.Int("status", c.Writer.Status()), slog.Duration("took", took), slog.Int("bytes", c.Writer.Size()))
}

// routeName is the route without its mount, one of a bounded set.
func routeName(full string) string {
	if full == "" {
		return "none"
	}
	for _, m := range mounts {
		if rest, ok := strings.CutPrefix(full, m+"/"); ok && m != "" {
			return "/" + rest
		}
	}
	return full
}

// recover answers a panic in a handler with an error and logs its stack.
func (a *API) recover(c *gin.Context) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p) // net/http's own sign to drop the connection
		}
		a.log.ErrorContext(c.Request.Context(), "panic in a handler", "request_id", requestID(c), "route", c.FullPath(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		if c.Writer.Written() {
			panic(http.ErrAbortHandler) // half an answer must not look whole
		}
		a.fail(c, fmt.Errorf("panic: %v", p), "resource")
	}()
	c.Next()
}

// secure keeps answers out of caches and browsers from guessing what they are.
func secure(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
}
