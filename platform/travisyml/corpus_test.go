package travisyml

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// deliberate are the files of the corpus whose jobs differ from what is
// expected, each with the reason. Every other file agrees exactly.
func deliberate() map[string]string {
	return map[string]string{
		"139": "the expectation was made by a program that dropped every letter beyond ASCII; ours keeps the • of a command",
	}
}

// deliberateMessages are the files whose messages differ.
func deliberateMessages() map[string]string {
	const overwrite = "puppetforge with user and no username: the original says that one overwrites the other, but only one is there"
	return map[string]string{
		"004": overwrite, "132": overwrite, "146": overwrite, "203": overwrite, "309": overwrite,
		"244": "env: [{global: [A=1]}]: the original also tells what it found in a reading that it gave up",
	}
}

// corpusDeadline is how long one file may take in all its contexts.
const corpusDeadline = 20 * time.Second

// corpusJobs is above the largest build of the corpus.
const corpusJobs = 1000

type expectation struct {
	OK       bool                       `json:"ok"`
	Contexts map[string]expectedContext `json:"contexts"`
	Shared   map[string]any             `json:"shared"`
	Jobs     []map[string]any           `json:"jobs"`
	Limit    bool                       `json:"import_limit_exceeded"`
	Imports  []string                   `json:"imports"`
	Config   map[string]any             `json:"config"`
	Messages []Message                  `json:"messages"`
}

type expectedContext struct {
	Jobs   []int    `json:"jobs"`
	Stages []string `json:"stages"`
}

func corpusFolder(t testing.TB) string {
	t.Helper()
	folder := os.Getenv("HEADRACE_CORPUS")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "shared", "corpus", "travisyml")
	}
	if _, err := os.Stat(folder); err != nil {
		t.Skip("the corpus of real files is not there: set HEADRACE_CORPUS, or put it at ../shared/corpus/travisyml beside the repository")
	}
	return folder
}

func TestCorpus(t *testing.T) {
	t.Parallel()
	folder := corpusFolder(t)
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var exact, total int
	t.Run("files", func(t *testing.T) {
		for _, entry := range entries {
			total++
			t.Run(entry.Name(), func(t *testing.T) {
				t.Parallel()
				diff := corpusFile(t, filepath.Join(folder, entry.Name()))
				if reason, listed := deliberate()[entry.Name()]; listed != (diff != "") {
					t.Errorf("listed as deliberate: %v (%s); differs: %s", listed, reason, diff)
				}
				if diff == "" {
					mu.Lock()
					defer mu.Unlock()
					exact++
				}
			})
		}
	})
	line := fmt.Sprintf("travisyml corpus: %d of %d files expand exactly as expected, %d differ deliberately", exact, total, len(deliberate()))
	t.Log(line)
	fmt.Fprintln(os.Stdout, line)
}

// corpusFile says how a file expands other than expected in its contexts.
func corpusFile(t *testing.T, folder string) string {
	t.Helper()
	text := readFile(t, filepath.Join(folder, "travis.yml"))
	slug := corpusSlug(string(readFile(t, filepath.Join(folder, "source.txt"))))
	var want expectation
	if err := json.Unmarshal(readFile(t, filepath.Join(folder, "expected.json")), &want); err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 1)
	go func() {
		done <- compareFile(t.Context(), text, slug, &want, importFolder(filepath.Join(folder, "imports")))
	}()
	timer := time.NewTimer(corpusDeadline)
	defer timer.Stop()
	select {
	case diff := <-done:
		return diff
	case <-timer.C:
		return fmt.Sprintf("not expanded within %s", corpusDeadline)
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func corpusSlug(source string) string {
	for line := range strings.Lines(source) {
		if slug, ok := strings.CutPrefix(line, "slug_used_for_conditions: "); ok {
			return strings.TrimSpace(slug)
		}
	}
	return ""
}

// corpusRequests are the four requests that the expectations were made with.
func corpusRequests(slug string) map[string]Request {
	owner, _, _ := strings.Cut(slug, "/")
	base := Request{Repo: slug, HeadRepo: slug, Branch: "master", CommitMessage: "Update", Sender: owner}
	push, pull, tag, cron := base, base, base, base
	push.Type, cron.Type = "push", "cron"
	pull.Type, pull.HeadBranch, pull.Fork = "pull_request", "feature", true
	tag.Type, tag.Branch, tag.Tag, tag.CommitMessage = "push", "v1.0.0", "v1.0.0", "Release"
	return map[string]Request{"push": push, "pull_request": pull, "tag": tag, "cron": cron}
}

// importFolder holds the files that a file of the corpus imports, as owner/name/path.
type importFolder string

func (f importFolder) Import(_ context.Context, at, _ Place) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), filepath.FromSlash(at.Repo), filepath.FromSlash(at.Path)))
}

