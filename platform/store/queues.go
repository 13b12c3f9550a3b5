package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// Queues counts, for every broker queue, what waits and what can take it.
func (s *Store) Queues(ctx context.Context) (all []ci.QueueStatus, err error) {
	err = s.read(ctx, "count the queues", func(ctx context.Context, c conn) error {
		if all, err = list(ctx, c, scanQueue, selectQueues); err != nil {
			return err
		}
		if err = s.countQueues(ctx, c, all); err != nil {
			return err
		}
		for i := range all {
			err := c.row(ctx, "SELECT count(*) FROM jobs WHERE queue = $1 AND state = 'created'", all[i].Queue).Scan(&all[i].Created)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

const selectQueues = "SELECT name, most_jobs, paused, paused_by, paused_at FROM queues ORDER BY name"

func scanQueue(row scanner) (q ci.QueueStatus, err error) {
	err = row.Scan(&q.Queue, &q.MaxJobs, &q.Paused, &q.PausedBy, into(&q.PausedAt))
	return q, err
}

// PauseQueue has a queue hand out nothing until it is resumed, or resumes it; by is who says so. What its workers have runs
// on. Jobs that lie in the broker are taken back and keep their attempt: a worker that asks for one is refused. moved are
// those. Pausing again changes nothing. [fault.NotFound] when there is no such queue.
func (s *Store) PauseQueue(ctx context.Context, name string, paused bool, by string) (moved []ci.Moved, err error) {
	err = s.write(ctx, fmt.Sprintf("pause the queue %s", name), func(ctx context.Context, c conn) error {
		moved = nil
		since := time.Time{}
		if paused {
			since = s.Now()
		} else {
			by = ""
		}
		changed, err := c.exec(ctx, `UPDATE queues SET paused_by = CASE WHEN paused = $2 THEN paused_by ELSE $3 END,
			paused_at = CASE WHEN paused = $2 THEN paused_at ELSE $4 END, paused = $2 WHERE name = $1`, text(name), paused, text(by), at(since))
		if err := missed(changed, err, errNoQueue); err != nil || !paused {
			return err
		}
		moved, err = s.takeBack(ctx, c, text(name))
		return err
	})
	return moved, err
}

var errNoQueue = fault.New(fault.NotFound, "There is no such queue. A queue is known once a worker listens on it, or a job waits for it.")

// takeBack makes the queued jobs of a queue created again, but where workers listen that do not claim: such a worker runs
// what it is given.
func (s *Store) takeBack(ctx context.Context, c conn, queue string) (moved []ci.Moved, err error) {
	foreign, err := foreignQueues(ctx, c)
	if err != nil || slices.Contains(foreign, queue) {
		return nil, err
	}
	builds, err := list(ctx, c, scanID, "SELECT DISTINCT build_id FROM jobs WHERE queue = $1 AND "+underWay+" AND state = 'queued' ORDER BY build_id", queue)
	if err != nil {
		return nil, err
	}
	for _, id := range builds {
		h, err := s.hold(ctx, c, id)
		if errors.Is(err, errNoBuild) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var indexes []int
		for i, j := range h.jobs {
			if j.Queue != queue || j.State != ci.Queued {
				continue
			}
			if _, err := h.apply(i, ci.JobEvent{Kind: ci.JobUnqueue}); err != nil {
				return nil, err
			}
			indexes = append(indexes, i)
		}
		if err := h.save(ctx); err != nil {
			return nil, err
		}
		moved = append(moved, h.movedAll(indexes)...)
	}
	return moved, nil
}

// LimitQueue bounds how many jobs of a queue may be queued or with a worker at a time; 0 is no limit. What is more already
// stays. [fault.NotFound] when there is no such queue.
func (s *Store) LimitQueue(ctx context.Context, name string, most int) error {
	if most < 0 || most > math.MaxInt32 {
		return fault.Field("limit", "This takes a number of jobs; 0 is no limit.")
	}
	return s.write(ctx, fmt.Sprintf("limit the queue %s", name), func(ctx context.Context, c conn) error {
		changed, err := c.exec(ctx, "UPDATE queues SET most_jobs = $2 WHERE name = $1", text(name), most)
		return missed(changed, err, errNoQueue)
	})
}

func scanText(row scanner) (v string, err error) {
	err = row.Scan(&v)
	return v, err
}

// countQueues counts what is under way and what the workers can take, but not what waits here, which may be much.
func (s *Store) countQueues(ctx context.Context, c conn, all []ci.QueueStatus) error {
	names := make([]string, len(all))
	index := map[string]*ci.QueueStatus{}
	for i := range all {
		names[i] = all[i].Queue
		index[names[i]] = &all[i]
	}
	type count struct {
		queue string
		state ci.State
		n     int
	}
	counts, err := list(ctx, c, func(row scanner) (v count, err error) {
		err = row.Scan(&v.queue, &v.state, &v.n)
		return v, err
	}, "SELECT queue, state, count(*) FROM jobs WHERE queue {{texts $1}} AND "+underWay+" GROUP BY queue, state", texts(names))
	if err != nil {
		return err
	}
	for _, v := range counts {
		if v.state == ci.Queued {
			index[v.queue].Queued = v.n
		} else {
			index[v.queue].Running += v.n
		}
	}
	workers, err := listWorkers(ctx, c, s.config.Lease.Microseconds())
	for _, w := range workers {
		switch q := index[w.Queue]; {
		case q == nil || w.Lost:
		case w.Draining:
			q.Draining++
			if w.Trouble != "" {
				q.Trouble = w.Name + ": " + w.Trouble
			}
		default:
			q.Workers++
			q.Slots += w.Slots
			q.FreeSlots += max(w.Slots-w.Busy, 0)
		}
	}
	return err
}

// underWay is the condition on jobs that are with the broker or a worker, in the words of their index.
const underWay = "state IN ('queued', 'received', 'started')"
