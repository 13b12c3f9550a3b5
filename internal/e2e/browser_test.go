package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// tab is a page of a real browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// openBrowser starts Chromium, or skips the test where there is none.
func openBrowser(t *testing.T) tab {
	t.Helper()
	path := os.Getenv("HEADRACE_TEST_CHROMIUM")
	if path == "" {
		path, _ = exec.LookPath("chromium")
	}
	if path == "" {
		if os.Getenv("HEADRACE_TEST_REQUIRE") == "1" {
			t.Fatal("no Chromium: HEADRACE_TEST_CHROMIUM is not set and chromium is not in PATH")
		}
		t.Skip("no Chromium: HEADRACE_TEST_CHROMIUM is not set and chromium is not in PATH")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.UserDataDir(t.TempDir()))
	alloc, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	b := tab{t: t, ctx: ctx}.opened()
	b.do(chromedp.EmulateViewport(1280, 900))
	return b
}

// another opens a second tab in the same browser.
func (b tab) another() tab {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	return tab{t: b.t, ctx: ctx}.opened()
}

// opened begins with the tab's own context: the one of the first act is the one that the tab lives in.
func (b tab) opened() tab {
	b.t.Helper()
	if err := chromedp.Do(b.ctx); err != nil {
		b.t.Fatalf("open a tab: %v", err)
	}
	return b
}

func (b tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("in the browser: %v; the page says:\n%s", err, tail(b.text(), 1500))
	}
}

func (b tab) visit(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
}

