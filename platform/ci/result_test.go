package ci

import (
	"testing"
	"time"
)

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
