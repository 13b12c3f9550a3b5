package ci

import (
	"encoding/json"
	"time"
)

// Repository is a source that builds are made of.
type Repository struct {
	ID   int64
	Slug string // "owner/name", unique without regard to case
	// SourceURL is where git fetches from: https, ssh or file. It may hold a password: show [Repository.PublicURL].
	SourceURL     string
	DefaultBranch string
	Private       bool
	Active        bool
	// Starred is relative to the user who asked; false where nobody did.
	Starred   bool
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Owner is the part of the slug before the last slash.
func (r Repository) Owner() string { o, _ := SplitSlug(r.Slug); return o }

// Name is the part of the slug after the last slash.
func (r Repository) Name() string { _, n := SplitSlug(r.Slug); return n }

// NewRepository is what adding a repository needs.
type NewRepository struct {
	Slug, SourceURL, DefaultBranch string
	Private                        bool
	AddedBy                        int64 // user, 0 = the system
}

// RepositoryOverview is a repository as lists show it.
type RepositoryOverview struct {
	Repository
	// Last is the newest build, nil when there is none.
	Last *Build
	// Recent are the newest builds on any branch, oldest first, at most as many as asked for.
	Recent []BuildBrief
	// BuildCount is how many builds there are.
	BuildCount int64
	// LastRequest is the newest request where that is newer than the last build, else nil.
	LastRequest *Request
}

// BuildBrief is what a bar of a sparkline needs.
type BuildBrief struct {
	ID       int64
	Number   int64
	State    State
	Duration time.Duration
}

// RepositoryFilter chooses repositories. Zero values choose all.
type RepositoryFilter struct {
	// Text is sought in the slug, without regard to case.
	Text string
	// Owner chooses one owner's.
	Owner string
	// Active, Starred choose by that property if set.
	Active, Starred *bool
	// ForUser is whose stars count.
	ForUser int64
	// Recent is how many builds each overview brings along.
	Recent int
	// SortByLast puts those with running builds first, then the latest; otherwise by id.
	SortByLast bool
	Page       Page
}

// Branch is a branch as the builds know it.
type Branch struct {
	RepositoryID int64
	Name         string
	Default      bool
	Last         *Build
	Recent       []BuildBrief
}

// Page is a cut of a list. Limit 0 means the caller's default of 25; at most 100 are given.
type Page struct{ Limit, Offset int }

// Norm returns the page with its limit between 1 and 100 and its offset not negative.
func (p Page) Norm() Page {
	if p.Limit <= 0 {
		p.Limit = 25
	}
	return Page{Limit: min(p.Limit, 100), Offset: max(p.Offset, 0)}
}

// Commit is a commit as git names it.
type Commit struct {
	ID          int64
	SHA         string
	Ref         string // refs/heads/x, refs/tags/x, refs/pull/5/merge
	Message     string
	CompareURL  string
	Range       string // from...to: the commits that are new, empty where that is not known
	AuthorName  string
	AuthorEmail string
	CommittedAt time.Time
}

// Subject is the first line of the message.
func (c Commit) Subject() string { return firstLine(c.Message) }

// Config is a JSON object as the build language made it.
type Config = json.RawMessage

// ConfigMessage is what the build language says about a configuration.
type ConfigMessage struct {
	Level  string         `json:"level"` // alert, error, warn, info
	Key    string         `json:"key"`
	Code   string         `json:"code"`
	Args   map[string]any `json:"args,omitempty"`
	Text   string         `json:"text"`
	Source string         `json:"source,omitempty"`
	Line   int            `json:"line,omitempty"`   // from 1, 0 = unknown
	Column int            `json:"column,omitempty"` // from 1, 0 = unknown
}
