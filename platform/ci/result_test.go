package ci

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// jobs reads jobs from words such as "failed", "2:passed" (of stage 2) or "passed?" (allowed to fail).
func jobs(words ...string) []Job {
	var all []Job
	for i, w := range words {
		j := Job{ID: int64(i + 1)}
		if len(w) > 2 && w[1] == ':' {
			j.StageNumber, w = int(w[0]-'0'), w[2:]
		}
		if w[len(w)-1] == '?' {
			j.AllowFailure, w = true, w[:len(w)-1]
		}
		j.State = State(w)
		if j.State == Started || j.State.Final() && j.State != Canceled {
			j.StartedAt = noon.Add(time.Duration(i) * time.Minute)
		}
		if j.State.Final() {
			j.FinishedAt = noon.Add(time.Duration(i+10) * time.Minute)
		}
		all = append(all, j)
	}
	return all
}

func TestBuildProgress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		jobs []Job
		fast bool
		want State
	}{
		"nothing has begun":                                         {jobs("created", "created"), false, Created},
		"one is queued":                                             {jobs("created", "queued"), false, Queued},
		"one is received":                                           {jobs("queued", "received"), false, Received},
		"one runs":                                                  {jobs("received", "started"), false, Started},
		"one has ended, one waits":                                  {jobs("passed", "created"), false, Started},
		"one was canceled, one waits":                               {jobs("canceled", "created"), false, Created},
		"one failed, one runs":                                      {jobs("failed", "started"), false, Started},
		"all passed":                                                {jobs("passed", "passed"), false, Passed},
		"failed beats passed":                                       {jobs("passed", "failed"), false, Failed},
		"errored beats failed":                                      {jobs("errored", "failed", "passed"), false, Errored},
		"canceled beats errored":                                    {jobs("errored", "canceled", "failed"), false, Canceled},
		"an allowed failure does not count":                         {jobs("passed", "failed?", "errored?", "canceled?"), false, Passed},
		"only allowed failures pass":                                {jobs("failed?", "failed?"), false, Passed},
		"without fast finish the allowed are waited for":            {jobs("passed", "started?"), false, Started},
		"with fast finish they are not":                             {jobs("passed", "started?"), true, Passed},
		"with fast finish the required are waited for":              {jobs("failed", "started", "passed?"), true, Started},
		"with fast finish a failure is known when all ended":        {jobs("failed", "passed", "queued?"), true, Failed},
		"the first stage that did not pass decides":                 {jobs("1:passed", "1:failed", "2:canceled", "2:canceled"), false, Failed},
		"a later stage decides when the first passed":               {jobs("1:passed", "2:errored", "3:canceled"), false, Errored},
		"a stage of allowed failures only is passed over":           {jobs("1:failed?", "2:passed"), false, Passed},
		"the order of the jobs is not that of the stages":           {jobs("2:canceled", "1:failed"), false, Failed},
		"all stages passed":                                         {jobs("1:passed", "2:passed", "2:failed?"), false, Passed},
		"a canceled first stage cancels":                            {jobs("1:canceled", "1:failed", "2:canceled"), false, Canceled},
		"with fast finish and only allowed jobs all are waited for": {jobs("created?", "passed?"), true, Started},
		"fast finish does not run ahead of the stages to come":      {jobs("1:passed", "2:created"), true, Started},
	} {
		if got := BuildProgress(c.jobs, c.fast); got.State != c.want {
			t.Errorf("%s: %s, want %s", name, got.State, c.want)
		}
	}
}

func TestBuildProgress_times(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		jobs []Job
		fast bool
		want Progress
	}{
		"before the start":     {jobs("queued", "received"), false, Progress{State: Received}},
		"from the first start": {jobs("queued", "started", "passed"), false, Progress{State: Started, StartedAt: noon.Add(time.Minute)}},
		"to the last end":      {jobs("failed", "passed"), false, Progress{Failed, noon, noon.Add(11 * time.Minute)}},
		"never started":        {jobs("canceled", "canceled"), false, Progress{State: Canceled, FinishedAt: noon.Add(11 * time.Minute)}},
		"with fast finish to the last required end": {
			jobs("passed", "failed?", "started?"), true, Progress{Passed, noon, noon.Add(10 * time.Minute)},
		},
	} {
		if diff := cmp.Diff(c.want, BuildProgress(c.jobs, c.fast)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestStageProgress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		jobs []Job
		want Progress
	}{
		"waits":                      {jobs("created", "created"), Progress{State: Created}},
		"runs":                       {jobs("passed", "queued"), Progress{State: Started, StartedAt: noon}},
		"waits for the allowed":      {jobs("passed", "started?"), Progress{State: Started, StartedAt: noon}},
		"passed":                     {jobs("passed", "failed?"), Progress{Passed, noon, noon.Add(11 * time.Minute)}},
		"failed":                     {jobs("passed", "failed"), Progress{Failed, noon, noon.Add(11 * time.Minute)}},
		"did not run":                {jobs("canceled", "canceled?"), Progress{State: Canceled, FinishedAt: noon.Add(11 * time.Minute)}},
		"only those allowed to fail": {jobs("errored?"), Progress{Passed, noon, noon.Add(10 * time.Minute)}},
	} {
		if diff := cmp.Diff(c.want, StageProgress(c.jobs)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestStageGate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		jobs    []Job
		open    int
		dropped []int
	}{
		"no stages": {jobs("failed", "created"), 0, nil},
		"the first": {jobs("1:created", "2:created"), 1, nil},
		"the first until all its jobs have ended":  {jobs("1:failed", "1:started", "2:created"), 1, nil},
		"the first until the allowed have ended":   {jobs("1:passed", "1:started?", "2:created"), 1, nil},
		"the second":                               {jobs("1:passed", "1:failed?", "2:created"), 2, nil},
		"the last when all passed":                 {jobs("1:passed", "2:passed"), 2, nil},
		"none behind a failure":                    {jobs("1:failed", "2:created", "3:created", "3:created?"), 1, []int{1, 2, 3}},
		"none behind a cancel":                     {jobs("1:passed", "2:canceled", "3:queued"), 2, []int{2}},
		"what has ended behind it is left":         {jobs("2:passed", "1:errored", "2:started"), 1, []int{2}},
		"a stage of allowed failures is no hurdle": {jobs("1:errored?", "2:created"), 2, nil},
	} {
		open, dropped := StageGate(c.jobs)
		if open != c.open || !slices.Equal(dropped, c.dropped) {
			t.Errorf("%s: %d %v, want %d %v", name, open, dropped, c.open, c.dropped)
		}
	}
}

// drawJobs draws the jobs of a build: either all in stages, or none.
func drawJobs(t *rapid.T) []Job {
	stages := rapid.IntRange(0, 3).Draw(t, "stages")
	all := make([]Job, rapid.IntRange(1, 8).Draw(t, "jobs"))
	for i := range all {
		j := Job{ID: int64(i), State: rapid.SampledFrom(States()).Draw(t, "state"), AllowFailure: rapid.IntRange(0, 3).Draw(t, "allowed") == 0}
		if stages > 0 {
			j.StageNumber = rapid.IntRange(1, stages).Draw(t, "stage")
		}
		if j.State == Started || j.State.Final() {
			j.StartedAt = noon.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "start")) * time.Second)
		}
		if j.State.Final() {
			j.FinishedAt = j.StartedAt.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "took")) * time.Second)
		}
		all[i] = j
	}
	return all
}

func TestProgress_isAFunctionOfTheJobsAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all, fast := drawJobs(t), rapid.Bool().Draw(t, "fast finish")
		before := slices.Clone(all)
		build, stage := BuildProgress(all, fast), StageProgress(all)
		if diff := cmp.Diff(before, all); diff != "" {
			t.Fatalf("it changed the jobs: %s", diff)
		}
		mixed := rapid.Permutation(all).Draw(t, "order")
		if diff := cmp.Diff(build, BuildProgress(mixed, fast)); diff != "" {
			t.Fatalf("the order of the jobs matters: %s", diff)
		}
		if diff := cmp.Diff(stage, StageProgress(mixed)); diff != "" {
			t.Fatalf("the order of the stage's jobs matters: %s", diff)
		}
		open, dropped := StageGate(all)
		mixedOpen, mixedDropped := StageGate(mixed)
		if open != mixedOpen || len(dropped) != len(mixedDropped) {
			t.Fatalf("the order of the jobs matters: %d %v, %d %v", open, dropped, mixedOpen, mixedDropped)
		}
		good := !slices.ContainsFunc(all, func(j Job) bool { return !j.AllowFailure && j.State != Passed })
		if build.State.Final() && good != (build.State == Passed) {
			t.Fatalf("%s, while that all required jobs passed is %v", build.State, good)
		}
		if build.State.Final() == build.FinishedAt.IsZero() {
			t.Fatalf("%s, finished at %v", build.State, build.FinishedAt)
		}
	})
}

func TestProgress_allowedFailuresNeverCount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all, fast := drawJobs(t), rapid.Bool().Draw(t, "fast finish")
		was := BuildProgress(all, fast)
		if !was.State.Final() {
			return
		}
		for i := range all {
			if all[i].AllowFailure && all[i].State.Final() {
				all[i].State = rapid.SampledFrom([]State{Passed, Failed, Errored, Canceled}).Draw(t, "other result")
			}
		}
		if got := BuildProgress(all, fast); got.State != was.State {
			t.Fatalf("%s became %s by jobs that are allowed to fail", was.State, got.State)
		}
	})
}

func TestStageGate_settlesAtOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := drawJobs(t)
		open, dropped := StageGate(all)
		for _, i := range dropped {
			if all[i].State.Final() || all[i].StageNumber <= open {
				t.Fatalf("dropped %+v while stage %d is open", all[i], open)
			}
			next, _, err := all[i].After(JobEvent{Kind: JobCancel, Reason: ReasonStage, At: noon})
			if err != nil {
				t.Fatal(err)
			}
			all[i] = next
		}
		again, more := StageGate(all)
		if again != open || len(more) > 0 {
			t.Fatalf("after the drop stage %d is open and %v are dropped; before it was %d", again, more, open)
		}
		for _, j := range all {
			if j.StageNumber > 0 && j.StageNumber < open && !j.State.Final() {
				t.Fatalf("stage %d is open, and %+v is not done", open, j)
			}
		}
	})
}

// A build or stage of which a part has ended has not ended itself.
func TestProgress_HasNoEndBeforeTheLastJobEnds(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 5, 46, 0, 0, time.UTC)
	jobs := []Job{{State: Passed, StartedAt: at, FinishedAt: at.Add(time.Minute)}, {State: Started, StartedAt: at}}
	for name, progress := range map[string]func([]Job) Progress{
		"build": func(j []Job) Progress { return BuildProgress(j, false) }, "stage": StageProgress,
	} {
		if p := progress(jobs); p.State != Started || !p.FinishedAt.IsZero() {
			t.Errorf("%s: one of two jobs has ended: %+v", name, p)
		}
		ended := []Job{jobs[0], {State: Failed, StartedAt: at, FinishedAt: at.Add(time.Second)}}
		if p := progress(ended); p.State != Failed || !p.FinishedAt.Equal(at.Add(time.Minute)) {
			t.Errorf("%s: both jobs have ended: %+v", name, p)
		}
	}
}
