package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/internal/seal"
)

// errNoAnswer: the platform said neither yes nor no.
var errNoAnswer = errors.New("the platform does not answer")

// claims asks the platform for attempts, and brings the answers to who asked.
type claims struct {
	carrier broker.Carrier
	cfg     Config

	mu      sync.Mutex
	waiting map[broker.Run]chan broker.ClaimAnswer
	// open are the runs whose question was given up. The platform may have said yes to it: when the attempt comes here
	// again, the same question is asked.
	open map[attempt]question
}

// question is what is asked for an attempt: the run, and the key that its secrets shall be sealed to. The key exists in
// memory only, and for this question only.
type question struct {
	run string
	box *seal.Letterbox
}

type attempt struct {
	job    int64
	number int
}

func newClaims(c broker.Carrier, cfg Config) *claims {
	return &claims{carrier: c, cfg: cfg, waiting: map[broker.Run]chan broker.ClaimAnswer{}, open: map[attempt]question{}}
}

// run names a run of the attempt: the one that was asked for before, else a new one. Without randomness there is no key,
// and the platform gives no secrets.
func (c *claims) run(a attempt) question {
	c.mu.Lock()
	defer c.mu.Unlock()
	if q, ok := c.open[a]; ok {
		delete(c.open, a)
		return q
	}
	box, err := seal.NewLetterbox()
	if err != nil {
		c.cfg.Log.Error("no key can be made for the secrets of a job", "job_id", a.job, "err", err)
	}
	return question{run: rand.Text(), box: box}
}

func (c *claims) giveUp(key broker.Run, box *seal.Letterbox) {
	const most = 1000 // what is forgotten costs the length of a lease
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) >= most {
		clear(c.open)
	}
	c.open[attempt{key.JobID, key.Attempt}] = question{run: key.Run, box: box}
}

// ask asks the same question until it is answered, the patience is over or ctx ends. again says, each time, whether the worker
// has a message that was delivered before.
func (c *claims) ask(ctx context.Context, key broker.Run, box *seal.Letterbox, again func() bool) (broker.ClaimAnswer, error) {
	answers := make(chan broker.ClaimAnswer, 1)
	c.wait(key, answers)
	defer c.wait(key, nil)

	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.ClaimPatience, errNoAnswer)
	defer cancel()
	pauses := run.Backoff{First: c.cfg.ClaimRetry, Most: 5 * c.cfg.ClaimRetry}
	for n := 1; ; n++ {
		q := c.claim(key, box)
		q.Redelivered = again()
		err := c.publish(ctx, q)
		answer, ok := c.await(ctx, answers, pauses, n)
		if ok {
			return answer, nil
		}
		if ctx.Err() != nil {
			c.giveUp(key, box)
			return broker.ClaimAnswer{}, errors.Join(context.Cause(ctx), err)
		}
	}
}

func (c *claims) publish(ctx context.Context, q broker.Claim) error {
	m, err := broker.Encode("", broker.ClaimQueue, broker.TypeClaim, q)
	if err != nil {
		return err
	}
	m.Headers = map[string]string{"reply_to": broker.WorkerQueue(c.cfg.ID)}
	return c.carrier.Publish(ctx, m)
}

func (c *claims) claim(key broker.Run, box *seal.Letterbox) broker.Claim {
	q := broker.Claim{JobID: key.JobID, Attempt: key.Attempt, Run: key.Run, WorkerID: c.cfg.ID, Worker: c.cfg.Name}
	if box != nil {
		q.SecretsTo = box.Address()
	}
	return q
}

func (c *claims) await(ctx context.Context, answers <-chan broker.ClaimAnswer, pauses run.Backoff, n int) (broker.ClaimAnswer, bool) {
	pause, cancel := context.WithTimeout(ctx, pauses.After(n))
	defer cancel()
	select {
	case a := <-answers:
		return a, true
	case <-pause.Done():
		return broker.ClaimAnswer{}, false
	}
}

func (c *claims) wait(key broker.Run, answers chan broker.ClaimAnswer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if answers == nil {
		delete(c.waiting, key)
		return
	}
	c.waiting[key] = answers
}

// answered brings an answer to who waits for it. A second one to the same question says the same.
func (c *claims) answered(a broker.ClaimAnswer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case c.waiting[broker.Run{JobID: a.JobID, Attempt: a.Attempt, Run: a.Run}] <- a:
	default:
	}
}
