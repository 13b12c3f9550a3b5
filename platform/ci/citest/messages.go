package citest

import (
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// What is said between nodes and workers, as package broker has it.
type (
	runRef struct {
		job     int64
		attempt int
		run     string
	}
	offer struct {
		job     int64
		attempt int
		out     int // of the outbox
	}
	claim struct {
		runRef
		worker      string // id
		redelivered bool   // the worker has the message, and somebody had it before
	}
	claimAnswer struct {
		runRef
		granted bool
	}
	heartbeat struct {
		worker, home string
		generation   int // how many processes the home has had; sent by workers whose homes count
		slots        int
		draining     bool
		sequence     int
		runs         []runRef
		asking       []runRef // renewed, but not answered: the answer could be older than the grant
		p            *process
	}
	beatAnswer struct {
		sequence int
		runs     []status
	}
	status struct {
		runRef
		owned, canceled bool
		state           ci.State
		next            int
		closed          bool
	}
	cancel struct{ runRef }
	// foreignCancel is told to all workers that do not claim.
	foreignCancel struct{ job int64 }
	probe         struct{ sent time.Duration } // by what passes for the node
	report        struct {
		runRef
		state ci.State
		reset bool
		parts int // of the whole log, of a last state
		offer int // of a worker that does not claim, which knows no attempt: that of the message it was given
	}
	part struct {
		runRef
		number int
		final  bool
	}
)
