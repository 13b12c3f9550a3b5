package ci

// ChangeKind says what changed.
type ChangeKind string

// The kinds of change.
const (
	ChangeRepository ChangeKind = "repository"
	ChangeRequest    ChangeKind = "request"
	ChangeBuild      ChangeKind = "build"
	ChangeJob        ChangeKind = "job"
	ChangeLog        ChangeKind = "log"
	ChangeWorker     ChangeKind = "worker"
	// ChangeQueue: a queue was paused, resumed or limited.
	ChangeQueue ChangeKind = "queue"
	// ChangeResync: hints were missed, anything may have changed; look at everything again.
	ChangeResync ChangeKind = "resync"
)

// Change is a wake-up: something was committed. It is a hint, never the truth; readers look the thing up.
type Change struct {
	Kind       ChangeKind `json:"kind"`
	Repository int64      `json:"repository,omitempty"`
	Request    int64      `json:"request,omitempty"`
	Build      int64      `json:"build,omitempty"`
	Job        int64      `json:"job,omitempty"`
	// State is the new state of the job, build or request.
	State string `json:"state,omitempty"`
	// Attempt, Source, Part and Final say how far a log is stored without a gap: up to and without Part.
	Attempt int    `json:"attempt,omitempty"`
	Source  int    `json:"source,omitempty"`
	Part    int    `json:"part,omitempty"`
	Final   bool   `json:"final,omitempty"`
	Worker  string `json:"worker,omitempty"`
}
