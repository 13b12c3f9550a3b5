package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker/executor"
)

// words says what the engine refused. An engine that is away or full is no fault of the job: the error has [executor.ErrAway].
func words(err error, what string) error {
	switch {
	case full(err):
		return fault.Wrap(fault.Unavailable, errors.Join(executor.ErrAway, err), "%s: the Docker engine's disk is full. Remove what is not needed: docker system prune.", what)
	case away(err):
		return fault.Wrap(fault.Unavailable, errors.Join(executor.ErrAway, err), "%s: the Docker engine does not answer. Is it running, and may this user use it?", what)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", what, err)
	}
	return fault.Wrap(fault.Unavailable, err, "%s: %s.", what, engineText(err))
}

func away(err error) bool {
	return client.IsErrConnectionFailed(err) || errors.Is(err, context.DeadlineExceeded) || errdefs.IsUnavailable(err) ||
		strings.Contains(err.Error(), "EOF") || strings.Contains(err.Error(), "connection re") || strings.Contains(err.Error(), "permission denied while trying to connect")
}

func full(err error) bool {
	text := err.Error()
	return strings.Contains(text, "no space left on device") || strings.Contains(text, "disk quota exceeded")
}

// engineText is the engine's own sentence, without what its client puts before it.
func engineText(err error) string {
	text := strings.TrimPrefix(err.Error(), "Error response from daemon: ")
	return strings.TrimSuffix(strings.TrimSpace(text), ".")
}

// startFault is about a container that was made but did not start.
func startFault(err error, img jobImage) error {
	if text := err.Error(); strings.Contains(text, `"bash"`) && strings.Contains(text, "not found") {
		return fault.Wrap(fault.Unavailable, err, "The image %s has no bash, which every job needs. Take another image for it in HEADRACE_IMAGES on the worker.", img.name)
	}
	return words(err, "The container of the job could not be started")
}

// ignoreGone takes away the error that what should end or go is not there, or goes already.
func ignoreGone(err error) error {
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) && (strings.Contains(err.Error(), "not running") || strings.Contains(err.Error(), "already in progress")) {
		return nil
	}
	return err
}
