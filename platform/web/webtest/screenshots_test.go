package webtest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

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
	browser := startBrowser(t)
	full := serve(t, webtest.Sample(noon))
	empty := serve(t, webtest.Empty(noon))
	out := webtest.Sample(noon)
	out.SetSignedIn(false)
	signedOut := serve(t, out)
	const turbine = "/r/millworks/turbine-api"
	pages := []struct{ name, url string }{
		{"sign-in", signedOut + "/sign-in"}, {"home", full + "/"}, {"home-empty", empty + "/"}, {"add", full + "/new"}, {"repo", full + turbine},
		{"repo-empty", full + "/r/millworks/tailrace-exporter"}, {"branches", full + turbine + "/branches"}, {"requests", full + turbine + "/requests"},
		{"settings", full + turbine + "/settings?confirm=delete"}, {"trigger", full + turbine + "/trigger"}, {"build", full + turbine + "/builds/1481"},
		{"build-running", full + turbine + "/builds/1483"}, {"config", full + turbine + "/builds/1481/config"}, {"job", full + turbine + "/jobs/1483.11"},
		{"job-failed", full + turbine + "/jobs/1481.5#L702"}, {"job-waiting", full + turbine + "/jobs/1482.3"}, {"tokens", full + "/account/tokens?delete=5"},
		{"preferences", full + "/account/preferences"}, {"search", full + "/search?q=turb"}, {"error", full + "/r/lena/dotfiles/builds/9999"},
	}
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 390} {
			tab := newTab(t, browser)
			for _, p := range pages {
				shoot(t, tab, p.url, theme, width, filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", p.name, width, theme)))
			}
		}
	}
}

// shoot makes the window as high as the page first, or sticky bars land in the middle.
func shoot(t *testing.T, tab context.Context, url, theme string, width int64, file string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, 30*time.Second)
	defer cancel()
	if err := shot(ctx, url, theme, width, file); err != nil {
		t.Fatalf("%s at %d, %s: %v", url, width, theme, err)
	}
}

func shot(ctx context.Context, url, theme string, width int64, file string) error {
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
		return err
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate("about:blank"), chromedp.Navigate(url), chromedp.WaitReady(chromedp.CSS("main"))); err != nil {
		return err
	}
	height, err := chromedp.Run(ctx, chromedp.Evaluate[int64](`Math.min(Math.max(document.documentElement.scrollHeight, 700), 2600)`))
	if err != nil {
		return err
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		return err
	}
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return err
	}
	return os.WriteFile(file, png, 0o644)
}
