package api

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/ci"
)

// admin has the requests of a bundle come from uma, who is an administrator.
func (b *bundle) admin(t *testing.T) {
	t.Helper()
	b.user = must(b.store.User(t.Context(), 2))(t)
}

func TestSettings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want := map[string]any{
		"builds_only_with_travis_yml": true, "build_pushes": true, "build_pull_requests": true, "maximum_number_of_builds": 0.0,
		"auto_cancel_pushes": false, "auto_cancel_pull_requests": false, "allow_config_imports": false,
	}
	got := map[string]any{}
	list, _ := b.get(t, "/api/repo/1/settings").json(t)["settings"].([]any)
	for _, s := range list {
		got[fmt.Sprint(at(s, "name"))] = at(s, "value")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	one := b.get(t, "/api/repo/acme%2Fapp/setting/build_pushes").json(t)
	if one["@type"] != "setting" || one["@href"] != "/api/repo/1/setting/build_pushes" || one["value"] != true {
		t.Errorf("setting: %v", one)
	}
	if got := b.do(t, http.MethodPatch, "/api/repo/1/setting/build_pushes", `{"setting.value":false}`); got.Code != http.StatusForbidden {
		t.Errorf("who is no administrator gets %d", got.Code)
	}
	b.admin(t)
	for name, c := range map[string]struct {
		name, body string
		status     int
		value      any
	}{
		"as Travis has it":     {"build_pushes", `{"setting.value":false}`, 200, false},
		"bare":                 {"auto_cancel_pushes", `{"value":true}`, 200, true},
		"nested, as text":      {"maximum_number_of_builds", `{"setting":{"value":"4"}}`, 200, 4.0},
		"another kind":         {"maximum_number_of_builds", `{"value":true}`, 422, nil},
		"less than nothing":    {"maximum_number_of_builds", `{"value":-1}`, 422, nil},
		"no value":             {"build_pushes", `{}`, 422, nil},
		"what cannot be":       {"builds_only_with_travis_yml", `{"value":false}`, 422, nil},
		"a name nobody knows":  {"build_everything", `{"value":true}`, 404, nil},
		"null is not a value":  {"build_pushes", `{"value":null}`, 422, nil},
		"what is so is so too": {"builds_only_with_travis_yml", `{"value":true}`, 200, true},
	} {
		got := b.do(t, http.MethodPatch, "/api/repo/1/setting/"+c.name, c.body)
		if got.Code != c.status || c.status == 200 && got.json(t)["value"] != c.value {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
	}
	stored := must(b.store.RepositorySettings(t.Context(), 1))(t)
	if diff := cmp.Diff(ci.RepositorySettings{BuildPullRequests: true, MaxJobs: 4, CancelPushes: true}, stored); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if got := b.get(t, "/api/repo/1/setting/build_everything"); got.Code != http.StatusNotFound {
		t.Errorf("a setting nobody knows: %d", got.Code)
	}
}

func TestQueues(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.startJob(t)
	doc := readSpec(t)
	list := b.get(t, "/api/queues").json(t)
	doc.check(t, list)
	if q := at(list, "queues", 0); at(q, "name") != "builds.linux" || at(q, "started") != 1.0 || at(q, "queued") != 1.0 || at(q, "created") != 1.0 || at(q, "slots") != 4.0 {
		t.Errorf("queues: %v", list)
	}
	stats := b.get(t, "/api/queues/builds.linux/stats").json(t)
	doc.check(t, stats)
	if stats["queue_name"] != "builds.linux" || stats["started"] != 1.0 || stats["queued"] != 2.0 {
		t.Errorf("stats: %v", stats)
	}
	const queue = "/api/queue/builds.linux"
	for _, act := range []string{queue + "/pause", queue + "/resume"} {
		if got := b.do(t, http.MethodPost, act, ""); got.Code != http.StatusForbidden {
			t.Errorf("%s by who is no administrator: %d", act, got.Code)
		}
	}
	b.admin(t)
	paused := b.do(t, http.MethodPost, queue+"/pause", "").json(t)
	doc.check(t, paused)
	if paused["paused"] != true || paused["paused_by"] != "uma" || paused["queued"] != 0.0 || paused["created"] != 2.0 {
		t.Errorf("paused: %v", paused)
	}
	if got := b.do(t, http.MethodPost, queue+"/resume", "").json(t); got["paused"] != false || got["paused_at"] != nil {
		t.Errorf("resumed: %v", got)
	}
	if got := b.do(t, http.MethodPatch, queue, `{"limit":3}`).json(t); got["limit"] != 3.0 {
		t.Errorf("limited: %v", got)
	}
	if got := b.do(t, http.MethodPatch, queue, `{"queue":{"limit":0}}`).json(t); got["limit"] != nil {
		t.Errorf("limited no more: %v", got)
	}
	for path, method := range map[string]string{"/api/queue/nothing": http.MethodGet, "/api/queue/nothing/pause": http.MethodPost, "/api/queues/nothing/stats": http.MethodGet} {
		if got := b.do(t, method, path, ""); got.Code != http.StatusNotFound || got.json(t)["resource_type"] != "queue" {
			t.Errorf("%s: %d %s", path, got.Code, got.Body)
		}
	}
}

func TestPriorityAndWaiting(t *testing.T) {
	t.Parallel()
	b := setup(t)
	running := b.startJob(t)
	waiting := b.addBuild(t, "main", "")
	doc := readSpec(t)
	must(b.store.PauseQueue(t.Context(), "builds.linux", true, "uma"))(t)
	path := fmt.Sprintf("/api/job/%d", waiting.Jobs[0].ID)
	got := b.get(t, path).json(t)
	doc.check(t, got)
	if at(got, "waiting", "for") != "queue_paused" || at(got, "waiting", "text") != "The queue builds.linux is paused by uma." || at(got, "priority") != false {
		t.Errorf("a job of a paused queue: %v", at(got, "waiting"))
	}
	jobs := b.get(t, fmt.Sprintf("/api/build/%d/jobs", waiting.ID)).json(t)
	if at(jobs, "jobs", 2, "waiting", "for") != "stage" || at(jobs, "jobs", 2, "waiting", "name") != "test" || at(jobs, "jobs", 2, "waiting", "now") != 2.0 {
		t.Errorf("a job of a later stage: %v", at(jobs, "jobs", 2, "waiting"))
	}
	if got := b.get(t, fmt.Sprintf("/api/job/%d", running.ID)).json(t); got["waiting"] != nil {
		t.Errorf("a job that runs waits: %v", got["waiting"])
	}
	build := fmt.Sprintf("/api/build/%d", waiting.ID)
	first := b.do(t, http.MethodPost, build+"/priority", "")
	if first.Code != http.StatusAccepted || first.json(t)["priority"] != true {
		t.Errorf("put first: %d %s", first.Code, first.Body)
	}
	if got := b.do(t, http.MethodPost, path+"/priority", ""); got.Code != http.StatusAccepted || got.json(t)["priority"] != true {
		t.Errorf("job put first: %d %s", got.Code, got.Body)
	}
	if got := b.do(t, http.MethodPost, fmt.Sprintf("/api/job/%d/priority", running.ID), ""); got.Code != http.StatusConflict || got.json(t)["error_type"] != "job_not_prioritizable" {
		t.Errorf("a job that runs is put first: %d %s", got.Code, got.Body)
	}
	_, _, err := b.store.CancelBuild(t.Context(), waiting.ID, "uma")
	if err != nil {
		t.Fatal(err)
	}
	if got := b.do(t, http.MethodPost, build+"/priority", ""); got.Code != http.StatusConflict || got.json(t)["error_type"] != "build_not_prioritizable" {
		t.Errorf("a build that has ended is put first: %d %s", got.Code, got.Body)
	}
	if got := b.get(t, build).json(t); got["priority"] != false {
		t.Errorf("a build that has ended has priority: %v", got["priority"])
	}
}
