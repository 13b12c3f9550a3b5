package script

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/broker"
)

var update = flag.Bool("update", false, "write the golden files anew")

// jobOf returns a job on a branch with a config and nothing special.
func jobOf(config string) broker.Job {
	return broker.Job{
		Type: "test",
		Job: broker.JobDetails{
			ID: 71, Number: "12.3", Commit: "0123456789abcdef0123456789abcdef01234567", CommitRange: "aaa...bbb",
			CommitMessage: "Turn the wheel's gate\n\nIt was $STUCK.", Branch: "main", PullRequest: false, State: "queued",
			SecureEnvEnabled: true, QueuedAt: time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC), StageName: "Test",
		},
		Source:     broker.Source{ID: 33, Number: "12", EventType: "push"},
		Repository: broker.Repository{ID: 5, Slug: "acme/app", SourceURL: "https://git.mill.example/acme/app.git", DefaultBranch: "main"},
		Queue:      "builds.linux",
		Config:     json.RawMessage(config),
		Headrace:   &broker.JobExtra{Attempt: 1, WebURL: "https://ci.mill.example/r/acme/app/jobs/12.3", BuildURL: "https://ci.mill.example/r/acme/app/builds/12"},
	}
}

func goldenJobs() map[string]broker.Job {
	pull := jobOf(`{"language":"go","go":"1.22.x","go_import_path":"mill.example/app","git":{"depth":false,"quiet":true,"submodules":false}}`)
	pull.Job.PullHeadBranch, pull.Job.PullHeadSHA, pull.Job.PullHeadSlug = "fix", "0badc0de", "ines/app"
	pull.Job.Ref, pull.Job.PullRequest, pull.Job.SecureEnvEnabled = "refs/pull/5/merge", float64(5), false
	pull.EnvVars = []broker.EnvVar{{Name: "TOKEN", Value: "s3cret"}, {Name: "REGION", Value: "eu north", Public: true}}
	pull.Source.EventType = "pull_request"

	tag := jobOf(`{"language":"rust","rust":"stable","git":{"depth":10,"sparse_checkout":"core","autocrlf":"input","symlinks":false,"lfs_skip_smudge":true,"submodules_depth":3,"strategy":"tarball"}}`)
	tag.Job.Tag, tag.Job.Branch = "v1.0.0", "v1.0.0"

	env := jobOf(`{"language":"generic","env":[{"A":"1"},{"B":"\"x y\""},{"C":"two words"},{"D":"$(echo $HOME)"},{"secure":"AbC="},{"10.10":""},{"NAMED":{"secure":"x"}}],"script":["env"]}`)
	env.EnvVars = []broker.EnvVar{
		{Name: "TOKEN", Value: "it's $(secret)"}, {Name: "REGION", Value: "eu-1", Public: true}, {Name: "A-B", Value: "x", Public: true},
	}
	cached := jobOf(`{"language":"cpp","compiler":"gcc","cache":{"ccache":true,"apt":true,"pip":false,"edge":true,"timeout":20,"directories":["~/.m2","$HOME/a b","*/target"]},"script":"make","before_cache":"rm -f x"}`)
	cached.Caches = &broker.Caches{Fetch: broker.CacheLink{URL: "https://ci.mill.example/caches/5/x?tag=a", Pin: "sha256//x"}, Store: broker.CacheLink{URL: "https://ci.mill.example/caches/5/x?tag=b"}, MaxBytes: 77}
	return map[string]broker.Job{
		"cache": cached,
		"phases": jobOf(`{"language":"shell","before_install":["set -e","a"],"install":"b","before_script":["c"],"script":["one","if true; then\n  echo 'two'\nfi"],
			"before_cache":"d","after_success":["e"],"after_failure":["f","g"],"after_script":["h"]}`),
		"ruby":    jobOf(`{"language":"ruby","rvm":"3.2","gemfile":"gemfiles/rails 7.gemfile","cache":{"bundler":true}}`),
		"node_js": jobOf(`{"language":"node_js","node_js":"20","npm_args":"--no-audit"}`),
		"java":    jobOf(`{"language":"java","jdk":"openjdk17"}`),
		"pull":    pull,
		"tag":     tag,
		"env":     env,
		"notices": jobOf(`{"language":"python","python":"3.10","os":"osx","services":["redis","postgresql"],"addons":{"apt":{"packages":["jq"]}},"cache":{"pip":true},
			"workspaces":{"use":["w"]},"deploy":[{"provider":"releases"}],"script":"skip","install":["ignore"]}`),
		"addons": jobOf(`{"language":"generic","services":["docker","postgresql","xvfb","mysql","nonesuch"],"script":"make",
			"addons":{"apt":{"packages":["jq","libssl-dev=1.1*","$(x)"],"sources":["ubuntu-toolchain-r-test",{"name":"llvm-toolchain-focal-14"},{"sourceline":"deb https://x.example focal main","key_url":"https://x.example/key"},"nonesuch"]},
			"apt_packages":["git"],"hosts":["a.example","-b"],"ssh_known_hosts":["git.example:2222","-oProxyCommand=x"],"chrome":"stable","postgresql":"13","mariadb":"10","snaps":["x"],"sauce_connect":true,"coverity_scan":false}}`),
		"no-clone":  jobOf(`{"language":"cpp","compiler":"clang","git":{"clone":false}}`),
		"minimal":   {Job: broker.JobDetails{ID: 210}, Config: json.RawMessage(`{"script":"echo minimal"}`)},
		"map-in-it": jobOf(`{"language":"cobol","script":["true",{"echo size":"$(wc -c f)"}]}`),
	}
}

