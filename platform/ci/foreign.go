package ci

// ForeignRun is what is known of a run from a report of a worker that does not claim.
type ForeignRun struct {
	JobID int64
	// Offer is the attempt whose message the worker was given.
	Offer int
	Run   string
}

// Adopted is what became of a foreign run.
type Adopted struct {
	// Attempt is the one that the run has or had; 0: none, what it says does not count.
	Attempt int
	// Moved is what changed, with the job's id 0: nothing.
	Moved Moved
	// Stop: nothing of the run counts any more, and no other foreign worker has the job: foreign workers may be told to stop it.
	Stop bool
}
