package cache_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/worker/script"
)

const keepsDir = `{"language":"shell","cache":{"directories":["~/kept","$HOME/also/here","in dir","nonesuch"]},"install":"ls ~/kept in* || true",
	"script":["mkdir -p ~/kept ~/also/here 'in dir'","test -f ~/kept/a || echo one > ~/kept/a","touch -d 2020-01-01 'in dir/b' ~/also/here/c"],"before_cache":"echo tidy"}`

var marks = regexp.MustCompile(`travis_(fold|time):[^\r]*\r\x1b\[0K|\x1b\[[0-9;]*m`)

// runJob runs the script of a job with a HOME of its own and returns its log. It must pass.
func runJob(t *testing.T, config string, links *broker.Caches, env ...string) string {
	t.Helper()
	text, err := script.Generate(broker.Job{
		Job: broker.JobDetails{ID: 1, Number: "1.1", Branch: "main"}, Config: json.RawMessage(config), Repository: broker.Repository{Slug: "acme/app"}, Caches: links,
	}, script.Options{})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "build.sh")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", file)
	cmd.Env = append([]string{"HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}, env...)
	out, err := cmd.CombinedOutput()
	log := marks.ReplaceAllString(string(out), "")
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatal(err)
	}
	if err != nil || !strings.Contains(log, "Your build exited with 0.") {
		t.Errorf("the job does not pass: %v\n%s", err, log)
	}
	if links != nil && strings.Contains(log, "tag=") {
		t.Errorf("the log shows an address:\n%s", log)
	}
	return log
}

func says(t *testing.T, log string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
}

func (p *platform) of(branch string, trusted bool, config string) *broker.Caches {
	p.t.Helper()
	links := p.links(p.job(ci.NewBuild{Event: ci.EventPush, Branch: branch, Trusted: trusted}, config))
	return &links
}

func TestScript_keeps(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, nil)
	first := runJob(t, keepsDir, p.of("main", true, keepsDir))
	says(t, first, "There is no cache yet", "echo tidy", "Stored the cache: 1 KiB.")
	second := runJob(t, keepsDir, p.of("dev", true, keepsDir))
	says(t, second, "Fetched the cache of main: 1 KiB, stored ", "/kept:\na\n", "in dir:\nb", "Nothing has changed since the cache was fetched.")
	changes := strings.Replace(keepsDir, "echo tidy", "echo more > ~/kept/more", 1)
	says(t, runJob(t, changes, p.of("dev", true, changes)), "Fetched the cache of main", "Stored the cache")
	says(t, runJob(t, keepsDir, p.of("dev", true, keepsDir)), "Fetched the cache of dev", "a\nmore\n", "Nothing has changed")
	says(t, runJob(t, keepsDir, p.of("main", true, keepsDir)), "Fetched the cache of main", "Nothing has changed")
	fork := runJob(t, changes, p.of("main", false, changes))
	says(t, fork, "Fetched the cache of main", "The cache stays as it is: the code of this job is from a fork.")
}

func TestScript_failingBuildsKeepToo(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, nil)
	outside := filepath.Join(t.TempDir(), "outside HOME")
	config := `{"language":"shell","cache":{"directories":["$OUTSIDE"]},"env":[{"X":"1"}],"script":["mkdir -p \"$OUTSIDE\"; echo x > \"$OUTSIDE/x\"; set -euf -o pipefail; shopt -s nullglob; IFS=,; set -C"]}`
	says(t, runJob(t, config, p.of("main", true, config), "OUTSIDE="+outside), "Stored the cache")
	if err := os.RemoveAll(outside); err != nil {
		t.Fatal(err)
	}
	says(t, runJob(t, config, p.of("main", true, config), "OUTSIDE="+outside), "Fetched the cache")
	if body, err := os.ReadFile(filepath.Join(outside, "x")); err != nil || string(body) != "x\n" {
		t.Errorf("outside is %q %v", body, err)
	}
}

// TestScript_damaged: what is on the disk is not what was stored.
func TestScript_damaged(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func([]byte) []byte{
		"other bytes": func(b []byte) []byte { return append([]byte("damage"), b[6:]...) },
		"half":        func(b []byte) []byte { return b[:len(b)/2] },
		"nothing":     func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, nil)
			says(t, runJob(t, keepsDir, p.of("main", true, keepsDir)), "Stored the cache")
			files, err := filepath.Glob(filepath.Join(p.dir, "kept", "*", "*", "*"))
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			body, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(files[0], damage(bytes.Clone(body)), 0o600); err != nil {
				t.Fatal(err)
			}
			log := runJob(t, keepsDir, p.of("main", true, keepsDir))
			says(t, log, "The job goes on without it.", "Stored the cache")
			says(t, runJob(t, keepsDir, p.of("main", true, keepsDir)), "Fetched the cache of main", "Nothing has changed")
		})
	}
}

