package local

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// watchdogScript waits for the end of its input, which is the end of the worker, and kills what carries the mark of the
// worker's runs until nothing does.
const watchdogScript = `trap '' HUP INT TERM
read -r _
i=0
while [ $i -lt 100 ]; do
	found=$(grep -lsaF -e "$1" /proc/[0-9]*/environ)
	[ -n "$found" ] || exit 0
	for f in $found; do
		f=${f#/proc/}
		kill -KILL "${f%/environ}" 2>/dev/null
	done
	i=$((i + 1))
	sleep 0.05
done`

// watchdog is a process that outlives the worker long enough to take its runs along.
type watchdog struct {
	worker *os.File // the end of the pipe that only the worker holds
	done   chan struct{}
}

// watch starts the watchdog before the first run, and again if something ended it. The caller holds e.mu.
func (e *Executor) watch() error {
	if e.dog != nil {
		select {
		case <-e.dog.done:
			e.dog.dismiss()
		default:
			return nil
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	mark := markName + filepath.Join(e.cfg.Dir, runPrefix+e.instance)
	cmd := exec.Command("/bin/sh", "-c", watchdogScript, "headrace-watchdog", mark) //nolint:noctx // it outlives every context
	cmd.Stdin, cmd.Dir, cmd.Env = r, "/", []string{"PATH=" + defaultPath}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a Ctrl-C at the worker is not meant for it
	if err := cmd.Start(); err != nil {
		return errors.Join(err, r.Close(), w.Close())
	}
	dog := &watchdog{worker: w, done: make(chan struct{})}
	e.wg.Go(func() {
		defer close(dog.done)
		_ = cmd.Wait() // however it ended, the next run starts another
	})
	e.dog = dog
	return r.Close()
}

// dismiss lets it end.
func (d *watchdog) dismiss() { _ = d.worker.Close() }
