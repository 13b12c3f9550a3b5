package ci

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headrace/headrace/internal/fault"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// inState is a job in a state, at its second attempt, as the events that lead there make it.
func inState(s State) Job {
	j := Job{ID: 7, BuildNumber: 12, Index: 3, State: s, Attempt: 2, Tries: 2, CreatedAt: noon}
	reached := map[State]int{Created: 0, Queued: 1, Received: 2, Started: 3, Passed: 4, Failed: 4, Errored: 4, Canceled: 4}[s]
	if reached >= 1 {
		j.QueuedAt = noon.Add(time.Minute)
	}
	if reached >= 2 {
		j.ReceivedAt, j.Run, j.WorkerName = noon.Add(2*time.Minute), "run", "mill"
	}
	if reached >= 3 {
		j.StartedAt = noon.Add(3 * time.Minute)
	}
	if reached >= 4 {
		j.FinishedAt = noon.Add(4 * time.Minute)
	}
	return j
}

// event is one that fits a job of inState.
func event(kind EventKind) JobEvent {
	e := JobEvent{Kind: kind, At: noon.Add(time.Hour), Attempt: 2, Run: "run"}
	switch kind {
	case JobClaim:
		e.Worker = "mill"
	case JobFinish:
		e.Result = Passed
	case JobCancel:
		e.Reason, e.By = ReasonUser, "ines"
	case JobRestart:
		e.By = "ines"
	}
	return e
}

func TestAfter_everyEventInEveryState(t *testing.T) {
	t.Parallel()
	const refused, same = "refused", "same"
	order := States()
	table := map[EventKind][8]string{
		//          created      queued       received     started      passed     failed     errored    canceled
		JobQueue:   {"queued", refused, refused, refused, refused, refused, refused, refused},
		JobUnqueue: {refused, "created", refused, refused, refused, refused, refused, refused},
		JobClaim:   {refused, "received", same, same, refused, refused, refused, refused},
		JobStart:   {refused, refused, "started", same, refused, refused, refused, refused},
		JobFinish:  {refused, refused, "passed", "passed", same, refused, refused, refused},
		JobCancel:  {"canceled", "canceled", "canceled", "canceled", refused, refused, refused, refused},
		JobRestart: {refused, refused, refused, refused, "created", "created", "created", "created"},
		JobReset:   {refused, refused, "created", "created", refused, refused, refused, refused},
		JobLose:    {refused, refused, "created", "created", refused, refused, refused, refused},
		"unknown":  {refused, refused, refused, refused, refused, refused, refused, refused},
	}
	for kind, row := range table {
		for i, want := range row {
			before := inState(order[i])
			next, changed, err := before.After(event(kind))
			got := string(next.State)
			switch {
			case err != nil:
				got = refused
			case !changed:
				got = same
			}
			if got != want {
				t.Errorf("%s of a job that is %s: %s, want %s (%v)", kind, order[i], got, want, err)
			}
			if !changed {
				if diff := cmp.Diff(before, next); diff != "" {
					t.Errorf("%s of a job that is %s changed nothing, and gave another job: %s", kind, order[i], diff)
				}
			}
		}
	}
}

