package dashboard_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/headrace/headrace/platform/web/webtest"
)

// TestScreenshots draws every page into the folder that HEADRACE_SCREENSHOTS names.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("HEADRACE_SCREENSHOTS")
	if dir == "" {
		t.Skip("HEADRACE_SCREENSHOTS names no folder")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	browser := webtest.StartBrowser(t)
	urls := map[string]string{}
	for name, d := range map[string]*door{"operator": {in: true}, "operator-sick": {in: true}, "operator-sign-in": {}} {
		health := healthy()
		if name == "operator-sick" {
			health = sick()
		}
		srv := httptest.NewServer(serve(t, d, health))
		t.Cleanup(srv.Close)
		urls[name] = srv.URL
	}
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 390} {
			tab := webtest.NewTab(t, browser)
			for name, url := range urls {
				webtest.Shoot(t, tab, url, theme, width, filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, width, theme)))
			}
		}
	}
}
