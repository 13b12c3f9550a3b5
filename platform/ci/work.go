package ci

import "time"

// QueuedJob is a job that goes to the broker, with all that its message is made of.
type QueuedJob struct {
	Job        Job
	Build      Build
	Repository Repository
	// EnvVars are the public variables that the job has; secret ones are never in a message.
	EnvVars []EnvVar
}

// OutMessage is a stored message that waits to be published.
type OutMessage struct {
	ID    int64
	Queue string
	Body  []byte
	JobID int64
	// Tries counts failed publishes; LastError is of the last.
	Tries     int
	LastError string
	CreatedAt time.Time
}

// Claim is a worker's question whether it may run an attempt.
type Claim struct {
	JobID    int64
	Attempt  int
	Run      string // random id of this try, made by the worker
	WorkerID string
	Worker   string // name
	// Redelivered: the worker has the message now, and the broker had delivered it before.
	Redelivered bool
}

// Claimed is the answer to a claim that was granted.
type Claimed struct {
	Job Job
	// Next is the first part of the log that SQL does not hold: not 0 when the same claim is asked again.
	Next int
}

// RunRef names a run of an attempt.
type RunRef struct {
	JobID   int64
	Attempt int
	Run     string
}

// RunStatus is what SQL holds about a run that a worker says it has.
type RunStatus struct {
	RunRef
	// Owned: the worker shall go on. False: stop at once and forget it, nothing of it counts.
	Owned bool
	// Canceled: the attempt was canceled; stop it, its log may still be completed.
	Canceled bool
	// State is the last state that SQL holds of the attempt.
	State State
	// Next is the number of the first part of the log which is not stored; the worker may forget all before it.
	Next int
	// Closed: the log is complete.
	Closed bool
}

// Heartbeat is what a worker says every few seconds.
type Heartbeat struct {
	WorkerID string // random, of one process
	// Home is the id of the work directory, which one process at a time may use: another worker id from the same home
	// means that the worker before is dead. Empty: not known.
	Home string
	// Generation counts the processes that have had the home: the one with the higher number is the living one.
	Generation int64
	// Sequence counts the heartbeats of the process. 0: they are not counted.
	Sequence int64
	Name     string
	Version  string
	Queue    string
	Slots    int
	Draining bool   // it takes no more jobs
	Executor string // "docker", "local"
	Trouble  string // why it takes none although it does not end, for people
	Runs     []RunRef
	// Asking are the runs that it asks to own; they are renewed where the claim was granted, and not answered.
	Asking []RunRef
}

// Worker is a worker as the platform knows it.
type Worker struct {
	ID       string
	Name     string
	Version  string
	Queue    string
	Slots    int
	Busy     int // attempts that it owns, counted in SQL
	Draining bool
	Executor string
	Trouble  string // why it takes no jobs although it does not end
	// Lost: silent for longer than a lease, in hearing time.
	Lost    bool
	FirstAt time.Time
	SeenAt  time.Time
}

// StateReport is what a worker says about an attempt it owns.
type StateReport struct {
	RunRef
	// State is started or a final one; "reset" is sent as Reset.
	State    State
	Reset    bool
	Reason   Reason
	ExitCode *int
	// Note is a sentence for people ("no space left in the work directory").
	Note string
}

// Moved is a job whose state was changed, and whether its build ended by that.
type Moved struct {
	Job        Job
	BuildState State
	BuildEnded bool
	// Stale: the report was of another attempt or run and changed nothing.
	Stale bool
	// Dropped are the jobs of later stages that were canceled by this.
	Dropped []Job
}

// Lost is an attempt that was taken from a lost worker.
type Lost struct {
	Moved
	WorkerName string
	Silence    time.Duration // in hearing time
}

// Canceled is a job that was canceled while a worker may have it.
type CanceledRun struct {
	RunRef
	WorkerID string
	// Unclaimed: its worker is one that does not claim.
	Unclaimed bool
}

// QueueStatus counts what waits and what can take it.
type QueueStatus struct {
	Queue                     string
	Created, Queued, Running  int
	Workers, Slots, FreeSlots int
	// Draining counts the workers that finish what they have and take no more; they are not among Workers.
	Draining int
	// Trouble is what one of those says that cannot start jobs now, after its name. Empty: there is none.
	Trouble string
	// MaxJobs is how many of its jobs may be queued or with a worker at a time; 0: no limit.
	MaxJobs int
	// Paused: it hands out nothing. PausedBy is who said so, as far as that is known.
	Paused   bool
	PausedBy string
	PausedAt time.Time
}
