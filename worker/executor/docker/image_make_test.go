package docker_test

import (
	"archive/tar"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/testkit/servers"
	"github.com/headrace/headrace/worker/executor/docker"
)

// rootImage is the test image without its user.
func rootImage(t *testing.T) string {
	t.Helper()
	needEngine(t)
	return importImage(t, "headrace/root:latest", func(*tar.Header) bool { return true })
}

// bareImage has neither accounts nor homes.
func bareImage(t *testing.T) string {
	t.Helper()
	needEngine(t)
	return importImage(t, "headrace/bare:latest", func(h *tar.Header) bool {
		return h.Name != "etc/passwd" && !strings.HasPrefix(h.Name, "home/")
	})
}

// importImage makes an image of those files of the test image that are kept, as they then are.
func importImage(t *testing.T, name string, keep func(*tar.Header) bool) string {
	t.Helper()
	var all, some bytes.Buffer
	if err := servers.WriteImage(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	in, out := tar.NewReader(&all), tar.NewWriter(&some)
	for {
		head, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !keep(head) {
			continue
		}
		if err := out.WriteHeader(head); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(out, in); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	shop, err := docker.NewWorkshop(engine.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = shop.Close() }()
	if err := shop.Import(t.Context(), &some, name, ""); err != nil {
		t.Fatal(err)
	}
	return name
}
