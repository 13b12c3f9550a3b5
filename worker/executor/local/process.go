package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/headrace/headrace/worker/executor"
)

// process is one run.
type process struct {
	ex   *Executor
	cmd  *exec.Cmd
	dir  runDir
	pipe *os.File // of its output; the reading end
	out  io.Writer
	// began is a time before the script started.
	began time.Time

	exited chan struct{} // closed when the script has ended
	done   chan struct{} // closed when all has: exit and err are set
	exit   executor.Exit
	err    error

	mu     sync.Mutex
	reaped bool   // its process id may be another's from now on
	asked  []proc // that were sent a signal: on its way out a process loses its mark before it has ended
}

// ID names the directory that it runs in.
func (p *process) ID() string { return "local:" + string(p.dir) }

// Wait returns how the script ended.
func (p *process) Wait() (executor.Exit, error) {
	<-p.done
	return p.exit, p.err
}

// Kill asks the whole run to end, and after the grace, or at the end of ctx, forces it.
func (p *process) Kill(ctx context.Context) error {
	grace := time.NewTimer(p.ex.cfg.Grace)
	defer grace.Stop()
	if ctx.Err() == nil {
		p.signal(unix.SIGTERM)
		p.signal(unix.SIGCONT) // what is stopped hears nothing
	}
	select {
	case <-p.exited:
	case <-grace.C:
	case <-ctx.Done():
	}
	p.signal(unix.SIGKILL)
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// signal reaches the group at once, and one by one what has left it.
func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return
	}
	group := p.cmd.Process.Pid
	_ = unix.Kill(-group, sig) // an empty group is fine
	for _, other := range matchRun(p.dir, group, p.began).find() {
		if other.group != group {
			other.signal(sig)
			p.asked = append(p.asked, other)
		}
	}
}

// attend sees the run through to its end.
func (p *process) attend() {
	read := make(chan bool, 1)
	p.ex.wg.Go(func() { read <- p.read() })
	if err := waitExit(p.cmd.Process.Pid); err != nil {
		p.ex.cfg.Log.Error("the end of a job could not be awaited", "dir", p.dir, "err", err)
	}
	close(p.exited)
	// What outlives the script and holds its output may finish writing (a tee), not more.
	_ = p.pipe.SetReadDeadline(time.Now().Add(p.ex.cfg.Linger))
	complete := <-read
	// Until it is reaped its number cannot be another's: the session of what it left behind is known for certain.
	p.mu.Lock()
	asked := slices.Clone(p.asked)
	p.mu.Unlock()
	p.ex.forceEnd(matchRun(p.dir, p.cmd.Process.Pid, p.began), asked...)
	if !complete {
		p.drain()
	}
	p.mu.Lock()
	p.reaped = true
	p.exit, p.err = exitOf(p.cmd.Wait())
	p.mu.Unlock()
	_ = p.pipe.Close()
	p.ex.forget(p)
	close(p.done)
}

// waitExit returns when the process has ended, and leaves it to be reaped.
func waitExit(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// read hands the output on until all who could write are gone, which is true, or the deadline passes.
func (p *process) read() bool {
	buf := make([]byte, 32<<10)
	for {
		n, err := p.pipe.Read(buf)
		if n > 0 {
			_, _ = p.out.Write(buf[:n])
		}
		if err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// drain hands on what is in the pipe already, at most what a pipe can hold: more can only come from a process that got away.
func (p *process) drain() {
	_ = p.pipe.SetReadDeadline(time.Time{})
	conn, err := p.pipe.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Read(func(fd uintptr) bool {
		left, err := unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0)
		if err != nil {
			left = 64 << 10
		}
		buf := make([]byte, 32<<10)
		for left > 0 {
			n, err := unix.Read(int(fd), buf[:min(left, len(buf))])
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if n <= 0 {
				break // empty, or no writer left
			}
			_, _ = p.out.Write(buf[:n])
			left -= n
		}
		return true
	})
}

// exitOf reads the result of a command that was waited for.
func exitOf(err error) (executor.Exit, error) {
	if err == nil {
		return executor.Exit{}, nil
	}
	ended, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return executor.Exit{}, fmt.Errorf("wait for bash: %w", err)
	}
	status, ok := ended.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return executor.Exit{Code: 128 + int(status.Signal()), Signal: unix.SignalName(status.Signal())}, nil
	}
	return executor.Exit{Code: ended.ExitCode()}, nil
}
