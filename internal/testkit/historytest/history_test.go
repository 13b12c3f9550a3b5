package historytest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// noon is when the history of these tests begins.
var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// sound is a history in which all is right: a build of a stage with a job that was lost once, and one with a canceled job.
func sound() History {
	lost := ci.Attempt{
		JobID: 7, Number: 1, State: ci.Errored, Reason: ci.ReasonWorkerLost, Run: "r1", WorkerName: "mill-1",
		QueuedAt: at(1), ReceivedAt: at(2), StartedAt: at(3), FinishedAt: at(20),
	}
	zero := 0
	won := ci.Attempt{
		JobID: 7, Number: 2, State: ci.Passed, Run: "r2", WorkerName: "mill-2", ExitCode: &zero,
		QueuedAt: at(21), ReceivedAt: at(22), StartedAt: at(23), FinishedAt: at(30),
	}
	first := ci.Job{
		ID: 7, BuildID: 5, BuildNumber: 1, Index: 1, StageNumber: 1, State: ci.Passed, Attempt: 2, Tries: 2, Run: "r2", WorkerName: "mill-2",
		QueuedAt: won.QueuedAt, ReceivedAt: won.ReceivedAt, StartedAt: won.StartedAt, FinishedAt: won.FinishedAt,
	}
	second := ci.Job{ID: 8, BuildID: 5, BuildNumber: 1, Index: 2, StageNumber: 2, State: ci.Canceled, Reason: ci.ReasonUser, Attempt: 1, Tries: 1, FinishedAt: at(31)}
	canceled := ci.Attempt{JobID: 8, Number: 1, State: ci.Canceled, Reason: ci.ReasonUser, FinishedAt: at(31)}
	return History{
		Requests: []ci.Request{
			{ID: 3, State: ci.RequestFinished, Result: ci.RequestApproved, BuildIDs: []int64{5}},
			{ID: 4, State: ci.RequestFinished, Result: ci.RequestRejected, Reason: "There is no .travis.yml."},
		},
		Builds: []ci.Build{{
			ID: 5, RequestID: 3, Slug: "acme/app", Number: 1, State: ci.Canceled, StartedAt: at(23), FinishedAt: at(31),
			JobCounts: map[ci.State]int{ci.Passed: 1, ci.Canceled: 1}, Jobs: []ci.Job{first, second},
			Stages: []ci.Stage{{Number: 1, State: ci.Passed, StartedAt: at(23), FinishedAt: at(30)}, {Number: 2, State: ci.Canceled, FinishedAt: at(31)}},
		}},
		Attempts: map[int64][]Attempt{
			7: {{Attempt: lost, Log: logOf(false, "line 1 of 3")}, {Attempt: won, Log: logOf(true, "line 1 of 3", "line 2 of 3", "line 3 of 3")}},
			8: {{Attempt: canceled, Log: Log{Log: ci.Log{Closed: true}}}},
		},
	}
}

// logOf is a closed log with a sentence of the platform before the lines, and a part for each of those.
func logOf(whole bool, lines ...string) Log {
	r := &reader{}
	r.take(ci.LogPart{Source: ci.LogPreface, Content: []byte("This is an attempt.\n"), FirstLine: 1})
	for i, line := range lines {
		r.take(ci.LogPart{Source: ci.LogWorker, Number: i, Content: []byte(line + "\n"), FirstLine: i + 2, Final: whole && i == len(lines)-1})
	}
	l := r.log
	l.Closed, l.Next = true, len(lines)
	for _, p := range l.Parts {
		l.Bytes, l.Log.Lines = l.Bytes+int64(p.Size), l.Log.Lines+p.Lines
	}
	return l
}

func TestCheck_sound(t *testing.T) {
	t.Parallel()
	if found := Check(sound(), Rules{}); len(found) > 0 {
		t.Errorf("in a history without faults: %v", found)
	}
	if found := Check(History{}, Rules{}); len(found) > 0 {
		t.Errorf("in an empty history: %v", found)
	}
}