func TestAfter_whatItWrites(t *testing.T) {
	t.Parallel()
	now, code := noon.Add(time.Hour), 3
	again := func(j Job) Job {
		return Job{ID: j.ID, BuildNumber: j.BuildNumber, Index: j.Index, State: Created, Attempt: 3, CreatedAt: j.CreatedAt, UpdatedAt: now}
	}
	for name, c := range map[string]struct {
		before Job
		event  JobEvent
		want   func(Job) Job
	}{
		"queue":   {inState(Created), event(JobQueue), func(j Job) Job { j.State, j.QueuedAt = Queued, now; return j }},
		"unqueue": {inState(Queued), event(JobUnqueue), func(j Job) Job { j.State, j.QueuedAt = Created, time.Time{}; return j }},
		"claim": {inState(Queued), event(JobClaim), func(j Job) Job {
			j.State, j.Run, j.WorkerName, j.ReceivedAt = Received, "run", "mill", now
			return j
		}},
		"start": {inState(Received), event(JobStart), func(j Job) Job { j.State, j.StartedAt = Started, now; return j }},
		"finish": {
			inState(Started), JobEvent{Kind: JobFinish, At: now, Attempt: 2, Run: "run", Result: Errored, Reason: ReasonTimeout, ExitCode: &code},
			func(j Job) Job {
				j.State, j.Reason, j.ExitCode, j.FinishedAt = Errored, ReasonTimeout, &code, now
				return j
			},
		},
		"finish whose start was lost": {inState(Received), event(JobFinish), func(j Job) Job {
			j.State, j.StartedAt, j.FinishedAt = Passed, now, now
			return j
		}},
		"canceled by its worker before the start": {
			inState(Received), JobEvent{Kind: JobFinish, At: now, Attempt: 2, Run: "run", Result: Canceled},
			func(j Job) Job { j.State, j.FinishedAt = Canceled, now; return j },
		},
		"cancel": {inState(Queued), event(JobCancel), func(j Job) Job {
			j.State, j.Reason, j.CanceledBy, j.FinishedAt = Canceled, ReasonUser, "ines", now
			return j
		}},
		"restart": {
			func() Job {
				j := inState(Failed)
				j.Reason, j.ExitCode, j.CanceledBy = ReasonSetup, &code, "omar"
				return j
			}(), event(JobRestart),
			func(j Job) Job { j = again(j); j.Tries, j.RestartedAt, j.RestartedBy = 1, now, "ines"; return j },
		},
		"reset": {inState(Started), event(JobReset), func(j Job) Job { j = again(j); j.Tries = 3; return j }},
		"lose":  {inState(Received), event(JobLose), func(j Job) Job { j = again(j); j.Tries = 3; return j }},
		"reset too often": {
			inState(Started), JobEvent{Kind: JobReset, At: now, Attempt: 2, Run: "run", MaxTries: 2},
			func(j Job) Job { j.State, j.Reason, j.FinishedAt = Errored, ReasonWorkerReset, now; return j },
		},
		"lost too often": {
			inState(Started), JobEvent{Kind: JobLose, At: now, Attempt: 2, Run: "run", MaxTries: 1},
			func(j Job) Job { j.State, j.Reason, j.FinishedAt = Errored, ReasonWorkerLost, now; return j },
		},
		"lost too often by default": {
			func() Job { j := inState(Started); j.Tries = MaxTries; return j }(), event(JobLose),
			func(j Job) Job { j.State, j.Reason, j.FinishedAt = Errored, ReasonWorkerLost, now; return j },
		},
	} {
		want := c.want(c.before)
		want.UpdatedAt = now
		got, changed, err := c.before.After(c.event)
		if err != nil || !changed {
			t.Errorf("%s: changed %v, %v", name, changed, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAfter_refusals(t *testing.T) {
	t.Parallel()
	with := func(e JobEvent, change func(*JobEvent)) JobEvent { change(&e); return e }
	otherRun := func(e *JobEvent) { e.Run = "other" }
	otherAttempt := func(e *JobEvent) { e.Attempt = 1 }
	for name, c := range map[string]struct {
		state State
		event JobEvent
		want  error
	}{
		"claim by another run":             {Received, with(event(JobClaim), otherRun), ErrOwned},
		"claim of another attempt":         {Queued, with(event(JobClaim), otherAttempt), ErrStale},
		"claim before it is queued":        {Created, event(JobClaim), ErrNotQueued},
		"claim after the end by its owner": {Passed, event(JobClaim), ErrNotQueued},
		"start by another run":             {Received, with(event(JobStart), otherRun), ErrStale},
		"start of another attempt":         {Received, with(event(JobStart), otherAttempt), ErrStale},
		"finish by another run":            {Started, with(event(JobFinish), otherRun), ErrStale},
		"finish after a cancel":            {Canceled, event(JobFinish), ErrStale},
		"reset by another run":             {Started, with(event(JobReset), otherRun), ErrStale},
		"loss of another attempt":          {Started, with(event(JobLose), otherAttempt), ErrStale},
		"cancel after the end":             {Errored, event(JobCancel), ErrNotCancelable},
		"restart before the end":           {Started, event(JobRestart), ErrRunning},
		"taken back from nobody":           {Received, event(JobUnqueue), ErrNotQueued},
	} {
		_, changed, err := inState(c.state).After(c.event)
		if !errors.Is(err, c.want) || changed {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	_, _, err := inState(Started).After(with(event(JobFinish), func(e *JobEvent) { e.Result = Queued }))
	if fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a finish that is none: %v", err)
	}
}

// drawEvent draws an event, more often than not one that fits the job.
func drawEvent(t *rapid.T, j Job, now time.Time) JobEvent {
	kinds := []EventKind{JobQueue, JobUnqueue, JobClaim, JobStart, JobFinish, JobCancel, JobRestart, JobReset, JobLose}
	e := JobEvent{Kind: rapid.SampledFrom(kinds).Draw(t, "event"), At: now, Attempt: j.Attempt, Run: j.Run, MaxTries: rapid.IntRange(0, 4).Draw(t, "most tries")}
	if e.Kind == JobClaim && !j.State.Owned() || rapid.IntRange(0, 5).Draw(t, "another run") == 0 {
		e.Run = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "run")
	}
	if rapid.IntRange(0, 9).Draw(t, "another attempt") == 0 {
		e.Attempt += rapid.IntRange(-1, 1).Draw(t, "attempt")
	}
	e.Result = rapid.SampledFrom([]State{Passed, Failed, Errored, Canceled, Started}).Draw(t, "result")
	return e
}

func TestAfter_life(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		j, now := Job{ID: 1, State: Created, Attempt: 1, Tries: 1, CreatedAt: noon}, noon
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Second)
			e := drawEvent(t, j, now)
			next, changed, err := j.After(e)
			checkStep(t, j, next, e, changed, err)
			if changed {
				checkAgain(t, next, e)
			}
			j = next
		}
	})
}

