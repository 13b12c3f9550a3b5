package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/headrace/headrace/internal/fault"
)

// Services maps names of `services:` in a .travis.yml to images that run beside the jobs which ask for them.
type Services map[string]string

// ParseServices reads "name=image" pairs with commas between them.
func ParseServices(text string) (Services, error) {
	images, err := ParseImages(text)
	if err != nil {
		return nil, fault.Field("services", "HEADRACE_SERVICES is a list of service=image with commas between them, each once. Example: postgresql=postgres:16,redis=redis:7.")
	}
	return Services(images), nil
}

// pick are those of the names that have an image.
func (s Services) pick(names []string) []string {
	var found []string
	for _, name := range names {
		if s[name] != "" && !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found
}

// serviceEnv lets the usual images start without a password, as the services of Travis CI do: only the job reaches them.
func serviceEnv(name string) []string {
	return map[string][]string{
		"postgresql":    {"POSTGRES_HOST_AUTH_METHOD=trust"},
		"mysql":         {"MYSQL_ALLOW_EMPTY_PASSWORD=yes", "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=yes"},
		"mariadb":       {"MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=yes", "MYSQL_ALLOW_EMPTY_PASSWORD=yes"},
		"elasticsearch": {"discovery.type=single-node", "xpack.security.enabled=false"},
		"neo4j":         {"NEO4J_AUTH=none"},
	}[name]
}

// startServices starts what the job asks for beside its container, in the same network: they answer at 127.0.0.1. The
// names go to the script, which waits for them. What cannot be had is said, and the job goes on without it.
func (e *Executor) startServices(ctx context.Context, p *process) {
	for i, name := range e.cfg.Services.pick(p.spec.Wish.Services) {
		beside := fmt.Sprintf("%s%s%d", p.name, serviceSuffix, i+1)
		e.mu.Lock()
		e.live[beside] = nil
		e.mu.Unlock()
		if err := e.startService(ctx, p, name, beside); err != nil {
			_, _ = fmt.Fprintf(p.spec.Output, "services: %s could not be started beside this job: %s\n", name, strings.TrimSpace(fault.Message(err)))
			continue
		}
		p.beside = append(p.beside, name)
	}
}

// serviceSuffix stands in the names of what runs beside a container, after its own.
const serviceSuffix = "-s"

// besides are the names of what runs beside a container.
func (e *Executor) besides(name string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []string
	for other := range e.live {
		if strings.HasPrefix(other, name+serviceSuffix) {
			all = append(all, other)
		}
	}
	return all
}

func (e *Executor) startService(ctx context.Context, p *process, name, beside string) error {
	image := e.cfg.Services[name]
	img, err := e.present(ctx, image, p.spec.Output, func(err error) error {
		return fault.Wrap(fault.Unavailable, err, "its image %s, which HEADRACE_SERVICES on the worker has for it, is not there and could not be pulled: %s.", image, engineText(err))
	})
	if err != nil {
		return err
	}
	l := e.cfg.Limits
	host := &container.HostConfig{
		NetworkMode: container.NetworkMode("container:" + p.id), IpcMode: container.IPCModePrivate, CgroupnsMode: container.CgroupnsModePrivate,
		LogConfig: container.LogConfig{Type: "none"}, RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
		ShmSize: l.Shm, OomScoreAdj: 500, CapDrop: []string{"ALL"}, CapAdd: serviceCapabilities, SecurityOpt: []string{"no-new-privileges:true"}, Tmpfs: map[string]string{},
		Resources: container.Resources{NanoCPUs: int64(l.CPUs * 1e9), Memory: l.Memory, MemorySwap: l.Memory, PidsLimit: &l.Processes},
	}
	volumes := map[string]struct{}{}
	if img.Config != nil {
		volumes = img.Config.Volumes
	}
	for path := range maps.Keys(volumes) { // a volume would be a disk without a limit
		host.Tmpfs[path] = fmt.Sprintf("rw,nosuid,nodev,size=%d", l.Memory)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience) // see launch
	defer cancel()
	made, err := e.engine.ContainerCreate(ctx, &container.Config{Image: img.ID, Env: serviceEnv(name), Labels: e.labels(beside), Healthcheck: &container.HealthConfig{Test: []string{"NONE"}}},
		host, nil, nil, beside)
	if err != nil {
		return words(err, "Its container could not be made")
	}
	if err := e.engine.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		return words(err, "Its container could not be started")
	}
	return nil
}

// serviceCapabilities let a server that starts as root take its files and become its own user.
var serviceCapabilities = []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_SETGID", "CAP_SETUID"}
