package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"

	"github.com/docker/go-units"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker/executor"
	"github.com/headrace/headrace/worker/executor/docker"
	"github.com/headrace/headrace/worker/executor/local"
)

// dockerFlags say how jobs run in containers.
type dockerFlags struct {
	DockerHost   string  `help:"Address of the Docker engine; default: DOCKER_HOST, else its usual socket." env:"HEADRACE_DOCKER_HOST" placeholder:"URL"`
	Images       string  `help:"Which image a job gets: language, dist or name=image, with commas between them." env:"HEADRACE_IMAGES" placeholder:"MAP"`
	Services     string  `help:"Which image runs beside a job for which service: service=image, with commas between them." env:"HEADRACE_SERVICES" placeholder:"MAP"`
	JobCPUs      float64 `help:"Processors that a job may use." env:"HEADRACE_JOB_CPUS" name:"job-cpus" default:"2"`
	JobMemory    string  `help:"Memory of a job; no swap beside it." env:"HEADRACE_JOB_MEMORY" default:"4GiB"`
	JobDisk      string  `help:"What a job may write to its disk." env:"HEADRACE_JOB_DISK" default:"20GiB"`
	JobProcesses int64   `help:"Processes and threads of a job." env:"HEADRACE_JOB_PROCESSES" default:"4096"`
	JobShm       string  `help:"Size of a job's /dev/shm." env:"HEADRACE_JOB_SHM" default:"256MiB"`
	JobUser      string  `help:"Account of the jobs in images that run as root; default: travis where there is one, else the user id 1000." env:"HEADRACE_JOB_USER" placeholder:"NAME"`
	Network      string  `help:"Addresses for the networks of the jobs, sixteen each." env:"HEADRACE_NETWORK" default:"10.213.0.0/16"`
	FreeDisk     string  `help:"What the engine's disk must have free for a job to be taken." env:"HEADRACE_FREE_DISK" default:"2GiB"`
	NetworkAllow string  `help:"Private addresses that jobs may reach: 10.1.2.3:443,10.8.0.0/24." env:"HEADRACE_NETWORK_ALLOW" placeholder:"LIST"`
	OpenNetwork  bool    `help:"Run code of forks although jobs can reach this machine and its private networks." env:"HEADRACE_OPEN_NETWORK"`
	JobSudo      bool    `help:"Jobs may become root of their container, to install packages; except those of strangers." env:"HEADRACE_JOB_SUDO"`
	Privileged   bool    `help:"Jobs have all rights of root on this machine, except those of strangers. Only for a queue of its own." env:"HEADRACE_PRIVILEGED"`
}

// config reads the flags.
func (f dockerFlags) config(dir string, log *slog.Logger) (docker.Config, error) {
	cfg := docker.Config{Host: f.DockerHost, Dir: dir, User: f.JobUser, Privileged: f.Privileged, Sudo: f.JobSudo, OpenNetwork: f.OpenNetwork, Log: log}
	cfg.Limits.CPUs, cfg.Limits.Processes = f.JobCPUs, f.JobProcesses
	for _, size := range []struct {
		flag, text string
		at         *int64
	}{
		{"--job-memory", f.JobMemory, &cfg.Limits.Memory},
		{"--job-disk", f.JobDisk, &cfg.Limits.Disk},
		{"--job-shm", f.JobShm, &cfg.Limits.Shm},
		{"--free-disk", f.FreeDisk, &cfg.FreeDisk},
	} {
		n, err := units.RAMInBytes(size.text)
		if err != nil || n <= 0 {
			return cfg, fault.New(fault.Invalid, "%s is a size such as 512MiB or 4GiB; %q is not.", size.flag, size.text)
		}
		*size.at = n
	}
	var err error
	if cfg.Images, err = docker.ParseImages(f.Images); err != nil {
		return cfg, err
	}
	if cfg.Services, err = docker.ParseServices(f.Services); err != nil {
		return cfg, err
	}
	if cfg.Allowed, err = docker.ParseAllowed(f.NetworkAllow); err != nil {
		return cfg, err
	}
	if cfg.Network, err = netip.ParsePrefix(f.Network); err != nil {
		return cfg, fault.Wrap(fault.Invalid, err, "--network is a range of addresses such as 10.213.0.0/16; %q is not.", f.Network)
	}
	return cfg, nil
}

// jobRunner is an executor that has a home.
type jobRunner interface {
	executor.Executor
	Home() string
	Generation() int64
	Close() error
}

// openExecutor opens what runs the jobs. Each has a directory of its own: their homes are different ones.
func openExecutor(ctx context.Context, p workerPlan, log *slog.Logger) (jobRunner, error) {
	if p.executor != "docker" {
		exec, err := local.Open(local.Config{Dir: filepath.Join(p.dir, "jobs"), Log: log})
		if err != nil {
			return nil, fmt.Errorf("local executor: %w", err)
		}
		return exec, nil
	}
	cfg, err := p.docker.config(filepath.Join(p.dir, "docker"), log)
	if err != nil {
		return nil, err
	}
	cfg.Forbidden = p.broker
	exec, err := docker.Open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("docker executor: %w", err)
	}
	if why, _ := exec.Trouble(); why != "" {
		log.Warn("no jobs are taken until the Docker engine can run them; with --executor local they run without isolation", "why", why)
	}
	return exec, nil
}
