package ci

import (
	"strconv"
	"time"
)

// Build is what one request made: jobs in stages on one commit.
type Build struct {
	ID           int64
	RepositoryID int64
	Slug         string // of the repository
	RequestID    int64
	Number       int64 // counts from 1 in the repository without gaps
	State        State
	// PreviousState is the final state of the branch's build before this one, empty if there is none.
	PreviousState State
	Event         Event
	Branch, Tag   string
	Commit        Commit
	PullNumber    int64
	PullTitle     string
	// PullRequest is set for pull requests only.
	PullRequest *PullRequest
	// Trusted: its jobs may be given secrets. Pull requests from forks, and all that is not known to be otherwise, are not.
	Trusted bool
	// Sender is the login at the forge of whose doing it was, empty where no hook asked for the build.
	Sender         string
	FastFinish     bool
	Private        bool
	CreatedBy      int64
	CreatedByLogin string
	CreatedAt      time.Time
	StartedAt      time.Time // zero: not yet
	FinishedAt     time.Time // zero: not yet
	UpdatedAt      time.Time
	// JobCounts counts the jobs by state; always set.
	JobCounts map[State]int
	// Stages and Jobs are set where they were asked for, in order.
	Stages []Stage
	Jobs   []Job
	// Messages, Config, ConfigText and ConfigFiles are set by the single build only.
	Messages   []ConfigMessage
	Config     Config
	ConfigText string
	// ConfigFiles are what the configuration was made of beside .travis.yml.
	ConfigFiles []ConfigFile
	// Superseded are the jobs of older builds that the making of this one canceled; set there only.
	Superseded []Moved
}

// ConfigFile is a text that a configuration was made of: an imported file, or what came with the request.
type ConfigFile struct {
	// Source is the path of a file of the repository, owner/name:path@ref, or words for what is no file.
	Source string `json:"source"`
	// Mode is how it was merged.
	Mode string `json:"mode,omitempty"`
	Text string `json:"text"`
}

// Title is what lists show: the subject of the commit, or the sha.
func (b Build) Title() string {
	if s := b.Commit.Subject(); s != "" {
		return s
	}
	return b.Commit.SHA
}

// Duration is the time from start to end, until now for a running build, zero before the start.
func (b Build) Duration(now time.Time) time.Duration { return span(b.StartedAt, b.FinishedAt, now) }

// BuildFilter chooses builds. Zero values choose all.
type BuildFilter struct {
	RepositoryID int64
	States       []State
	Events       []Event
	Branch       string
	CreatedBy    []string // logins
	// Ascending lists the oldest first.
	Ascending bool
	// WithJobs loads stages and jobs.
	WithJobs bool
	// SkipCount leaves the total at -1.
	SkipCount bool
	Page      Page
}

// Stage is a group of jobs that run side by side, after the stage before has passed.
type Stage struct {
	ID         int64
	BuildID    int64
	Number     int // from 1
	Name       string
	State      State
	StartedAt  time.Time
	FinishedAt time.Time
}

// Job is one run of a script in one environment.
type Job struct {
	ID           int64
	RepositoryID int64
	Slug         string
	BuildID      int64
	BuildNumber  int64
	Index        int // from 1 in the build
	StageID      int64
	StageNumber  int // from 1, 0 = no stages
	StageName    string
	Name         string
	State        State
	Reason       Reason
	AllowFailure bool
	Queue        string
	Config       Config
	Priority     int
	// Attempt is the number of the current attempt: 1 for the first, one more for each restart, reset and lost worker.
	Attempt int
	// Tries counts the attempts since the last restart; limits.attempts bounds it.
	Tries int
	// WorkerName and Run say who owns, or owned, the current attempt.
	WorkerName string
	Run        string
	ExitCode   *int
	Private    bool
	CreatedAt  time.Time
	QueuedAt   time.Time
	ReceivedAt time.Time
	StartedAt  time.Time
	FinishedAt time.Time
	UpdatedAt  time.Time
	// RestartedAt and RestartedBy (login) are of the last restart.
	RestartedAt time.Time
	RestartedBy string
	// CanceledBy is the login of who canceled it, where a person did.
	CanceledBy string
}

// Number is the number that people see: "12.3".
func (j Job) Number() string {
	return strconv.FormatInt(j.BuildNumber, 10) + "." + strconv.Itoa(j.Index)
}

// Duration is the time from start to end, until now for a running job, zero before the start.
func (j Job) Duration(now time.Time) time.Duration { return span(j.StartedAt, j.FinishedAt, now) }

// Waited is the time from creation to the moment when a worker had it, until now for one that waits.
func (j Job) Waited(now time.Time) time.Duration { return span(j.CreatedAt, j.ReceivedAt, now) }

// JobFilter chooses jobs. Zero values choose all.
type JobFilter struct {
	BuildID, RepositoryID int64
	States                []State
	Page                  Page
	// SkipCount leaves the total at -1.
	SkipCount bool
}

// Attempt is one try at a job.
type Attempt struct {
	JobID      int64
	Number     int // from 1
	State      State
	Reason     Reason
	Run        string
	WorkerID   string
	WorkerName string
	ExitCode   *int
	// Note is a sentence for people about how it began or ended ("Worker mill-07 was lost at 12:03").
	Note       string
	QueuedAt   time.Time
	ReceivedAt time.Time
	StartedAt  time.Time
	FinishedAt time.Time
}

func span(from, to, now time.Time) time.Duration {
	if from.IsZero() {
		return 0
	}
	if to.IsZero() {
		to = now
	}
	return max(to.Sub(from), 0)
}
