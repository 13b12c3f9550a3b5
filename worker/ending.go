package worker

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker/executor"
)

// States and reasons as they stand in reports.
const (
	stateReceived = "received"
	stateStarted  = "started"
	statePassed   = "passed"
	stateFailed   = "failed"
	stateErrored  = "errored"
	stateCanceled = "canceled"
	stateReset    = "reset"

	reasonTimeout  = "timeout"
	reasonSilence  = "log_silence"
	reasonLogLimit = "log_limit"
	reasonSetup    = "setup"
	reasonExecutor = "executor"
	reasonConfig   = "config"
)

// ending is how a run is made to end. It is the cause of the end of the run's context.
type ending struct {
	state  string
	reason string
	words  string // the last sentence of the log
}

// Error gives the words.
func (e *ending) Error() string { return e.words }

// endLost: the run does not count any more; nothing is said.
var endLost = &ending{}

var endGivenBack = &ending{
	state: stateReset, words: "This worker is stopping. It gives the job back; another worker starts it from the beginning.",
}

// endOver: the platform has ended the run for a reason of its own, which its page of the job shows.
var endOver = &ending{
	state: stateErrored, words: "The platform has ended this job; everything it had started is stopped.",
}

// endAway: what runs the jobs is away, which is no fault of the job.
func endAway(err error) *ending {
	why := "What ran it is away."
	if f, ok := errors.AsType[*fault.Error](err); ok {
		why = f.Message
	}
	return &ending{state: stateReset, reason: reasonExecutor, words: why + " This worker gives the job back; another one, or this one later, starts it from the beginning."}
}

func endCanceled(reason string) *ending {
	words := "This job was canceled; everything it had started is stopped."
	if reason != "" {
		words = fmt.Sprintf("This job was canceled (%s); everything it had started is stopped.", strings.TrimRight(reason, "."))
	}
	return &ending{state: stateCanceled, words: words}
}

// limits are what bounds a run; each has the name of the setting that it comes from.
type limits struct {
	hard, silence     time.Duration
	bytes             int64
	hardBy, silenceBy string
	bytesBy           string
}

func (c Config) limitsOf(j broker.Job) limits {
	l := limits{
		hard: c.HardTimeout, hardBy: "HEADRACE_JOB_TIMEOUT on the worker",
		silence: c.LogSilence, silenceBy: "HEADRACE_JOB_LOG_SILENCE on the worker",
		bytes: c.LogLimit, bytesBy: "HEADRACE_JOB_LOG_LIMIT on the worker",
	}
	if s := j.Timeouts.HardLimit; s != nil && *s > 0 {
		l.hard, l.hardBy = time.Duration(*s)*time.Second, "limits.job_timeout"
	}
	if s := j.Timeouts.LogSilence; s != nil && *s > 0 {
		l.silence, l.silenceBy = time.Duration(*s)*time.Second, "limits.log_silence"
	}
	if j.Headrace != nil && j.Headrace.LogLimit > 0 {
		l.bytes, l.bytesBy = j.Headrace.LogLimit, "limits.log_bytes"
	}
	return l
}

func (l limits) endHard() *ending {
	return &ending{state: stateErrored, reason: reasonTimeout, words: fmt.Sprintf(
		"Stopped after %s, the longest this job may run. Raise %s, or split the job.", inWords(l.hard), l.hardBy)}
}

func (l limits) endSilence() *ending {
	return &ending{state: stateErrored, reason: reasonSilence, words: fmt.Sprintf(
		"Stopped because nothing was written to the log for %s. Let long commands write something from time to time, or raise %s.",
		inWords(l.silence), l.silenceBy)}
}

func (l limits) endBytes() *ending {
	return &ending{state: stateErrored, reason: reasonLogLimit, words: fmt.Sprintf(
		"Stopped because the log passed %s, the most that is kept. Write less, or to a file; or raise %s.", sizeInWords(l.bytes), l.bytesBy)}
}

// outcome is what a report says beside the state.
type outcome struct {
	state    string
	reason   string
	note     string
	code     *int
	instance string
	words    string // for the log, else empty
}

// outcomeOf reads the end of a script.
func outcomeOf(e executor.Exit) outcome {
	o := outcome{code: &e.Code}
	switch {
	case e.Stopped:
		o.state, o.reason = stateErrored, reasonExecutor
	case e.Code == 0:
		o.state = statePassed
	case e.Code == 1:
		o.state = stateFailed
	case e.Code == 2:
		o.state, o.reason = stateErrored, reasonSetup
	case e.Signal != "":
		o.state = stateErrored
		o.note = fmt.Sprintf("The script was ended by %s.", e.Signal)
		o.words = fmt.Sprintf("The script was ended by the signal %s (exit code %d).", e.Signal, e.Code)
		if e.Note == "" {
			o.words += " Was memory short, or did a command end it?"
		}
	default:
		o.state = stateErrored
		o.note = fmt.Sprintf("The script ended early, with exit code %d.", e.Code)
		o.words = o.note
	}
	if e.Note != "" {
		o.note = strings.TrimSpace(e.Note + " " + o.note)
		o.words = strings.TrimSpace(e.Note + " " + o.words)
	}
	return o
}

// inWords writes a duration as people say it: "50 min", "1 h 30 min", "90 s".
func inWords(d time.Duration) string {
	d = d.Round(time.Millisecond)
	h, m := int(d.Hours()), int(d.Minutes())%60
	switch {
	case d < 2*time.Minute || d%time.Minute != 0:
		return fmt.Sprintf("%g s", d.Seconds())
	case h == 0:
		return fmt.Sprintf("%d min", m)
	case m == 0:
		return fmt.Sprintf("%d h", h)
	}
	return fmt.Sprintf("%d h %d min", h, m)
}

func sizeInWords(n int64) string {
	const kilo, mega = 1000, 1000 * 1000
	switch {
	case n < 10*kilo:
		return fmt.Sprintf("%d bytes", n)
	case n < 10*mega:
		return fmt.Sprintf("%d kB", n/kilo)
	}
	return fmt.Sprintf("%d MB", n/mega)
}
