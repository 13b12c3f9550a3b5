package web

import (
	"testing"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

func TestRemovedLog_saysByWhom(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := at.Add(2 * time.Hour)
	for by, want := range map[string]string{
		"ines": "This log was removed by ines, 2 h ago.",
		"":     "This log was removed 2 h ago: it is older than logs are kept here.",
	} {
		if got := removedLog(ci.Log{RemovedBy: by, RemovedAt: at}, now); got != want {
			t.Errorf("%q: got %q", by, got)
		}
	}
}
