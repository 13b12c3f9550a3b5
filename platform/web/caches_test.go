package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/headrace/headrace/platform/web/webtest"
)

func TestCaches(t *testing.T) {
	t.Parallel()
	const page = "/r/millworks/turbine-api/caches"
	s := open(t, webtest.Sample(noon))
	if code, body := s.get(page + "?delete=2"); code != http.StatusOK || !strings.Contains(body, `aria-current="page">Caches`) || strings.Count(body, "Delete it?") != 1 {
		t.Errorf("deleting is not asked about: %d %s", code, body)
	}
	for _, id := range []string{"", "x", "-1"} {
		if res, _ := s.post(page, url.Values{"id": {id}}); res.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("delete %q: %d", id, res.StatusCode)
		}
	}
	if res, body := s.post(page, url.Values{"id": {"2"}}); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != page {
		t.Errorf("delete: %d %s", res.StatusCode, body)
	}
	if _, body := s.get(page); strings.Contains(body, "212.0 MiB") || !strings.Contains(body, "PR.212") {
		t.Error("the cache is still there, or both are gone")
	}
	if _, body := s.get(page + "?delete=all"); !strings.Contains(body, "Delete all of them?") {
		t.Error("deleting all is not asked about")
	}
	s.post(page, url.Values{"id": {"all"}})
	if _, body := s.get(page); !strings.Contains(body, "No cache yet") {
		t.Error("caches are left")
	}
}
