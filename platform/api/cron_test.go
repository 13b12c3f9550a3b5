package api

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

func TestCrons_life(t *testing.T) {
	t.Parallel()
	for name, where := range map[string]func(t *testing.T) store.Config{
		"sqlite":   func(t *testing.T) store.Config { return store.Config{Path: filepath.Join(t.TempDir(), "test.db")} },
		"postgres": func(t *testing.T) store.Config { return store.Config{PostgresURL: testkit.Postgres(t), MaxConns: 3} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cronsLife(t, asAdmin(t, where(t)))
		})
	}
}

func cronsLife(t *testing.T, b *bundle) {
	t.Helper()
	doc := readSpec(t)
	show := func(name, method, path, body string) {
		t.Helper()
		got := b.do(t, method, path, body)
		golden(t, name, fmt.Sprintf("%s %s\n%d %s\n\n%s", method, path, got.Code, got.Header().Get("Content-Type"), got.Body))
		doc.check(t, got.json(t))
	}
	of := func(branch string) string { return "/api/repo/acme%2Fapp/branch/" + branch + "/cron" }
	show("cron_none", "GET", of("main"), "")
	show("cron_created", "POST", of("main"), `{"cron.interval":"weekly","cron.dont_run_if_recent_build_exists":true}`)
	show("cron_of_branch", "GET", of("main"), "")
	show("cron_schedule", "POST", of("feature%2Fwheel+race"), `{"cron":{"schedule":"30 2 * * 1-5","time_zone":"Europe/Berlin"}}`)
	show("cron_bad_interval", "POST", of("main"), `{"interval":"hourly"}`)
	show("cron_bad_branch", "POST", of("gone"), `{"interval":"daily"}`)
	show("crons", "GET", "/api/repo/1/crons?limit=1", "")
	show("cron", "GET", "/api/cron/1", "")
	show("cron_replaced", "POST", of("main"), `{"interval":"monthly"}`)
	show("cron_gone", "GET", "/api/cron/1", "")
	if got := b.do(t, "DELETE", "/api/cron/3", ""); got.Code != http.StatusNoContent || got.Body.Len() != 0 {
		t.Errorf("DELETE answers %d %s", got.Code, got.Body)
	}
	if got := b.do(t, "DELETE", "/api/cron/3", ""); got.Code != http.StatusNotFound {
		t.Errorf("a second DELETE answers %d %s", got.Code, got.Body)
	}
}

// TestCron_showsWhatCameOfIt: the build of the last run, or why there was none.
func TestCron_showsWhatCameOfIt(t *testing.T) {
	t.Parallel()
	b := asAdmin(t, store.Config{Path: filepath.Join(t.TempDir(), "test.db")})
	k := must(b.store.CreateCron(t.Context(), ci.NewCron{RepositoryID: b.repo.ID, Branch: "main", Schedule: "* * * * *"}))(t)
	fire := func() {
		t.Helper()
		b.now = b.now.Add(time.Minute)
		if _, fired, err := b.store.FireCron(t.Context(), k.ID); err != nil || !fired {
			t.Fatalf("fired: %t, %v", fired, err)
		}
	}
	check := func(what string, active, message, build any) {
		t.Helper()
		got := b.get(t, fmt.Sprintf("/api/cron/%d", k.ID)).json(t)
		if got["active"] != active || got["message"] != message || at(got, "last_build", "number") != build || got["last_run"] == nil {
			t.Errorf("%s: %v", what, got)
		}
	}
	fire()
	q, _, err := b.store.ClaimRequest(t.Context(), "test", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	must(b.store.CreateBuild(t.Context(), ci.NewBuild{
		RequestID: q.ID, RepositoryID: b.repo.ID, Event: q.Event, Branch: q.Branch, Jobs: []ci.NewJob{{Stage: -1, Queue: "builds.linux"}},
	}, q.Tries))(t)
	check("a build", true, nil, "1")
	if err := b.store.SetActive(t.Context(), b.repo.ID, false); err != nil {
		t.Fatal(err)
	}
	fire()
	check("switched off", true, "Building was switched off for this repository.", nil)
	if err := b.store.SetActive(t.Context(), b.repo.ID, true); err != nil {
		t.Fatal(err)
	}
	fire()
	if q, _, err = b.store.ClaimRequest(t.Context(), "test", time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := b.store.RejectRequest(t.Context(), q.ID, q.Tries, "There is no branch.", nil); err != nil {
		t.Fatal(err)
	}
	check("rejected", true, "There is no branch.", nil)
	if err := b.store.StopCron(t.Context(), q.ID, "There is no branch."); err != nil {
		t.Fatal(err)
	}
	check("stopped", false, "There is no branch.", nil)
}

// TestCrons_onlyAdministratorsChangeThem: others see that they are there.
func TestCrons_onlyAdministratorsChangeThem(t *testing.T) {
	t.Parallel()
	b := asAdmin(t, store.Config{Path: filepath.Join(t.TempDir(), "test.db")})
	k := must(b.store.CreateCron(t.Context(), ci.NewCron{RepositoryID: b.repo.ID, Branch: "main", Interval: "daily"}))(t)
	b.user = must(b.store.User(t.Context(), 1))(t)
	for _, try := range [][3]string{{"POST", "/api/repo/1/branch/main/cron", `{"interval":"weekly"}`}, {"DELETE", "/api/cron/" + id(k.ID), ""}} {
		got := b.do(t, try[0], try[1], try[2])
		if got.Code != http.StatusForbidden || got.json(t)["error_type"] != "insufficient_access" {
			t.Errorf("%s answers %d %s", try[0], got.Code, got.Body)
		}
	}
	got := b.get(t, "/api/repo/1/crons").json(t)
	if at(got, "crons", 0, "interval") != "daily" || at(got, "crons", 0, "@permissions", "delete") != false {
		t.Errorf("got %v", got)
	}
}
