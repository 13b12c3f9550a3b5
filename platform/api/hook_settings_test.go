package api

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

func TestHookSettings(t *testing.T) {
	t.Parallel()
	b := asAdmin(t, store.Config{Path: filepath.Join(t.TempDir(), "test.db")})
	b.config.WebURL = func() string { return "https://ci.mill.example" }
	doc := readSpec(t)
	hook := func(method, path string, status, secrets int) []ci.HookSecret {
		t.Helper()
		got := b.do(t, method, "/api/repo/acme%2Fapp/hook"+path, "")
		if got.Code != status {
			t.Fatalf("%s %s answers %d %s", method, path, got.Code, got.Body)
		}
		doc.check(t, got.json(t))
		all := must(b.store.HookSecrets(t.Context(), b.repo.ID))(t)
		if status == http.StatusOK && len(all) != secrets {
			t.Fatalf("%s %s: %d secrets are valid, want %d", method, path, len(all), secrets)
		}
		return all
	}
	first := hook("GET", "", 200, 1)
	shown := b.do(t, "GET", "/api/repo/acme%2Fapp/hook", "").json(t)
	if urls := shown["urls"].(map[string]any); urls["github"] != "https://ci.mill.example/api/hooks/github" { //nolint:forcetypeassert // else the test ends
		t.Errorf("urls %v", urls)
	}
	if s := shown["secrets"].([]any)[0].(map[string]any); s["secret"] != first[0].Secret || s["newest"] != true { //nolint:forcetypeassert // else the test ends
		t.Errorf("secret %v", s)
	}
	both := hook("POST", "/rotate", 200, 2)
	hook("DELETE", "/secret/"+both[0].ID, http.StatusConflict, 2)
	if got := b.do(t, "DELETE", "/api/repo/acme%2Fapp/hook/secret/"+both[1].ID, ""); got.Code != http.StatusNoContent {
		t.Errorf("removal answers %d", got.Code)
	}
	hook("DELETE", "/secret/"+both[1].ID, http.StatusNotFound, 1)
	hook("GET", "", 200, 1)

	must(b.store.TakeHooks(t.Context(), []ci.HookRequest{{NewRequest: ci.NewRequest{
		RepositoryID: b.repo.ID, Key: "github d", Event: ci.EventPush, Branch: "main", Hook: ci.Hook{Forge: ci.GitHub, Delivery: "d"},
	}}}))(t)
	if err := b.store.NoteHook(t.Context(), ci.HookDelivery{RepositoryID: b.repo.ID, Forge: ci.Gitea, Event: "ping", Outcome: ci.HookUnused, Reason: "why"}); err != nil {
		t.Fatal(err)
	}
	list := b.do(t, "GET", "/api/repo/acme%2Fapp/hook/deliveries", "").json(t)
	doc.check(t, list)
	if all := list["hook_deliveries"].([]any); len(all) != 2 { //nolint:forcetypeassert // else the test ends
		t.Errorf("deliveries %v", all)
	}
	b.user = must(b.store.User(t.Context(), 1))(t)
	for _, r := range [][2]string{{"GET", ""}, {"POST", "/rotate"}, {"DELETE", "/secret/x"}, {"GET", "/deliveries"}} {
		if got := b.do(t, r[0], "/api/repo/acme%2Fapp/hook"+r[1], ""); got.Code != http.StatusForbidden {
			t.Errorf("%s %s by a user answers %d %s", r[0], r[1], got.Code, got.Body)
		}
	}
}
