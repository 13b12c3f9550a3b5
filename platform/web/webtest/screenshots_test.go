package webtest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/headrace/headrace/platform/web/webtest"
)

// TestScreenshots draws every page into the folder that HEADRACE_SCREENSHOTS names, at 1280 and 390, light and dark.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("HEADRACE_SCREENSHOTS")
	if dir == "" {
		t.Skip("HEADRACE_SCREENSHOTS names no folder")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	browser := webtest.StartBrowser(t)
	full := serve(t, webtest.Sample(noon))
	empty := serve(t, webtest.Empty(noon))
	out := webtest.Sample(noon)
	out.SetSignedIn(false)
	signedOut := serve(t, out)
	pages := []struct{ name, url string }{
		{"sign-in", signedOut + "/sign-in"}, {"home", full + "/"}, {"home-empty", empty + "/"}, {"add", full + "/new"}, {"repo", full + turbine},
		{"repo-empty", full + "/r/millworks/tailrace-exporter"}, {"branches", full + turbine + "/branches"}, {"requests", full + turbine + "/requests"},
		{"variables", full + turbine + "/variables?delete=var-2"}, {"crons", full + turbine + "/crons?delete=2"}, {"crons-empty", full + "/r/lena/dotfiles/crons"}, {"hook", full + turbine + "/hook?remove=hook-1"}, {"build-pull", full + turbine + "/builds/1479"}, {"settings", full + turbine + "/settings?confirm=delete"}, {"trigger", full + turbine + "/trigger"}, {"build", full + turbine + "/builds/1481"},
		{"build-running", full + turbine + "/builds/1483"}, {"config", full + turbine + "/builds/1481/config"}, {"job", full + turbine + "/jobs/1483.11"},
		{"job-failed", full + turbine + "/jobs/1481.5#L702"}, {"job-waiting", full + turbine + "/jobs/1482.3"}, {"queues", full + "/queues"}, {"settings-plain", full + turbine + "/settings"}, {"lint", full + "/lint"}, {"caches", full + turbine + "/caches"}, {"tokens", full + "/account/tokens?delete=5"},
		{"preferences", full + "/account/preferences"}, {"search", full + "/search?q=turb"}, {"error", full + "/r/lena/dotfiles/builds/9999"},
	}
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 390} {
			tab := webtest.NewTab(t, browser)
			for _, p := range pages {
				webtest.Shoot(t, tab, p.url, theme, width, filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", p.name, width, theme)))
			}
		}
	}
}
