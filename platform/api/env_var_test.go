package api

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

// asAdmin returns an API over a store that seals, as uma.
func asAdmin(t *testing.T, where store.Config) *bundle {
	t.Helper()
	where.Keys = must(seal.ParseKeys(seal.NewKey()))(t)
	b := setupOn(t, where)
	b.user = must(b.store.User(t.Context(), 2))(t)
	return b
}

func TestEnvVars_life(t *testing.T) {
	t.Parallel()
	b := asAdmin(t, store.Config{Path: filepath.Join(t.TempDir(), "test.db")})
	doc := readSpec(t)
	var known []string // ids, in the order in which they came
	show := func(name, method, path, body string) answered {
		t.Helper()
		got := b.do(t, method, path, body)
		text := fmt.Sprintf("%s %s\n%d %s\n\n%s", method, path, got.Code, got.Header().Get("Content-Type"), got.Body)
		if got.Code == http.StatusCreated {
			known = append(known, got.json(t)["id"].(string)) //nolint:forcetypeassert // else the test ends
		}
		for i, id := range known {
			text = strings.ReplaceAll(text, id, fmt.Sprintf("uuid-%d", i+1))
		}
		if strings.Contains(text, "hunter") {
			t.Errorf("%s shows a secret: %s", name, text)
		}
		golden(t, name, text)
		if got.Code != http.StatusNoContent {
			doc.check(t, got.json(t))
		}
		return got
	}
	show("env_var_created", "POST", "/api/repo/acme%2Fapp/env_vars", `{"env_var":{"name":"REGION","value":"eu north","public":true}}`)
	show("env_var_secret", "POST", "/api/repo/1/env_vars", `{"env_var.name":"TOKEN","env_var.value":"hunter2","env_var.branch":"main"}`)
	show("env_vars", "GET", "/api/repo/1/env_vars", "")
	show("env_var_duplicate", "POST", "/api/repo/1/env_vars", `{"name":"TOKEN","value":"hunter3","branch":"main"}`)
	show("env_var_nameless", "POST", "/api/repo/1/env_vars", `{"env_var":{"value":"hunter3"}}`)
	show("env_var_shown", "PATCH", "/api/repo/1/env_var/"+known[1], `{"env_var.public":true}`)
	show("env_var_changed", "PATCH", "/api/repo/1/env_var/"+known[1], `{"env_var":{"branch":null,"value":7}}`)
	show("env_var", "GET", "/api/repo/1/env_var/"+known[0], "")
	if got := b.do(t, "DELETE", "/api/repo/1/env_var/"+known[0], ""); got.Code != http.StatusNoContent || got.Body.Len() != 0 {
		t.Errorf("DELETE answers %d %s", got.Code, got.Body)
	}
	show("env_var_gone", "GET", "/api/repo/1/env_var/"+known[0], "")
	list := must(b.store.EnvVars(t.Context(), b.repo.ID))(t)
	if len(list) != 1 || list[0].Name != "TOKEN" || list[0].Branch != "" || list[0].Public {
		t.Errorf("stored: %+v", list)
	}
}

// TestEnvVars_onlyAdministratorsChangeThem: others see that they are there.
func TestEnvVars_onlyAdministratorsChangeThem(t *testing.T) {
	t.Parallel()
	b := asAdmin(t, store.Config{Path: filepath.Join(t.TempDir(), "test.db")})
	v := must(b.store.CreateEnvVar(t.Context(), ci.NewEnvVar{RepositoryID: b.repo.ID, Name: "TOKEN", Value: "hunter2"}))(t)
	b.user = must(b.store.User(t.Context(), 1))(t)
	for _, try := range [][3]string{
		{"POST", "/api/repo/1/env_vars", `{"name":"A"}`}, {"PATCH", "/api/repo/1/env_var/" + v.ID, `{"env_var.value":"x"}`}, {"DELETE", "/api/repo/1/env_var/" + v.ID, ""},
	} {
		got := b.do(t, try[0], try[1], try[2])
		if got.Code != http.StatusForbidden || got.json(t)["error_type"] != "insufficient_access" {
			t.Errorf("%s answers %d %s", try[0], got.Code, got.Body)
		}
	}
	got := b.get(t, "/api/repo/1/env_vars").json(t)
	if diff := cmp.Diff("TOKEN", at(got, "env_vars", 0, "name")); diff != "" {
		t.Error(diff)
	}
	if at(got, "env_vars", 0, "value") != nil || at(got, "env_vars", 0, "@permissions", "write") != false {
		t.Errorf("got %v", got)
	}
}
