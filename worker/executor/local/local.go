// Package local owns the executor that runs jobs as processes of this machine, under the worker's own user: nothing keeps
// them apart from the machine. Each run has a directory, a session and a mark of its own, by which all of it is found and
// killed when it ends. A process that wipes its environment, leaves its session and its directory, and has lost its
// parent, escapes: that is the border of this executor, and why it says that it is not isolated.
//
// A worker that dies without a word takes its runs along: a watchdog waits for the end of a pipe that only the worker
// holds. What the watchdog did not see, the next [Open] of the directory ends. It must not know brokers, logs or states.
package local

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker/executor"
	"github.com/headrace/headrace/worker/executor/home"
)

// Executor runs scripts on this machine.
type Executor struct {
	cfg  Config
	bash string
	// instance stands in the names of this executor's runs, so that a predecessor's watchdog does not take them for its own.
	instance string
	home     *home.Home
	wg       sync.WaitGroup

	mu     sync.Mutex
	dog    *watchdog
	closed bool
	live   map[*process]struct{}
}

var _ executor.Executor = (*Executor)(nil)

// Open takes the work directory for this worker, ends what an earlier one left running in it, and removes its files.
func Open(cfg Config) (*Executor, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	bash, err := findBash()
	if err != nil {
		return nil, err
	}
	mine, err := home.Take(cfg.Dir)
	if err != nil {
		return nil, err
	}
	old, err := leftovers(cfg.Dir)
	if err != nil {
		return nil, errors.Join(err, mine.Close())
	}
	e := &Executor{cfg: cfg, bash: bash, instance: rand.Text()[:8], home: mine, live: map[*process]struct{}{}}
	keepFiles()
	e.forceEnd(matchAny(cfg.Dir))
	e.remove(old...)
	return e, nil
}

// keepFiles keeps from the jobs what this process inherited open itself: listening sockets, or a log.
func keepFiles() {
	const streams = 2
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > streams {
			unix.CloseOnExec(fd)
		}
	}
}

// Close kills what still runs, removes its files and gives the directory free. Later calls do nothing.
func (e *Executor) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	var live []*process
	for p := range e.live {
		live = append(live, p)
	}
	dog := e.dog
	e.mu.Unlock()
	gone, cancel := context.WithCancel(context.Background())
	cancel() // no time for a request to end
	for _, p := range live {
		_ = p.Kill(gone) // it ends by force; the wait below sees it
	}
	if dog != nil {
		dog.dismiss()
	}
	e.wg.Wait()
	return e.home.Close()
}

// Name is "local".
func (e *Executor) Name() string { return "local" }

// Home names the work directory for ever. One process at a time has it open.
func (e *Executor) Home() string { return e.home.ID }

// Generation counts the processes that have had the directory open, this one included.
func (e *Executor) Generation() int64 { return e.home.Generation }

// Isolated is false.
func (e *Executor) Isolated() bool { return false }

// Start runs the script with bash, in a directory, a session and a process group of its own.
func (e *Executor) Start(ctx context.Context, s executor.Spec) (executor.Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, fault.New(fault.Unavailable, "The worker is stopping; it starts no more jobs.")
	}
	if err := e.watch(); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The worker could not start the process that watches over its jobs.")
	}
	dir, err := makeRunDir(e.cfg.Dir, e.instance, s)
	if err != nil {
		return nil, err
	}
	p, err := e.launch(dir, s)
	if err != nil {
		err = fault.Wrap(fault.Unavailable, err, "The worker could not start bash: %s.", home.Reason(err))
		return nil, errors.Join(err, removeTree(string(dir)))
	}
	e.live[p] = struct{}{}
	return p, nil
}

func (e *Executor) launch(dir runDir, s executor.Spec) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(e.bash, dir.script()) //nolint:noctx,gosec // it outlives the context of its start; running it is the purpose
	cmd.Dir, cmd.Env = dir.home(), e.cfg.environ(dir, s.Env)
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, r.Close(), w.Close())
	}
	p := &process{
		ex: e, cmd: cmd, dir: dir, pipe: r, out: s.Output, began: began,
		exited: make(chan struct{}), done: make(chan struct{}),
	}
	e.wg.Go(p.attend)
	return p, w.Close()
}

// forget takes an ended process off the list and removes its files, which may take a while.
func (e *Executor) forget(p *process) {
	e.mu.Lock()
	delete(e.live, p)
	e.mu.Unlock()
	e.remove(string(p.dir))
}

func (e *Executor) remove(dirs ...string) {
	if len(dirs) == 0 {
		return
	}
	e.wg.Go(func() {
		for _, d := range dirs {
			if err := removeTree(d); err != nil {
				e.cfg.Log.Warn("files of a job could not be removed", "dir", d, "err", err)
			}
		}
	})
}
