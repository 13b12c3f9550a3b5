package script

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/platform/travisyml"
)

func TestDeployConditions(t *testing.T) {
	t.Parallel()
	const done = "deployed"
	for name, c := range map[string]struct {
		deploy any
		change func(*broker.Job)
		want   string
	}{
		"default branch":          {map[string]any{"provider": "script", "script": "echo deployed"}, nil, done},
		"master":                  {map[string]any{"provider": "script", "script": "echo deployed"}, func(j *broker.Job) { j.Job.Branch = "master" }, done},
		"another branch":          {map[string]any{"provider": "script", "script": "echo deployed"}, func(j *broker.Job) { j.Job.Branch = "x" }, "the branch x is not the default one"},
		"a named branch":          {map[string]any{"provider": "script", "script": "echo deployed", "on": map[string]any{"branch": []string{"x"}}}, func(j *broker.Job) { j.Job.Branch = "x" }, done},
		"branches as a list":      {map[string]any{"provider": "script", "script": "echo deployed", "on": []string{"y"}}, nil, "the branch main is not y"},
		"all branches":            {map[string]any{"provider": "script", "script": "echo deployed", "on": map[string]any{"all_branches": true}}, func(j *broker.Job) { j.Job.Branch = "x" }, done},
		"no tag":                  {map[string]any{"provider": "script", "script": "echo deployed", "on": map[string]any{"tags": true}}, nil, "this is not a build of a tag"},
		"tag":                     {map[string]any{"provider": "script", "script": "echo deployed", "on": map[string]any{"tags": true}}, func(j *broker.Job) { j.Job.Tag, j.Job.Branch = "v1", "v1" }, done},
		"not for tags":            {map[string]any{"provider": "script", "script": "echo deployed", "on": map[string]any{"tags": false, "all_branches": true}}, func(j *broker.Job) { j.Job.Tag = "v1" }, "this is a build of a tag"},
		"another repository":      {map[string]any{"provider": "script", "script": "echo deployed", "on": map[string]any{"repo": "a/b"}}, nil, "this repository is not a/b"},
		"this repository":         {map[string]any{"provider": "script", "script": "echo deployed", "on": map[string]any{"repo": "Acme/App"}}, nil, done},
		"another version":         {map[string]any{"provider": "script", "script": "echo deployed", "on": map[string]any{"python": "3.9"}}, nil, `python is "3.10", not 3.9`},
		"a condition that holds":  {map[string]any{"provider": "script", "script": "echo deployed", "on": map[string]any{"condition": []string{"$CI = true", `-n "$HOME"`}}}, nil, done},
		"a condition that is not": {map[string]any{"provider": "script", "script": "echo deployed", "on": map[string]any{"condition": []string{"$CI = true", `-z "$HOME"`}}}, nil, "its condition does not hold"},
		"pull request":            {map[string]any{"provider": "script", "script": "echo deployed"}, func(j *broker.Job) { j.Job.PullRequest = float64(5) }, "the build is of a pull request"},
		"unknown provider":        {"teleport", nil, "Headrace does not deploy with teleport by itself"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			job := bareJob(t, map[string]any{"python": "3.10", "script": "true", "deploy": []any{c.deploy}})
			if c.change != nil {
				c.change(&job)
			}
			o := newMachine(t).run(t, job)
			o.wantText(t, c.want)
			if c.want != done {
				o.wantNoText(t, "\ndeployed\n")
			}
		})
	}
}

func TestDeployPhases(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config map[string]any
		code   int
		want   []string
	}{
		"in order": {
			map[string]any{
				"script": "echo s1", "after_success": "echo s2", "before_deploy": "echo s3", "after_deploy": []string{"echo s6", "false"}, "after_script": "echo s7",
				"deploy": map[string]any{"provider": "script", "script": []string{"echo s4", "cd /; echo s5 $PWD"}},
			}, 0, []string{"1", "2", "3", "4", "5 /", "6", "7"},
		},
		"not after a failure":      {map[string]any{"script": "false", "before_deploy": "echo s1", "deploy": map[string]any{"provider": "script", "script": "echo s2"}, "after_script": "echo s3"}, 1, []string{"3"}},
		"before_deploy that fails": {map[string]any{"script": "true", "before_deploy": "exit 3", "deploy": "script", "after_script": "echo s1"}, 3, nil},
		"a failed deployment":      {map[string]any{"script": "true", "deploy": map[string]any{"provider": "script", "script": "false"}, "after_script": "echo s1"}, 2, nil},
		"one that may fail": {
			map[string]any{"script": "true", "deploy": []any{map[string]any{"provider": "script", "script": "false", "allow_failure": true}, map[string]any{"provider": "script", "script": "echo s1"}}}, 0, []string{"1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newMachine(t).run(t, bareJob(t, c.config))
			o.wantCode(t, c.code)
			if diff := cmp.Diff(c.want, o.said("s")); diff != "" {
				t.Errorf("phases (-want +got):\n%s\nThe log:\n%s", diff, o.log)
			}
		})
	}
}

