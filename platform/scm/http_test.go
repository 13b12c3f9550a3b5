package scm_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/scm"
)

// serveGit serves the origin by git's own server for http, behind the user name and password if there are any.
func serveGit(t *testing.T, o *origin, user, password string) *httptest.Server {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{
		Stderr: io.Discard,
		Path:   filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env: []string{
			"GIT_PROJECT_ROOT=" + filepath.Dir(o.dir), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1",
			"GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, _ := r.BasicAuth()
		if password != "" && (u != user || p != password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="mill"`)
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		r.Header.Set("Git-Protocol", r.Header.Get("Git-Protocol"))
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server
}

func withUser(server *httptest.Server, user, password string) string {
	return "http://" + url.UserPassword(user, password).String() + "@" + strings.TrimPrefix(server.URL, "http://") + "/app/.git"
}

func TestOverHTTP(t *testing.T) {
	t.Parallel()
	g, _ := newGit(t)
	o := newOrigin(t)
	old := o.commit(".travis.yml", "language: c\n", "one")
	sha := o.commit(".travis.yml", "language: go\n", "two")
	server := serveGit(t, o, "", "")
	r := ci.Repository{ID: 3, SourceURL: server.URL + "/app/.git"}

	remote, err := g.Probe(t.Context(), r.SourceURL)
	if err != nil || remote.DefaultBranch != "main" {
		t.Fatalf("Probe = %+v, %v", remote, err)
	}
	for want, q := range map[string]ci.Request{sha: {Branch: "main"}, old: {SHA: old}} {
		c, err := g.Resolve(t.Context(), r, q)
		if err != nil || c.SHA != want {
			t.Errorf("Resolve = %s, %v; want %s", c.SHA, err, want)
		}
	}
	if text, found, err := g.File(t.Context(), r, old, ".travis.yml", 100); string(text) != "language: c\n" || !found || err != nil {
		t.Errorf("File = %q, %v, %v", text, found, err)
	}
	_, err = g.Probe(t.Context(), server.URL+"/other.git")
	wantFault(t, err, fault.NotFound, "There is no git repository at "+server.URL+"/other.git")
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	const secret = "s3cret%/@:tok$(id)"
	g, _ := newGit(t)
	o := newOrigin(t)
	sha := o.commit("a", "1", "one")
	server := serveGit(t, o, "ines", secret)

	good := withUser(server, "ines", secret)
	if c, err := g.Resolve(t.Context(), ci.Repository{SourceURL: good}, ci.Request{}); err != nil || c.SHA != sha {
		t.Errorf("Resolve with the password = %s, %v", c.SHA, err)
	}
	for name, c := range map[string]struct{ url, words string }{
		"none":          {server.URL + "/app/.git", "asks for a user name and a password"},
		"a wrong one":   {withUser(server, "ines", "wr0ng-password"), "does not accept the user name and the password"},
		"a token alone": {strings.Replace(server.URL, "http://", "http://wr0ng-password@", 1) + "/app/.git", "does not accept"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := g.Probe(t.Context(), c.url)
			wantFault(t, err, fault.Invalid, c.words)
			if strings.Contains(err.Error(), "wr0ng") {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
}

// What stands on a command line can be read by everybody on the machine.
func TestNoPasswordOnACommandLine(t *testing.T) {
	t.Parallel()
	const secret = "s3cret-token"
	dir := t.TempDir()
	seen, wrapper := filepath.Join(dir, "seen"), filepath.Join(dir, "git")
	script := "#!/bin/sh\nprintf '%s\\n' \"$@\" >>'" + seen + "'\nexec git \"$@\"\n"
	if err := os.WriteFile(wrapper, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	o := newOrigin(t)
	o.commit("a", "1", "one")
	server := serveGit(t, o, "ines", secret)
	g := scm.New(scm.Config{Dir: filepath.Join(dir, "scm"), GitPath: wrapper})
	if _, err := g.Resolve(t.Context(), ci.Repository{SourceURL: withUser(server, "ines", secret)}, ci.Request{}); err != nil {
		t.Fatal(err)
	}
	args, err := os.ReadFile(seen)
	if err != nil || !strings.Contains(string(args), "fetch") || strings.Contains(string(args), secret) {
		t.Errorf("%v, git was called with:\n%s", err, args)
	}
	err = filepath.WalkDir(filepath.Join(dir, "scm"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), secret) {
			t.Errorf("%s holds the password", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A password is for the host in the address, and not for one that it redirects to.
func TestPasswordStaysWithItsHost(t *testing.T) {
	t.Parallel()
	g, _ := newGit(t)
	var mu sync.Mutex
	var leaked []string
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if a := r.Header.Get("Authorization"); a != "" {
			leaked = append(leaked, a)
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="thief"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(thief.Close)
	honest := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="mill"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.Redirect(w, r, thief.URL+r.URL.String(), http.StatusFound)
	}))
	t.Cleanup(honest.Close)

	_, err := g.Probe(t.Context(), withUser(honest, "ines", "s3cret-token"))
	if err == nil {
		t.Error("the redirect to a server that wants a password worked")
	}
	mu.Lock()
	defer mu.Unlock()
	if len(leaked) > 0 {
		t.Errorf("the other server got %q", leaked)
	}
}

func TestDumbHTTP(t *testing.T) {
	t.Parallel()
	g, _ := newGit(t)
	o := newOrigin(t)
	old := o.commit(".travis.yml", "language: c\n", "one")
	sha := o.commit(".travis.yml", "language: go\n", "two")
	o.git("update-server-info")
	server := httptest.NewServer(http.FileServer(http.Dir(o.dir)))
	t.Cleanup(server.Close)
	r := ci.Repository{SourceURL: server.URL + "/.git", DefaultBranch: "main"}

	if remote, err := g.Probe(t.Context(), r.SourceURL); err != nil || remote.DefaultBranch != "main" {
		t.Errorf("Probe = %+v, %v", remote, err)
	}
	for want, q := range map[string]ci.Request{sha: {}, old: {SHA: old}} {
		if c, err := g.Resolve(t.Context(), r, q); err != nil || c.SHA != want {
			t.Errorf("Resolve = %s, %v; want %s", c.SHA, err, want)
		}
	}
}

func TestServerTroubles(t *testing.T) {
	t.Parallel()
	g, _ := newGit(t)
	for status, c := range map[int]struct {
		code  fault.Code
		words string
	}{
		http.StatusServiceUnavailable: {fault.Unavailable, "answers, but not now"},
		http.StatusTooManyRequests:    {fault.Unavailable, "answers, but not now"},
		http.StatusForbidden:          {fault.Invalid, "asks for a user name"},
		http.StatusNotFound:           {fault.NotFound, "There is no git repository"},
		http.StatusOK:                 {fault.NotFound, "There is no git repository"},
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				_, _ = w.Write([]byte("<html>\n<body>\nhello\n</body>\n</html>\n"))
			}))
			defer server.Close()
			_, err := g.Probe(t.Context(), server.URL+"/acme/app.git")
			wantFault(t, err, c.code, c.words)
		})
	}
}

// silent accepts connections and says nothing; heard gets a value for each.
func silent(t *testing.T) (address string, heard <-chan struct{}) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connected := make(chan struct{}, 10)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connected <- struct{}{}
			wg.Go(func() {
				defer c.Close()
				buf := make([]byte, 1024)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String(), connected
}

func TestSilentServerEndsInTime(t *testing.T) {
	t.Parallel()
	address, _ := silent(t)
	g := scm.New(scm.Config{Dir: t.TempDir(), ProbeTime: 300 * time.Millisecond})
	_, err := g.Probe(t.Context(), "http://"+address+"/acme/app.git")
	wantFault(t, err, fault.Unavailable, "127.0.0.1 did not answer in time")
}

// The helper process that speaks http must go with git: the silent server sees its connection end, else Cleanup hangs.
func TestEndOfContextEndsGit(t *testing.T) {
	t.Parallel()
	address, heard := silent(t)
	g, _ := newGit(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := g.Probe(ctx, "http://"+address+"/acme/app.git")
		done <- err
	}()
	<-heard
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Probe = %v, want the end of the context", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	g, _ := newGit(t)
	o := newOrigin(t)
	sha := o.commit("a", "1", "one")
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			c, err := g.Resolve(t.Context(), o.repository(), ci.Request{})
			if err != nil || c.SHA != sha {
				t.Errorf("Resolve = %s, %v", c.SHA, err)
			}
		})
	}
	wg.Wait()
	if names, err := g.Branches(t.Context(), o.repository()); err != nil || len(names) != 1 || names[0] != "main" {
		t.Errorf("Branches = %v, %v", names, err)
	}
}

func TestGitIsMissing(t *testing.T) {
	t.Parallel()
	g := scm.New(scm.Config{Dir: t.TempDir(), GitPath: "no-such-git"})
	_, err := g.Probe(t.Context(), "file:///x")
	wantFault(t, err, fault.Unavailable, "git is not installed on this node")
}

func TestShallowSource(t *testing.T) {
	t.Parallel()
	g, _ := newGit(t)
	o := newOrigin(t)
	o.commit("a", "1", "one")
	sha := o.commit("a", "2", "two")
	clone := filepath.Join(t.TempDir(), "clone")
	o.git("clone", "--quiet", "--depth=1", o.url(), clone)
	c, err := g.Resolve(t.Context(), ci.Repository{SourceURL: "file://" + clone, DefaultBranch: "main"}, ci.Request{})
	if err != nil || c.SHA != sha {
		t.Errorf("Resolve from a shallow clone = %s, %v", c.SHA, err)
	}
}
