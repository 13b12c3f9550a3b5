package store

import (
	"context"

	"github.com/headrace/headrace/platform/ci"
)

// Queues counts, for every broker queue, what waits and what can take it.
func (s *Store) Queues(ctx context.Context) (all []ci.QueueStatus, err error) {
	err = s.read(ctx, "count the queues", func(ctx context.Context, c conn) error {
		names, err := list(ctx, c, scanText, "SELECT name FROM queues ORDER BY name")
		if err != nil {
			return err
		}
		if all, err = s.countQueues(ctx, c, names); err != nil {
			return err
		}
		for i := range all {
			err := c.row(ctx, `SELECT count(*) FROM jobs WHERE queue = $1 AND state IN ('created', 'queued', 'received', 'started')
				AND state = 'created'`, all[i].Queue).Scan(&all[i].Created)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

func scanText(row scanner) (v string, err error) {
	err = row.Scan(&v)
	return v, err
}

// countQueues counts what is under way and what the workers can take, but not what waits here, which may be much.
func (s *Store) countQueues(ctx context.Context, c conn, names []string) ([]ci.QueueStatus, error) {
	all := make([]ci.QueueStatus, len(names))
	index := map[string]*ci.QueueStatus{}
	for i, name := range names {
		all[i].Queue = name
		index[name] = &all[i]
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
		return nil, err
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
		if q := index[w.Queue]; q != nil && !w.Lost && !w.Draining {
			q.Workers++
			q.Slots += w.Slots
			q.FreeSlots += max(w.Slots-w.Busy, 0)
		}
	}
	return all, err
}

// underWay is the condition on jobs that are with the broker or a worker, in words that let SQLite use its partial index.
const underWay = "state IN ('created', 'queued', 'received', 'started') AND state IN ('queued', 'received', 'started')"
