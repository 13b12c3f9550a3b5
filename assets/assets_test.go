package assets

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func files(t *testing.T, pages ...fs.FS) *Files {
	t.Helper()
	f, err := New(pages...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func ask(f *Files, path string, header ...string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w.Result()
}

func TestFilesAreKeptForEverUnderTheirVersion(t *testing.T) {
	t.Parallel()
	f := files(t)
	res := ask(f, f.URL("page.js"))
	if got := res.Header.Get("Cache-Control"); res.StatusCode != http.StatusOK || !strings.Contains(got, "immutable") || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/javascript") {
		t.Errorf("%d, %q, %q", res.StatusCode, got, res.Header.Get("Content-Type"))
	}
	if res := ask(f, Prefix+"otherversion/page.js"); res.StatusCode != http.StatusOK || strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("another version: %d, %q", res.StatusCode, res.Header.Get("Cache-Control"))
	}
	if res := ask(f, f.URL("page.js"), "If-None-Match", res.Header.Get("ETag")); res.StatusCode != http.StatusNotModified {
		t.Errorf("a file that is known already: %d", res.StatusCode)
	}
	for _, path := range []string{f.URL("nothing.js"), f.URL("../files.go"), Prefix, Prefix + "x"} {
		if res := ask(f, path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}

func TestVersionChangesWithAnyStyle(t *testing.T) {
	t.Parallel()
	a := files(t, fstest.MapFS{"x.css": {Data: []byte(".a{}")}})
	b := files(t, fstest.MapFS{"x.css": {Data: []byte(".b{}")}})
	if a.Version() == b.Version() || a.Version() != files(t, fstest.MapFS{"x.css": {Data: []byte(".a{}")}}).Version() {
		t.Error("the version does not follow the content")
	}
}

func TestFilesAreCompressed(t *testing.T) {
	t.Parallel()
	f := files(t)
	res := ask(f, f.URL("headrace.css"), "Accept-Encoding", "gzip, br")
	zipped, err := io.ReadAll(res.Body)
	if err != nil || res.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%v, encoding %q", err, res.Header.Get("Content-Encoding"))
	}
	z, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(ask(f, f.URL("headrace.css")).Body)
	if err != nil || !bytes.Equal(plain, whole) || len(zipped) > 20<<10 {
		t.Errorf("%v; %d bytes compressed, %d plain", err, len(zipped), len(plain))
	}
}

func TestTerminalColoursCanBeRead(t *testing.T) {
	t.Parallel()
	for n := 16; n < 256; n++ {
		if got := contrast(xterm(n).lifted(), well); got < least {
			t.Errorf("colour %d has the contrast %.2f on the well", n, got)
		}
	}
	if xterm(196).String() != "#ff0000" || xterm(255).String() != "#eeeeee" {
		t.Errorf("196 is %s, 255 is %s", xterm(196), xterm(255))
	}
}

var (
	usedVar    = regexp.MustCompile(`var\((--[a-z0-9-]+)\)`) // those with a fallback need no definition
	definedVar = regexp.MustCompile(`(--[a-z0-9-]+)\s*:`)
	usedIcon   = regexp.MustCompile(`\((tool|shape) "([a-z]+)"`)
)

// sources reads the files of the shell and of both houses.
func sources(t *testing.T, pattern ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, p := range pattern {
		names, err := filepath.Glob(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			body, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = string(body)
		}
	}
	return all
}

func TestStylesAreWhole(t *testing.T) {
	t.Parallel()
	sheets := sources(t, "css/*.css", "../platform/web/pages/*.css", "../dashboard/pages/*.css")
	defined := map[string]bool{}
	for name, css := range sheets {
		if strings.Count(css, "{") != strings.Count(css, "}") {
			t.Errorf("%s: %d braces open, %d close", name, strings.Count(css, "{"), strings.Count(css, "}"))
		}
		if name != filepath.Join("css", "10-tokens.css") && !strings.HasPrefix(strings.TrimSpace(css), "@layer ") {
			t.Errorf("%s: rules outside of a layer win over all others", name)
		}
		for _, m := range definedVar.FindAllStringSubmatch(css, -1) {
			defined[m[1]] = true
		}
	}
	for name, css := range sheets {
		for _, m := range usedVar.FindAllStringSubmatch(css, -1) {
			if !defined[m[1]] {
				t.Errorf("%s uses %s, which is not defined", name, m[1])
			}
		}
	}
}

func TestEveryIconIsInTheSprite(t *testing.T) {
	t.Parallel()
	sprite := sources(t, "img/icons.svg")[filepath.Join("img", "icons.svg")]
	for name, text := range sources(t, "parts/*.tmpl", "../platform/web/pages/*.tmpl", "../dashboard/pages/*.tmpl") {
		for _, m := range usedIcon.FindAllStringSubmatch(text, -1) {
			id := m[2]
			if m[1] == "tool" {
				id = "u-" + id
			}
			if !strings.Contains(sprite, `id="`+id+`"`) {
				t.Errorf("%s draws %q, which the sprite does not hold", name, id)
			}
		}
	}
}
