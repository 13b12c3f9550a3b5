package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/headrace/headrace/platform/web/webtest"
)

const variablesOf = "/r/lena/dotfiles/variables"

func TestVariables(t *testing.T) {
	t.Parallel()
	s := open(t, webtest.Sample(noon))
	if code, body := s.get(variablesOf); code != http.StatusOK || !strings.Contains(body, "No variable yet") || !strings.Contains(body, `aria-current="page">Variables`) {
		t.Errorf("before: %d %s", code, body)
	}
	for _, form := range []url.Values{
		{"do": {"add"}, "name": {"TOKEN"}, "value": {"hunter2"}, "branch": {"main"}, "public": {"0"}},
		{"do": {"add"}, "name": {" REGION "}, "value": {"eu <north>"}, "public": {"1"}},
	} {
		if res, body := s.post(variablesOf, form); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != variablesOf {
			t.Errorf("add %v: %d %s", form, res.StatusCode, body)
		}
	}
	_, body := s.get(variablesOf)
	for _, want := range []string{"TOKEN", "set, <time", "<code>main</code>", "REGION", "eu &lt;north&gt;", "?delete=var-3"} {
		if !strings.Contains(body, want) {
			t.Errorf("the list lacks %q", want)
		}
	}
	if strings.Contains(body, "hunter2") {
		t.Error("the list shows a secret")
	}
	if _, body := s.get(variablesOf + "?delete=var-3"); !strings.Contains(body, "Delete TOKEN?") || !strings.Contains(body, "Keep it") {
		t.Error("deleting is not asked about")
	}
	s.post(variablesOf, url.Values{"do": {"delete"}, "id": {"var-3"}})
	if _, body := s.get(variablesOf); strings.Contains(body, "TOKEN</b>") || !strings.Contains(body, "REGION") {
		t.Error("the variable is still there, or both are gone")
	}
}

func TestVariables_faultsStandAtTheirFieldsWithoutTheValue(t *testing.T) {
	t.Parallel()
	s := open(t, webtest.Sample(noon))
	s.post(variablesOf, url.Values{"do": {"add"}, "name": {"TOKEN"}, "value": {"x"}})
	for name, tt := range map[string]struct {
		form   url.Values
		status int
		want   string
	}{
		"nameless": {url.Values{"name": {""}}, http.StatusUnprocessableEntity, "Variable name is required"},
		"misnamed": {url.Values{"name": {"A-B"}}, http.StatusUnprocessableEntity, `value="A-B"`},
		"taken":    {url.Values{"name": {"TOKEN"}}, http.StatusConflict, "There is a variable TOKEN already."},
		"too long": {url.Values{"name": {"A"}, "value": {strings.Repeat("hunter2", 10_000)}}, http.StatusUnprocessableEntity, "longer than 32 KiB"},
	} {
		form := url.Values{"do": {"add"}, "value": {"hunter2"}}
		for k, v := range tt.form {
			form[k] = v
		}
		res, body := s.post(variablesOf, form)
		if res.StatusCode != tt.status || !strings.Contains(body, tt.want) || strings.Contains(body, "hunter2") {
			t.Errorf("%s: %d, want %d, %q, and no value in %.3000s", name, res.StatusCode, tt.status, tt.want, body)
		}
	}
}

func TestVariables_onlyAdministratorsChangeThem(t *testing.T) {
	t.Parallel()
	s := open(t, webtest.Sample(noon))
	s.post(variablesOf, url.Values{"do": {"add"}, "name": {"TOKEN"}, "value": {"x"}})
	s.demo.SetAdmin(false)
	if _, body := s.get(variablesOf + "?delete=var-3"); !strings.Contains(body, "Only administrators") || strings.Contains(body, "Add a variable") || strings.Contains(body, "Delete") {
		t.Errorf("who is no administrator is shown how to change them: %s", body)
	}
	for _, do := range []string{"add", "delete"} {
		if res, _ := s.post(variablesOf, url.Values{"do": {do}, "name": {"A"}, "id": {"var-3"}}); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", do, res.StatusCode)
		}
	}
}
