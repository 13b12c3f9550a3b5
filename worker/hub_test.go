package worker_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/seal"
)

// hub is the platform's side: it answers claims and heartbeats and stores what the worker says.
type hub struct {
	t *testing.T
	c broker.Carrier

	mu      sync.Mutex
	runs    map[broker.Run]*record
	claims  []broker.Claim
	beats   []broker.Heartbeat
	mute    bool // heartbeats are not answered
	deaf    bool // claims are not answered
	refuse  string
	lose    map[int]bool // parts that are lost on their first way
	secrets []broker.EnvVar
	trouble string              // with the secrets
	address func(*broker.Claim) // changes whom the secrets are sent to
	status  func(broker.RunStatus) broker.RunStatus
	changed chan struct{}
}

// record is what is stored of a run.
type record struct {
	state   string
	reports []broker.StateReport
	parts   map[int][]byte
	final   int // number of the final part, -1 before it
}

func newHub(t *testing.T, c broker.Carrier) *hub {
	t.Helper()
	h := &hub{t: t, c: c, runs: map[broker.Run]*record{}, lose: map[int]bool{}, changed: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for queue, handle := range map[string]func(broker.Message){
		broker.ClaimQueue: h.claim, broker.HeartbeatExchange: h.beat, broker.StateQueue: h.report, broker.LogQueue: h.log,
	} {
		take := c.Consume
		if queue == broker.HeartbeatExchange {
			take = c.Listen
		}
		wg.Go(func() {
			_ = take(ctx, queue, 1, func(ctx context.Context, d broker.Delivery) {
				h.handle(d.Message(), handle)
				_ = d.Ack(ctx) // the test is ending
			})
		})
	}
	t.Cleanup(func() { cancel(); wg.Wait() })
	return h
}

func (h *hub) handle(m broker.Message, f func(broker.Message)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(m)
	close(h.changed)
	h.changed = make(chan struct{})
}

func decode[T any](t *testing.T, m broker.Message) T {
	t.Helper()
	var v T
	if err := broker.Decode(m, &v); err != nil {
		t.Error(err)
	}
	return v
}

func (h *hub) answer(to, kind string, v any) {
	m, err := broker.Encode("", to, kind, v)
	if err != nil {
		h.t.Error(err)
		return
	}
	_ = h.c.Publish(context.Background(), m) // an answer that is lost is asked for again
}

func (h *hub) claim(m broker.Message) {
	q := decode[broker.Claim](h.t, m)
	h.claims = append(h.claims, q)
	if h.deaf {
		return
	}
	a := broker.ClaimAnswer{JobID: q.JobID, Attempt: q.Attempt, Run: q.Run, Granted: h.refuse == "", Reason: h.refuse}
	key := broker.Run{JobID: q.JobID, Attempt: q.Attempt, Run: q.Run}
	for other := range h.runs {
		if other != key && other.JobID == key.JobID && other.Attempt == key.Attempt {
			a.Granted, a.Reason = false, "another run owns it"
		}
	}
	if a.Granted {
		h.of(key)
		a.SecretsTrouble = h.trouble
		a.Secrets = h.letter(q)
	}
	h.answer(broker.WorkerQueue(q.WorkerID), broker.TypeClaimAnswer, a)
}

func (h *hub) letter(q broker.Claim) string {
	if len(h.secrets) == 0 {
		return ""
	}
	if h.address != nil {
		h.address(&q)
	}
	plain, err := json.Marshal(h.secrets)
	if err != nil {
		h.t.Error(err)
	}
	letter, err := seal.Letter(q.SecretsTo, q.Subject(), plain)
	if err != nil {
		h.t.Error(err)
	}
	return letter
}

func (h *hub) of(key broker.Run) *record {
	r := h.runs[key]
	if r == nil {
		r = &record{state: "received", parts: map[int][]byte{}, final: -1}
		h.runs[key] = r
	}
	return r
}

func (r *record) next() int {
	n := 0
	for r.parts[n] != nil {
		n++
	}
	return n
}

func (h *hub) beat(m broker.Message) {
	b := decode[broker.Heartbeat](h.t, m)
	h.beats = append(h.beats, b)
	if h.mute {
		return
	}
	a := broker.HeartbeatAnswer{Sequence: b.Sequence}
	for _, key := range b.Runs {
		r := h.of(key)
		st := broker.RunStatus{Run: key, Owned: r.state != "reset", State: r.state, Next: r.next(), Closed: r.final >= 0 && r.next() > r.final}
		if h.status != nil {
			st = h.status(st)
		}
		if st.Run.Run != "" {
			a.Runs = append(a.Runs, st)
		}
	}
	h.answer(broker.WorkerQueue(b.WorkerID), broker.TypeHeartbeatAnswer, a)
}

func (h *hub) report(m broker.Message) {
	s, err := broker.DecodeStateReport(m)
	if err != nil {
		h.t.Error(err)
		return
	}
	r := h.of(broker.Run{JobID: s.ID, Attempt: s.Headrace.Attempt, Run: s.Meta.UUID})
	r.reports = append(r.reports, s)
	r.state = s.State
}

func (h *hub) log(m broker.Message) {
	p, err := broker.DecodeLogPart(m)
	if err != nil {
		h.t.Error(err)
		return
	}
	if h.lose[p.Number] {
		delete(h.lose, p.Number)
		return
	}
	r := h.of(broker.Run{JobID: p.JobID, Attempt: p.Attempt, Run: p.Run})
	r.parts[p.Number] = append([]byte{}, p.Content...)
	if p.Final {
		r.final = p.Number
	}
}

// set changes how the hub behaves.
func (h *hub) set(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// await waits until so holds, which sees the hub at rest.
func (h *hub) await(what string, so func() bool) {
	h.t.Helper()
	for {
		h.mu.Lock()
		done, changed := so(), h.changed
		h.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-h.t.Context().Done():
			h.t.Fatalf("waiting for %s", what)
		}
	}
}

// result is what is known of the only run of a job.
type result struct {
	key     broker.Run
	reports []broker.StateReport
	states  string
	log     string
	final   bool
}

func (h *hub) result(job int64) result {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.resultOf(job)
}

func (h *hub) resultOf(job int64) result {
	h.t.Helper()
	var out result
	for key, r := range h.runs {
		if key.JobID != job {
			continue
		}
		if out.key.Run != "" {
			h.t.Errorf("job %d has two runs", job)
		}
		out.key, out.reports = key, r.reports
		var states []string
		for _, s := range r.reports {
			states = append(states, s.State)
		}
		out.states = strings.Join(states, " ")
		for _, n := range slices.Sorted(maps.Keys(r.parts)) {
			out.log += string(r.parts[n])
		}
		out.final = r.final >= 0 && r.next() == r.final+1
	}
	return out
}

// awaitEnd waits for the last state and the whole log of a job.
func (h *hub) awaitEnd(job int64) result {
	h.t.Helper()
	h.await("the end of a job", func() bool {
		for key, r := range h.runs {
			if key.JobID == job && r.ended() {
				return true
			}
		}
		return false
	})
	return h.result(job)
}

// ended: the last state and the whole log are there.
func (r *record) ended() bool {
	return r.final >= 0 && r.next() > r.final && len(r.reports) > 0 && r.reports[len(r.reports)-1].FinishedAt != nil
}

func (h *hub) awaitState(job int64, states string) {
	h.t.Helper()
	h.await("state "+states, func() bool { return h.resultOf(job).states == states })
}

func (h *hub) awaitLog(job int64, text string) {
	h.t.Helper()
	h.await("log "+text, func() bool { return strings.Contains(h.resultOf(job).log, text) })
}
