package ci

import "time"

// LogSource says who wrote a part of a log. Sources follow one another in the order of their numbers.
type LogSource int

// The sources.
const (
	// LogPreface is the platform, before the worker ("attempt 2 of 3: worker mill-07 was lost").
	LogPreface LogSource = 0
	// LogWorker is the worker.
	LogWorker LogSource = 1
	// LogEpilogue is the platform, after the worker ("canceled by ines").
	LogEpilogue LogSource = 2
)

// LogPart is a piece of the log of one attempt, keyed by (job, attempt, source, number).
type LogPart struct {
	JobID   int64
	Attempt int
	Source  LogSource
	Number  int    // from 0 in its source, without gaps
	Content []byte // at most 64 KiB; bytes as they came, not necessarily UTF-8
	// Run names the run of the worker; parts of another run than the attempt's are refused. Not stored.
	Run string
	// Elapsed is the time since the start of the attempt's log, by the worker's clock.
	Elapsed time.Duration
	// Final: no part of this source follows.
	Final bool
	// FirstLine is the number, from 1, of the line in which the part begins. Set on reading.
	FirstLine int
}

// LogPos is a place between two parts: the next one to read.
type LogPos struct {
	Source LogSource
	Number int
}

// Log says how far the log of one attempt is stored.
type Log struct {
	JobID   int64
	Attempt int
	// Next is the number of the first part of the worker's that is not stored; all before it are.
	Next int
	// Bytes and Lines count what is stored without a gap, of all sources.
	Bytes int64
	Lines int
	// Closed: nothing will be added. The worker's final part is stored and the attempt is over, or it was closed for it.
	Closed bool
	// RemovedBy and RemovedAt say who deleted the content and when; a time without a name: it was older than logs are kept.
	RemovedBy string
	RemovedAt time.Time
	UpdatedAt time.Time
}

// LogStored is the answer to storing parts: how far the worker's part of the log is now stored without a gap.
type LogStored struct {
	JobID        int64
	RepositoryID int64
	BuildID      int64
	Attempt      int
	Run          string
	Next         int
	Closed       bool
	// Refused: the attempt is not that run's (any more), nothing was stored.
	Refused bool
	// Unknown: no attempt of the job has that run; one may still get it. Only of parts that name no attempt.
	Unknown bool
}