func TestGenerate_golden(t *testing.T) {
	t.Parallel()
	for name, job := range goldenJobs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Generate(job, Options{})
			if err != nil {
				t.Fatal(err)
			}
			// The shared part is one file, which is not repeated in every golden file.
			if !bytesHasRuntime(got) {
				t.Fatal("the script does not hold runtime.sh once")
			}
			checkSyntax(t, got)
			shown := withoutRuntime(got)
			file := filepath.Join("testdata", name+".golden.sh")
			if *update {
				if err := os.WriteFile(file, shown, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(shown)); diff != "" {
				t.Errorf("script of %s (-want +got); run with -update to take it over:\n%s", name, diff)
			}
		})
	}
}

func bytesHasRuntime(script []byte) bool { return bytes.Count(script, []byte(runtimeText)) == 1 }

func withoutRuntime(script []byte) []byte {
	for name, text := range map[string]string{"runtime": runtimeText, "addons": rootText, "services": servicesText, "apt": aptText, "deploy": deployText, "cache": cacheText} {
		script = bytes.Replace(script, []byte(text), []byte("# ("+name+".sh)\n"), 1)
	}
	return script
}

// checkSyntax lets bash read the script without running it.
func checkSyntax(t *testing.T, script []byte) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-n")
	cmd.Stdin = bytes.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("bash -n: %v\n%s", err, out)
	}
}

func TestGenerate_shellcheck(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("shellcheck is not installed: scripts are not linted")
	}
	lint := func(name string, script []byte, options ...string) {
		cmd := exec.CommandContext(t.Context(), "shellcheck", append(options, "-s", "bash", "-")...)
		cmd.Stdin = bytes.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	whole, err := Generate(jobOf(`{"script":"true"}`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	lint("with runtime.sh", whole)
	if whole, err = Generate(jobOf(`{"services":["redis","xvfb"],"addons":{"apt":{"packages":["jq"]}},"deploy":"script","cache":{"pip":true},"script":"true"}`), Options{}); err != nil {
		t.Fatal(err)
	}
	lint("with all that is shared", whole)
	for name, job := range goldenJobs() {
		got, err := Generate(job, Options{})
		if err != nil {
			t.Fatal(err)
		}
		lint(name, withoutRuntime(got), "-e", "SC2154") // variables of the shared parts
	}
}
