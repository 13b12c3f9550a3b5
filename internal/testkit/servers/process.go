package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// process is one running program.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the program has ended
	err  error         // how it ended; read it after done
	wg   sync.WaitGroup
}

// launch starts a program of a server in a process group of its own; its output goes to a file in dir.
func launch(dir, name string, who *syscall.Credential, env []string, argv ...string) (*process, error) {
	return launchIn(0, dir, name, who, env, argv...)
}

// launchIn does that with namespaces of the program's own, which are flags of clone.
func launchIn(namespaces uintptr, dir, name string, who *syscall.Credential, env []string, argv ...string) (*process, error) {
	out, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	defer out.Close() // the program has its own handle
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(environ(dir), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: who, Cloneflags: namespaces}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	p.wg.Go(func() {
		p.err = cmd.Wait()
		close(p.done)
	})
	return p, nil
}

// environ is what programs see: nothing of the caller's own settings.
func environ(dir string) []string {
	path := os.Getenv("PATH")
	if path == "" {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	return []string{"PATH=" + path, "HOME=" + dir, "TMPDIR=" + dir, "LANG=C.UTF-8", "LC_ALL=C.UTF-8"}
}

// signal sends a signal to the program and what it started; a program that has ended is no error.
func (p *process) signal(sig syscall.Signal) error {
	err := syscall.Kill(-p.cmd.Process.Pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// stop asks the program to end, and kills it when ctx ends first.
func (p *process) stop(ctx context.Context, sig syscall.Signal) error {
	err := errors.Join(p.signal(sig), p.signal(syscall.SIGCONT))
	select {
	case <-p.done:
	case <-ctx.Done():
		err = errors.Join(err, p.signal(syscall.SIGKILL))
		<-p.done
	}
	p.wg.Wait()
	return err
}

// tail returns the last lines of a program's log.
func tail(dir, name string) string {
	text, err := os.ReadFile(filepath.Join(dir, name+".log"))
	if err != nil {
		return err.Error()
	}
	const most = 2000
	return string(bytes.TrimSpace(text[max(0, len(text)-most):]))
}
