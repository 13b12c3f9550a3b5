package live_test

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/live"
	"github.com/headrace/headrace/platform/store"
)

var _ live.Store = (*store.Store)(nil)

// runningJob stores a job that a worker has, with the log that its claim began.
func runningJob(t *testing.T, s *store.Store) ci.Job {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.AddRepository(t.Context(), ci.NewRepository{Slug: "acme/app", SourceURL: "https://git.example.org/app.git", DefaultBranch: "main"})
	check(err)
	_, _, err = s.CreateRequest(t.Context(), ci.NewRequest{RepositoryID: r.ID, Event: ci.EventPush, Branch: "main"})
	check(err)
	q, _, err := s.ClaimRequest(t.Context(), "a", time.Minute)
	check(err)
	_, err = s.CreateBuild(t.Context(), ci.NewBuild{
		RequestID: q.ID, RepositoryID: r.ID, Event: ci.EventPush, Branch: "main", Commit: ci.Commit{SHA: "abc", Ref: "refs/heads/main"},
		Jobs: []ci.NewJob{{Stage: -1, Queue: "q", Config: ci.Config(`{}`)}},
	}, q.Tries)
	check(err)
	_, err = s.Beat(t.Context(), ci.Heartbeat{WorkerID: "w1", Queue: "q", Slots: 1})
	check(err)
	jobs, _, err := s.QueueJobs(t.Context(), 1, func(ci.QueuedJob) ([]byte, error) { return []byte("{}"), nil })
	check(err)
	_, _, err = s.ClaimAttempt(t.Context(), ci.Claim{JobID: jobs[0].ID, Attempt: 1, Run: "r", WorkerID: "w1"})
	check(err)
	return jobs[0]
}

// Parts come out of order, several at a time, and a note of the platform's; the viewer gets each line once, in order.
func TestFollowOnARealStore(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "headrace.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	j := runningJob(t, s)
	l := live.New(s, live.Config{Poll: time.Hour, Pace: time.Millisecond})

	var text strings.Builder
	lines := make(chan int, 1000)
	done := make(chan error, 1)
	go func() {
		done <- l.Follow(t.Context(), j.ID, 0, ci.LogPos{}, func(parts []ci.LogPart) error {
			for _, p := range parts {
				text.Write(p.Content)
			}
			lines <- strings.Count(text.String(), "\n")
			return nil
		})
	}()
	var want strings.Builder
	for i := 0; i < 40; i += 2 {
		for _, n := range []int{i + 1, i} {
			part := ci.LogPart{JobID: j.ID, Attempt: 1, Run: "r", Source: ci.LogWorker, Number: n, Content: []byte("line " + strconv.Itoa(n) + "\n"), Final: n == 39}
			if _, err := s.AppendLog(t.Context(), []ci.LogPart{part}); err != nil {
				t.Fatal(err)
			}
			l.Deliver([]ci.Change{{Kind: ci.ChangeLog, Job: j.ID, Attempt: 1, Part: n}})
		}
		want.WriteString("line " + strconv.Itoa(i) + "\nline " + strconv.Itoa(i+1) + "\n")
		for n := range lines { // each pair arrives by its hint alone
			if n == i+2 {
				break
			}
		}
	}
	if _, err := s.AddNote(t.Context(), j.ID, 1, ci.LogEpilogue, "The end."); err != nil {
		t.Fatal(err)
	}
	want.WriteString("\nThe end.\n")
	exit := 0
	if _, err := s.Report(t.Context(), ci.StateReport{RunRef: ci.RunRef{JobID: j.ID, Attempt: 1, Run: "r"}, State: ci.Passed, ExitCode: &exit}, 3); err != nil {
		t.Fatal(err)
	}
	l.Deliver([]ci.Change{{Kind: ci.ChangeJob, Job: j.ID, State: "passed"}})
	if err := <-done; err != nil || text.String() != want.String() {
		t.Errorf("Follow = %v, text:\n%s\nwant:\n%s", err, text.String(), want.String())
	}
}
