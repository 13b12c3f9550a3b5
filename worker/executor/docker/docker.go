// Package docker owns the executor that runs each job in a fresh container of a Docker engine: a network, limits and a user
// without rights of its own, and nothing of the engine within reach. All that knows the engine's client is here.
//
// The first process of a container is a small program of the shell (init.sh). It gets the script over standard input and
// keeps it in memory, so that no secret stands in what the engine shows or stores. Output and the way of the end come back
// over one stream, whose last words are a mark that only this worker knows; therefore the last byte is never lost, however
// the script ends. A worker that dies takes its jobs along: their standard input ends. What is left then, the next
// [Open] of the same home sweeps up by its labels.
//
// It must not know brokers, logs or states.
package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker/executor"
	"github.com/headrace/headrace/worker/executor/home"
)

// Executor runs scripts in containers.
type Executor struct {
	cfg      Config
	engine   *client.Client
	home     *home.Home
	instance string // of this process; stands in the labels of what it makes
	networks *networks
	images   *images
	probe    probe

	wg   sync.WaitGroup
	life context.Context //nolint:containedctx // ends with Close: what runs beside the jobs
	end  context.CancelFunc

	mu      sync.Mutex
	closed  bool
	live    map[string]*process // by name of the container; nil while it is made
	trouble string
	changed chan struct{}
	engineInfo
}

var (
	_ executor.Executor  = (*Executor)(nil)
	_ executor.Dependent = (*Executor)(nil)
)

// Open takes the home for this worker and removes what an earlier one left in the engine. An engine that is away is no error.
func Open(ctx context.Context, cfg Config) (*Executor, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	engine, err := connect(cfg.Host)
	if err != nil {
		return nil, err
	}
	mine, err := home.Take(cfg.Dir)
	if err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	e := &Executor{
		cfg: cfg, engine: engine, home: mine, instance: strings.ToLower(rand.Text()[:12]), networks: newNetworks(cfg.Network),
		images: newImages(), live: map[string]*process{}, changed: make(chan struct{}),
	}
	e.life, e.end = context.WithCancel(context.Background())
	e.look(ctx)
	e.wg.Go(e.lookAgain)
	return e, nil
}

// Close kills what still runs and removes it. Later calls do nothing.
func (e *Executor) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	var live []*process
	for _, p := range e.live {
		if p != nil {
			live = append(live, p)
		}
	}
	e.mu.Unlock()
	gone, cancel := context.WithCancel(context.Background())
	cancel() // no time for a request to end
	for _, p := range live {
		_ = p.Kill(gone) // it ends by force; the wait below sees it
	}
	e.end()
	e.wg.Wait()
	if why, _ := e.Trouble(); why == "" {
		e.sweep(context.WithoutCancel(e.life))
	}
	return errors.Join(e.engine.Close(), e.home.Close())
}

// Name is "docker".
func (e *Executor) Name() string { return "docker" }

// Isolated is true.
func (e *Executor) Isolated() bool { return true }

// Home names the work directory for ever. One process at a time has it.
func (e *Executor) Home() string { return e.home.ID }

// Generation counts the processes that have had the home, this one included.
func (e *Executor) Generation() int64 { return e.home.Generation }

// Start runs the script in a container of its own. While an image is pulled, the progress stands in the output.
func (e *Executor) Start(ctx context.Context, s executor.Spec) (executor.Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.Untrusted {
		if err := e.admit(ctx, s.Wish); err != nil {
			return nil, err
		}
	}
	p, err := e.start(ctx, s)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (e *Executor) start(ctx context.Context, s executor.Spec) (*process, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.wg.Done()
	name, err := e.reserve(fmt.Sprintf("headrace-%d-%d", s.JobID, s.Attempt))
	if err != nil {
		return nil, err
	}
	p, err := e.launch(ctx, name, s)
	if err != nil {
		e.release(name)
		e.noticed(err)
		return nil, err
	}
	e.mu.Lock()
	e.live[name] = p
	closed := e.closed
	e.mu.Unlock()
	e.wg.Go(p.attend)
	if closed { // meanwhile; nobody else knows of it
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		_ = p.Kill(ctx)
	}
	return p, nil
}

// enter makes Close wait for a start.
func (e *Executor) enter() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fault.New(fault.Unavailable, "The worker is stopping; it starts no more jobs.")
	}
	e.wg.Add(1)
	return nil
}

// reserve makes a name for a container that nobody else has, and keeps it from the sweep.
func (e *Executor) reserve(prefix string) (string, error) {
	name := prefix + "-" + strings.ToLower(rand.Text()[:10])
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return "", fault.New(fault.Unavailable, "The worker is stopping; it starts no more jobs.")
	}
	e.live[name] = nil
	return name, nil
}

// release removes what goes by the name and leaves the rest to the sweep.
func (e *Executor) release(name string) {
	besides := e.besides(name)
	for _, other := range besides {
		e.clear(other)
	}
	e.clear(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.live, name)
	for _, other := range besides {
		delete(e.live, other)
	}
}

// launch makes the network and the container and starts it. On an error the caller clears the name.
func (e *Executor) launch(ctx context.Context, name string, s executor.Spec) (*process, error) {
	img, err := e.image(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// What the engine is asked to make it makes, also when nobody waits for the answer any more: then it could not be removed.
	asked := ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(asked), 2*patience)
	defer cancel()
	if err := e.makeNetwork(ctx, name); err != nil {
		return nil, err
	}
	if err := asked.Err(); err != nil {
		return nil, err
	}
	r := request{name: name, spec: s, image: img, labels: e.labels(name), quota: e.hasQuota()}
	config, host, wires := r.container(e.cfg)
	made, err := e.engine.ContainerCreate(ctx, config, host, wires, nil, name)
	if err != nil {
		return nil, words(err, "The container of the job could not be made")
	}
	if img.files != nil {
		if err := e.engine.CopyToContainer(ctx, made.ID, "/", img.archive(), container.CopyToContainerOptions{}); err != nil {
			return nil, words(err, "The container of the job could not be prepared")
		}
	}
	if err := asked.Err(); err != nil {
		return nil, err
	}
	stream, err := e.engine.ContainerAttach(ctx, made.ID, container.AttachOptions{Stream: true, Stdin: true, Stdout: true})
	if err != nil {
		return nil, words(err, "The container of the job could not be listened to")
	}
	if err := e.engine.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		stream.Close()
		return nil, startFault(err, img)
	}
	p := newProcess(e, made.ID, name, stream, s)
	e.startServices(asked, p)
	return p, nil
}

// clear removes the container and the network of a name, if they are there.
func (e *Executor) clear(name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.life), patience)
	defer cancel()
	err := ignoreGone(e.engine.ContainerRemove(ctx, name, container.RemoveOptions{Force: true, RemoveVolumes: true}))
	err = errors.Join(err, ignoreGone(e.engine.NetworkRemove(ctx, networkName(name))))
	if err != nil {
		e.cfg.Log.Warn("what a job used in the Docker engine could not be removed yet; it is tried again", "container", name, "err", err)
	}
}