// forge is as much of GitHub's API as a deployment of releases uses.
type forge struct {
	mu     sync.Mutex
	calls  []string
	assets map[string]string
	exists bool
	url    string
}

func (f *forge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, r.Method+" "+r.URL.RequestURI())
	release := `{"url":"` + f.url + `/repos/acme/app/releases/7","upload_url":"` + f.url + `/upload/7/assets{?name,label}","id":7,"author":{"id":99}}`
	switch {
	case r.Header.Get("Authorization") != "Bearer s3cret":
		w.WriteHeader(http.StatusUnauthorized)
	case strings.HasPrefix(r.URL.Path, "/repos/acme/app/releases/tags/") && !f.exists:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPost && r.URL.Path == "/repos/acme/app/releases":
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body["tag_name"] != "v1" || body["body"] != "It \"works\"\n\\o/" {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = w.Write([]byte(release))
	case strings.HasPrefix(r.URL.Path, "/upload/7/assets"):
		name := r.URL.Query().Get("name")
		text := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(text)
		f.assets[name] = string(text)
		_, _ = w.Write([]byte(`{}`))
	case strings.HasSuffix(r.URL.Path, "/assets"):
		_, _ = w.Write([]byte(`[{"url":"` + f.url + `/repos/acme/app/releases/assets/41","id":41,"name":"b.txt"},{"url":"` + f.url + `/repos/acme/app/releases/assets/42","id":42,"name":"a b.txt"}]`))
	case r.Method == http.MethodDelete:
	default:
		_, _ = w.Write([]byte(release))
	}
}

func TestDeployReleases(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	for name, exists := range map[string]bool{"a new release": false, "one that is there": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &forge{assets: map[string]string{}, exists: exists}
			server := httptest.NewServer(f)
			defer server.Close()
			f.url = server.URL
			m := newMachine(t)
			m.env = append(m.env, "GITHUB_API_URL="+server.URL)
			job := bareJob(t, map[string]any{
				"script": "mkdir -p out && echo one > 'out/a b.txt' && echo two > out/b.txt",
				"deploy": map[string]any{
					"provider": "releases", "token": map[string]any{"secure": "c1pher"}, "file": []string{"out/*.txt"}, "file_glob": true, "overwrite": true, "release_notes": "It \"works\"\n\\o/",
					"on": map[string]any{"tags": true},
				},
			})
			job.Job.Tag = "v1"
			job.EnvVars = []broker.EnvVar{{Secure: "c1pher", Value: "s3cret"}}
			o := m.run(t, job)
			o.wantCode(t, ExitPassed)
			o.wantNoText(t, "s3cret")
			if diff := cmp.Diff(map[string]string{"a b.txt": "one\n", "b.txt": "two\n"}, f.assets); diff != "" {
				t.Errorf("assets (-want +got):\n%s\ncalls: %q\n%s", diff, f.calls, o.log)
			}
			if want := "DELETE /repos/acme/app/releases/assets/42"; !strings.Contains(strings.Join(f.calls, "\n"), want) {
				t.Errorf("the asset that was there is not replaced: %q", f.calls)
			}
		})
	}
}

