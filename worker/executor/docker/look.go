package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"golang.org/x/sys/unix"

	"github.com/headrace/headrace/worker/executor"
)

// The labels of all that a worker makes in the engine.
const (
	labelHome     = "headrace.home"
	labelInstance = "headrace.instance"
	labelName     = "headrace.container"
)

func (e *Executor) labels(name string) map[string]string {
	return map[string]string{labelHome: e.home.ID, labelInstance: e.instance, labelName: name}
}

// engineInfo is what the engine said of itself. Executor.mu guards it.
type engineInfo struct {
	version string
	root    string // where it keeps its data
	quota   bool
}

func (e *Executor) hasQuota() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.quota
}

// Engine says, for people, which engine runs the jobs; empty while none has answered.
func (e *Executor) Engine() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.version == "" {
		return ""
	}
	return "Docker " + e.version
}

// Trouble says why no job can be started now.
func (e *Executor) Trouble() (string, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.trouble, e.changed
}

func (e *Executor) setTrouble(why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if why == e.trouble {
		return
	}
	if why == "" {
		e.cfg.Log.Info("the Docker engine runs jobs again")
	} else {
		e.cfg.Log.Warn("no jobs can be started", "why", why)
	}
	e.trouble = why
	close(e.changed)
	e.changed = make(chan struct{})
}

// noticed takes from an error that the engine is away or full, before the next look does.
func (e *Executor) noticed(err error) {
	switch {
	case err == nil || !errors.Is(err, executor.ErrAway) && !away(err):
	case full(err):
		e.setTrouble(fullText)
	default:
		e.setTrouble(awayText)
	}
}

const (
	awayText = "The Docker engine does not answer. Start it, and let this user use it."
	fullText = "The Docker engine's disk is full. Remove what is not needed: docker system prune."
)

// lookAgain looks at the engine until Close.
func (e *Executor) lookAgain() {
	tried := e.tryNetwork()
	look, sweep := time.NewTicker(e.cfg.Look), time.NewTicker(e.cfg.Sweep)
	defer look.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-e.life.Done():
			return
		case <-look.C:
			e.look(e.life)
			tried = tried || e.tryNetwork()
		case <-sweep.C:
			e.sweep(e.life)
		}
	}
}

// tryNetwork tries, once there is an engine, what jobs can reach.
func (e *Executor) tryNetwork() bool {
	if why, _ := e.Trouble(); why != "" {
		return false
	}
	e.warn(e.life)
	return true
}

// look asks the engine how it is, and sweeps when it was away.
func (e *Executor) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience/3)
	defer cancel()
	if _, err := e.engine.Ping(ctx); err != nil {
		if e.life.Err() == nil {
			e.setTrouble(awayText)
		}
		return
	}
	e.mu.Lock()
	known, before := e.version != "", e.trouble
	e.mu.Unlock()
	if !known || before != "" {
		if err := e.meet(ctx); err != nil {
			e.setTrouble(fmt.Sprintf("The Docker engine cannot be used: %s.", engineText(err)))
			return
		}
		e.sweep(ctx)
	}
	e.setTrouble(e.shortOfRoom())
}

// meet learns what engine it is.
func (e *Executor) meet(ctx context.Context) error {
	info, err := e.engine.Info(ctx)
	if err != nil {
		return err
	}
	if info.OSType != "linux" {
		return fmt.Errorf("it runs containers of %s, and jobs need Linux", info.OSType)
	}
	quota := info.Driver == "overlay2" && slices.ContainsFunc(info.DriverStatus, func(s [2]string) bool {
		return s[0] == "Backing Filesystem" && s[1] == "xfs"
	}) && e.cfg.quotaWorks(ctx, e)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.engineInfo = engineInfo{version: info.ServerVersion, root: info.DockerRootDir, quota: quota || info.Driver == "btrfs" || info.Driver == "zfs"}
	return nil
}

// shortOfRoom says whether the engine's disk has too little room for a job, where this machine can see it.
func (e *Executor) shortOfRoom() string {
	e.mu.Lock()
	root := e.root
	e.mu.Unlock()
	var fs unix.Statfs_t
	if err := unix.Statfs(root, &fs); root == "" || err != nil {
		return "" // the engine runs elsewhere
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < e.cfg.FreeDisk { //nolint:gosec // no disk has that many blocks
		return fmt.Sprintf("The disk of the Docker engine (%s) has only %s free, less than the %s that a job needs. Remove what is not needed: docker system prune.", root, size(free), size(e.cfg.FreeDisk))
	}
	return ""
}

// sweep removes what earlier processes of this home left in the engine, and what this one could not remove.
func (e *Executor) sweep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	mine := filters.NewArgs(filters.Arg("label", labelHome+"="+e.home.ID))
	containers, err := e.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
	if err != nil {
		return // the next look says so
	}
	nets, err := e.engine.NetworkList(ctx, network.ListOptions{Filters: mine})
	if err != nil {
		return
	}
	var names []string
	for _, c := range containers {
		names = append(names, c.Labels[labelName])
	}
	for _, n := range nets {
		names = append(names, n.Labels[labelName])
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if e.strange(name) {
			e.cfg.Log.InfoContext(ctx, "removing what is left of a job", "container", name)
			e.clear(name)
		}
	}
}

// strange: no run of this process has the name.
func (e *Executor) strange(name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, known := e.live[name]
	return !known && strings.HasPrefix(name, "headrace-")
}