// TestScript_troubles: whatever the server does, the job passes.
func TestScript_troubles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		want   []string
	}{
		"refused":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, []string{"cannot be fetched (curl ended with 22, the platform said 403)", "cannot be stored (curl ended with 22, the platform said 403)"}},
		"broken":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, []string{"the platform said 500"}},
		"cut":         {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, []string{"The cache cannot be fetched", "The cache cannot be stored"}},
		"too large":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) }, []string{"The cache is larger than the platform takes."}},
		"not a cache": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }, []string{"its checksum is another"}},
		"never an end": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, []string{"was stopped after 1 minutes."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(c.answer))
			t.Cleanup(server.Close)
			config := strings.Replace(keepsDir, `"directories"`, `"timeout":50,"directories"`, 1)
			links := &broker.Caches{Fetch: broker.CacheLink{URL: server.URL}, Store: broker.CacheLink{URL: server.URL}, MaxBytes: 1 << 20}
			env := "headrace_minute=60"
			if name == "never an end" {
				env = "headrace_minute=1"
			}
			says(t, runJob(t, config, links, env), c.want...)
		})
	}
	away := &broker.Caches{Fetch: broker.CacheLink{URL: "http://127.0.0.1:1/"}, Store: broker.CacheLink{URL: "http://127.0.0.1:1/"}, MaxBytes: 1 << 20}
	says(t, runJob(t, keepsDir, away), "The cache cannot be fetched (curl ended with 7", "The cache cannot be stored (curl ended with 7")
	small := newPlatform(t, nil).of("main", true, keepsDir)
	small.MaxBytes = 10
	says(t, runJob(t, keepsDir, small), "and the platform takes 1 KiB. It is not stored.")
	says(t, runJob(t, keepsDir, nil), "the platform gives this job no place for a cache")
}

// TestScript_resumes: a download that breaks off goes on where it was.
func TestScript_resumes(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, nil)
	config := `{"language":"shell","cache":{"directories":["~/kept"]},"script":["mkdir -p ~/kept","test -f ~/kept/a || head -c 3000000 /dev/urandom > ~/kept/a"]}`
	says(t, runJob(t, config, p.of("main", true, config)), "Stored the cache")
	var ranges []string
	breaking := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		if len(ranges) < 3 {
			w = &short{ResponseWriter: w, left: 1_000_000}
		}
		p.cache.ServeHTTP(w, r)
	}))
	t.Cleanup(breaking.Close)
	links := p.of("main", true, config)
	links.Fetch.URL = strings.Replace(links.Fetch.URL, p.url, breaking.URL, 1)
	says(t, runJob(t, config, links), "Fetched the cache of main: 2.8 MiB", "Nothing has changed")
	if len(ranges) != 3 || ranges[0] != "" || ranges[1] != "bytes=1000000-" || ranges[2] != "bytes=2000000-" {
		t.Errorf("it asked for %q", ranges)
	}
}

// short breaks off after so many bytes.
type short struct {
	http.ResponseWriter
	left int
}

func (s *short) Write(b []byte) (int, error) {
	n := min(len(b), s.left)
	if s.left -= n; n > 0 {
		if _, err := s.ResponseWriter.Write(b[:n]); err != nil {
			return 0, err
		}
	}
	if s.left == 0 {
		_ = http.NewResponseController(s.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

func (s *short) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// TestScript_ownCertificate: the certificate that a node has made itself is known by its key.
func TestScript_ownCertificate(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, nil)
	secure := httptest.NewTLSServer(p.cache)
	t.Cleanup(secure.Close)
	links := p.of("main", true, keepsDir)
	for _, l := range []*broker.CacheLink{&links.Fetch, &links.Store} {
		l.URL, l.Pin = strings.Replace(l.URL, p.url, secure.URL, 1), pinOf(secure.Certificate())
	}
	says(t, runJob(t, keepsDir, links), "There is no cache yet", "Stored the cache")
	says(t, runJob(t, keepsDir, links), "Fetched the cache of main")
	links.Fetch.Pin, links.Store.Pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", ""
	says(t, runJob(t, keepsDir, links), "cannot be fetched (curl ended with 90", "cannot be stored (curl ended with 60")
}

func pinOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return "sha256//" + base64.StdEncoding.EncodeToString(sum[:])
}

// TestScript_poorImage: what an image lacks is said, and the job goes on.
func TestScript_poorImage(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, nil)
	bin := t.TempDir()
	for _, name := range []string{"bash", "uname", "mktemp", "rm", "mkdir", "ls", "touch", "test", "tar", "gzip", "wc", "cksum", "find", "sort", "cat", "sleep"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	says(t, runJob(t, keepsDir, p.of("main", true, keepsDir), "PATH="+bin), "The image of this job has no curl or no tar")
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(curl, filepath.Join(bin, "curl")); err != nil {
		t.Fatal(err)
	}
	says(t, runJob(t, keepsDir, p.of("main", true, keepsDir), "PATH="+bin), "Stored the cache") // no checksum, no zstd, no realpath
	says(t, runJob(t, keepsDir, p.of("main", true, keepsDir), "PATH="+bin), "Fetched the cache of main", "Nothing has changed")
}
