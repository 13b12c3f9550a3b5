package worker

import (
	"context"
	"errors"
	"maps"
	"sync"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
)

// beats numbers the heartbeats and knows which runs each of them named.
type beats struct {
	wake run.Waker

	mu    sync.Mutex
	last  int64
	asked map[int64][]broker.Run
}

func newBeats() *beats { return &beats{wake: run.NewWaker(), asked: map[int64][]broker.Run{}} }

func (b *beats) next(runs []broker.Run) int64 {
	const most = 100 // answers that are older do not come any more
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	b.asked[b.last] = runs
	delete(b.asked, b.last-most)
	return b.last
}

// answered gives the runs that a heartbeat named, once.
func (b *beats) answered(sequence int64) []broker.Run {
	b.mu.Lock()
	defer b.mu.Unlock()
	runs := b.asked[sequence]
	maps.DeleteFunc(b.asked, func(n int64, _ []broker.Run) bool { return n <= sequence })
	return runs
}

// soonAgain is how many heartbeats that no node hears are followed by one at once: a node that begins to listen finds the
// workers there.
const soonAgain = 20

// beatUntil sends heartbeats until ctx ends: at least one each interval, and one soon after a wake-up.
func (w *Worker) beatUntil(ctx context.Context) error {
	spacing := w.cfg.Heartbeat / 10 // many wake-ups make few heartbeats
	trouble, unheard := "", 0
	return run.Every(ctx, w.cfg.Heartbeat, w.beats.wake, func(ctx context.Context) (bool, error) {
		err := w.beat(ctx)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		unheard++
		is := troubleOf(err)
		if is != unheardBeats {
			unheard = 0
		}
		if is != trouble && unheard != 1 { // one alone is what a start looks like
			w.sayHeartbeat(is, err)
			trouble = is
		}
		if unheard > 0 && unheard < soonAgain {
			w.beats.wake.Wake()
		}
		return false, run.Pause(ctx, spacing)
	})
}

const (
	unsentBeats  = "heartbeats do not reach the broker; running jobs go on"
	unheardBeats = "no platform node hears this worker for now; running jobs go on"
)

// troubleOf says what is wrong with heartbeats, empty for nothing.
func troubleOf(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, broker.ErrUnroutable):
		return unheardBeats
	}
	return unsentBeats
}

func (w *Worker) sayHeartbeat(trouble string, err error) {
	switch trouble {
	case "":
		w.cfg.Log.Info("a platform node hears this worker again")
	case unheardBeats:
		w.cfg.Log.Warn(unheardBeats)
	default:
		w.cfg.Log.Warn(unsentBeats, "err", err)
	}
}

func (w *Worker) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Heartbeat)
	defer cancel()
	runs, asking := []broker.Run{}, []broker.Run{}
	for _, t := range w.all() {
		switch claimed, _ := t.standing(); {
		case t.foreign:
		case claimed:
			runs = append(runs, t.key)
		default:
			asking = append(asking, t.key)
		}
	}
	m, err := broker.Encode(broker.HeartbeatExchange, "", broker.TypeHeartbeat, broker.Heartbeat{
		WorkerID: w.cfg.ID, Home: w.cfg.Home, Generation: w.cfg.Generation, Name: w.cfg.Name, Version: w.cfg.Version, Queue: w.cfg.Queue, Slots: w.cfg.Slots,
		Draining: w.draining(), Executor: w.exec.Name(), Trouble: w.gate.trouble(), Sequence: w.beats.next(runs), Runs: runs, Asking: asking,
	})
	if err != nil {
		return err
	}
	m.Headers = map[string]string{"reply_to": broker.WorkerQueue(w.cfg.ID)}
	m.Expires = 5 * w.cfg.Heartbeat
	return w.carrier.Publish(ctx, m)
}

// heard takes the answer to a heartbeat: what it does not list, although it was asked, is not ours any more.
func (w *Worker) heard(a broker.HeartbeatAnswer) {
	listed := map[broker.Run]bool{}
	for _, st := range a.Runs {
		listed[st.Run] = true
		if t := w.find(st.Run); t != nil {
			w.apply(t, st)
		}
	}
	for _, key := range w.beats.answered(a.Sequence) {
		if t := w.find(key); t != nil && !listed[key] {
			w.apply(t, broker.RunStatus{Run: key})
		}
	}
}

// apply does what the platform's word about a run asks for.
func (w *Worker) apply(t *task, st broker.RunStatus) {
	_, last := t.standing()
	switch {
	case last == "" && !st.Owned && !st.Canceled:
		t.end(endLost)
		return
	case last == "" && st.Canceled:
		t.end(endCanceled(""))
	case last == "" && final(st.State):
		t.end(endOver)
	case last != "" && !st.Owned && w.forgettable(t, st, last):
		t.tape.Drop()
		return
	}
	t.tape.Confirm(st)
}

// forgettable: an ended run that is not owned has more to say only while its end is what the platform stored, and its log
// is still being completed.
func (w *Worker) forgettable(t *task, st broker.RunStatus, last string) bool {
	const hopeless = 5 // more than two minutes without a part being stored
	return !final(st.State) || last == stateReset || t.tape.Resends() >= hopeless
}

// final says whether a state is the last of a run.
func final(state string) bool {
	switch state {
	case statePassed, stateFailed, stateErrored, stateCanceled:
		return true
	}
	return false
}
