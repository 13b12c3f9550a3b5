package servers

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// DockerImage is an image with bash, the usual small programs and git, made of this machine's own; its user travis has no rights.
const DockerImage = "headrace/test:latest"

// imagePrograms are what tests run in containers.
var imagePrograms = strings.Fields(`bash sh cat head tail sleep ls grep sed tr setsid touch wc date env id mkdir rm mv mount unshare
	perl cp chmod ln timeout kill stty whoami dd df ps git mktemp dirname basename tee sort uname sync rmdir readlink`)

// WriteImage writes the file system of [DockerImage] as a tar archive. Programs that this machine lacks are left out.
func WriteImage(ctx context.Context, w io.Writer) error {
	archive := tar.NewWriter(w)
	for _, dir := range []string{"bin", "etc", "proc", "sys", "dev", "run", "root", "usr", "home", "usr/share", "usr/share/git-core", "usr/share/git-core/templates"} {
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}); err != nil {
			return err
		}
	}
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}); err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "home/travis/", Mode: 0o755, Uid: 1000, Gid: 1000}); err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "usr/bin", Linkname: "../bin", Mode: 0o777}); err != nil {
		return err
	}
	const passwd = "root:x:0:0:root:/root:/bin/bash\ntravis:x:1000:1000::/home/travis:/bin/bash\n"
	if err := addFile(archive, "etc/passwd", []byte(passwd), 0o644); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, name := range imagePrograms {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if err := addProgram(ctx, archive, name, path, seen); err != nil {
			return fmt.Errorf("put %s into the test image: %w", name, err)
		}
	}
	return archive.Close()
}

func addProgram(ctx context.Context, archive *tar.Writer, name, path string, seen map[string]bool) error {
	body, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := addFile(archive, "bin/"+name, body, 0o755); err != nil {
		return err
	}
	libraries, err := exec.CommandContext(ctx, "ldd", path).Output()
	if err != nil {
		return nil //nolint:nilerr // a script, or a static program
	}
	for field := range strings.FieldsSeq(string(libraries)) {
		if !strings.HasPrefix(field, "/") || seen[field] {
			continue
		}
		seen[field] = true
		body, err := os.ReadFile(field)
		if err != nil {
			return err
		}
		if err := addFile(archive, strings.TrimPrefix(field, "/"), body, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func addFile(archive *tar.Writer, name string, body []byte, mode int64) error {
	err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(body))})
	if err == nil {
		_, err = archive.Write(body)
	}
	return err
}

// tryOut imports the image and runs a container of it: an engine that starts may still be unable to.
func (d *Docker) tryOut(ctx context.Context) error {
	var files bytes.Buffer
	if err := WriteImage(ctx, &files); err != nil {
		return err
	}
	name, tag, _ := strings.Cut(DockerImage, ":")
	if err := d.call(ctx, http.MethodPost, "/images/create?fromSrc=-&repo="+name+"&tag="+tag+"&changes=USER+travis", &files, nil); err != nil {
		return err
	}
	want, err := json.Marshal(map[string]any{"Image": DockerImage, "Cmd": []string{"bash", "-c", "exit 7"}, "HostConfig": map[string]any{"NetworkMode": "none"}})
	if err != nil {
		return err
	}
	var made struct{ ID string }
	if err := d.call(ctx, http.MethodPost, "/containers/create", bytes.NewReader(want), &made); err != nil {
		return err
	}
	var ended struct{ StatusCode int }
	err = d.call(ctx, http.MethodPost, "/containers/"+made.ID+"/start", nil, nil)
	if err == nil {
		err = d.call(ctx, http.MethodPost, "/containers/"+made.ID+"/wait", nil, &ended)
	}
	if err == nil && ended.StatusCode != 7 {
		err = fmt.Errorf("it ended with %d", ended.StatusCode)
	}
	return errors.Join(err, d.call(ctx, http.MethodDelete, "/containers/"+made.ID+"?force=1", nil, nil))
}

// Ask reads what the engine says of a path of its API.
func (d *Docker) Ask(ctx context.Context, path string, into any) error {
	return d.call(ctx, http.MethodGet, path, nil, into)
}

// call asks the engine. What it answers is read wholly; into keeps the answer.
func (d *Docker) call(ctx context.Context, method, path string, body io.Reader, into any) error {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(d.dir, "s"))
		},
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(answer))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}