// text is what the page says.
func (b tab) text() string {
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText : ""`))
	if err != nil {
		return err.Error()
	}
	return text
}

func (b tab) eval(script string) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := chromedp.Evaluate[any]("(() => {"+script+"; return null})()")(ctx, target)
		return err
	}))
}

// says waits until the page says something.
func (b tab) says(what string) {
	b.t.Helper()
	eventually(b.t, fmt.Sprintf("page says %q", what), func() (bool, string) {
		text := b.text()
		return strings.Contains(text, what), tail(text, 1500)
	})
}

// fill types values into fields by name and sends their form.
func (b tab) fill(fields ...string) {
	b.t.Helper()
	var script strings.Builder
	for i := 0; i+1 < len(fields); i += 2 {
		fmt.Fprintf(&script, "var f = document.getElementsByName(%q)[0]; f.value = %q; f.dispatchEvent(new Event('input', {bubbles: true}));\n", fields[i], fields[i+1])
	}
	script.WriteString("f.form.requestSubmit()")
	b.eval(script.String())
}

// press clicks the button or link with the words.
func (b tab) press(words string) {
	b.t.Helper()
	b.eval(fmt.Sprintf(`var e = [...document.querySelectorAll("main button, main a, dialog[open] button")].reverse().find(e => e.innerText.trim() == %q && e.offsetParent);
		if (!e) throw new Error("nothing to press called " + %q); e.click()`, words, words))
}

// shoot saves pictures of the page at 1280 and 390 px, light and dark, where HEADRACE_SHOTS names a folder.
func (b tab) shoot(name string) {
	b.t.Helper()
	folder := os.Getenv("HEADRACE_SHOTS")
	if folder == "" {
		return
	}
	for _, width := range []int64{1280, 390} {
		for _, theme := range []string{"light", "dark"} {
			b.do(chromedp.EmulateViewport(width, 900), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
				_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
				return err
			}))
			picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
			if err != nil {
				b.t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%s-%d-%s.png", name, width, theme)), picture, 0o600); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	b.do(chromedp.EmulateViewport(1280, 900))
}

const steps = `language: shell
env: [SIZE=small, SIZE=large]
script:
  - echo "the $SIZE gate opens"
  - n=0; while [ ! -e GATE ] && [ $n -lt 600 ]; do n=$((n+1)); echo "drop $n"; sleep 0.1; done
  - echo "the gate was passed"
`

// TestBrowser is a person's first day: sign in, add a repository, trigger, watch the log arrive, cancel, restart.
func TestBrowser(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "gate")
	source := repository(t, map[string]string{".travis.yml": strings.ReplaceAll(steps, "GATE", gate)})
	s := trial(t, t.TempDir(), []string{"HEADRACE_ADMIN_PASSWORD=a long enough password"})
	url := s.api().url
	b := openBrowser(t)

	b.visit(url + "/")
	b.shoot("sign-in")
	b.fill("login", "admin", "password", "not the password")
	b.says("do not belong together")
	b.shoot("sign-in-wrong")
	b.fill("login", "admin", "password", "a long enough password")
	b.says("Repositories")
	b.shoot("home-empty")

	b.visit(url + "/new")
	b.fill("source_url", "file:///nowhere/at/all", "slug", "acme/gate")
	b.says("There is no git repository at file:///nowhere")
	b.shoot("new-wrong")
	b.fill("source_url", source, "slug", "acme/gate")
	b.says("acme/gate")
	b.shoot("repository-empty")

	b.visit(url + "/r/acme/gate/trigger")
	b.shoot("trigger")
	b.press("Trigger build")
	b.says("#1")
	b.visit(url + "/r/acme/gate/builds/1")
	b.says("Running")
	b.visit(url + "/r/acme/gate/jobs/1.1")
	b.says("the small gate opens")
	b.says("drop 12") // arrives while the page is open
	b.shoot("job-running")

	tabs := eightTabs(b, url+"/r/acme/gate/jobs/1.2")
	b.visit(url + "/r/acme/gate/builds/1")
	b.shoot("build-running")
	touch(t, gate)
	for _, other := range tabs {
		other.says("the gate was passed")
		other.says("Passed")
	}
	b.says("Passed")
	b.shoot("build-passed")

	if err := os.Remove(gate); err != nil {
		t.Fatal(err)
	}
	b.press("Restart all")
	b.says("Running")
	b.press("Cancel build")
	b.says("Canceled")
	b.shoot("build-canceled")
	b.visit(url + "/r/acme/gate/jobs/1.1")
	b.says("anceled")
	b.shoot("job-canceled")
	for page, words := range map[string]string{"/": "acme", "/r/acme/gate": "#1", "/r/acme/gate/requests": "#1", "/r/acme/gate/branches": "main", "/account/tokens": "oken", "/nowhere": "There is"} {
		b.visit(url + page)
		b.says(words)
		b.shoot("page" + strings.ReplaceAll(page, "/", "-"))
	}
}

// eightTabs opens a job in eight tabs: over HTTP/1.1 a browser gives a host six connections only.
func eightTabs(b tab, url string) []tab {
	b.t.Helper()
	tabs := make([]tab, 8)
	for i := range tabs {
		tabs[i] = b.another()
		tabs[i].visit(url)
		tabs[i].says("the large gate opens")
	}
	return tabs
}

// TestBrowser_sample looks at what somebody sees first: the sample of --demo, and the dashboard.
func TestBrowser_sample(t *testing.T) {
	t.Parallel()
	dashboard := freeAddress(t)
	ui := freeAddress(t)
	dir := t.TempDir()
	start(t, "headrace up --demo", []string{"HEADRACE_ADMIN_PASSWORD=a long enough password"}, "up", "--data-dir", dir, "--http", ui, "--dashboard", dashboard, "--demo")
	url := "http://" + ui
	ready(t, url)
	b := openBrowser(t)
	b.visit(url + "/r/demo/hello/builds/1")
	b.fill("login", "admin", "password", "a long enough password")
	for _, words := range []string{"Passed", "Dig the channel", "test", "package", "Not yet in service", "allowed to fail"} {
		b.says(words)
	}
	b.shoot("sample-build")
	b.visit(url + "/r/demo/hello/jobs/1.1")
	b.says("The wheel turns.")
	if text := b.text(); strings.Contains(text, "turning [#                   ]") || strings.Contains(text, "travis_fold") {
		t.Errorf("the page shows what a terminal would have overwritten, or markers:\n%s", text)
	}
	b.shoot("sample-job")
	b.visit(url + "/r/demo/hello/jobs/1.3")
	b.says("The turbine has no water yet.")
	b.shoot("sample-job-failed")
	b.visit(url + "/")
	b.says("hello")
	b.shoot("sample-home")
	b.visit("http://" + dashboard + "/")
	b.fill("password", "not the password")
	b.says("do not belong together")
	b.fill("password", "a long enough password")
	b.says("Builds are flowing.")
	b.shoot("sample-dashboard")
}
