package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/settings"
)

var update = flag.Bool("update", false, "write what tests compare with")

func documents(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, path := range append(paths, "README.md") {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(body)
	}
	return texts
}

// TestDocs_commands parses every headrace command that the documentation shows, so that none names a flag that is not there.
func TestDocs_commands(t *testing.T) {
	t.Parallel()
	seen := 0
	for path, text := range documents(t) {
		for _, line := range commandLines(text) {
			seen++
			if err := parses(strings.Fields(line)); err != nil {
				t.Errorf("%s: %s: %v", path, line, err)
			}
		}
	}
	if seen < 10 {
		t.Errorf("found %d commands in the documentation; is the search wrong?", seen)
	}
}

var (
	shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")
	inlineCode = regexp.MustCompile("`(headrace [^`]+)`")
	linkTarget = regexp.MustCompile(`\]\(([^)#]+\.md)[^)]*\)`)
)

// commandLines finds the headrace commands in shell blocks and in code within sentences, without the program's name.
func commandLines(text string) []string {
	var found []string
	for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		for line := range strings.SplitSeq(strings.ReplaceAll(block[1], "\\\n", " "), "\n") {
			if args, ok := strings.CutPrefix(strings.TrimPrefix(line, "./"), "headrace "); ok {
				found = append(found, args)
			}
		}
	}
	for _, code := range inlineCode.FindAllStringSubmatch(strings.ReplaceAll(text, "\n", " "), -1) {
		found = append(found, strings.TrimPrefix(code[1], "headrace "))
	}
	return found
}

func parses(args []string) error {
	parser, err := kong.New(&commands{}, kong.Name("headrace"), kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {}))
	if err != nil {
		return err
	}
	_, err = parser.Parse(args)
	if err != nil && strings.HasPrefix(err.Error(), "expected") && len(args) <= 2 {
		return nil // the name of a command in a sentence, without its arguments
	}
	return err
}

// TestDocs_links follows the links between the documents.
func TestDocs_links(t *testing.T) {
	t.Parallel()
	for path, text := range documents(t) {
		for _, link := range linkTarget.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), link[1])); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

// TestDocs_settings holds the table of settings equal to the code; -update writes it.
func TestDocs_settings(t *testing.T) {
	t.Parallel()
	const path, head = "docs/install.md", "| key | variable | meaning |\n|---|---|---|\n"
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, got, found := strings.Cut(string(body), head)
	if !found {
		t.Fatalf("%s has no table of settings", path)
	}
	var want strings.Builder
	for _, k := range settings.Keys() {
		fmt.Fprintf(&want, "| `%s` | `%s` | %s |\n", k.Name, k.Variable(), k.Help)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+head+want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), got); diff != "" {
		t.Errorf("%s (-want +got), go test -run TestDocs_settings -update . writes it:\n%s", path, diff)
	}
}
