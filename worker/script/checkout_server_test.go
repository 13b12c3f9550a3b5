package script

import (
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace/broker"
)

// gitServer serves the repository over HTTP as git does, and asks for a password where one is given.
func (o origin) gitServer(t *testing.T, user, password string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "--exec-path").Output()
	backend := filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	if _, statErr := os.Stat(backend); err != nil || statErr != nil {
		t.Skip("git has no http-backend here")
	}
	dir := strings.TrimPrefix(o.url, "file://")
	handler := &cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(dir), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); password != "" && (u != user || p != password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="mill"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/" + filepath.Base(dir)
}

func TestCheckout_overHTTP(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.url = o.gitServer(t, "", "")
	for name, c := range map[string]struct {
		job     broker.JobDetails
		version string
	}{
		"branch":                           {broker.JobDetails{Branch: "main", Commit: o.shas["c5"]}, "c5"},
		"tag":                              {broker.JobDetails{Branch: "v1", Tag: "v1", Commit: o.shas["c2"]}, "c2"},
		"merge ref of a pull request":      {broker.JobDetails{Branch: "main", Ref: "refs/pull/5/merge", PullRequest: float64(5), Commit: o.shas["p1"]}, "p1"},
		"merge ref that has moved already": {broker.JobDetails{Branch: "main", Ref: "refs/pull/5/merge", PullRequest: float64(5), Commit: o.shas["c4"]}, "c4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := newMachine(t).run(t, o.job(t, map[string]any{"depth": 1}, c.job))
			out.wantCode(t, ExitPassed)
			out.wantText(t, "version="+c.version+" head="+c.job.Commit)
		})
	}
}

// A password comes from the URL, or from the ~/.netrc that the image or the worker has.
func TestCheckout_passwords(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	address := o.gitServer(t, "ines", "pass-word")
	details := broker.JobDetails{Branch: "main", Commit: o.shas["c5"]}
	o.url = strings.Replace(address, "://", "://ines:pass-word@", 1)
	out := newMachine(t).run(t, o.job(t, nil, details))
	out.wantCode(t, ExitPassed)
	out.wantNoText(t, "pass-word")

	o.url = address
	m := newMachine(t)
	if err := os.WriteFile(filepath.Join(m.home, ".netrc"), []byte("machine 127.0.0.1 login ines password pass-word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.run(t, o.job(t, nil, details)).wantCode(t, ExitPassed)
	newMachine(t).run(t, o.job(t, nil, details)).wantCode(t, ExitErrored)
}

// ssh here is a program that looks at the key and runs what git asks of the other side.
func TestCheckout_sshKey(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	dir := strings.TrimPrefix(o.url, "file://")
	o.url = "git@git.mill.example:" + dir
	m := newMachine(t)
	m.path = stubs(t, map[string]string{"ssh": `key=
while (($# > 1)); do [[ $1 != -i ]] || key=$2; shift; done
[[ -n $key && $(stat -c %a "$key") == 600 && $(<"$key") == *"it's the key"* ]] || exit 13
printf '%s\n' "$key" >>"$HOME/keys"
eval "$1"`}) + ":" + m.path
	m.env = append(m.env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	job := o.job(t, nil, broker.JobDetails{Branch: "main", Commit: o.shas["c5"], SecureEnvEnabled: true})
	job.EnvVars = []broker.EnvVar{{SSHKey: true, Value: "-----BEGIN\nit's the key\nEND-----\n"}}
	out := m.run(t, job)
	out.wantCode(t, ExitPassed)
	out.wantText(t, "git fetches with the SSH key of the repository.", "version=c5 ")
	out.wantNoText(t, "the key\n", "cannot be the name")
	used, err := os.ReadFile(filepath.Join(m.home, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range strings.Fields(string(used)) {
		if _, err := os.Stat(key); !os.IsNotExist(err) {
			t.Errorf("the key is still there after the job: %v", err)
		}
	}

	m.home = t.TempDir()
	job.Job.SecureEnvEnabled = false
	m.run(t, job).wantCode(t, ExitErrored)
}

// Without core.symlinks a link is a file that holds where it points to.
func TestCheckout_symlinksAndSparse(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	dir := strings.TrimPrefix(o.url, "file://")
	if err := os.MkdirAll(filepath.Join(dir, "a b"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a b", "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("version", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-q", "-m", "more")
	details := broker.JobDetails{Branch: "main", Commit: git(t, dir, "rev-parse", "HEAD")}
	for name, c := range map[string]struct {
		git    map[string]any
		script string
	}{
		"links":          {nil, "test -L link && test -f 'a b/file'"},
		"no links":       {map[string]any{"symlinks": false}, "test ! -L link && test $(cat link) = version"},
		"one folder":     {map[string]any{"sparse_checkout": "a b"}, "test -f 'a b/file' && test ! -e version"},
		"several":        {map[string]any{"sparse_checkout": []string{"/link", "/version"}}, "test -L link && test ! -e 'a b'"},
		"lfs is skipped": {map[string]any{"lfs_skip_smudge": true}, "test $GIT_LFS_SKIP_SMUDGE = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			job := o.job(t, c.git, details)
			config, err := readConfig(job.Config)
			if err != nil {
				t.Fatal(err)
			}
			config["script"] = mustJSON(t, c.script)
			job.Config = mustJSON(t, config)
			newMachine(t).run(t, job).wantCode(t, ExitPassed)
		})
	}
}
