package dashboard

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// Auth knows the operator, whose account is this node's own.
type Auth interface {
	// SignIn checks the password and begins a session. It answers [fault.Unauthenticated] for a wrong one and
	// [fault.Limited] after too many.
	SignIn(w http.ResponseWriter, r *http.Request, password string) error
	SignOut(w http.ResponseWriter, r *http.Request) error
	SignedIn(r *http.Request) bool
}

// Deps is what the dashboard needs.
type Deps struct {
	Auth Auth
	// Health looks at the installation now. It answers within a second, whatever is down.
	Health func(ctx context.Context) Health
	Log    *slog.Logger
	Now    func() time.Time
	Config
}

// Config names this installation.
type Config struct {
	// Host is the public name, Node the name of this node.
	Host, Node string
	// CIURL is where the developer pages are.
	CIURL   string
	Version string
}

// Status is how a part of the installation is.
type Status string

// The states of a part.
const (
	OK       Status = "ok"
	Warning  Status = "warn"
	Failed   Status = "failed"
	Starting Status = "started"
)

// Part is one thing that must work: the database, the broker, the coordinator, the workers, the queue.
type Part struct {
	// Name is what people call it: "PostgreSQL", "Workers".
	Name   string
	Status Status
	// Value is the one number or word of its tile, with its unit: "1.2 ms", "4 of 16". Note is what it counts.
	Value, Note string
	// Problem says in a sentence what is the case where the status is not [OK], and Remedy what to do about it.
	Problem, Remedy string
	// Blocks: while it is like this, nothing is built.
	Blocks bool
}

// Health is a look at the installation.
type Health struct {
	At    time.Time
	Parts []Part
}

// Verdict is the first sentence of the overview.
func (h Health) Verdict() string {
	open, starting := 0, false
	for _, p := range h.Parts {
		if p.Blocks && p.Status == Failed {
			return "Nothing is built now. " + p.Problem
		}
		if p.Status == Warning || p.Status == Failed {
			open++
		}
		starting = starting || p.Status == Starting
	}
	switch {
	case len(h.Parts) == 0:
		return "This node is starting."
	case starting && open == 0:
		return "This node is starting."
	case open == 1:
		return "Builds are flowing. 1 thing needs you."
	case open > 1:
		return "Builds are flowing. " + itoa(open) + " things need you."
	}
	return "Builds are flowing."
}

// Open are the parts that need somebody, what blocks first.
func (h Health) Open() []Part {
	var blocking, others []Part
	for _, p := range h.Parts {
		switch {
		case p.Status == OK || p.Status == Starting:
		case p.Blocks && p.Status == Failed:
			blocking = append(blocking, p)
		default:
			others = append(others, p)
		}
	}
	return append(blocking, others...)
}
