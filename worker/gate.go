package worker

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/worker/executor"
)

// gate lets the slots take jobs while what runs jobs can start some.
type gate struct {
	mu      sync.Mutex
	why     string        // why it is closed; empty: it is open
	changed chan struct{} // closed at the next change
}

func newGate() *gate { return &gate{changed: make(chan struct{})} }

// set opens the gate, or closes it for a reason.
func (g *gate) set(why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if why == g.why {
		return
	}
	g.why = why
	close(g.changed)
	g.changed = make(chan struct{})
}

// trouble is why the gate is closed.
func (g *gate) trouble() string {
	why, _ := g.look()
	return why
}

func (g *gate) look() (why string, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.why, g.changed
}

// pass waits until the gate is open. The context that it returns ends when the gate closes, or with ctx.
func (g *gate) pass(ctx context.Context) (open context.Context, leave context.CancelFunc) {
	for {
		why, changed := g.look()
		if why == "" || ctx.Err() != nil {
			open, leave = context.WithCancel(ctx)
			go func() { // ends when the slot leaves
				select {
				case <-changed:
					leave()
				case <-open.Done():
				}
			}()
			return open, leave
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// watchEngine opens and closes the gate as the executor says, and lets the platform know.
func (w *Worker) watchEngine(ctx context.Context) error {
	d, ok := w.exec.(executor.Dependent)
	for ok {
		why, changed := d.Trouble()
		w.gate.set(why)
		w.beats.wake.Wake()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// wishOf reads what a job asks of its surroundings.
func wishOf(j broker.Job) executor.Wish {
	var config map[string]any
	if json.Unmarshal(j.Config, &config) != nil {
		return executor.Wish{} // making the script says what is wrong with it
	}
	text := func(key string) string {
		v := config[key]
		if list, ok := v.([]any); ok && len(list) > 0 {
			v = list[0]
		}
		s, _ := v.(string)
		return s
	}
	wish := executor.Wish{Image: text("image"), Language: text("language"), Dist: text("dist"), OS: text("os")}
	switch services := config["services"].(type) {
	case string:
		wish.Services = []string{services}
	case []any:
		for _, v := range services {
			if name, ok := v.(string); ok {
				wish.Services = append(wish.Services, name)
			}
		}
	}
	return wish
}

// untrusted: strangers may have written what runs. Of a platform that does not say so, every pull request without secrets is.
func untrusted(j broker.Job) bool {
	if j.Headrace != nil {
		return j.Headrace.Untrusted
	}
	pull, isFlag := j.Job.PullRequest.(bool)
	return j.Job.PullRequest != nil && (!isFlag || pull) && !j.Job.SecureEnvEnabled
}
