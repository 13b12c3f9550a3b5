package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/internal/fault"
)

// resourceError says what kind of thing an error is about, and gives the thing where it may be seen.
type resourceError struct {
	resource string
	shown    *object
	err      error
}

// Error returns the error's text.
func (e *resourceError) Error() string { return e.resource + ": " + e.err.Error() }

// Unwrap returns the cause.
func (e *resourceError) Unwrap() error { return e.err }

// about notes what kind of thing an error is about. Nil stays nil.
func about(resource string, err error) error {
	if err == nil {
		return nil
	}
	return &resourceError{resource: resource, err: err}
}

// named gives a conflict the name that v3 has for it.
func named(kind string, err error) error {
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	return fault.Wrap(fault.Conflict, err, "%s", fault.Message(err)).Named(kind)
}

// gone is the error of a thing that is not there.
func gone(resource string) error {
	return about(resource, fault.New(fault.NotFound, "%s not found", resource))
}

// shape is how an error looks in v3.
type shape struct {
	status  int
	kind    string
	message string
}

// shapeOf is the one place where errors become v3 errors.
func shapeOf(err error, resource string) shape {
	text, kind := fault.Message(err), ""
	if f, ok := errors.AsType[*fault.Error](err); ok {
		kind = f.Kind
	}
	if s, found := shapeOfKind(kind, text); found {
		return s
	}
	switch fault.CodeOf(err) {
	case fault.Invalid:
		return shape{http.StatusBadRequest, "wrong_params", text}
	case fault.Unauthenticated:
		return shape{http.StatusForbidden, "login_required", "login required"}
	case fault.Forbidden:
		return shape{http.StatusForbidden, "insufficient_access", text}
	case fault.NotFound:
		return shape{http.StatusNotFound, "not_found", fmt.Sprintf("%s not found (or insufficient access)", resource)}
	case fault.Conflict:
		return shape{http.StatusConflict, cmp.Or(kind, "conflict"), text}
	case fault.Limited:
		return shape{http.StatusTooManyRequests, "request_limit_reached", text}
	case fault.Unavailable:
		return shape{http.StatusServiceUnavailable, "server_error", text}
	default:
		if errors.Is(err, context.DeadlineExceeded) {
			return shape{http.StatusGatewayTimeout, "timeout_error", "This took too long and was given up. Try again in a moment."}
		}
		return shape{http.StatusInternalServerError, "server_error", text}
	}
}

// shapeOfKind is the shape of cases that v3 knows by name and answers in its own way.
func shapeOfKind(kind, text string) (shape, bool) {
	switch kind {
	case "wrong_credentials":
		return shape{http.StatusForbidden, kind, "access denied"}, true
	case "login_required":
		return shape{http.StatusForbidden, kind, "login required"}, true
	case "repository_inactive":
		return shape{http.StatusNotAcceptable, kind, "cannot create requests on an inactive repository"}, true
	case "method_not_allowed":
		return shape{http.StatusMethodNotAllowed, kind, text}, true
	case "unprocessable_entity":
		return shape{http.StatusUnprocessableEntity, kind, text}, true
	}
	return shape{}, false
}

// fail answers with a v3 error. resource is what a missing thing is called where the error does not say.
func (a *API) fail(c *gin.Context, err error, resource string) {
	r, ok := errors.AsType[*resourceError](err)
	if ok {
		resource = r.resource
	}
	s := shapeOf(err, resource)
	a.tell(c, err, s.status)
	body := newObject("error").set("error_type", s.kind).set("error_message", s.message)
	body.setIf(s.status == http.StatusNotFound || s.kind == "insufficient_access", "resource_type", resource)
	if f, isFault := errors.AsType[*fault.Error](err); isFault && s.kind == "wrong_params" && len(f.Fields) > 0 {
		body.set("fields", f.Fields)
	}
	if ok && r.shown != nil {
		body.set(r.resource, r.shown)
	}
	if err := writeJSON(c.Writer, s.status, "application/json", body); err != nil {
		a.log.DebugContext(c.Request.Context(), "error not sent", "err", err)
	}
	c.Abort()
}

// tell logs what the one who asked cannot see.
func (a *API) tell(c *gin.Context, err error, status int) {
	switch {
	case errors.Is(err, context.Canceled) && c.Request.Context().Err() != nil:
		return // they went away
	case status == http.StatusInternalServerError:
		a.log.ErrorContext(c.Request.Context(), "request failed", "request_id", requestID(c), "method", c.Request.Method, "route", c.FullPath(), "err", err)
	case status > http.StatusInternalServerError:
		a.log.WarnContext(c.Request.Context(), "request not carried out", "request_id", requestID(c), "route", c.FullPath(), "status", status, "err", err)
	}
}

// Deny answers a request that was refused before it came here, in the shape that its client expects.
func (a *API) Deny(w http.ResponseWriter, r *http.Request, err error) {
	s := shapeOf(err, "request")
	body := newObject("error").set("error_type", s.kind).set("error_message", s.message)
	if err := writeJSON(w, s.status, "application/json", body); err != nil {
		a.log.DebugContext(r.Context(), "error not sent", "err", err)
	}
}

// problem answers as RFC 9457 has it; for what is no part of v3.
func (a *API) problem(c *gin.Context, status int, err error) {
	a.tell(c, err, status)
	body := new(object).set("type", "about:blank").set("title", http.StatusText(status)).set("status", status).
		set("detail", fault.Message(err)).set("instance", c.Request.URL.Path).set("request_id", requestID(c))
	if err := writeJSON(c.Writer, status, "application/problem+json", body); err != nil {
		a.log.DebugContext(c.Request.Context(), "problem not sent", "err", err)
	}
	c.Abort()
}

// noRoute answers a path that is not there.
func (a *API) noRoute(c *gin.Context) {
	if _, v3 := mountOf(c.Request); v3 {
		a.fail(c, gone("resource"), "resource")
		return
	}
	a.problem(c, http.StatusNotFound, fault.New(fault.NotFound, "There is nothing at this address. /api/openapi.json lists what there is."))
}

// noMethod answers a path that is there with another method.
func (a *API) noMethod(c *gin.Context) {
	err := fault.New(fault.Invalid, "This address does not take %s; it takes %s.", c.Request.Method, c.Writer.Header().Get("Allow")).Named("method_not_allowed")
	if _, v3 := mountOf(c.Request); v3 {
		a.fail(c, err, "resource")
		return
	}
	a.problem(c, http.StatusMethodNotAllowed, err)
}
