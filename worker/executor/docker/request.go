package docker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-units"

	_ "embed"

	"github.com/headrace/headrace/worker/executor"
)

//go:embed init.sh
var initScript string

// request is all that the container of a job depends on.
type request struct {
	name   string
	spec   executor.Spec
	image  jobImage
	labels map[string]string
	quota  bool // the engine can bound what a container writes
}

// rights is what a job may do beyond the least.
type rights int

const (
	rightsLeast rights = iota
	rightsSudo
	rightsAll
)

// rights are never more than the least for the jobs of strangers.
func (r request) rights(c Config) rights {
	switch {
	case r.spec.Untrusted:
		return rightsLeast
	case c.Privileged:
		return rightsAll
	case c.Sudo:
		return rightsSudo
	}
	return rightsLeast
}

// sudoCapabilities let root of a container install packages and start services there. None reaches beyond it.
var sudoCapabilities = []string{"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"}

// container is what the engine is asked for. Nothing in it is secret: whoever may use the engine can read it.
func (r request) container(c Config) (*container.Config, *container.HostConfig, *network.NetworkingConfig) {
	const stop = "SIGTERM"
	config := &container.Config{
		Image: r.image.id, User: r.image.account.user(), Hostname: fmt.Sprintf("job-%d", r.spec.JobID),
		Entrypoint: []string{"bash", "-c", initScript, "headrace"}, WorkingDir: "/", StopSignal: stop, Env: r.environ(c),
		AttachStdin: true, AttachStdout: true, OpenStdin: true, StdinOnce: true,
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}}, Labels: r.labels,
	}
	host := &container.HostConfig{
		NetworkMode: container.NetworkMode(networkName(r.name)), IpcMode: container.IPCModePrivate, CgroupnsMode: container.CgroupnsModePrivate,
		LogConfig: container.LogConfig{Type: "none"}, RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
		ShmSize: c.Limits.Shm, Tmpfs: r.tmpfs(c), OomScoreAdj: 500,
		Resources: container.Resources{
			NanoCPUs: int64(c.Limits.CPUs * 1e9), Memory: c.Limits.Memory, MemorySwap: c.Limits.Memory, PidsLimit: &c.Limits.Processes,
			Ulimits: []*units.Ulimit{{Name: "core", Soft: 0, Hard: 0}},
		},
	}
	switch r.rights(c) {
	case rightsAll:
		config.User, host.Privileged = "0:0", true
	case rightsSudo:
		host.CapDrop, host.CapAdd = []string{"ALL"}, sudoCapabilities
	default:
		host.CapDrop, host.SecurityOpt = []string{"ALL"}, []string{"no-new-privileges:true"}
	}
	if r.quota {
		host.StorageOpt = map[string]string{"size": strconv.FormatInt(c.Limits.Disk, 10)}
	}
	return config, host, &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{networkName(r.name): {}}}
}

// tmpfs are the parts of the file system that are memory: where the script lies, and what the image calls volumes, which
// would outlive the container.
func (r request) tmpfs(c Config) map[string]string {
	owner := fmt.Sprintf("uid=%d,gid=%d", r.image.account.uid, r.image.account.gid)
	if r.rights(c) == rightsAll {
		owner = "uid=0,gid=0"
	}
	out := map[string]string{
		"/run/headrace": fmt.Sprintf("rw,nosuid,nodev,noexec,size=%d,mode=0700,%s", 16*mega+2*len(r.spec.Script), owner),
	}
	for path := range maps.Keys(r.image.volumes) {
		out[path] = fmt.Sprintf("rw,nosuid,nodev,exec,size=%d,mode=0755,%s", c.Limits.Shm, owner)
	}
	return out
}

// environ are the usual variables, beyond those of the image.
func (r request) environ(c Config) []string {
	a := r.image.account
	env := []string{"HOME=" + a.home, "TMPDIR=/tmp", "USER=" + a.name, "LOGNAME=" + a.name, "SHELL=/bin/bash", "TERM=xterm-256color", "CI=true", "CONTINUOUS_INTEGRATION=true"}
	for _, usual := range []string{"LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"} {
		name, _, _ := strings.Cut(usual, "=")
		if !slices.ContainsFunc(r.image.env, func(v string) bool { return strings.HasPrefix(v, name+"=") }) {
			env = append(env, usual)
		}
	}
	return append(env, c.Env...)
}
