package store

import (
	"context"
	"fmt"

	"github.com/headrace/headrace/platform/ci"
)

// waiter is a job that waits, with what may hold it.
type waiter struct {
	id, build, repository int64
	state                 ci.State
	ready                 bool
	stage                 int
	queue, slug, owner    string
	most                  int // of the repository
	tries                 int // to give its message to the broker
	lastError             string
	ahead                 int
}

// WhyWaiting says of jobs why they have not begun, by their ids; those that wait no more are left out.
func (s *Store) WhyWaiting(ctx context.Context, jobIDs ...int64) (all map[int64]ci.Wait, err error) {
	all = map[int64]ci.Wait{}
	if len(jobIDs) == 0 {
		return all, nil
	}
	err = s.read(ctx, "find out why jobs wait", func(ctx context.Context, c conn) error {
		waiters, err := list(ctx, c, scanWaiter, selectWaiters, ids(jobIDs))
		if err != nil || len(waiters) == 0 {
			return err
		}
		held, err := s.holders(ctx, c, waiters)
		if err != nil {
			return err
		}
		for _, w := range waiters {
			all[w.id] = held.why(w)
		}
		return nil
	})
	return all, err
}

// selectWaiters counts ahead of a job at most as far as [ci.MostAhead].
var selectWaiters = fmt.Sprintf(`SELECT j.id, j.build_id, j.repository_id, j.state, j.ready, j.stage_number, j.queue, r.slug, r.owner_key, r.most_jobs,
	COALESCE(o.tries, 0), COALESCE(o.last_error, ''),
	CASE WHEN j.state = 'created' AND j.ready THEN (SELECT count(*) FROM (SELECT 1 FROM jobs a WHERE a.queue = j.queue AND a.state = 'created' AND a.ready
		AND a.repository_id = j.repository_id AND (a.priority > j.priority OR (a.priority = j.priority AND a.id < j.id)) LIMIT %d) x) ELSE 0 END
	FROM jobs j JOIN repositories r ON r.id = j.repository_id
	LEFT JOIN outbox o ON o.job_id = j.id AND o.attempt = j.attempt AND o.sent_at IS NULL
	WHERE j.id {{ints $1}} AND j.state IN ('created', 'queued')`, ci.MostAhead)

func scanWaiter(row scanner) (w waiter, err error) {
	err = row.Scan(&w.id, &w.build, &w.repository, &w.state, &w.ready, &w.stage, &w.queue, &w.slug, &w.owner, &w.most, &w.tries, &w.lastError, &w.ahead)
	return w, err
}

// holds is all that may hold jobs.
type holds struct {
	limits limits
	tally  tally
	queues map[string]ci.QueueStatus
	stages map[int64]openStage // by build
}

type openStage struct {
	build  int64
	number int
	name   string
	left   int
}

func (s *Store) holders(ctx context.Context, c conn, waiters []waiter) (holds, error) {
	h := holds{limits: limits{all: s.config.Concurrency, owner: s.config.OwnerConcurrency}, queues: map[string]ci.QueueStatus{}, stages: map[int64]openStage{}}
	queues, err := list(ctx, c, scanQueue, selectQueues)
	if err != nil {
		return h, err
	}
	if err := s.countQueues(ctx, c, queues); err != nil {
		return h, err
	}
	var names []string
	for _, q := range queues {
		h.queues[q.Queue] = q
		names = append(names, q.Queue)
	}
	if h.tally, err = tallyOf(ctx, c, names); err != nil {
		return h, err
	}
	var staged []int64
	for _, w := range waiters {
		if !w.ready {
			staged = append(staged, w.build)
		}
	}
	if len(staged) == 0 {
		return h, nil
	}
	open, err := list(ctx, c, func(row scanner) (v openStage, err error) {
		err = row.Scan(&v.build, &v.number, &v.name, &v.left)
		return v, err
	}, `SELECT build_id, stage_number, stage_name, count(*) FROM jobs WHERE build_id {{ints $1}}
		AND state IN ('created', 'queued', 'received', 'started') AND (ready OR state <> 'created') GROUP BY build_id, stage_number, stage_name`, ids(staged))
	for _, v := range open {
		h.stages[v.build] = v
	}
	return h, err
}

// why says what holds a job: what would have to change first.
func (h holds) why(w waiter) ci.Wait {
	q := h.queues[w.queue]
	v := ci.Wait{Queue: w.queue}
	switch created := w.state == ci.Created; {
	case created && !w.ready:
		open := h.stages[w.build]
		v.Kind, v.Name, v.Now = ci.WaitStage, open.name, open.left
	case q.Paused && created:
		v.Kind, v.Name = ci.WaitPaused, q.PausedBy
	case !created && w.tries > 0:
		v.Kind, v.Name = ci.WaitBroker, w.lastError
	case q.Workers == 0 && q.Trouble != "":
		v.Kind, v.Name = ci.WaitTrouble, q.Trouble
	case q.Workers == 0 && q.Draining > 0:
		v.Kind = ci.WaitDraining
	case q.Workers == 0:
		v.Kind = ci.WaitNoWorker
	case created && full(q.Queued+q.Running, q.MaxJobs):
		v.Kind, v.Most, v.Now = ci.WaitLimitQueue, q.MaxJobs, q.Queued+q.Running
	case created && full(h.tally.repositories[w.repository], w.most):
		v.Kind, v.Name, v.Most, v.Now = ci.WaitLimitRepository, w.slug, w.most, h.tally.repositories[w.repository]
	case created && full(h.tally.owners[w.owner], h.limits.owner):
		v.Kind, v.Most, v.Now = ci.WaitLimitOwner, h.limits.owner, h.tally.owners[w.owner]
		v.Name, _ = ci.SplitSlug(w.slug)
	case created && full(h.tally.all, h.limits.all):
		v.Kind, v.Most, v.Now = ci.WaitLimitAll, h.limits.all, h.tally.all
	case q.FreeSlots <= 0:
		v.Kind, v.Most, v.Now, v.Ahead = ci.WaitBusy, q.Slots, q.Slots, w.ahead
	default:
		v.Kind, v.Ahead = ci.WaitNext, w.ahead
	}
	return v
}
