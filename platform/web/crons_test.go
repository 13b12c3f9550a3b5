package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/headrace/headrace/platform/web/webtest"
)

const cronsOf = "/r/lena/dotfiles/crons"

func TestCrons(t *testing.T) {
	t.Parallel()
	s := open(t, webtest.Sample(noon))
	if code, body := s.get(cronsOf); code != http.StatusOK || !strings.Contains(body, "No cron job yet") || !strings.Contains(body, `aria-current="page">Crons`) || !strings.Contains(body, `value="main"`) {
		t.Errorf("before: %d %s", code, body)
	}
	for _, form := range []url.Values{
		{"do": {"add"}, "branch": {""}, "every": {"daily"}, "schedule": {"not read"}, "skip": {"1"}},
		{"do": {"add"}, "branch": {" dev "}, "every": {"schedule"}, "schedule": {"30 2 * * 1-5"}, "time_zone": {"Europe/Berlin"}},
	} {
		if res, body := s.post(cronsOf, form); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != cronsOf {
			t.Errorf("add %v: %d %s", form, res.StatusCode, body)
		}
	}
	_, body := s.get(cronsOf)
	for _, want := range []string{
		`mono">main</b>`, "every day at 12:01, UTC", "not if built in the 24 hours before", "today 12:01,", "in 1 min",
		`mono">dev</b>`, "<code>30 2 * * 1-5</code>, Europe/Berlin", "Mon 23 Nov 02:30,", "in 2 d", "not yet",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the list lacks %q", want)
		}
	}
	match := regexp.MustCompile(`\?delete=(\d+)`).FindStringSubmatch(body)
	if match == nil {
		t.Fatal("nothing can be deleted")
	}
	id := match[1]
	if _, body := s.get(cronsOf + "?delete=" + id); !strings.Contains(body, "Delete the cron of main?") || !strings.Contains(body, "Keep it") {
		t.Error("deleting is not asked about")
	}
	if res, _ := s.post("/r/millworks/weir-web/crons", url.Values{"do": {"delete"}, "id": {id}}); res.StatusCode != http.StatusNotFound {
		t.Errorf("the cron of another repository: %d", res.StatusCode)
	}
	s.post(cronsOf, url.Values{"do": {"delete"}, "id": {id}})
	if _, body := s.get(cronsOf); strings.Contains(body, `mono">main</b>`) || !strings.Contains(body, `mono">dev</b>`) {
		t.Error("the cron is still there, or both are gone")
	}
}

// TestCrons_sayWhatCameOfThem: the last build, or why there was none.
func TestCrons_sayWhatCameOfThem(t *testing.T) {
	t.Parallel()
	s := open(t, webtest.Sample(noon))
	_, body := s.get("/r/millworks/turbine-api/crons")
	for _, want := range []string{
		`href="/r/millworks/turbine-api/builds/1481">#1481</a>`, "There is no .travis.yml at this commit.", "Stopped",
		"There is no branch &#34;release-1.2&#34;", "every Friday at 07:00, America/New_York", "within a minute",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the list lacks %q", want)
		}
	}
	s.post("/r/millworks/turbine-api/settings", url.Values{"do": {"deactivate"}})
	if _, body := s.get("/r/millworks/turbine-api/crons"); !strings.Contains(body, "not while switched off") || !strings.Contains(body, "goes on when it is switched on") {
		t.Errorf("switched off: %s", body)
	}
}

func TestCrons_faultsStandAtTheirFields(t *testing.T) {
	t.Parallel()
	s := open(t, webtest.Sample(noon))
	for name, tt := range map[string]struct {
		form url.Values
		want string
	}{
		"no such branch":   {url.Values{"branch": {"gone"}}, "There is no branch"},
		"no such interval": {url.Values{"every": {"hourly"}}, "There is no interval"},
		"no schedule":      {url.Values{"every": {"schedule"}}, "or a schedule in cron syntax"},
		"a wrong schedule": {url.Values{"every": {"schedule"}, "schedule": {"61 * * * *"}}, `value="61 * * * *"`},
		"a wrong zone":     {url.Values{"time_zone": {"Mars"}}, "There is no time zone"},
	} {
		form := url.Values{"do": {"add"}, "branch": {"main"}, "every": {"daily"}}
		for k, v := range tt.form {
			form[k] = v
		}
		if res, body := s.post(cronsOf, form); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, tt.want) {
			t.Errorf("%s: %d, want %q in %.6000s", name, res.StatusCode, tt.want, body)
		}
	}
}

func TestCrons_onlyAdministratorsChangeThem(t *testing.T) {
	t.Parallel()
	s := open(t, webtest.Sample(noon))
	s.demo.SetAdmin(false)
	const path = "/r/millworks/turbine-api/crons"
	if _, body := s.get(path + "?delete=2"); !strings.Contains(body, "Only administrators") || strings.Contains(body, "Add a cron job") || strings.Contains(body, "Delete") {
		t.Errorf("who is no administrator is shown how to change them: %s", body)
	}
	for _, do := range []string{"add", "delete"} {
		if res, _ := s.post(path, url.Values{"do": {do}, "branch": {"main"}, "every": {"daily"}, "id": {"2"}}); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", do, res.StatusCode)
		}
	}
}
