package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestQueue_pause: while a queue is paused from a shell nothing of it begins, the job says why, and it runs afterwards in its
// first attempt.
func TestQueue_pause(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := trial(t, dir, nil)
	api := s.api()
	api.addRepository(t, "acme/app", repository(t, map[string]string{".travis.yml": "language: shell\nscript: echo ran\n"}))
	admin := func(act string) string {
		t.Helper()
		out, code := command(t, nil, "admin", "queue", act, "builds.linux", "--data-dir", dir)
		if code != 0 {
			t.Fatalf("admin queue %s: %d %s", act, code, out)
		}
		return out
	}
	api.ended(t, api.built(t, "acme/app", api.trigger(t, "acme/app", nil)).ID) // the queue and its worker are known
	if out := admin("pause"); !strings.Contains(out, "builds.linux is paused.") {
		t.Errorf("pause says %q", out)
	}
	b := api.built(t, "acme/app", api.trigger(t, "acme/app", nil))
	id := api.jobs(t, b.ID)[0].ID
	type waitingJob struct {
		State   string `json:"state"`
		Attempt int    `json:"attempt"`
		Waiting *struct {
			For  string `json:"for"`
			Text string `json:"text"`
		} `json:"waiting"`
	}
	var j waitingJob
	api.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/job/%d", id), nil, &j)
	if j.State != "created" || j.Waiting == nil || j.Waiting.For != "queue_paused" || !strings.Contains(j.Waiting.Text, "paused by the command line") {
		t.Errorf("while paused: %+v", j)
	}
	admin("resume")
	if ended := api.ended(t, b.ID); ended.State != "passed" {
		t.Errorf("afterwards the build has %s", ended.State)
	}
	var done waitingJob
	api.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/job/%d", id), nil, &done)
	if done.Attempt != 1 || done.Waiting != nil {
		t.Errorf("afterwards: %+v", done)
	}
}
