package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Docker is a private Docker engine. It has process, mount and network namespaces of its own: when it ends, however it
// ends, its containers, mounts, bridges and firewall rules are gone with it. It reaches no other network.
type Docker struct {
	*Server
	cgroup string
}

// engineScript is the first process of the engine's namespaces. It reaps what containers leave behind.
const engineScript = `set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
ip link set lo up
rm -f "$1/engine.pid"
rm -rf "$1/exec"
dockerd --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/engine.pid" -H "unix://$1/s" --bridge=none \
	--exec-opt native.cgroupdriver=cgroupfs --cgroup-parent="$2" --shutdown-timeout 1 &
trap 'kill $!' TERM
wait || :
wait`

// StartDocker starts an engine with [DockerImage] in it. An error that is not [ErrNotInstalled] says why this machine
// cannot run containers.
func StartDocker(ctx context.Context) (*Docker, error) {
	shell, err := lookup("sh")
	if err != nil {
		return nil, err
	}
	for _, program := range []string{"dockerd", "containerd", "runc", "iptables", "ip", "mount"} {
		if _, err := lookup(program); err != nil {
			return nil, err
		}
	}
	dir, err := newDir("docker", nil)
	if err != nil {
		return nil, err
	}
	s := &Server{name: "docker", dir: dir, stopBy: syscall.SIGTERM, discardBy: syscall.SIGKILL, url: "unix://" + filepath.Join(dir, "s")}
	d := &Docker{Server: s, cgroup: "/" + filepath.Base(dir)}
	s.private = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET
	s.argv = []string{shell, "-c", engineScript, "headrace-docker", dir, d.cgroup}
	s.ready = func(ctx context.Context) error { return d.call(ctx, "GET", "/_ping", nil, nil) }
	if err := s.Start(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if err := d.tryOut(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("run a first container: %w: %s", err, tail(dir, s.name)), d.Close())
	}
	return d, nil
}

// Close ends the engine with all its containers and removes its data.
func (d *Docker) Close() error {
	return errors.Join(d.Server.Close(), removeGroups(d.cgroup))
}

// removeGroups removes the control groups of containers that were killed together with their engine.
func removeGroups(name string) error {
	var groups []string
	for _, pattern := range []string{"/sys/fs/cgroup" + name, "/sys/fs/cgroup/*" + name} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		groups = append(groups, found...)
	}
	var failed error
	for _, group := range groups {
		inner, err := filepath.Glob(filepath.Join(group, "*", "."))
		failed = errors.Join(failed, err)
		for _, dir := range append(inner, group) {
			if info, err := os.Stat(dir); err == nil && info.IsDir() {
				failed = errors.Join(failed, os.Remove(filepath.Clean(dir)))
			}
		}
	}
	return failed
}

// Nsenter is the beginning of a command line that runs a program in the engine's network.
func (d *Docker) Nsenter() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.proc == nil {
		return []string{"false"}
	}
	return []string{"nsenter", "--net", "--target", strconv.Itoa(d.proc.cmd.Process.Pid)}
}
