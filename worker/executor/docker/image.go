package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker/executor"
)

// jobImage is what a container is made of.
type jobImage struct {
	name, id string
	env      []string
	volumes  map[string]struct{}
	account  account
	files    []byte // an archive of what the image lacks; nil: nothing
}

func (i jobImage) archive() io.Reader { return bytes.NewReader(i.files) }

// images remembers what was found in images, by their ids.
type images struct {
	mu    sync.Mutex
	known map[string]jobImage
}

func newImages() *images { return &images{known: map[string]jobImage{}} }

func (i *images) get(id string) (jobImage, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	img, ok := i.known[id]
	return img, ok
}

func (i *images) put(img jobImage) {
	const most = 1000
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.known) >= most {
		clear(i.known)
	}
	i.known[img.id] = img
}

// image finds the image of a job, and pulls it when it is not there.
func (e *Executor) image(ctx context.Context, s executor.Spec) (jobImage, error) {
	name, key, err := e.cfg.Images.choose(s.Wish)
	if err != nil {
		return jobImage{}, err
	}
	found, err := e.present(ctx, name, s.Output, func(err error) error { return noImage(err, name, key) })
	if err != nil {
		return jobImage{}, err
	}
	if img, ok := e.images.get(found.ID); ok {
		img.name = name
		return img, nil
	}
	img := jobImage{name: name, id: found.ID}
	user := ""
	if found.Config != nil {
		img.env, img.volumes, user = found.Config.Env, found.Config.Volumes, found.Config.User
	}
	if err := e.examine(ctx, &img, user); err != nil {
		return jobImage{}, err
	}
	e.images.put(img)
	return img, nil
}

// present gives an image that is on this machine, pulled if need be. missing says what to do about one that cannot be had.
func (e *Executor) present(ctx context.Context, name string, out io.Writer, missing func(error) error) (image.InspectResponse, error) {
	found, err := e.engine.ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		if err := e.pull(ctx, name, out, missing); err != nil {
			return found, err
		}
		found, err = e.engine.ImageInspect(ctx, name)
	}
	if err != nil {
		return found, words(err, "The image "+name+" could not be looked at")
	}
	return found, nil
}

// examine looks into the image for the account of the jobs, by way of a container that never runs.
func (e *Executor) examine(ctx context.Context, img *jobImage, user string) error {
	name, err := e.reserve("headrace-look")
	if err != nil {
		return err
	}
	defer e.release(name)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience) // see launch
	defer cancel()
	made, err := e.engine.ContainerCreate(ctx, &container.Config{Image: img.id, Entrypoint: []string{"true"}, Labels: e.labels(name)},
		&container.HostConfig{NetworkMode: "none"}, nil, nil, name)
	if err != nil {
		return words(err, "The image of the job could not be looked into")
	}
	passwd, err := e.readFile(ctx, made.ID, "/etc/passwd")
	if err != nil {
		return words(err, "The image of the job could not be looked into")
	}
	img.account = accountOf(passwd, user, e.cfg.User)
	_, err = e.engine.ContainerStatPath(ctx, made.ID, img.account.home)
	img.files, err = img.account.missing(passwd, err == nil)
	return err
}

// readFile reads a small file of a container; one that is not there is empty.
func (e *Executor) readFile(ctx context.Context, id, file string) ([]byte, error) {
	content, _, err := e.engine.CopyFromContainer(ctx, id, file)
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = content.Close() }()
	archive := tar.NewReader(content)
	for {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if head.Typeflag == tar.TypeReg && head.Name == path.Base(file) {
			return io.ReadAll(io.LimitReader(archive, mega))
		}
	}
}

// pull fetches an image, and says how it goes on.
func (e *Executor) pull(ctx context.Context, name string, out io.Writer, missing func(error) error) error {
	fmt.Fprintf(out, "The image %s is not on this machine; pulling it.\n", name)
	body, err := e.engine.ImagePull(ctx, name, image.PullOptions{})
	if err == nil {
		defer func() { _ = body.Close() }()
		err = followPull(body, out)
	}
	switch {
	case err == nil:
		fmt.Fprintf(out, "The image %s is here.\n", name)
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case full(err) || client.IsErrConnectionFailed(err):
		return words(err, "The image of the job could not be pulled")
	}
	return missing(err)
}

// followPull reads the engine's report, a line for each layer that is done, and for a long one from time to time.
func followPull(body io.Reader, out io.Writer) error {
	const every = 5 * time.Second
	last := time.Now()
	for lines := json.NewDecoder(body); ; {
		var line struct {
			ID, Status, Progress, Error string
		}
		if err := lines.Decode(&line); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		switch {
		case line.Error != "":
			return errors.New(line.Error)
		case line.Status == "Pull complete":
			fmt.Fprintf(out, "%s: here\n", line.ID)
			last = time.Now()
		case line.Progress != "" && time.Since(last) > every:
			fmt.Fprintf(out, "%s: %s %s\n", line.ID, line.Status, line.Progress)
			last = time.Now()
		}
	}
}

// noImage says what to do about an image that cannot be had.
func noImage(err error, name, key string) error {
	if name == DefaultImage {
		return fault.Wrap(fault.Unavailable, err, "This worker has no image to run jobs in. Make one with headrace worker image build, or name one in HEADRACE_IMAGES (example: default=registry.example.com/ci:1).")
	}
	return fault.Wrap(fault.Unavailable, err,
		"The image %s, which HEADRACE_IMAGES on the worker has for %q, is not there and could not be pulled: %s. Try it on that machine with docker pull %s, or change HEADRACE_IMAGES.", name, key, engineText(err), name)
}
