package platform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
)

// Lock keeps a data directory to one process. The kernel lets go of it when the process ends, however that happens.
type Lock struct{ file *os.File }

// lockPatience is how long a lock may outlive the process that had it: a child between fork and exec holds a copy.
const lockPatience = 2 * time.Second

// LockDir makes the directory if it is not there and locks it.
func LockDir(ctx context.Context, dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The data directory %s cannot be made.", dir)
	}
	path := dir + "/lock"
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator names the directory
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The data directory %s cannot be written to.", dir)
	}
	err = flock(ctx, file)
	if errors.Is(err, unix.EWOULDBLOCK) {
		owner, _ := os.ReadFile(path) //nolint:gosec // only for the message
		_ = file.Close()
		return nil, fault.New(fault.Conflict, "Another Headrace%s uses the data directory %s. Stop it, or choose another with --data-dir.", pidOf(owner), dir)
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := errors.Join(file.Truncate(0), write(file, os.Getpid())); err != nil {
		return nil, errors.Join(fault.Wrap(fault.Unavailable, err, "The data directory %s cannot be written to.", dir), file.Close())
	}
	return &Lock{file: file}, nil
}

// flock tries for a moment.
func flock(ctx context.Context, file *os.File) error {
	for began := time.Now(); ; {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Since(began) > lockPatience {
			return err
		}
		if run.Pause(ctx, 20*time.Millisecond) != nil {
			return err
		}
	}
}

func write(file *os.File, pid int) error {
	_, err := file.WriteAt(fmt.Appendf(nil, "%d\n", pid), 0)
	return err
}

func pidOf(body []byte) string {
	if pid := strings.TrimSpace(string(body)); pid != "" {
		return " (process " + pid + ")"
	}
	return ""
}

// Close lets go of the directory.
func (l *Lock) Close() error { return l.file.Close() }
