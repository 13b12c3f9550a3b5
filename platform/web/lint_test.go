package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/headrace/headrace/platform/web/webtest"
)

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	s := open(t, webtest.Sample(noon))
	for _, c := range []struct {
		config, event string
		status        int
		want          []string
	}{
		{"script: make", "push", http.StatusOK, []string{"This makes one job.", "notes on how it was read"}},
		{"scirpt: make", "push", http.StatusOK, []string{"One thing may not be meant so.", "Line 1:", "script"}},
		{"a: [", "push", http.StatusOK, []string{"No build can be made of this.", "line 1"}},
		{"branches: {only: release}", "push", http.StatusOK, []string{"This makes no build"}},
		{"if: type = cron", "cron", http.StatusOK, []string{"This makes one job."}},
		{"script: '<script>alert(1)</script>'\nnope: '<b>'", "push", http.StatusOK, []string{"&lt;b&gt;"}},
		{"", "push", http.StatusOK, []string{"This makes one job."}},
		{"script: make", "teatime", http.StatusUnprocessableEntity, []string{"There is no event"}},
	} {
		res, body := s.post("/lint", url.Values{"config": {c.config}, "event": {c.event}})
		if res.StatusCode != c.status {
			t.Errorf("%q for %s: %d", c.config, c.event, res.StatusCode)
		}
		for _, want := range c.want {
			if !strings.Contains(body, want) {
				t.Errorf("%q for %s does not say %q", c.config, c.event, want)
			}
		}
		if strings.Contains(body, "<script>alert") {
			t.Errorf("%q is drawn as markup", c.config)
		}
	}
}
