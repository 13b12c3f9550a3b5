package store

import (
	"context"
	"database/sql"
	"math"
)

const waiting = "queue = $1 AND priority = $2 AND state = 'created' AND ready"

// pick holds all queues, so that one node at a time hands out jobs: whatever it counts stays so until it commits, and no
// limit is passed by any number of nodes. Who pauses a queue, or limits it, holds it too.
func (s *Store) pick(ctx context.Context, c conn, most int) ([]candidate, error) {
	queues, err := list(ctx, c, scanQueue, selectQueues+" {{lock}}")
	if err != nil {
		return nil, err
	}
	if err := s.countQueues(ctx, c, queues); err != nil {
		return nil, err
	}
	p := picker{
		limits: limits{all: s.config.Concurrency, owner: s.config.OwnerConcurrency},
		level:  func(queue string, below int64) (int64, []*taker, error) { return level(ctx, c, queue, below) },
		next:   func(t *taker, n int) ([]candidate, error) { return oldestOf(ctx, c, t, n) },
	}
	names := make([]string, len(queues))
	for i, q := range queues {
		names[i] = q.Queue
		if room := roomOn(q); room > 0 {
			p.lines = append(p.lines, &line{queue: q.Queue, room: room, below: math.MaxInt32})
		}
	}
	if len(p.lines) == 0 {
		return nil, nil
	}
	if p.tally, err = tallyOf(ctx, c, names); err != nil {
		return nil, err
	}
	return p.pick(most)
}

// tallyOf counts what is under way.
func tallyOf(ctx context.Context, c conn, queues []string) (tally, error) {
	t := newTally()
	type count struct {
		queue, owner string
		repository   int64
		n            int
	}
	counts, err := list(ctx, c, func(row scanner) (v count, err error) {
		err = row.Scan(&v.queue, &v.repository, &v.owner, &v.n)
		return v, err
	}, `SELECT u.queue, u.repository_id, r.owner_key, u.n FROM (SELECT queue, repository_id, count(*) AS n FROM jobs
			WHERE queue {{texts $1}} AND `+underWay+` GROUP BY queue, repository_id) u
		JOIN repositories r ON r.id = u.repository_id`, texts(queues))
	for _, v := range counts {
		t.add(v.queue, v.owner, v.repository, v.n)
	}
	return t, err
}

// level finds the repositories that wait on a queue with jobs of the highest priority below the given one.
func level(ctx context.Context, c conn, queue string, below int64) (int64, []*taker, error) {
	var priority sql.NullInt64
	err := c.row(ctx, "SELECT max(priority) FROM jobs WHERE queue = $1 AND priority < $2 AND state = 'created' AND ready", queue, below).Scan(&priority)
	if err != nil || !priority.Valid {
		return below, nil, err
	}
	takers, err := list(ctx, c, func(row scanner) (*taker, error) {
		t := &taker{queue: queue, priority: priority.Int64}
		return t, row.Scan(&t.repository, &t.owner, &t.most, &t.oldest)
	}, `WITH RECURSIVE w (repository_id) AS (SELECT min(repository_id) FROM jobs WHERE `+waiting+`
			UNION ALL SELECT (SELECT min(repository_id) FROM jobs WHERE `+waiting+` AND repository_id > w.repository_id)
				FROM w WHERE w.repository_id IS NOT NULL)
		SELECT r.id, r.owner_key, r.most_jobs, (SELECT min(id) FROM jobs WHERE `+waiting+` AND repository_id = w.repository_id)
		FROM w JOIN repositories r ON r.id = w.repository_id`, queue, priority.Int64)
	return priority.Int64, takers, err
}

// oldestOf returns the next jobs of a taker.
func oldestOf(ctx context.Context, c conn, t *taker, n int) ([]candidate, error) {
	return list(ctx, c, func(row scanner) (v candidate, err error) {
		err = row.Scan(&v.job, &v.build)
		return v, err
	}, "SELECT id, build_id FROM jobs WHERE "+waiting+" AND repository_id = $3 ORDER BY id LIMIT $4", t.queue, t.priority, t.repository, n)
}
