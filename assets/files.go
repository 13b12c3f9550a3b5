package assets

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"sort"
	"strconv"
	"strings"
	"sync"
)

//go:embed css/*.css js/*.js img/*.svg
var shell embed.FS

// Prefix is where [Files] expects to be mounted.
const Prefix = "/assets/"

// Files is what one house serves: the shell's files and the styles of its own pages. It is safe for concurrent use.
type Files struct {
	version string
	byName  map[string]*file
}

type file struct {
	body   []byte
	kind   string
	zip    sync.Once
	zipped []byte // nil where compressing does not pay
	entity string // ETag
}

// New gathers the files. Each of pages may hold *.css at its top, which follow the shell's in the order of their names.
func New(pages ...fs.FS) (*Files, error) {
	f := &Files{byName: map[string]*file{}}
	sheet, err := styles(pages)
	if err != nil {
		return nil, err
	}
	f.add("headrace.css", sheet)
	for _, dir := range []string{"js", "img"} {
		entries, err := shell.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("read embedded %s: %w", dir, err)
		}
		for _, e := range entries {
			body, err := shell.ReadFile(dir + "/" + e.Name())
			if err != nil {
				return nil, fmt.Errorf("read embedded %s: %w", e.Name(), err)
			}
			f.add(e.Name(), body)
		}
	}
	f.version = f.sum()
	return f, nil
}

func styles(pages []fs.FS) ([]byte, error) {
	var sheet bytes.Buffer
	sub, err := fs.Sub(shell, "css")
	if err != nil {
		return nil, fmt.Errorf("open embedded css: %w", err)
	}
	for _, from := range append([]fs.FS{sub}, pages...) {
		names, err := fs.Glob(from, "*.css")
		if err != nil {
			return nil, fmt.Errorf("list styles: %w", err)
		}
		sort.Strings(names)
		for _, name := range names {
			body, err := fs.ReadFile(from, name)
			if err != nil {
				return nil, fmt.Errorf("read style %s: %w", name, err)
			}
			sheet.Write(body)
		}
	}
	sheet.Write(terminalColours())
	return sheet.Bytes(), nil
}

func (f *Files) add(name string, body []byte) {
	kind := mime.TypeByExtension(path.Ext(name))
	if path.Ext(name) == ".js" {
		kind = "text/javascript; charset=utf-8"
	}
	sum := sha256.Sum256(body)
	f.byName[name] = &file{body: body, kind: kind, entity: `"` + hex.EncodeToString(sum[:8]) + `"`}
}

func (f *Files) sum() string {
	names := make([]string, 0, len(f.byName))
	for name := range f.byName {
		names = append(names, name)
	}
	sort.Strings(names)
	all := sha256.New()
	for _, name := range names {
		fmt.Fprintf(all, "%s %d\n", name, len(f.byName[name].body))
		all.Write(f.byName[name].body)
	}
	return hex.EncodeToString(all.Sum(nil))[:12]
}

// Version changes when any file changes.
func (f *Files) Version() string { return f.version }

// URL is the address of a file, for example "headrace.css". It may be kept for ever: other content has another address.
func (f *Files) URL(name string) string { return Prefix + f.version + "/" + name }

// ServeHTTP answers /assets/<version>/<name>. A page that another version of Headrace made, while nodes are being
// upgraded, gets this version's file and does not keep it.
func (f *Files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	version, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Prefix), "/")
	file, ok := f.byName[name]
	if !ok || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		http.NotFound(w, r)
		return
	}
	head := w.Header()
	head.Set("Content-Type", file.kind)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Vary", "Accept-Encoding")
	head.Set("ETag", file.entity)
	head.Set("Cache-Control", "no-cache")
	if version == f.version {
		head.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if r.Header.Get("If-None-Match") == file.entity {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := file.body
	if zipped := file.gzip(); zipped != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		head.Set("Content-Encoding", "gzip")
		body = zipped
	}
	head.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // the reader went away: nothing to do about it
	}
}

// gzip compresses the file when it is first asked for.
func (f *file) gzip() []byte {
	f.zip.Do(func() {
		var packed bytes.Buffer
		z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			return
		}
		if _, err := z.Write(f.body); err != nil || z.Close() != nil {
			return
		}
		if packed.Len() < len(f.body)*9/10 {
			f.zipped = packed.Bytes()
		}
	})
	return f.zipped
}
