package travisyml

import "fmt"

// Limits bound what one file may cost. Zero values mean the defaults.
type Limits struct {
	// Bytes is the longest text that is read. Default 1 MiB.
	Bytes int
	// Depth is how deep lists and maps may be nested. Default 100.
	Depth int
	// Aliases is how many nodes the file may have once its aliases are
	// expanded. Default 100,000.
	Aliases int
	// Jobs is how many jobs one build may have. Default 200.
	Jobs int
}

const (
	defaultBytes   = 1 << 20
	defaultDepth   = 100
	defaultAliases = 100_000
	defaultJobs    = 200

	// rowsPerJob bounds the rows of a matrix before exclusion, relative to
	// the jobs a build may have.
	rowsPerJob = 10
	// planBytes bounds the configuration of all jobs of a plan together.
	planBytes = 64 << 20
	// planPairs bounds the keys of all jobs together while they are made.
	planPairs = 2_000_000
	// maxWork bounds the comparisons of jobs with the entries of exclude and
	// allow_failures, and the data that conditions see.
	maxWork = 10_000_000
)

func (l Limits) withDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = defaultBytes
	}
	if l.Depth <= 0 {
		l.Depth = defaultDepth
	}
	if l.Aliases <= 0 {
		l.Aliases = defaultAliases
	}
	if l.Jobs <= 0 {
		l.Jobs = defaultJobs
	}
	return l
}

// LimitError says that a configuration is sound but bigger than allowed.
type LimitError struct {
	// What names the thing that is limited, like "jobs".
	What string
	// Limit is how many are allowed.
	Limit int
	// Text is a sentence for people.
	Text string
}

// Error returns the sentence for people.
func (e *LimitError) Error() string { return e.Text }

func tooManyJobs(limit int, got string) *LimitError {
	return &LimitError{What: "jobs", Limit: limit, Text: fmt.Sprintf(
		"This configuration expands to %s jobs, and a build can have at most %d. "+
			"Remove values from the matrix, or exclude combinations that are not needed.", got, limit)}
}

func tooLarge() *LimitError {
	return &LimitError{What: "bytes", Limit: planBytes, Text: fmt.Sprintf(
		"The configuration of all jobs together is larger than %d MiB, or its exclude and allow_failures lists are too long to compare. "+
			"Move long scripts into files of the repository, and shorten the lists.", planBytes>>20)}
}
