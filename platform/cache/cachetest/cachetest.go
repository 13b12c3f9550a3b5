// Package cachetest holds the contract of cache.Blobs: one suite that runs on every place for bytes. It must not know where
// they are.
package cachetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/cache"
)

// Upload writes bytes to a file as an upload leaves them.
func Upload(t *testing.T, dir string, body []byte) cache.File {
	t.Helper()
	f, err := os.CreateTemp(dir, "upload-*")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	return cache.File{Path: f.Name(), Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}
}

// Read returns bytes from an offset on.
func Read(t *testing.T, b cache.Blobs, name string, from int64) string {
	t.Helper()
	r, err := b.Open(t.Context(), name, from)
	if err != nil {
		t.Fatalf("open %s: %v", name, err)
	}
	defer func() { _ = r.Close() }()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Run runs the suite; open opens an empty place, and, with the same argument once more, the same place again.
func Run(t *testing.T, open func(t *testing.T, where string) cache.Blobs) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, cache.Blobs, func() cache.Blobs){
		"bytes are there until they are deleted": testLife, "a name of its own for each": testNames, "what is not there": testMissing,
		"what is read goes on while it is deleted": testReadDeleted, "many at once": testMany, "a file that is away": testNoFile,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			where := filepath.Join(t.TempDir(), "place")
			b := open(t, where)
			test(t, b, func() cache.Blobs { return open(t, where) })
		})
	}
}

func testLife(t *testing.T, b cache.Blobs, again func() cache.Blobs) {
	const name = "1/00ff/cache-linux--go-1.22.x-ABC"
	body := bytes.Repeat([]byte("0123456789"), 10_000)
	if err := b.Put(t.Context(), name, Upload(t, t.TempDir(), body)); err != nil {
		t.Fatal(err)
	}
	for _, b := range []cache.Blobs{b, again()} {
		for _, from := range []int64{0, 3, 99_999} {
			if got := Read(t, b, name, from); got != string(body[from:]) {
				t.Errorf("from %d there are %d bytes", from, len(got))
			}
		}
	}
	if again().Place() != b.Place() || b.Place() == "" {
		t.Errorf("the place is %q, and again %q", b.Place(), again().Place())
	}
	for range 2 {
		if err := b.Delete(t.Context(), name); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	if _, err := b.Open(t.Context(), name, 0); !fault.Is(err, fault.NotFound) {
		t.Errorf("after it was deleted: %v", err)
	}
}

func testNames(t *testing.T, b cache.Blobs, _ func() cache.Blobs) {
	dir := t.TempDir()
	for _, name := range []string{"1/a/x", "1/b/x", "2/a/x"} {
		if err := b.Put(t.Context(), name, Upload(t, dir, []byte(name))); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Delete(t.Context(), "1/a/x"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"1/b/x", "2/a/x"} {
		if got := Read(t, b, name, 0); got != name {
			t.Errorf("%s holds %q", name, got)
		}
	}
}

func testMissing(t *testing.T, b cache.Blobs, _ func() cache.Blobs) {
	for _, from := range []int64{0, 7} {
		if _, err := b.Open(t.Context(), "1/a/x", from); !fault.Is(err, fault.NotFound) {
			t.Errorf("from %d: %v", from, err)
		}
	}
	if err := b.Delete(t.Context(), "1/a/x"); err != nil {
		t.Error(err)
	}
}

func testReadDeleted(t *testing.T, b cache.Blobs, _ func() cache.Blobs) {
	body := bytes.Repeat([]byte("x"), 1<<20)
	if err := b.Put(t.Context(), "1/a/x", Upload(t, t.TempDir(), body)); err != nil {
		t.Fatal(err)
	}
	r, err := b.Open(t.Context(), "1/a/x", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if err := b.Delete(t.Context(), "1/a/x"); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes of %d: %v", len(got), len(body), err)
	}
}

func testMany(t *testing.T, b cache.Blobs, _ func() cache.Blobs) {
	dir := t.TempDir()
	var group sync.WaitGroup
	for i := range 40 {
		f := Upload(t, dir, fmt.Append(nil, "body ", i))
		group.Go(func() {
			name := fmt.Sprintf("%d/a/x", i%4*100+i)
			if err := b.Put(t.Context(), name, f); err != nil {
				t.Errorf("put %s: %v", name, err)
				return
			}
			if i%2 == 0 {
				if err := b.Delete(t.Context(), name); err != nil {
					t.Errorf("delete %s: %v", name, err)
				}
				return
			}
			if got := Read(t, b, name, 0); got != fmt.Sprint("body ", i) {
				t.Errorf("%s holds %q", name, got)
			}
		})
	}
	group.Wait()
}

func testNoFile(t *testing.T, b cache.Blobs, _ func() cache.Blobs) {
	if err := b.Put(t.Context(), "1/a/x", cache.File{Path: filepath.Join(t.TempDir(), "none"), Size: 3}); err == nil {
		t.Error("no file was put")
	}
	if _, err := b.Open(t.Context(), "1/a/x", 0); !fault.Is(err, fault.NotFound) {
		t.Errorf("then it is there: %v", err)
	}
}
