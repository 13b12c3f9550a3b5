package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/headrace/headrace"

// house is the import table of docs/architecture.md: which room may import which. Paths are relative to the module; a
// path stands for itself and all below it, but for one that ends in "=" only for itself. What is below a room may
// always be imported by that room.
var house = []struct {
	room string
	may  []string
}{
	{"internal/fault", nil},
	{"internal/run", []string{"internal/fault"}},
	{"internal/dial", []string{"internal/fault"}},
	{"internal/mask", []string{"internal/fault"}},
	{"internal/seal", []string{"internal/fault"}},
	{"internal/testkit", []string{"internal", "broker", "platform/coord"}},
	{"internal/e2e", []string{"internal/testkit"}},
	{"internal/bench", []string{"internal", "broker"}},
	{"license", []string{"internal/fault"}},
	{"broker/brokertest", []string{"broker", "internal"}},
	{"broker/rabbitmq", []string{"broker=", "internal"}},
	{"broker/inproc", []string{"broker=", "internal"}},
	{"broker=", []string{"internal/fault"}},
	{"platform/ci", []string{"internal/fault"}},
	{"platform/travisyml", []string{"platform/ci", "internal/fault"}},
	{"worker/script", []string{"broker=", "internal/fault"}},
	{"worker/executor", []string{"broker=", "internal"}},
	{"worker", []string{"broker", "internal"}},
	{"platform/store", []string{"platform/ci", "license", "internal"}},
	{"platform/coord", []string{"platform/ci", "license", "internal"}},
	{"platform/scm", []string{"platform/ci", "license", "internal"}},
	{"platform/settings", []string{"platform/ci", "license", "internal"}},
	{"platform/intake", behind},
	{"platform/cron", behind},
	{"platform/dispatch", behind},
	{"platform/hub", behind},
	{"platform/archive", behind},
	{"platform/cache", behind},
	{"platform/live", behind},
	{"platform/notify", behind},
	{"platform/auth", behind},
	{"platform/api", front},
	{"platform/web", front},
	{"dashboard", front},
	{"installer", []string{"internal", "license", "platform/settings", "assets"}},
	{"assets", nil},
	{"platform", []string{"broker", "worker/script", "license", "internal"}},
}

var (
	behind = []string{"platform/ci", "platform/travisyml", "broker=", "worker/script", "internal"}
	front  = []string{"platform/ci", "license", "internal", "platform/settings", "assets"}
)

// TestHouse holds every import of a file that ships against the table. Tests of a room may import what they like, main may too.
func TestHouse(t *testing.T) {
	t.Parallel()
	seen := 0
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && file != "." || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		folder := path.Dir(filepath.ToSlash(file))
		if d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || folder == "." || strings.HasSuffix(folder, "test") {
			return nil
		}
		seen++
		checkFile(t, file, folder)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 50 {
		t.Errorf("only %d files were read; is the walk wrong?", seen)
	}
}

func checkFile(t *testing.T, file, folder string) {
	t.Helper()
	room, may, known := roomOf(folder)
	if !known {
		t.Errorf("%s: no room of the house has this folder; add it to the table with a reason", file)
		return
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	for _, spec := range parsed.Imports {
		full, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Error(err)
			continue
		}
		imported, ours := strings.CutPrefix(full, module+"/")
		if !ours || within(imported, strings.TrimSuffix(room, "=")) {
			continue
		}
		if !allowed(imported, may) {
			t.Errorf("%s: room %s may not import %s", file, room, imported)
		}
	}
}

func roomOf(folder string) (room string, may []string, known bool) {
	for _, r := range house {
		if matches(folder, r.room) {
			return r.room, r.may, true
		}
	}
	return "", nil, false
}

func allowed(imported string, may []string) bool {
	for _, m := range may {
		if matches(imported, m) {
			return true
		}
	}
	return false
}

func matches(folder, pattern string) bool {
	if exact, only := strings.CutSuffix(pattern, "="); only {
		return folder == exact
	}
	return within(folder, pattern)
}

func within(folder, room string) bool { return folder == room || strings.HasPrefix(folder, room+"/") }
