package docker

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
	"golang.org/x/sys/unix"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker/executor"
)

// process is one run, and its container.
type process struct {
	ex     *Executor
	id     string
	name   string
	stream types.HijackedResponse
	spec   executor.Spec
	beside []string // services that run beside it

	ended chan struct{} // closed when the script has ended
	done  chan struct{} // closed when all has: exit and err are set
	exit  executor.Exit
	err   error

	mu     sync.Mutex
	record string // how the container said that it ended
	forced bool   // we wanted it to end
	note   string // why the executor ended it
}

func newProcess(e *Executor, id, name string, stream types.HijackedResponse, s executor.Spec) *process {
	return &process{ex: e, id: id, name: name, stream: stream, spec: s, ended: make(chan struct{}), done: make(chan struct{})}
}

// ID names the container.
func (p *process) ID() string { return "docker:" + p.name }

// Wait returns how the script ended.
func (p *process) Wait() (executor.Exit, error) {
	<-p.done
	return p.exit, p.err
}

// Kill asks all in the container to end, and after the grace, or at the end of ctx, forces it.
func (p *process) Kill(ctx context.Context) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	p.mu.Lock()
	p.forced = true // a request that comes before the first process is up ends the container too, without a word
	p.mu.Unlock()
	if ctx.Err() == nil {
		grace, cancel := context.WithTimeout(ctx, p.ex.cfg.Grace)
		defer cancel()
		_ = p.ex.engine.ContainerKill(grace, p.id, "SIGTERM") // what follows does not depend on it
		select {
		case <-p.ended:
		case <-grace.Done():
		}
	}
	p.force()
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// force ends the container at once.
func (p *process) force() {
	p.mu.Lock()
	p.forced = true
	p.mu.Unlock()
	select {
	case <-p.ended:
		return
	default:
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := ignoreGone(p.ex.engine.ContainerKill(ctx, p.id, "SIGKILL")); err != nil {
		p.ex.cfg.Log.WarnContext(ctx, "a container could not be killed", "container", p.name, "err", err)
	}
}

// abandon ends the run also where the engine does not answer any more.
func (p *process) abandon() {
	p.stream.Close()
	p.force()
}

// stop ends the container for a reason of the executor's own.
func (p *process) stop(note string) {
	p.mu.Lock()
	p.note = note
	p.mu.Unlock()
	p.force()
}

// attend sees the run through to its end, and removes what it used.
func (p *process) attend() {
	mark := "\x1eheadrace-end-" + rand.Text()
	s := p.spec
	if len(p.beside) > 0 {
		s.Env = append(slices.Clone(s.Env), "HEADRACE_SERVICES="+strings.Join(p.beside, " "))
	}
	p.ex.wg.Go(func() { // ends with the stream, at the latest
		_, _ = p.stream.Conn.Write(letter(mark, s, p.ex.cfg.Linger)) // a container that is gone reads nothing
	})
	watch, unwatch := context.WithCancel(p.ex.life)
	p.ex.wg.Go(func() { p.watchDisk(watch) })
	var once sync.Once
	over := func() { once.Do(func() { close(p.ended) }) }
	t := &tail{out: p.spec.Output, mark: []byte(mark), ended: func(record string) {
		p.mu.Lock()
		p.record = record
		p.mu.Unlock()
		over()
		p.stream.Close()
	}}
	_, err := stdcopy.StdCopy(t, io.Discard, p.stream.Reader)
	t.flush()
	over()
	unwatch()
	p.stream.Close()
	p.exit, p.err = p.result(err)
	if p.ex.cfg.Sudo {
		p.ex.clear(p.name) // what became root outlives the init, which is not; it ends with the container
	}
	close(p.done)
	p.ex.release(p.name)
}

// result reads how the run ended, from what the container said, or else from what the engine says.
func (p *process) result(broke error) (executor.Exit, error) {
	p.mu.Lock()
	record, forced, note := p.record, p.forced, p.note
	p.mu.Unlock()
	if record != "" {
		exit, err := p.fromRecord(record)
		if note != "" {
			exit.Note, exit.Stopped = note, true
		}
		return exit, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	said, err := p.ex.engine.ContainerInspect(ctx, p.id)
	switch {
	case err != nil || said.ContainerJSONBase == nil || said.State == nil:
		p.ex.noticed(err)
		return p.blind(forced, note, fmt.Errorf("%w: the engine does not know the container any more: %w", executor.ErrAway, err))
	case said.State.Running:
		p.force()
		return p.blind(forced, note, fmt.Errorf("%w: the connection to the engine broke: %w", executor.ErrAway, broke))
	case said.State.OOMKilled:
		return executor.Exit{Code: 137, Signal: "SIGKILL", Note: p.ex.cfg.memoryNote(), Stopped: true}, nil
	}
	return p.blind(forced, note, fault.New(fault.Unavailable, "The container of the job ended before its script did (%s). Did somebody remove it, or stop the Docker engine?", ending(said.State)))
}

// blind is the end of a run that could not say how it ended.
func (p *process) blind(forced bool, note string, err error) (executor.Exit, error) {
	if !forced {
		return executor.Exit{}, err
	}
	return executor.Exit{Code: 128 + int(unix.SIGKILL), Signal: "SIGKILL", Note: note, Stopped: note != ""}, nil
}

func ending(s *container.State) string {
	if s.Error != "" {
		return s.Error
	}
	return fmt.Sprintf("exit code %d", s.ExitCode)
}

// fromRecord reads the last words of init.sh.
func (p *process) fromRecord(record string) (executor.Exit, error) {
	if said, broken := strings.CutPrefix(record, "broken "); broken {
		return executor.Exit{}, fault.New(fault.Unavailable, "The image of the job cannot run scripts: %s. An image needs bash and the usual small programs.", strings.TrimSuffix(strings.TrimSpace(said), "."))
	}
	var exit executor.Exit
	var signaled, killed, refused int
	if _, err := fmt.Sscanf(record, "%d %d %d %d", &exit.Code, &signaled, &killed, &refused); err != nil {
		return exit, fmt.Errorf("read how the container ended, %q: %w", record, err)
	}
	if signaled != 0 {
		exit.Signal = unix.SignalName(unix.Signal(exit.Code - 128))
	}
	var notes []string
	if killed > 0 {
		notes = append(notes, p.ex.cfg.memoryNote())
	}
	if refused > 0 {
		notes = append(notes, p.ex.cfg.processesNote())
	}
	exit.Note = strings.Join(notes, " ")
	return exit, nil
}

func (c Config) memoryNote() string {
	return fmt.Sprintf("Memory ran out, and processes of the job were killed for it: a job may have %s (HEADRACE_JOB_MEMORY on the worker).", size(c.Limits.Memory))
}

func (c Config) processesNote() string {
	return fmt.Sprintf("The job wanted more than the %d processes that it may have at a time (HEADRACE_JOB_PROCESSES on the worker).", c.Limits.Processes)
}

// watchDisk measures what the container has written, where the engine cannot bound it, and ends the job that passes the limit.
func (p *process) watchDisk(ctx context.Context) {
	if p.ex.hasQuota() {
		return
	}
	again := time.NewTicker(p.ex.cfg.Measure)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		said, _, err := p.ex.engine.ContainerInspectWithRaw(ctx, p.id, true)
		if err == nil && said.ContainerJSONBase != nil && said.SizeRw != nil && *said.SizeRw > p.ex.cfg.Limits.Disk {
			p.stop(fmt.Sprintf("Stopped because the job wrote %s to its disk; it may have %s (HEADRACE_JOB_DISK on the worker).", size(*said.SizeRw), size(p.ex.cfg.Limits.Disk)))
			return
		}
	}
}

// size writes bytes as people say them.
func size(n int64) string {
	switch {
	case n >= giga:
		return fmt.Sprintf("%.3g GiB", float64(n)/giga)
	case n >= mega:
		return fmt.Sprintf("%.3g MiB", float64(n)/mega)
	}
	return fmt.Sprintf("%d bytes", n)
}
