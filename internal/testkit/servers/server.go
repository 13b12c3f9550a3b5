package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/headrace/headrace/internal/run"
)

const (
	startWithin = 90 * time.Second
	stopWithin  = 15 * time.Second
	lookEvery   = 25 * time.Millisecond
)

// Server is one private server. Its methods may be called one at a time.
type Server struct {
	name string
	dir  string
	url  string
	who  *syscall.Credential

	argv      []string
	env       []string
	stopBy    syscall.Signal
	discardBy syscall.Signal // ends the server when its data is not needed any more
	ready     func(context.Context) error
	private   uintptr    // which namespaces of its own the program gets: flags of clone
	beside    []*process // runs as long as the server is kept (epmd)

	mu   sync.Mutex
	proc *process // nil while it is stopped
}

// URL is how clients reach the server. It stays the same over restarts.
func (s *Server) URL() string { return s.url }

// Dir holds the server's data and logs.
func (s *Server) Dir() string { return s.dir }

// Start starts the server, on the port and data it had before, and returns when it takes connections.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	p, err := launchIn(s.private, s.dir, s.name, s.who, s.env, s.argv...)
	if err != nil {
		return err
	}
	for {
		err := s.ready(ctx)
		if err == nil {
			s.proc = p
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended while it started (%w): %s", s.name, errors.Join(p.err, err), tail(s.dir, s.name))
		default:
		}
		if run.Pause(ctx, lookEvery) != nil {
			return errors.Join(fmt.Errorf("%s does not take connections: %w: %s", s.name, err, tail(s.dir, s.name)), p.stop(ctx, syscall.SIGKILL))
		}
	}
}

// Stop lets the server end in order; its port and data stay.
func (s *Server) Stop(ctx context.Context) error { return s.end(ctx, s.stopBy) }

// Kill ends the server as kill -9 does; its port and data stay.
func (s *Server) Kill(ctx context.Context) error { return s.end(ctx, syscall.SIGKILL) }

// Restart stops the server and starts it again.
func (s *Server) Restart(ctx context.Context) error {
	return errors.Join(s.Stop(ctx), s.Start(ctx))
}

// Freeze makes the server hang: connections stay and nothing answers.
func (s *Server) Freeze() error { return s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() error { return s.signal(syscall.SIGCONT) }

// Close ends the server and removes its data.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	err := s.end(ctx, s.discardBy)
	for _, p := range s.beside {
		err = errors.Join(err, p.stop(ctx, syscall.SIGTERM))
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

func (s *Server) end(ctx context.Context, sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	err := s.proc.stop(ctx, sig)
	s.proc = nil
	return err
}

func (s *Server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return fmt.Errorf("%s is not running", s.name)
	}
	return s.proc.signal(sig)
}

// abandon removes what is there of a server that could not be started and returns why.
func (s *Server) abandon(err error) error { return errors.Join(err, s.Close()) }