func compareFile(ctx context.Context, text []byte, slug string, want *expectation, imports Imports) string {
	in := Input{Source: ".travis.yml", Text: text, Imports: imports}
	d, _, _, err := Gather(ctx, in, corpusRequests(slug)["push"], Limits{})
	if fault, ok := errors.AsType[*ImportError](err); ok && fault.Code == "too_many_imports" && want.Limit {
		return ""
	}
	if err != nil || !want.OK {
		if (err == nil) == want.OK {
			return ""
		}
		return fmt.Sprintf("ok is %v, want %v: %v", err == nil, want.OK, err)
	}
	c, _ := Normalise(d)
	if diff := compareConfig(c, want); diff != "" {
		return diff
	}
	for name, request := range corpusRequests(slug) {
		expected := want.Contexts[name]
		// The filters of a whole build come before expansion; the
		// expectations were made without them.
		jobs, stages, err := newExpansion(c, request, Limits{Jobs: corpusJobs}).run()
		if err != nil {
			return name + ": " + err.Error()
		}
		var wantJobs, gotJobs []map[string]any
		for _, i := range expected.Jobs {
			job := map[string]any{}
			for key, value := range want.Shared {
				job[key] = value
			}
			for key, value := range want.Jobs[i] {
				job[key] = value
			}
			wantJobs = append(wantJobs, job)
		}
		for _, job := range jobs {
			gotJobs = append(gotJobs, comparableJob(job))
		}
		if diff := cmp.Diff(wantJobs, gotJobs); diff != "" {
			return fmt.Sprintf("%s: %d jobs, want %d (-want +got):\n%s", name, len(gotJobs), len(wantJobs), diff)
		}
		names := []string{}
		for _, stage := range stages {
			names = append(names, stage.get("name").str())
		}
		if diff := cmp.Diff(expected.Stages, names); diff != "" {
			return fmt.Sprintf("%s: stages (-want +got):\n%s", name, diff)
		}
	}
	return ""
}

// compareConfig compares the sections of the whole configuration that the
// expectations hold.
func compareConfig(c *Config, want *expectation) string {
	text, err := c.JSON()
	if err != nil {
		return err.Error()
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		return err.Error()
	}
	hashSecrets(got)
	if jobs, ok := got["jobs"].(map[string]any); ok {
		got["fast_finish"] = jobs["fast_finish"]
	}
	for _, key := range []string{"notifications", "branches", "fast_finish", "stages", "if"} {
		if diff := cmp.Diff(want.Config[key], got[key]); diff != "" {
			return fmt.Sprintf("config.%s (-want +got):\n%s", key, diff)
		}
	}
	return ""
}

// comparableJob returns a job without the keys that the expectations leave
// out, with secrets replaced by their hashes.
func comparableJob(job *node) map[string]any {
	var out map[string]any
	if err := json.Unmarshal(job.json(), &out); err != nil {
		return map[string]any{"error": err.Error()}
	}
	for key := range out {
		known := theSchema().maps["job"].known(key) || theSchema().maps["root"].known(key)
		if !known || key == "conditions" || key == "notifications" {
			delete(out, key)
		}
	}
	hashSecrets(out)
	return out
}

func hashSecrets(v any) {
	switch t := v.(type) {
	case []any:
		for _, item := range t {
			hashSecrets(item)
		}
	case map[string]any:
		if text, ok := t["secure"].(string); ok {
			sum := sha1.Sum([]byte(text))
			t["secure"] = "sha1:" + hex.EncodeToString(sum[:])[:10]
		}
		for _, item := range t {
			hashSecrets(item)
		}
	}
}
