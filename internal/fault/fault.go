// Package fault owns the one error type of Headrace: what went wrong, in words for people, with a code that the edges
// (HTTP, pages, command line) turn into their own answers. It must not know any of those edges.
package fault

import (
	"errors"
	"fmt"
)

// Code says what kind of error it is. Each edge maps codes to its own answers in one place.
type Code string

// The codes. An error without a code counts as [Internal].
const (
	// Invalid means that what was sent cannot be used as it is; Fields name the parts.
	Invalid Code = "invalid"
	// Unauthenticated means that nobody is signed in, or the credentials are not known.
	Unauthenticated Code = "unauthenticated"
	// Forbidden means that who is signed in may not do this.
	Forbidden Code = "forbidden"
	// NotFound means that the thing does not exist, or may not be seen.
	NotFound Code = "not_found"
	// Conflict means that the thing is in a state which does not allow this.
	Conflict Code = "conflict"
	// Limited means that a rate or a quota is used up.
	Limited Code = "limited"
	// Unavailable means that a server which this needs does not answer; trying later may help.
	Unavailable Code = "unavailable"
	// Internal means a defect or an unknown cause; its text is logged, never shown.
	Internal Code = "internal"
)

// Error is an error that people may read.
type Error struct {
	// Code is the kind.
	Code Code
	// Kind is the narrower, stable name of the case where clients branch on one ("build_not_cancelable"), else empty.
	Kind string
	// Message is a sentence for people: what is the case, where, and what to do.
	Message string
	// Fields maps the names of form or JSON fields to what is wrong with each.
	Fields map[string]string
	// Err is the cause. It is logged and never shown.
	Err error
}

// Error returns the message and, for logs, the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns an error of a code with a message for people.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an error of a code with a message for people and its cause.
func Wrap(code Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Err: cause}
}

// Field returns an [Invalid] error about one field.
func Field(name, format string, args ...any) *Error {
	m := fmt.Sprintf(format, args...)
	return &Error{Code: Invalid, Message: m, Fields: map[string]string{name: m}}
}

// Named sets the narrower name of the case and returns e.
func (e *Error) Named(kind string) *Error {
	e.Kind = kind
	return e
}

// CodeOf returns the code of the first [Error] in err's chain, and [Internal] when there is none. For nil it returns "".
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if f, ok := errors.AsType[*Error](err); ok {
		return f.Code
	}
	return Internal
}

// Is reports whether err carries the code.
func Is(err error, code Code) bool { return err != nil && CodeOf(err) == code }

// Message returns what may be shown of err to people: the message of its [Error], or a general sentence for any other.
func Message(err error) string {
	if f, ok := errors.AsType[*Error](err); ok {
		return f.Message
	}
	return "Something inside Headrace went wrong. The log of this node says what, under the request id."
}
