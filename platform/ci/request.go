package ci

import "time"

// Event is what asked for a build, spelt as in the Travis API v3.
type Event string

// The events.
const (
	EventPush        Event = "push"
	EventPullRequest Event = "pull_request"
	EventAPI         Event = "api"
	EventCron        Event = "cron"
)

// RequestState is how far a request has come.
type RequestState string

// The states of a request.
const (
	// RequestPending: stored, not yet worked on or to be tried again.
	RequestPending RequestState = "pending"
	// RequestFinished: worked on; its result says with what outcome.
	RequestFinished RequestState = "finished"
)

// RequestResult is the outcome of a request.
type RequestResult string

// The results of a request.
const (
	// RequestOpen: none yet.
	RequestOpen RequestResult = ""
	// RequestApproved: it made a build.
	RequestApproved RequestResult = "approved"
	// RequestRejected: it made no build; the message says why.
	RequestRejected RequestResult = "rejected"
)

// MaxRequestTries is how often a request that cannot be read is tried before it is rejected with its last error.
const MaxRequestTries = 5

// Request asks for a build.
type Request struct {
	ID           int64
	RepositoryID int64
	Event        Event
	Branch       string // the branch, or of a pull request its base
	Tag          string
	SHA          string // may be empty: the head of the branch or the tag
	// Message overrides the commit's message where it is not empty.
	Message string
	// Config is YAML or JSON text that is merged over the repository's own by MergeMode. Empty: none.
	Config    string
	MergeMode string
	// CreatedBy is the user, 0 = the system.
	CreatedBy      int64
	CreatedByLogin string
	Hook           Hook
	// PullRequest is of the event [EventPullRequest], else nil.
	PullRequest *PullRequest
	State       RequestState
	Result      RequestResult
	// Reason says, for people, why there is no build (yet): of a rejected one the cause, of a pending one the last error.
	Reason string
	// Tries is how often it was worked on.
	Tries int
	// NextTry is when it is due again; zero while it is worked on, and when it is finished.
	NextTry  time.Time
	BuildIDs []int64
	Messages []ConfigMessage
	Created  time.Time
	Finished time.Time
}

// NewRequest is what storing a request needs.
type NewRequest struct {
	RepositoryID int64
	// Key makes it idempotent: the same key in the same repository gives the same request. Empty: always a new one.
	Key                       string
	Event                     Event
	Branch, Tag, SHA, Message string
	Config, MergeMode         string
	CreatedBy                 int64
	Hook                      Hook
	PullRequest               *PullRequest
}

// Hook is what a forge's hook said beside what is to be built. All of it is empty where there was none.
type Hook struct {
	Forge    string // github or gitea
	Delivery string // the forge's id of this message
	Sender   string // login at the forge of whose doing it was
	// Before is the commit that a branch had before a push; empty: none.
	Before     string
	CompareURL string
}

// RequestFilter chooses requests.
type RequestFilter struct {
	RepositoryID  int64
	State         RequestState // empty: all
	Result        RequestResult
	WithoutBuilds bool
	Page          Page
}

// NewBuild is what a request turned into.
type NewBuild struct {
	RequestID    int64
	RepositoryID int64
	Event        Event
	Branch, Tag  string
	Commit       Commit
	// Trusted: see [Build]. Whoever makes the build says so; the zero value gives no secret away.
	Trusted     bool
	Sender      string
	PullRequest *PullRequest
	FastFinish  bool
	Config      Config // the normalised configuration
	ConfigText  string // .travis.yml as it was read
	ConfigFiles []ConfigFile
	Messages    []ConfigMessage
	Stages      []string // names in run order, empty: none
	Jobs        []NewJob // in the order of their numbers
	CreatedBy   int64
}

// NewJob is one job of a new build.
type NewJob struct {
	Name         string
	Stage        int // index into Stages, -1: none
	AllowFailure bool
	Queue        string
	Config       Config
}