// TestCheck_doctored changes one thing of the sound history, and the checker says which.
func TestCheck_doctored(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		doctor func(h *History, b *ci.Build, j *ci.Job, won *Attempt)
		part   Part
		says   string
		open   bool
	}{
		"request pending":       {func(h *History, _ *ci.Build, _ *ci.Job, _ *Attempt) { h.Requests[1].State = ci.RequestPending }, Requests, "request 4 is pending", true},
		"request without build": {func(h *History, _ *ci.Build, _ *ci.Job, _ *Attempt) { h.Builds = nil }, Requests, "names builds [5] and has []", false},
		"request with two builds": {func(h *History, b *ci.Build, _ *ci.Job, _ *Attempt) {
			h.Builds = append(h.Builds, *b)
		}, Requests, "has [5 5]", false},
		"no reason":        {func(h *History, _ *ci.Build, _ *ci.Job, _ *Attempt) { h.Requests[1].Reason = "" }, Requests, "request 4 was rejected", false},
		"no result":        {func(h *History, _ *ci.Build, _ *ci.Job, _ *Attempt) { h.Requests[1].Result = "" }, Requests, "without a result", false},
		"lost request":     {func(h *History, _ *ci.Build, _ *ci.Job, _ *Attempt) { h.Requests = h.Requests[1:] }, Requests, "build 5 has no request", false},
		"gap in numbers":   {func(_ *History, b *ci.Build, _ *ci.Job, _ *Attempt) { b.Number = 2 }, Builds, "the numbers [2]", false},
		"state of a build": {func(_ *History, b *ci.Build, _ *ci.Job, _ *Attempt) { b.State = ci.Passed }, Builds, "build 5 is {passed", false},
		"end of a build":   {func(_ *History, b *ci.Build, _ *ci.Job, _ *Attempt) { b.FinishedAt = at(40) }, Builds, "of its jobs follows", false},
		"state of a stage": {func(_ *History, b *ci.Build, _ *ci.Job, _ *Attempt) { b.Stages[0].State = ci.Started }, Builds, "stage 1 of build 5", false},
		"counts of jobs":   {func(_ *History, b *ci.Build, _ *ci.Job, _ *Attempt) { b.JobCounts[ci.Passed]++ }, Builds, "counts its jobs", false},
		"job of another":   {func(_ *History, b *ci.Build, _ *ci.Job, _ *Attempt) { b.Jobs[1].Index = 3 }, Builds, "is number 1.3", false},
		"no jobs":          {func(_ *History, b *ci.Build, _ *ci.Job, _ *Attempt) { b.Jobs = nil }, Builds, "has no jobs", false},
		"stage too early": {func(_ *History, b *ci.Build, _ *ci.Job, _ *Attempt) {
			b.Jobs[0].StageNumber, b.Jobs[1].StageNumber = 2, 1
		}, Builds, "job 1.2 of an earlier stage is canceled", false},
		"job runs":          {func(_ *History, _ *ci.Build, j *ci.Job, _ *Attempt) { j.State = ci.Started }, Jobs, "job 7 is started in attempt 2", true},
		"attempt missing":   {func(h *History, _ *ci.Build, _ *ci.Job, _ *Attempt) { h.Attempts[7] = h.Attempts[7][1:] }, Jobs, "is at attempt 2 and has 1", false},
		"attempt doubled":   {func(_ *History, _ *ci.Build, _ *ci.Job, won *Attempt) { won.Number = 1 }, Jobs, "attempt 2 in order is number 1", false},
		"attempt runs on":   {func(h *History, _ *ci.Build, _ *ci.Job, _ *Attempt) { h.Attempts[7][0].State = ci.Started }, Jobs, "attempt 1 of job 7 is started", false},
		"too many tries":    {func(_ *History, _ *ci.Build, j *ci.Job, _ *Attempt) { j.Tries = 4 }, Jobs, "is at try 4 of at most 3", false},
		"unasked restart":   {func(_ *History, _ *ci.Build, j *ci.Job, _ *Attempt) { j.Tries = 1 }, Jobs, "is at try 1", false},
		"one run for two":   {func(h *History, _ *ci.Build, _ *ci.Job, _ *Attempt) { h.Attempts[7][0].Run = "r2" }, Jobs, "run r2 owns attempt 2 of job 7 and attempt 1", false},
		"owner changed":     {func(_ *History, _ *ci.Build, _ *ci.Job, won *Attempt) { won.Run = "r3" }, Jobs, `and its last attempt passed "" (run "r3"`, false},
		"result of nobody":  {func(_ *History, _ *ci.Build, _ *ci.Job, won *Attempt) { won.WorkerName = "" }, Jobs, "without a run, a worker or a start", false},
		"passed with 1":     {func(_ *History, _ *ci.Build, _ *ci.Job, won *Attempt) { *won.ExitCode = 1 }, Jobs, "passed with exit code 1", false},
		"back in time":      {func(_ *History, _ *ci.Build, _ *ci.Job, won *Attempt) { won.StartedAt = at(35) }, Jobs, "goes back in time", false},
		"two owners":        {func(h *History, _ *ci.Build, _ *ci.Job, _ *Attempt) { h.Attempts[7][0].FinishedAt = at(29) }, Jobs, "has an owner before", false},
		"passed, run again": {func(h *History, _ *ci.Build, _ *ci.Job, _ *Attempt) { h.Attempts[7][0].State = ci.Passed }, Jobs, "nobody restarted it", false},
		"log open":          {func(_ *History, _ *ci.Build, _ *ci.Job, won *Attempt) { won.Log.Closed = false }, Logs, "is open", true},
		"foreign log open":  {func(_ *History, _ *ci.Build, _ *ci.Job, won *Attempt) { won.Log.Closed, won.Unclaimed = false, true }, TornLogs, "is open", true},
		"log without end": {func(_ *History, _ *ci.Build, _ *ci.Job, won *Attempt) {
			won.Log = logOf(false, "line 1 of 3", "line 2 of 3", "line 3 of 3")
		}, Logs, "has no end", false},
		"log that says so": {func(_ *History, _ *ci.Build, _ *ci.Job, won *Attempt) { won.Log.Torn = true }, Logs, "has no end", false},
		"foreign log torn": {func(_ *History, _ *ci.Build, _ *ci.Job, won *Attempt) { won.Log.Torn, won.Unclaimed = true, true }, TornLogs, "has no end", false},
		"two ends":         {func(_ *History, _ *ci.Build, _ *ci.Job, won *Attempt) { won.Log.Parts[1].Final = true }, Logs, "has 2 last parts", false},
		"part missing": {func(_ *History, _ *ci.Build, _ *ci.Job, won *Attempt) {
			won.Log.Parts = slices.Delete(won.Log.Parts, 2, 3)
		}, Logs, "has part 2 of source 1 where part 1", false},
		"parts swapped": {func(_ *History, _ *ci.Build, _ *ci.Job, won *Attempt) {
			won.Log.Parts[1].LogPos, won.Log.Parts[2].LogPos = won.Log.Parts[2].LogPos, won.Log.Parts[1].LogPos
		}, Logs, "where part 0", false},
		"parts counted wrongly": {func(_ *History, _ *ci.Build, _ *ci.Job, won *Attempt) { won.Log.Bytes++ }, Logs, "says that it has 3 parts", false},
		"line number wrong":     {func(_ *History, _ *ci.Build, _ *ci.Job, won *Attempt) { won.Log.Parts[2].FirstLine++ }, Logs, "begins in line 3 and says 4", false},
		"line missing": {func(_ *History, _ *ci.Build, _ *ci.Job, won *Attempt) {
			won.Log = logOf(true, "line 1 of 3", "line 3 of 3")
		}, Logs, `"line 3 of 3" where line 2 is due`, false},
		"message left": {func(h *History, _ *ci.Build, _ *ci.Job, _ *Attempt) { h.Outbox = 2 }, Outbox, "2 messages are left", true},
		"dead letter":  {func(h *History, _ *ci.Build, _ *ci.Job, _ *Attempt) { h.DeadLetters = []string{"a finish of nobody"} }, DeadLetters, "a finish of nobody", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := sound()
			tt.doctor(&h, &h.Builds[0], &h.Builds[0].Jobs[0], &h.Attempts[7][1])
			found := Check(h, Rules{})
			i := slices.IndexFunc(found, func(f Finding) bool {
				return f.Part == tt.part && f.Open == tt.open && strings.Contains(f.String(), tt.says)
			})
			if i < 0 {
				t.Errorf("nobody says %q of %s: %v", tt.says, tt.part, found)
			}
			if Quiet(found) == tt.open {
				t.Errorf("quiet: %v, with %v", !tt.open, found)
			}
			for _, f := range Check(h, Rules{Except: []Part{tt.part}}) {
				if f.Part == tt.part {
					t.Errorf("a part that does not apply is told: %v", f)
				}
			}
		})
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lines string
		whole bool
		says  string
	}{
		"none":              {"", true, ""},
		"whole":             {"line 1 of 2\nline 2 of 2", true, ""},
		"beginning":         {"line 1 of 2", false, ""},
		"cut":               {"line 1 of 2", true, "it ends after 1 of 2 lines"},
		"doubled":           {"line 1 of 2\nline 1 of 2", false, "where line 2 is due"},
		"swapped":           {"line 2 of 2\nline 1 of 2", false, "where line 1 is due"},
		"with a run":        {"run 7 line 1\nrun 7 line 2\nrun 7 ends after 2 lines", true, ""},
		"no end":            {"run 7 line 1\nrun 7 line 2", true, "and not its end"},
		"wrong end":         {"run 7 line 1\nrun 7 ends after 2 lines", true, "after 1 lines"},
		"goes on":           {"run 7 line 1\nrun 7 ends after 1 lines\nrun 7 line 2", true, "where line 2 is due"},
		"two runs":          {"run 7 line 1\nrun 8 line 2", false, "of another run"},
		"with more in line": {"line 1 of 1 <from there>", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &reader{}
			for i, b := range []byte(tt.lines + "\n") { // a part may be cut anywhere
				r.take(ci.LogPart{Source: ci.LogWorker, Number: i, Content: []byte{b}})
			}
			if want := strings.Count(tt.lines, "line ") + strings.Count(tt.lines, "ends"); len(r.log.Counted) != want {
				t.Fatalf("got %q, want %d lines", r.log.Counted, want)
			}
			err := Counts(r.log.Counted, tt.whole)
			if (err == nil) != (tt.says == "") || (err != nil && !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
		})
	}
}
