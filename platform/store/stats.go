package store

import "context"

// Stats counts what waits and what goes on, for metrics: requests_pending, outbox_unsent, logs_open, workers, and
// jobs_created, jobs_queued, jobs_received and jobs_started.
func (s *Store) Stats(ctx context.Context) (stats map[string]int64, err error) {
	stats = map[string]int64{"jobs_created": 0, "jobs_queued": 0, "jobs_received": 0, "jobs_started": 0}
	type count struct {
		name string
		n    int64
	}
	err = s.read(ctx, "count for metrics", func(ctx context.Context, c conn) error {
		counts, err := list(ctx, c, func(row scanner) (v count, err error) {
			err = row.Scan(&v.name, &v.n)
			return v, err
		}, `SELECT 'jobs_' || state, count(*) FROM jobs WHERE `+underWay+` GROUP BY state
			UNION ALL SELECT 'jobs_created', count(*) FROM jobs WHERE state = 'created'
			UNION ALL SELECT 'requests_pending', count(*) FROM requests WHERE state = 'pending'
			UNION ALL SELECT 'outbox_unsent', count(*) FROM outbox WHERE sent_at IS NULL
			UNION ALL SELECT 'logs_open', count(*) FROM logs WHERE NOT closed
			UNION ALL SELECT 'workers', count(*) FROM workers`)
		for _, v := range counts {
			stats[v.name] = v.n
		}
		return err
	})
	return stats, err
}
