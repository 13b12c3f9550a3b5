package docker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	_ "embed"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/headrace/headrace/internal/fault"
)

// Workshop makes images for jobs, and looks into them.
type Workshop struct{ engine *client.Client }

// NewWorkshop uses the engine at host; empty is the usual one.
func NewWorkshop(host string) (*Workshop, error) {
	engine, err := connect(host)
	if err != nil {
		return nil, err
	}
	return &Workshop{engine: engine}, nil
}

// connect makes a client. It asks nothing yet.
func connect(host string) (*client.Client, error) {
	options := []client.Opt{client.WithHostFromEnv(), client.WithTLSClientConfigFromEnv(), client.WithAPIVersionNegotiation()}
	if host != "" {
		options = append(options, client.WithHost(host))
	}
	engine, err := client.NewClientWithOpts(options...)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The Docker engine cannot be reached this way: %s.", engineText(err))
	}
	return engine, nil
}

// Close lets go of the engine.
func (w *Workshop) Close() error { return w.engine.Close() }

// Import makes an image of a file system, a tar archive. A user that is named must be in it.
func (w *Workshop) Import(ctx context.Context, files io.Reader, name, user string) error {
	changes := []string{"ENV LANG=C.UTF-8", `CMD ["bash"]`}
	if user != "" {
		changes = append(changes, "USER "+user)
	}
	body, err := w.engine.ImageImport(ctx, image.ImportSource{Source: files, SourceName: "-"}, name, image.ImportOptions{Message: "made by headrace worker image build", Changes: changes})
	if err != nil {
		return words(err, "The image could not be imported")
	}
	defer func() { _ = body.Close() }()
	if err := followPull(body, io.Discard); err != nil {
		return words(err, "The image could not be imported")
	}
	return nil
}

// Contents is what an image has for jobs.
type Contents struct {
	// Image is its name; Keys are those of HEADRACE_IMAGES that lead to it.
	Image   string    `json:"image"`
	Keys    []string  `json:"keys"`
	Present bool      `json:"present"`
	Size    int64     `json:"size,omitempty"`
	Created time.Time `json:"created,omitzero"`
	User    string    `json:"user,omitempty"`
	// Programs are compilers, interpreters and tools, with their versions; Managers are version managers.
	Programs []Program `json:"programs,omitempty"`
	Managers []string  `json:"managers,omitempty"`
	// Missing are what every job needs and the image lacks; Trouble says why that is not known.
	Missing []string `json:"missing,omitempty"`
	Trouble string   `json:"trouble,omitempty"`
}

// Program is one that an image has.
type Program struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Usable says whether jobs can run in it.
func (c Contents) Usable() bool { return c.Present && c.Trouble == "" && len(c.Missing) == 0 }

//go:embed look.sh
var lookScript string

// Look says what an image has. It runs a small script in it, with no rights and no network.
func (w *Workshop) Look(ctx context.Context, name string, keys []string) (Contents, error) {
	c := Contents{Image: name, Keys: keys}
	found, err := w.engine.ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return c, nil
	}
	if err != nil {
		return c, words(err, "The image "+name+" could not be looked at")
	}
	c.Present, c.Size = true, found.Size
	if at, err := time.Parse(time.RFC3339Nano, found.Created); err == nil {
		c.Created = at
	}
	said, err := w.ask(ctx, found.ID)
	switch {
	case errors.Is(err, context.Canceled), err != nil && away(err):
		return c, words(err, "The image "+name+" could not be looked into")
	case err != nil:
		c.Trouble = "It cannot run a script: " + engineText(err) + "."
		return c, nil
	}
	c.read(said)
	return c, nil
}

// ask runs the script and returns what it says.
func (w *Workshop) ask(ctx context.Context, id string) (string, error) {
	limit := int64(64)
	made, err := w.engine.ContainerCreate(ctx,
		&container.Config{Image: id, Entrypoint: []string{"bash", "-c", lookScript}, WorkingDir: "/", Healthcheck: &container.HealthConfig{Test: []string{"NONE"}}},
		&container.HostConfig{
			NetworkMode: "none", CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges:true"}, LogConfig: container.LogConfig{Type: "json-file"},
			Resources: container.Resources{PidsLimit: &limit, Memory: giga, MemorySwap: giga},
		}, nil, nil, "")
	if err != nil {
		return "", err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		_ = w.engine.ContainerRemove(ctx, made.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}) // it holds nothing
	}()
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	ended, failed := w.engine.ContainerWait(ctx, made.ID, container.WaitConditionNextExit)
	if err := w.engine.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		return "", err
	}
	select {
	case <-ended:
	case err := <-failed:
		return "", err
	}
	log, err := w.engine.ContainerLogs(ctx, made.ID, container.LogsOptions{ShowStdout: true})
	if err != nil {
		return "", err
	}
	defer func() { _ = log.Close() }()
	var said bytes.Buffer
	_, err = stdcopy.StdCopy(&said, io.Discard, io.LimitReader(log, mega))
	return said.String(), err
}

// read takes what look.sh says: a word that tells the kind, a name, and maybe a version.
func (c *Contents) read(said string) {
	for line := range strings.SplitSeq(said, "\n") {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, version, _ := strings.Cut(rest, " ")
		switch kind {
		case "program":
			c.Programs = append(c.Programs, Program{Name: name, Version: version})
		case "manager":
			c.Managers = append(c.Managers, name)
		case "missing":
			c.Missing = append(c.Missing, name)
		case "user":
			c.User = name
		}
	}
}
