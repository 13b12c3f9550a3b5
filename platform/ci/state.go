package ci

// State is the state of a job, a stage or a build, spelt as in the Travis API v3.
type State string

// The states in the order in which a job passes through them.
const (
	// Created: known, not yet given to the broker.
	Created State = "created"
	// Queued: given to the broker, no worker has it.
	Queued State = "queued"
	// Received: a worker owns it and prepares it.
	Received State = "received"
	// Started: its script runs.
	Started State = "started"
	// Passed: the script ended well.
	Passed State = "passed"
	// Failed: the script said no.
	Failed State = "failed"
	// Errored: it could not be run properly (set-up phase failed, limit passed, worker lost too often).
	Errored State = "errored"
	// Canceled: someone, or a rule, said that it shall not run or run on.
	Canceled State = "canceled"
)

// States lists every state.
func States() []State {
	return []State{Created, Queued, Received, Started, Passed, Failed, Errored, Canceled}
}

// Final reports whether the state is an end: only a restart leaves it.
func (s State) Final() bool {
	return s == Passed || s == Failed || s == Errored || s == Canceled
}

// Owned reports whether a worker owns the job in this state.
func (s State) Owned() bool { return s == Received || s == Started }

// Valid reports whether s is one of the eight states.
func (s State) Valid() bool {
	switch s {
	case Created, Queued, Received, Started, Passed, Failed, Errored, Canceled:
		return true
	}
	return false
}

// Reason says why a job is in its state where the state alone does not: a stable code; [Reason.Text] has the words.
type Reason string

// The reasons.
const (
	NoReason Reason = ""
	// ReasonUser: canceled by a person.
	ReasonUser Reason = "user"
	// ReasonStage: canceled because an earlier stage did not pass.
	ReasonStage Reason = "stage"
	// ReasonSuperseded: canceled because a newer build of the branch came.
	ReasonSuperseded Reason = "superseded"
	// ReasonTimeout: stopped at the hard limit.
	ReasonTimeout Reason = "timeout"
	// ReasonSilence: stopped because the log was silent for too long.
	ReasonSilence Reason = "log_silence"
	// ReasonLogLimit: stopped because the log grew too long.
	ReasonLogLimit Reason = "log_limit"
	// ReasonSetup: a phase before the script failed.
	ReasonSetup Reason = "setup"
	// ReasonWorkerLost: the worker went silent, on every attempt that the limit allows.
	ReasonWorkerLost Reason = "worker_lost"
	// ReasonWorkerReset: the worker gave the job back, on every attempt that the limit allows.
	ReasonWorkerReset Reason = "worker_reset"
	// ReasonExecutor: the worker could not run the script at all (no disk, no image).
	ReasonExecutor Reason = "executor"
	// ReasonConfig: the job's configuration cannot be turned into a script.
	ReasonConfig Reason = "config"
)

// Text is a short sentence for people, empty for [NoReason] and unknown reasons.
func (r Reason) Text() string {
	switch r {
	case ReasonUser:
		return "Canceled by a person."
	case ReasonStage:
		return "Did not start: an earlier stage did not pass."
	case ReasonSuperseded:
		return "Canceled: a newer build of this branch came."
	case ReasonTimeout:
		return "Stopped at the longest time a job may run."
	case ReasonSilence:
		return "Stopped because the log was silent for too long."
	case ReasonLogLimit:
		return "Stopped because the log passed the longest allowed."
	case ReasonSetup:
		return "A command before the script failed."
	case ReasonWorkerLost:
		return "The worker was lost on every attempt."
	case ReasonWorkerReset:
		return "The worker gave the job back on every attempt."
	case ReasonExecutor:
		return "The worker could not run the job."
	case ReasonConfig:
		return "The configuration cannot be turned into a script."
	}
	return ""
}
