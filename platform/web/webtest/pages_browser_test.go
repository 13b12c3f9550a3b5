package webtest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/web/webtest"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

const turbine = "/r/millworks/turbine-api"

// script runs JavaScript for its value.
func script[T any](t *testing.T, tab context.Context, code string) T {
	t.Helper()
	v, err := chromedp.Run(tab, chromedp.Evaluate[T](code))
	if err != nil {
		t.Fatalf("%s: %v", code, err)
	}
	return v
}

// await asks a page again and again until it says yes. A page that is just being replaced cannot answer; it is asked again.
func await(t *testing.T, tab context.Context, what, code string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, 15*time.Second)
	defer cancel()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool](code))
		if err == nil && yes {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s did not happen: %v", what, err)
		}
	}
}

func visit(t *testing.T, tab context.Context, url string) {
	t.Helper()
	if err := chromedp.Do(tab, chromedp.Navigate(url), chromedp.WaitReady(chromedp.CSS("main"))); err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
}

func TestBrowser(t *testing.T) {
	browser := webtest.StartBrowser(t)

	t.Run("a person signs in", func(t *testing.T) {
		d := webtest.Sample(noon)
		d.SetSignedIn(false)
		url, tab := serve(t, d), webtest.NewTab(t, browser)
		visit(t, tab, url+"/r/lena/dotfiles")
		if err := chromedp.Do(tab, chromedp.SendKeys(chromedp.CSS("#login"), "lena"), chromedp.SendKeys(chromedp.CSS("#password"), "wrong"), chromedp.Submit(chromedp.CSS("#password"))); err != nil {
			t.Fatal(err)
		}
		await(t, tab, "the word that the password is wrong", `document.querySelector(".note-failed")?.textContent.includes("knows no user") === true`)
		if err := chromedp.Do(tab, chromedp.SendKeys(chromedp.CSS("#password"), webtest.Password), chromedp.Submit(chromedp.CSS("#password"))); err != nil {
			t.Fatal(err)
		}
		await(t, tab, "the page that was asked for", `location.pathname === "/r/lena/dotfiles" && document.querySelector("h1").textContent === "dotfiles"`)
	})

	t.Run("a log goes on by itself and follows", func(t *testing.T) {
		d := webtest.Sample(noon)
		url, tab := serve(t, d), webtest.NewTab(t, browser)
		visit(t, tab, url+turbine+"/jobs/1483.11")
		await(t, tab, "the connection", `document.querySelector("#live span").textContent === "Live" && document.querySelectorAll("#open-line").length === 1`)
		awaitReader(t, d)
		for i := range 200 {
			d.WriteLog(webtest.LiveJob, 1, 140*time.Second, fmt.Sprintf("\nnew line %d", i))
		}
		await(t, tab, "the last line", `document.querySelector(".lines").innerText.includes("new line 199")`)
		if n := script[int](t, tab, `document.querySelectorAll("#open-line").length`); n != 1 {
			t.Errorf("%d open lines", n)
		}
		if gap := script[float64](t, tab, `document.documentElement.scrollHeight - innerHeight - scrollY`); gap > 70 {
			t.Errorf("it does not follow: %v px to the end", gap)
		}
		numbers := script[string](t, tab, `[...document.querySelectorAll(".ln > a, .fold > summary > a")].map(a => a.textContent).join(" ")`)
		if !strings.HasSuffix(numbers, "221 222 223") || strings.Count(numbers, " 100 ") != 1 {
			t.Errorf("lines are missing or doubled: %s", numbers)
		}
		d.WriteLog(webtest.LiveJob, 1, 150*time.Second, "\ntravis_fold:start:after_script\r\x1b[0K$ tidy\nswept\n")
		await(t, tab, "an open fold", `document.querySelector('details[data-fold="after_script"]')?.open === true`)
		d.WriteLog(webtest.LiveJob, 1, 151*time.Second, "travis_time:end:a:duration=900000000\r\x1b[0Ktravis_fold:end:after_script\r\x1b[0K\nbye\n")
		d.CloseLog(webtest.LiveJob, 1)
		await(t, tab, "the fold closing with its time", `(f => f.open === false && f.querySelector("em").textContent === "0.9 s")(document.querySelector('details[data-fold="after_script"]'))`)
		await(t, tab, "the end of the log", `document.querySelector(".joblog").dataset.closed === "true" && !document.querySelector("#open-line")`)
	})

	t.Run("the tools of a log", func(t *testing.T) {
		d := webtest.Sample(noon)
		url, tab := serve(t, d), webtest.NewTab(t, browser)
		visit(t, tab, url+turbine+"/jobs/1481.5")
		await(t, tab, "the tools", `document.querySelector("[data-errors] span").textContent === "3 errors"`)
		script[bool](t, tab, `document.querySelector("[data-errors]").click(), true`)
		await(t, tab, "the failing line", `location.hash === "#L694" && document.querySelector("#L694").classList.contains("ln-hit")`)
		if top := script[float64](t, tab, `document.querySelector("#L694").getBoundingClientRect().top`); top < 0 || top > 900 {
			t.Errorf("the failing line is at %v, out of sight", top)
		}
		if err := chromedp.Do(tab, chromedp.SendKeys(chromedp.CSS("[data-search]"), "Case007")); err != nil {
			t.Fatal(err)
		}
		await(t, tab, "two hits", `document.querySelector("[data-found]").textContent === "1 of 2"`)
		script[bool](t, tab, `document.querySelector("[data-fold-all]").click(), true`)
		if n := script[int](t, tab, `document.querySelectorAll("details.fold[open]").length`); n != 0 {
			t.Errorf("%d folds are open after Fold all", n)
		}
		visit(t, tab, url+turbine+"/jobs/1481.5?x=1#L6")
		await(t, tab, "a link into a fold opening it", `document.querySelector('details[data-fold="git.checkout"]').open`)
		visit(t, tab, url+turbine+"/jobs/1481.5?x=2#L690-L694")
		await(t, tab, "a range", `document.querySelectorAll(".ln-hit").length === 5`)
	})

	t.Run("a gap is filled on demand", func(t *testing.T) {
		d := webtest.Sample(noon)
		var b strings.Builder
		for i := range 9000 {
			fmt.Fprintf(&b, "many %d\n", i)
			if b.Len() > 30000 {
				d.WriteLog(webtest.FailedJob, 1, 300*time.Second, b.String())
				b.Reset()
			}
		}
		url, tab := serve(t, d), webtest.NewTab(t, browser)
		visit(t, tab, url+turbine+"/jobs/1481.5#L4000")
		await(t, tab, "the line out of the gap", `document.querySelector("#L4000")?.classList.contains("ln-hit") && document.querySelectorAll(".gap").length === 2`)
		sum := script[int](t, tab, `[...document.querySelectorAll(".gap")].reduce((n, g) => n + Number(g.dataset.to) - Number(g.dataset.from) + 1, 0) + document.querySelectorAll("[id^=L]").length`)
		script[bool](t, tab, `document.querySelector(".gap a").click(), true`)
		await(t, tab, "the next block", `document.querySelector("#L1400") !== null`)
		if again := script[int](t, tab, `[...document.querySelectorAll(".gap")].reduce((n, g) => n + Number(g.dataset.to) - Number(g.dataset.from) + 1, 0) + document.querySelectorAll("[id^=L]").length`); again != sum {
			t.Errorf("%d lines are shown or left out, before it were %d", again, sum)
		}
	})

	t.Run("a page keeps itself fresh without losing focus", func(t *testing.T) {
		d := webtest.Sample(noon)
		url, tab := serve(t, d), webtest.NewTab(t, browser)
		visit(t, tab, url+"/")
		await(t, tab, "the connection", `document.querySelector("#live span").textContent === "Live"`)
		awaitReader(t, d)
		if err := chromedp.Do(tab, chromedp.Focus(chromedp.CSS("input[name=q]"))); err != nil {
			t.Fatal(err)
		}
		if _, err := d.AddRepository(t.Context(), ci.NewRepository{Slug: "new/comer", SourceURL: "https://git.mill.example/new/comer"}); err != nil {
			t.Fatal(err)
		}
		d.Announce(ci.Change{Kind: ci.ChangeRepository, Repository: 1})
		await(t, tab, "the new repository", `document.querySelector("main").innerText.includes("new/comer")`)
		if name := script[string](t, tab, `document.activeElement.name`); name != "q" {
			t.Errorf("the focus went to %q", name)
		}
	})

	t.Run("a page whose connection broke says so and catches up", func(t *testing.T) {
		d := webtest.Sample(noon)
		h, err := d.Handler()
		if err != nil {
			t.Fatal(err)
		}
		away := make(chan struct{}, 1)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if len(away) > 0 && r.URL.Path == "/events" {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			h.ServeHTTP(w, r)
		}))
		t.Cleanup(srv.Close)
		t.Cleanup(srv.CloseClientConnections)
		tab := webtest.NewTab(t, browser)
		visit(t, tab, srv.URL+turbine+"/jobs/1483.11")
		await(t, tab, "the connection", `document.querySelector("#live span").textContent === "Live"`)
		awaitReader(t, d)
		away <- struct{}{}
		srv.CloseClientConnections()
		await(t, tab, "the note", `!document.getElementById("notlive").hidden && document.getElementById("notlive").textContent.includes("Not live since")`)
		d.WriteLog(webtest.LiveJob, 1, 140*time.Second, "\nwritten while nobody heard\n")
		<-away
		await(t, tab, "the line that was missed", `document.querySelector(".lines").textContent.includes("written while nobody heard")`)
		await(t, tab, "the end of the note", `document.getElementById("notlive").hidden`)
	})

	t.Run("eight tabs on live jobs all move on one connection", func(t *testing.T) {
		d := webtest.Sample(noon)
		url := serve(t, d)
		tabs := make([]context.Context, 8)
		for i := range tabs {
			tabs[i] = webtest.NewTab(t, browser)
			visit(t, tabs[i], url+turbine+"/jobs/1483.11")
		}
		for i, tab := range tabs {
			await(t, tab, fmt.Sprintf("the connection of tab %d", i), `document.querySelector("#live span").textContent === "Live"`)
		}
		awaitReader(t, d)
		if n := d.Readers(); n != 1 {
			t.Errorf("%d connections are open, want one for the browser", n)
		}
		d.WriteLog(webtest.LiveJob, 1, 140*time.Second, "\nseen by all\n")
		for i, tab := range tabs {
			await(t, tab, fmt.Sprintf("the line in tab %d", i), `document.querySelector(".lines").textContent.includes("seen by all")`)
		}
	})

	t.Run("theme, keys and palette", func(t *testing.T) {
		d := webtest.Sample(noon)
		url, tab := serve(t, d), webtest.NewTab(t, browser)
		visit(t, tab, url+"/account/preferences")
		if err := chromedp.Do(tab, chromedp.Click(chromedp.CSS("input[value=dark]")), chromedp.Click(chromedp.CSS("form.panel .btn-go"))); err != nil {
			t.Fatal(err)
		}
		await(t, tab, "the dark theme", `document.documentElement.dataset.theme === "dark" && getComputedStyle(document.body).backgroundColor === "rgb(14, 21, 27)"`)
		visit(t, tab, url+"/")
		if err := chromedp.Do(tab, chromedp.KeyEvent("?")); err != nil {
			t.Fatal(err)
		}
		await(t, tab, "the list of keys", `document.getElementById("keys").open`)
		if err := chromedp.Do(tab, chromedp.KeyEvent("\x1b")); err != nil {
			t.Fatal(err)
		}
		await(t, tab, "its end", `!document.getElementById("keys").open`)
		script[bool](t, tab, `document.querySelector("[data-palette]").click(), true`)
		await(t, tab, "the palette", `document.getElementById("palette").open && document.querySelectorAll("#palette-hits li").length > 3`)
		if err := chromedp.Do(tab, chromedp.SendKeys(chromedp.CSS("#palette input"), "weir")); err != nil {
			t.Fatal(err)
		}
		await(t, tab, "the hit", `document.querySelector("#palette-hits li[aria-selected=true]")?.textContent.includes("weir-web") === true && !document.querySelector("#palette-hits").textContent.includes("turbine")`)
		if err := chromedp.Do(tab, chromedp.KeyEvent("\r")); err != nil {
			t.Fatal(err)
		}
		await(t, tab, "the repository", `location.pathname === "/r/millworks/weir-web"`)
	})
}

// awaitReader waits until the server has a reader of changes.
func awaitReader(t *testing.T, d *webtest.Demo) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for d.Readers() == 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("no page listens")
		}
	}
}

// serve starts the demo's pages.
func serve(t *testing.T, d *webtest.Demo) string {
	t.Helper()
	h, err := d.Handler()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.CloseClientConnections)
	t.Cleanup(srv.Close)
	return srv.URL
}
