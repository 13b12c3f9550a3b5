package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/web/webtest"
)

func TestQueues_change(t *testing.T) {
	t.Parallel()
	d := webtest.Sample(noon)
	s := open(t, d)
	for _, form := range []url.Values{
		{"do": {"pause"}, "queue": {"builds.linux"}}, {"do": {"resume"}, "queue": {"builds.mac"}},
		{"do": {"limit"}, "queue": {"builds.linux"}, "limit": {" 3 "}}, {"do": {"limit"}, "queue": {"builds.arm"}, "limit": {""}},
	} {
		if res, _ := s.post("/queues", form); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/queues" {
			t.Errorf("%v answers %d", form, res.StatusCode)
		}
	}
	want := []string{"pause builds.linux true by lena", "pause builds.mac false by lena", "limit builds.linux to 3", "limit builds.arm to 0"}
	if diff := cmp.Diff(want, d.Acts); diff != "" {
		t.Errorf("acts (-want +got):\n%s", diff)
	}
	for limit, status := range map[string]int{"many": http.StatusUnprocessableEntity, "-1": http.StatusUnprocessableEntity} {
		res, body := s.post("/queues", url.Values{"do": {"limit"}, "queue": {"builds.linux"}, "limit": {limit}})
		if res.StatusCode != status || !strings.Contains(body, "A number of jobs; empty is no limit.") {
			t.Errorf("limit %q answers %d", limit, res.StatusCode)
		}
	}
	if res, _ := s.post("/queues", url.Values{"do": {"pause"}, "queue": {"nothing"}}); res.StatusCode != http.StatusNotFound {
		t.Errorf("a queue that is not there answers %d", res.StatusCode)
	}
	d.SetAdmin(false)
	if res, _ := s.post("/queues", url.Values{"do": {"pause"}, "queue": {"builds.linux"}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("who is no administrator gets %d", res.StatusCode)
	}
	if _, body := s.get("/queues"); strings.Contains(body, ">Pause<") || strings.Contains(body, `name="limit"`) {
		t.Error("who is no administrator is offered changes")
	}
}

func TestQueues_verdict(t *testing.T) {
	t.Parallel()
	for want, queues := range map[string][]ci.QueueStatus{
		"No queue yet":  nil,
		"Nothing waits": {{Queue: "q", Workers: 1}},
		"Jobs are handed out as slots become free": {{Queue: "q", Workers: 1, Created: 2}},
		"Jobs wait for a worker on 1 queue":        {{Queue: "q", Created: 2}, {Queue: "p", Paused: true}},
		"Jobs wait for workers on 2 queues":        {{Queue: "q", Created: 2}, {Queue: "r", Queued: 1, Draining: 1}},
		"2 queues are paused":                      {{Queue: "q", Paused: true, Created: 1}, {Queue: "p", Paused: true}},
	} {
		d := webtest.Empty(noon)
		d.SetQueues(queues...)
		if _, body := open(t, d).get("/queues"); !strings.Contains(body, "<h1>"+want+"</h1>") {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestPutFirst(t *testing.T) {
	t.Parallel()
	d := webtest.Sample(noon)
	s := open(t, d)
	s.post("/r/millworks/turbine-api/builds/1482/priority", nil)
	s.post("/r/millworks/turbine-api/jobs/1482.3/priority", nil)
	if !slices.ContainsFunc(d.Acts, func(a string) bool { return strings.HasPrefix(a, "put first build ") }) || !slices.ContainsFunc(d.Acts, func(a string) bool { return strings.HasPrefix(a, "put first job ") }) {
		t.Errorf("acts: %q", d.Acts)
	}
	if _, body := s.get("/r/millworks/turbine-api/builds/1481"); strings.Contains(body, "Put first") {
		t.Error("a build that has ended can be put first")
	}
}

func TestSettings_whatIsBuilt(t *testing.T) {
	t.Parallel()
	d := webtest.Sample(noon)
	s := open(t, d)
	const page = "/r/lena/dotfiles/settings"
	res, _ := s.post(page, url.Values{"do": {"build"}, ci.SettingBuildPullRequests: {"1"}, ci.SettingCancelPushes: {"1"}, ci.SettingMaxJobs: {"7"}})
	if res.StatusCode != http.StatusSeeOther {
		t.Errorf("saving answers %d", res.StatusCode)
	}
	_, body := s.get(page)
	for _, want := range []string{`name="build_pushes" value="1">`, `name="build_pull_requests" value="1" checked`, `name="auto_cancel_pushes" value="1" checked`, `value="7"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not have %s", want)
		}
	}
	for _, bad := range []string{"x", "-3"} {
		if res, body := s.post(page, url.Values{"do": {"build"}, ci.SettingMaxJobs: {bad}}); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "number of jobs") {
			t.Errorf("%q answers %d", bad, res.StatusCode)
		}
	}
	d.SetAdmin(false)
	if res, _ := s.post(page, url.Values{"do": {"build"}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("who is no administrator gets %d", res.StatusCode)
	}
}
