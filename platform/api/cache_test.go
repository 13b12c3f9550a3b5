package api

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

func TestCaches(t *testing.T) {
	t.Parallel()
	b := asAdmin(t, store.Config{Path: filepath.Join(t.TempDir(), "test.db")})
	doc := readSpec(t)
	for i, branch := range []string{"main", "dev", "PR.4"} {
		x := ci.Cache{RepositoryID: b.repo.ID, Branch: branch, Name: "cache-linux--go-1.22", Place: "here", Blob: branch, Size: int64(100 + i), SHA256: "5a"}
		if err := b.store.ReserveBlob(t.Context(), x.Place, x.Blob, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := b.store.PutCache(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	branches := func(method, query string) []any {
		t.Helper()
		got := b.do(t, method, "/api/repo/acme%2Fapp/caches"+query, "")
		if got.Code != http.StatusOK {
			t.Fatalf("%s %s: %d %s", method, query, got.Code, got.Body)
		}
		answer := got.json(t)
		doc.check(t, answer)
		var names []any
		for i := range answer["caches"].([]any) { //nolint:forcetypeassert // else the test ends
			names = append(names, at(answer, "caches", i, "branch"))
			if at(answer, "caches", i, "repo", "slug") != "acme/app" {
				t.Errorf("cache %d is of %v", i, at(answer, "caches", i, "repo"))
			}
		}
		return names
	}
	for _, step := range []struct {
		method, query string
		want          []any
	}{
		{"GET", "", []any{"PR.4", "dev", "main"}}, {"GET", "?branch=dev", []any{"dev"}}, {"GET", "?match=GO-1", []any{"PR.4", "dev", "main"}},
		{"GET", "?match=ruby", nil}, {"DELETE", "?branch=dev&match=go", []any{"dev"}}, {"GET", "", []any{"PR.4", "main"}},
		{"DELETE", "?branch=none", nil}, {"DELETE", "", []any{"PR.4", "main"}}, {"GET", "", nil},
	} {
		if diff := cmp.Diff(step.want, branches(step.method, step.query)); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", step.method, step.query, diff)
		}
	}
	b.user.Admin = false
	if got := b.do(t, "DELETE", "/api/repo/1/caches", ""); got.Code != http.StatusForbidden {
		t.Errorf("a user who is no administrator deletes caches: %d", got.Code)
	}
}
