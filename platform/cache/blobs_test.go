package cache_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/cache"
	"github.com/headrace/headrace/platform/cache/cachetest"
)

func TestDisk(t *testing.T) {
	t.Parallel()
	cachetest.Run(t, func(t *testing.T, where string) cache.Blobs {
		d, err := cache.OpenDisk(where, "node-1")
		if err != nil {
			t.Fatal(err)
		}
		return d
	})
}

func TestDisk_staysBelowItsFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := cache.OpenDisk(filepath.Join(dir, "kept"), "node-1")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Put(t.Context(), "../x", cachetest.Upload(t, dir, []byte("x"))); err == nil {
		t.Error("it was put outside")
	}
	if err := d.Put(t.Context(), "1/a/x", cachetest.Upload(t, dir, []byte("x"))); err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(t.Context(), "1/a/x"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "kept")); err != nil || len(left) != 0 {
		t.Errorf("empty folders stay: %v %v", left, err)
	}
}

// bucket is a server that checks signatures as S3 does, and keeps objects.
type bucket struct {
	t  *testing.T
	mu sync.Mutex
	by map[string][]byte
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	sum := sha256.Sum256(body)
	auth := r.Header.Get("Authorization")
	_, names, _ := strings.Cut(auth, "SignedHeaders=")
	names, signature, _ := strings.Cut(names, ", Signature=")
	when, timeErr := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	signed := strings.Split(names, ";")
	switch {
	case err != nil, timeErr != nil, time.Since(when).Abs() > time.Minute, !strings.Contains(auth, "Credential=access/"+when.Format("20060102")+"/eu-north-1/s3/aws4_request"),
		r.Header.Get("X-Amz-Content-Sha256") != hex.EncodeToString(sum[:]), r.Header.Get("Range") != "" && !strings.Contains(names, "range"),
		!strings.Contains(names, "host;"), cache.Signature(r, signed, "eu-north-1", "secret") != signature:
		http.Error(w, "SignatureDoesNotMatch", http.StatusForbidden)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	object, there := b.by[r.URL.Path]
	switch r.Method {
	case http.MethodPut:
		if r.ContentLength != int64(len(body)) {
			http.Error(w, "MissingContentLength", http.StatusLengthRequired)
			return
		}
		b.by[r.URL.Path] = body
	case http.MethodDelete:
		delete(b.by, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	default:
		if !there {
			http.Error(w, "NoSuchKey", http.StatusNotFound)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(object)))
	}
}

func newBucket(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(&bucket{t: t, by: map[string][]byte{}})
	t.Cleanup(s.Close)
	return s
}

func TestS3(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	servers := map[string]*httptest.Server{}
	cachetest.Run(t, func(t *testing.T, where string) cache.Blobs {
		mu.Lock()
		defer mu.Unlock()
		if servers[where] == nil {
			servers[where] = newBucket(t)
		}
		s, err := cache.OpenS3(cache.S3Config{URL: servers[where].URL + "/bucket/some folder", Region: "eu-north-1", AccessKey: "access", SecretKey: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// TestSignature holds the signature equal to the first example of Amazon's description of version 4 for S3.
func TestSignature(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "https://examplebucket.s3.amazonaws.com/test.txt", nil)
	r.Header.Set("Range", "bytes=0-9")
	r.Header.Set("X-Amz-Content-Sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
	r.Header.Set("X-Amz-Date", "20130524T000000Z")
	got := cache.Signature(r, []string{"host", "range", "x-amz-content-sha256", "x-amz-date"}, "us-east-1", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
	if want := "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestS3_troubles(t *testing.T) {
	t.Parallel()
	for _, c := range []cache.S3Config{
		{URL: "bucket", AccessKey: "a", SecretKey: "s"}, {URL: "https://host", AccessKey: "a", SecretKey: "s"}, {URL: "https://host/bucket"},
		{URL: "https://u:p@host/bucket", AccessKey: "a", SecretKey: "s"},
	} {
		if _, err := cache.OpenS3(c); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", c.URL, err)
		}
	}
	server := newBucket(t)
	for name, c := range map[string]cache.S3Config{
		"another secret": {URL: server.URL + "/bucket", Region: "eu-north-1", AccessKey: "access", SecretKey: "other"},
		"nobody there":   {URL: "http://127.0.0.1:1/bucket", Region: "eu-north-1", AccessKey: "access", SecretKey: "secret"},
	} {
		s, err := cache.OpenS3(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Put(t.Context(), "1/a/x", cachetest.Upload(t, t.TempDir(), []byte("x"))); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: put: %v", name, err)
		}
		if _, err := s.Open(t.Context(), "1/a/x", 0); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: open: %v", name, err)
		}
		if err := s.Delete(t.Context(), "1/a/x"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: delete: %v", name, err)
		}
	}
}