// checkStep holds what is true of every single step.
func checkStep(t *rapid.T, j, next Job, e JobEvent, changed bool, err error) {
	switch {
	case err != nil && changed:
		t.Fatalf("refused and changed: %v", err)
	case !changed && cmp.Diff(j, next) != "":
		t.Fatalf("not changed, and another job: %s", cmp.Diff(j, next))
	case !next.State.Valid():
		t.Fatalf("state %q", next.State)
	case changed && j.State.Final() && e.Kind != JobRestart:
		t.Fatalf("%s left the final state %s", e.Kind, j.State)
	case next.Attempt != j.Attempt && next.Attempt != j.Attempt+1, next.Tries < 1, next.Tries > next.Attempt:
		t.Fatalf("attempt %d, tries %d after attempt %d", next.Attempt, next.Tries, j.Attempt)
	case changed && next.Attempt == j.Attempt && j.State.Owned() && next.Run != j.Run:
		t.Fatalf("run %q lost the attempt to %q", j.Run, next.Run)
	case next.State.Owned() && (next.Run == "" || next.ReceivedAt.IsZero()):
		t.Fatalf("owned by nobody: %+v", next)
	case next.State.Final() == next.FinishedAt.IsZero():
		t.Fatalf("%s, finished at %v", next.State, next.FinishedAt)
	case (next.State == Created) != next.QueuedAt.IsZero() && next.State != Canceled:
		t.Fatalf("%s, queued at %v", next.State, next.QueuedAt)
	}
}

// checkAgain: what a worker says twice, or asks twice, changes nothing the second time, and is not refused.
func checkAgain(t *rapid.T, j Job, e JobEvent) {
	if e.Kind != JobClaim && e.Kind != JobStart && e.Kind != JobFinish {
		return
	}
	e.At = e.At.Add(time.Minute)
	again, changed, err := j.After(e)
	if err != nil || changed || cmp.Diff(j, again) != "" {
		t.Fatalf("%s again: changed %v, %v, %s", e.Kind, changed, err, cmp.Diff(j, again))
	}
}
