package ci

import "time"

// Progress is what follows, for a build or a stage, from its jobs alone.
type Progress struct {
	State State
	// StartedAt is when the first job started; zero before.
	StartedAt time.Time
	// FinishedAt is when the result was final; zero before.
	FinishedAt time.Time
}

// BuildProgress gives a build's state as a pure function of its jobs (rules: Travis hub, and the public documentation
// of stages and fast_finish):
//
//   - Jobs that are allowed to fail do not count for the result.
//   - The first stage whose required jobs did not all pass decides; jobs which never ran because of it do not.
//   - Among the deciding jobs canceled beats errored beats failed beats passed; no required job means passed.
//   - The result is final when every job is, or, with fast finish, when every required job is and there is one.
func BuildProgress(jobs []Job, fastFinish bool) Progress {
	p := Progress{State: running(jobs), StartedAt: firstStart(jobs)}
	deciding := decidingJobs(jobs)
	waitFor := jobs
	if must := required(jobs); fastFinish && len(must) > 0 {
		waitFor = must
	}
	var finished time.Time
	for _, j := range waitFor {
		if !j.State.Final() {
			return p
		}
		if j.FinishedAt.After(finished) {
			finished = j.FinishedAt
		}
	}
	p.FinishedAt = finished
	p.State = worst(deciding)
	return p
}

// StageProgress gives a stage's state from its own jobs. All of them count for its end, the required ones for its result;
// with only jobs that are allowed to fail it passes. A stage whose jobs never ran because of an earlier one is canceled.
func StageProgress(jobs []Job) Progress {
	p := Progress{State: running(jobs), StartedAt: firstStart(jobs)}
	var finished time.Time
	for _, j := range jobs {
		if !j.State.Final() {
			return p
		}
		if j.FinishedAt.After(finished) {
			finished = j.FinishedAt
		}
	}
	p.FinishedAt = finished
	p.State = worst(required(jobs))
	return p
}

// StageGate says what the stages allow. open is the number of the stage whose jobs may run (0 in a build without stages);
// dropped are the indexes into jobs of those which must be canceled because a stage before theirs did not pass.
func StageGate(jobs []Job) (open int, dropped []int) {
	last := 0
	for _, j := range jobs {
		last = max(last, j.StageNumber)
	}
	if last == 0 {
		return 0, nil
	}
	for n := 1; n <= last; n++ {
		stage := inStage(jobs, n)
		done, good := true, true
		for _, j := range stage {
			done = done && j.State.Final()
			good = good && (j.AllowFailure || j.State == Passed)
		}
		if !done {
			return n, nil
		}
		if !good {
			return n, unfinishedAfter(jobs, n)
		}
	}
	return last, nil
}

func unfinishedAfter(jobs []Job, stage int) []int {
	var found []int
	for i, j := range jobs {
		if j.StageNumber > stage && !j.State.Final() {
			found = append(found, i)
		}
	}
	return found
}

// decidingJobs are the required jobs of the first stage which did not pass, or of the whole build.
func decidingJobs(jobs []Job) []Job {
	last := 0
	for _, j := range jobs {
		last = max(last, j.StageNumber)
	}
	for n := 1; n <= last; n++ {
		stage := required(inStage(jobs, n))
		if len(stage) > 0 && worst(stage) != Passed {
			return stage
		}
	}
	return required(jobs)
}

func inStage(jobs []Job, number int) []Job {
	var found []Job
	for _, j := range jobs {
		if j.StageNumber == number {
			found = append(found, j)
		}
	}
	return found
}

func required(jobs []Job) []Job {
	var found []Job
	for _, j := range jobs {
		if !j.AllowFailure {
			found = append(found, j)
		}
	}
	return found
}

func worst(jobs []Job) State {
	result := Passed
	rank := map[State]int{Passed: 0, Failed: 1, Errored: 2, Canceled: 3}
	for _, j := range jobs {
		if r, final := rank[j.State]; final && r > rank[result] {
			result = j.State
		}
	}
	return result
}

// running is the state of jobs that have not all ended: how far the furthest has come.
func running(jobs []Job) State {
	rank := map[State]int{Created: 0, Queued: 1, Received: 2, Started: 3, Passed: 3, Failed: 3, Errored: 3, Canceled: 0}
	furthest := 0
	for _, j := range jobs {
		furthest = max(furthest, rank[j.State])
	}
	return [...]State{Created, Queued, Received, Started}[furthest]
}

func firstStart(jobs []Job) time.Time {
	var first time.Time
	for _, j := range jobs {
		if !j.StartedAt.IsZero() && (first.IsZero() || j.StartedAt.Before(first)) {
			first = j.StartedAt
		}
	}
	return first
}
