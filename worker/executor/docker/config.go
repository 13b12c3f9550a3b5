package docker

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/headrace/headrace/internal/fault"
)

// Limits bound each job. 0 means the default.
type Limits struct {
	// CPUs is how much processor time a job may have. Default 2.
	CPUs float64
	// Memory is in bytes, and no swap beside it. Default 4 GiB.
	Memory int64
	// Processes is how many processes and threads there may be at a time. Default 4096.
	Processes int64
	// Shm is the size of /dev/shm in bytes. Default 256 MiB.
	Shm int64
	// Disk is how many bytes a job may write to its container. Default 20 GiB.
	Disk int64
}

// Config says which engine runs the jobs, in what, and what bounds them.
type Config struct {
	// Host is the engine's address. Default: DOCKER_HOST of the environment, else the usual socket.
	Host string
	// Dir is the home of the worker; it belongs to one process at a time. Required; made if it does not exist.
	Dir string
	// Images says which image a job gets. Default: [DefaultImage] for all.
	Images Images
	// Services are started beside the jobs that ask for them. Default: none.
	Services Services
	Limits   Limits
	// Network is where the jobs' networks are cut from, sixteen addresses each. Default 10.213.0.0/16.
	Network netip.Prefix
	// Forbidden are servers ("host:port") that no job should reach: the message broker. Together with the machine itself and
	// the addresses of clouds they are tried before code of forks is run; with OpenNetwork they are not.
	Forbidden   []string
	OpenNetwork bool
	// Allowed are addresses that jobs may reach although they are in private networks.
	Allowed []Allowed
	// User is the account within images that run as root. Default travis where there is one, else the user id 1000.
	User string
	// Sudo lets trusted jobs become root of their container by sudo, with a few capabilities over what is in it.
	Sudo bool
	// Privileged lets trusted jobs do all that root of the machine can. Only for a queue that an administrator marked for it.
	Privileged bool
	// Env are variables ("NAME=value") for every job, such as a proxy's address. They are no secrets: the engine shows them.
	Env []string
	// FreeDisk is how many bytes the engine's disk must have free for a job to be started. Default 2 GiB.
	FreeDisk int64

	// Grace is the time between the request to end and the force. Default 2 s.
	Grace time.Duration
	// Linger is how long processes that outlive the script may go on writing. Default 250 ms.
	Linger time.Duration
	// Look is the time between two looks at the engine; default 5 s. Sweep is the time between two removals of what is left
	// over; default 1 min. Measure is the time between two measurements of what a job has written; default 10 s.
	Look, Sweep, Measure time.Duration
	Log                  *slog.Logger
}

// patience bounds a question to the engine.
const patience = 30 * time.Second

const (
	mega = 1 << 20
	giga = 1 << 30
)

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, fault.Field("dir", "The Docker executor needs a directory for itself.")
	}
	if !c.Network.IsValid() {
		c.Network = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 213, 0, 0}), 16)
	}
	if !c.Network.Addr().Is4() || c.Network.Bits() > jobBits {
		return c, fault.Field("network", "Each job gets %d addresses of the network of the jobs; %s has fewer, or is not IPv4. Example: 10.213.0.0/16.", 1<<(32-jobBits), c.Network)
	}
	c.Network = c.Network.Masked()
	if c.Limits.CPUs == 0 {
		c.Limits.CPUs = 2
	}
	for _, l := range []struct {
		at    *int64
		usual int64
	}{
		{&c.Limits.Memory, 4 * giga}, {&c.Limits.Processes, 4096}, {&c.Limits.Shm, 256 * mega}, {&c.Limits.Disk, 20 * giga}, {&c.FreeDisk, 2 * giga},
	} {
		if *l.at == 0 {
			*l.at = l.usual
		}
	}
	if c.Limits.CPUs < 0 || c.Limits.Memory < 16*mega || c.Limits.Processes < 8 || c.Limits.Shm < 0 || c.Limits.Disk < mega {
		return c, fault.Field("limits", "A job needs some processor time, 16 MB of memory, 8 processes and 1 MB of disk at least.")
	}
	for _, d := range []struct {
		at    *time.Duration
		usual time.Duration
	}{
		{&c.Grace, 2 * time.Second}, {&c.Linger, 250 * time.Millisecond},
		{&c.Look, 5 * time.Second}, {&c.Sweep, time.Minute}, {&c.Measure, 10 * time.Second},
	} {
		if *d.at <= 0 {
			*d.at = d.usual
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}