func TestDeployPages(t *testing.T) {
	t.Parallel()
	origin := filepath.Join(t.TempDir(), "acme", "app.git")
	git := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	git("init", "-q", "--bare", origin)
	for i, page := range []string{"first", "second"} {
		m := newMachine(t)
		o := m.run(t, bareJob(t, map[string]any{
			"script": "mkdir -p site/sub && echo " + page + " > site/sub/page && echo x > out.txt",
			"deploy": map[string]any{"provider": "pages", "token": "$TOKEN_OF_PAGES", "local_dir": "site", "fqdn": "mill.example", "url": "file://" + filepath.Dir(filepath.Dir(origin)), "keep_history": true},
			"env":    []any{map[string]any{"TOKEN_OF_PAGES": "s3cret"}},
		}))
		o.wantCode(t, ExitPassed)
		if got := git("-C", origin, "show", "gh-pages:sub/page"); got != page+"\n" {
			t.Errorf("the page is %q", got)
		}
		if got := strings.Fields(git("-C", origin, "ls-tree", "--name-only", "gh-pages")); !cmp.Equal(got, []string{"CNAME", "sub"}) {
			t.Errorf("the branch holds %q", got)
		}
		if got := strings.TrimSpace(git("-C", origin, "rev-list", "--count", "gh-pages")); got != []string{"1", "2"}[i] {
			t.Errorf("the branch has %s commits", got)
		}
	}
}

func TestDeployTools(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		deploy map[string]any
		tool   string
		want   string
	}{
		"s3":       {map[string]any{"provider": "s3", "bucket": "mill", "access_key_id": "AK", "secret_access_key": "$SECRET", "local_dir": "out", "upload_dir": "x", "acl": "public_read", "region": "eu-1"}, "aws", "s3 cp --recursive --acl public-read out s3://mill/x AK s3cret eu-1\n"},
		"npm":      {map[string]any{"provider": "npm", "api_token": "$SECRET", "tag": "next", "registry": "https://r.example/npm"}, "npm", "publish --tag=next -- . //r.example/npm/:_authToken=s3cret\n"},
		"rubygems": {map[string]any{"provider": "rubygems", "api_key": "$SECRET", "gemspec": "app.gemspec"}, "gem", "push s3cret\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.path = stubs(t, map[string]string{c.tool: `case $(basename "$0") in
aws) echo "$* $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY $AWS_DEFAULT_REGION" ;;
npm) echo "$* $(head -1 "$NPM_CONFIG_USERCONFIG")" ;;
gem) [[ $1 == build ]] || echo "push $GEM_HOST_API_KEY" ;;
esac >> "$HOME/called"`}) + ":" + m.path
			job := bareJob(t, map[string]any{"script": "true", "deploy": c.deploy})
			job.EnvVars = []broker.EnvVar{{Name: "SECRET", Value: "s3cret"}}
			o := m.run(t, job)
			called, _ := os.ReadFile(filepath.Join(m.home, "called"))
			if !strings.Contains(string(called)+o.log, c.want) {
				t.Errorf("called %q, want %q. The log:\n%s", called, c.want, o.log)
			}
			o.wantNoText(t, "s3cret")
		})
	}
}

// TestDeployProviders holds the list against what is there: that of the build language repeats it.
func TestDeployProviders(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(travisyml.DeployProviders(), DeployProviders()); diff != "" {
		t.Errorf("what the language says is supported, and what is (-language +script):\n%s", diff)
	}
	for _, name := range DeployProviders() {
		if _, ok := deployOptions(name); !ok && name != "script" {
			t.Errorf("%s has no options", name)
		}
	}
}

func TestDeployWithoutItsTool(t *testing.T) {
	t.Parallel()
	o := newMachine(t).run(t, bareJob(t, map[string]any{"script": "true", "before_deploy": "headrace_deploy_tool nonesuch", "deploy": "s3"}))
	o.wantCode(t, ExitErrored)
	o.wantText(t, "This deployment needs nonesuch, which the image of this job does not have.")
}

func TestSecureVariables(t *testing.T) {
	t.Parallel()
	job := bareJob(t, map[string]any{
		"env":    []any{map[string]any{"secure": "one"}, map[string]any{"NAMED": map[string]any{"secure": "two"}}, map[string]any{"secure": "gone"}},
		"script": []string{`echo "a=$A b=$B c=$C named=$NAMED" | rev`},
	})
	job.EnvVars = []broker.EnvVar{{Secure: "one", Value: `A=x B="y z" C=$A`}, {Secure: "two", Value: "it's 2"}}
	o := newMachine(t).run(t, job)
	o.wantCode(t, ExitPassed)
	o.wantText(t, "$ export A=[secure]\n$ export B=[secure]\n$ export C=[secure]\n$ export NAMED=[secure]\n", "2 s'ti=deman x=c z y=b x=a", "could not be decrypted for this job")
}
