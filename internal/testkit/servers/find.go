package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"syscall"
)

// ErrNotInstalled: a program that the server needs is not on this machine.
var ErrNotInstalled = errors.New("not installed")

// lookup returns the path of a program, looked for in PATH and in the directories where Debian puts servers.
func lookup(program string, patterns ...string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, pattern := range append(patterns, "/usr/sbin", "/usr/local/sbin") {
		found, err := filepath.Glob(filepath.Join(pattern, program))
		if err != nil {
			return "", fmt.Errorf("look for %s: %w", program, err)
		}
		if len(found) > 0 {
			sort.Strings(found)
			return found[len(found)-1], nil // the newest version
		}
	}
	return "", fmt.Errorf("%s: %w", program, ErrNotInstalled)
}

// freePort returns a port of the loopback address that nobody listens on now. It is below the range from which the system
// takes ports for outgoing connections, so that it is still free when a server that was stopped starts again.
func freePort() (int, error) {
	const first, last, tries = 12_000, 32_000, 100
	var err error
	for range tries {
		port := first + rand.IntN(last-first) //nolint:gosec // not a secret
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}

// account is who the servers run as: nobody when this process is root (PostgreSQL refuses root), else the same user.
func account() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("find the account for test servers: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read the user id of nobody: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read the group id of nobody: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// newDir makes a directory of the system's temporary directory that belongs to the servers' account.
func newDir(name string, who *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp("", "headrace-"+name+"-")
	if err != nil {
		return "", fmt.Errorf("make the directory of %s: %w", name, err)
	}
	if who == nil {
		return dir, nil
	}
	if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
		return "", errors.Join(fmt.Errorf("hand the directory of %s over: %w", name, err), os.RemoveAll(dir))
	}
	return dir, nil
}
