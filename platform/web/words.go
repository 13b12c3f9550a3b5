package web

import (
	"strconv"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// waiting is the state people see for a job that something we can name holds back.
const waiting = "waiting"

var words = map[string]string{
	"passed": "Passed", "failed": "Failed", "errored": "Errored", "canceled": "Canceled", "started": "Running", "received": "Received",
	"queued": "Queued", "created": "Created", waiting: "Waiting", "none": "No build", "pending": "Pending", "rejected": "No build", "approved": "Built",
}

// word is the word for a state.
func word(state string) string { return words[state] }

var marks = map[ci.State]string{
	ci.Passed: "✓", ci.Failed: "✕", ci.Errored: "!", ci.Canceled: "⊘", ci.Started: "▶", ci.Received: "▶", ci.Queued: "…", ci.Created: "…",
}

// favicon is the state that the tab's icon shows.
func favicon(s ci.State) string {
	switch s {
	case ci.Passed, ci.Failed, ci.Errored:
		return string(s)
	case ci.Started, ci.Received:
		return "started"
	case ci.Created, ci.Queued, ci.Canceled:
	}
	return ""
}

// seconds is a duration for a progress element.
func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

func short(sha string) string {
	if len(sha) > 7 {
		return sha[:7]
	}
	return sha
}
