package script

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/headrace/headrace/broker"
)

// corpusSample is how many jobs share one that bash reads, but in the long form of the tests; there, shellcheck looks at one
// of so many as shellcheckSample.
const (
	corpusSample     = 40
	shellcheckSample = 8
)

// Whatever people write, there is a script, and neither bash nor shellcheck finds fault with it.
func TestGenerate_realConfigs(t *testing.T) {
	t.Parallel()
	dir, whole := t.TempDir(), os.Getenv("HEADRACE_VERIFY") != ""
	var files, linted []string
	jobs := 0
	for name, job := range corpusJobs(t) {
		script, err := Generate(job, Options{OwnMachine: jobs%2 == 0})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		jobs++
		if !whole && jobs%corpusSample != 0 {
			continue
		}
		file := filepath.Join(dir, name+".sh")
		if err := os.WriteFile(file, withoutRuntime(script), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
		if !whole || jobs%shellcheckSample == 0 {
			linted = append(linted, file)
		}
	}
	for _, file := range files {
		if out, err := exec.CommandContext(t.Context(), "bash", "-n", file).CombinedOutput(); err != nil {
			t.Errorf("bash -n: %v\n%s", err, out)
		}
	}
	shellcheck(t, linted)
	t.Logf("%d scripts, %d read by bash, %d by shellcheck", jobs, len(files), len(linted))
}

// corpusJobs returns the jobs of all real files, by file and number.
func corpusJobs(t *testing.T) map[string]broker.Job {
	t.Helper()
	folder := os.Getenv("HEADRACE_CORPUS")
	if folder == "" {
		folder = "../../../shared/corpus/travisyml"
	}
	files, err := filepath.Glob(filepath.Join(folder, "*", "expected.json"))
	if err != nil || len(files) == 0 {
		t.Skip("the corpus of real configs is not here: set HEADRACE_CORPUS")
	}
	all := map[string]broker.Job{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var expected struct {
			Shared map[string]json.RawMessage
			Jobs   []map[string]json.RawMessage
		}
		if err := json.Unmarshal(raw, &expected); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for i, job := range expected.Jobs {
			config := maps.Clone(expected.Shared)
			maps.Copy(config, job)
			all[fmt.Sprintf("%s-%d", filepath.Base(filepath.Dir(file)), i)] = jobOf(string(mustJSON(t, config)))
		}
	}
	return all
}

// shellcheck lets it look at scripts, where it is installed.
func shellcheck(t *testing.T, files []string) {
	t.Helper()
	if _, err := exec.LookPath("shellcheck"); err != nil || len(files) == 0 {
		return
	}
	// SC2154: variables of the shared parts, which are checked by themselves.
	if out, err := exec.CommandContext(t.Context(), "shellcheck", append([]string{"-s", "bash", "-e", "SC2154"}, files...)...).CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %v\n%.4000s", err, out)
	}
}
