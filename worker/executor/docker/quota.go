package docker

import (
	"context"
	"strconv"

	"github.com/docker/docker/api/types/container"
)

// quotaWorks tries whether the engine can bound what a container writes: xfs does so only where it was mounted for it.
func (c Config) quotaWorks(ctx context.Context, e *Executor) bool {
	name, err := e.reserve("headrace-look")
	if err != nil {
		return false
	}
	defer e.release(name)
	_, err = e.engine.ContainerCreate(ctx, &container.Config{Image: c.Images.fallback(), Entrypoint: []string{"true"}, Labels: e.labels(name)},
		&container.HostConfig{NetworkMode: "none", StorageOpt: map[string]string{"size": strconv.FormatInt(c.Limits.Disk, 10)}}, nil, nil, name)
	return err == nil
}
