package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// Beat stores what a worker says every few seconds: that it lives, and which runs it has. The answer says of each run what
// is stored about it. Every node hears every heartbeat; [ci.ErrBeatStored] tells those that come second.
func (s *Store) Beat(ctx context.Context, b ci.Heartbeat) (answers []ci.RunStatus, err error) {
	if b.WorkerID == "" {
		return nil, fault.New(fault.Invalid, "A heartbeat needs the id of its worker.")
	}
	err = s.write(ctx, "store a heartbeat", func(ctx context.Context, c conn) error {
		if err := beatIsNew(ctx, c, b); err != nil {
			return err
		}
		replaced, err := noteWorker(ctx, c, b, s)
		if err != nil {
			return err
		}
		answers = nil
		if replaced {
			answers = ownsNothing(b.Runs)
			return nil
		}
		if err := renew(ctx, c, slices.Concat(b.Runs, b.Asking)); err != nil || len(b.Runs) == 0 {
			return err
		}
		answers, err = statusOf(ctx, c, b.Runs)
		return err
	})
	return answers, err
}

// beatIsNew keeps those that come second from writing anything. Where two come at once, [noteWorker] decides.
func beatIsNew(ctx context.Context, c conn, b ci.Heartbeat) error {
	if b.Sequence == 0 {
		return nil
	}
	var stored int64
	err := c.row(ctx, "SELECT sequence FROM workers WHERE id = $1", text(b.WorkerID)).Scan(&stored)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err == nil && stored >= b.Sequence:
		return ci.ErrBeatStored
	}
	return err
}

// ownsNothing is the answer to a worker that its successor in the same home has declared dead.
func ownsNothing(runs []ci.RunRef) []ci.RunStatus {
	answers := make([]ci.RunStatus, len(runs))
	for i, r := range runs {
		answers[i].RunRef = r
	}
	return answers
}

// longAgo is the value of a hearing counter for what is known to be dead: so long ago that every lease has run out.
const longAgo = -(1 << 50)

// noteWorker stores what a worker says of itself, and that those which were in its home before are dead. replaced: it is
// itself one of those.
func noteWorker(ctx context.Context, c conn, b ci.Heartbeat, s *Store) (replaced bool, err error) {
	queue := text(b.Queue)
	if err := knowQueue(ctx, c, queue); err != nil {
		return false, err
	}
	err = c.row(ctx, `INSERT INTO workers (id, name, version, queue, slots, draining, trouble, executor, home, generation, sequence, replaced, heard, first_at, seen_at)
		SELECT $1, $2, $3, $4, $5, $6, $12, $7, $9, $10, $11, EXISTS (SELECT 1 FROM workers o WHERE o.home = $9 AND o.home <> '' AND o.generation > $10),
			counter, $8, $8 FROM hearing WHERE id = 1
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = excluded.version, queue = excluded.queue, slots = excluded.slots,
			draining = excluded.draining, trouble = excluded.trouble, executor = excluded.executor, seen_at = excluded.seen_at,
			sequence = excluded.sequence, heard = CASE WHEN workers.replaced THEN workers.heard ELSE excluded.heard END
			WHERE excluded.sequence = 0 OR workers.sequence < excluded.sequence
		RETURNING replaced`,
		text(b.WorkerID), text(b.Name), text(b.Version), queue, max(b.Slots, 0), b.Draining, text(b.Executor), at(s.Now()), text(b.Home), b.Generation,
		b.Sequence, text(b.Trouble)).Scan(&replaced)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, ci.ErrBeatStored
	case err != nil:
		return false, err
	case replaced: // also one that is heard of for the first time after its successor
		_, err = c.exec(ctx, "UPDATE workers SET heard = $2 WHERE id = $1", text(b.WorkerID), int64(longAgo))
		return true, err
	case b.Home == "":
		return false, nil
	}
	return false, replace(ctx, c, b)
}

// replace declares the workers dead that were in a home before its present one: one process at a time has a home. Their
// attempts are lost at once, without waiting for a lease to run out.
func replace(ctx context.Context, c conn, b ci.Heartbeat) error {
	home := text(b.Home)
	n, err := c.exec(ctx, "UPDATE workers SET replaced = TRUE, heard = $3 WHERE home = $1 AND id <> $2 AND NOT replaced AND generation <= $4",
		home, text(b.WorkerID), int64(longAgo), b.Generation)
	if err != nil || n == 0 {
		return err
	}
	_, err = c.exec(ctx, `UPDATE attempts SET heard = $2 WHERE state IN ('received', 'started')
		AND worker_id IN (SELECT id FROM workers WHERE home = $1 AND replaced)`, home, int64(longAgo))
	return err
}

// renew renews the leases of those runs that own their attempts.
func renew(ctx context.Context, c conn, runs []ci.RunRef) error {
	if len(runs) == 0 {
		return nil
	}
	jobs, names := keysOf(runs)
	_, err := c.exec(ctx, `UPDATE attempts SET heard = (SELECT counter FROM hearing WHERE id = 1)
		WHERE job_id {{ints $1}} AND run {{texts $2}} AND state IN ('received', 'started')`, ids(jobs), texts(names))
	return err
}

func keysOf(runs []ci.RunRef) (jobs []int64, names []string) {
	for _, r := range runs {
		jobs, names = append(jobs, r.JobID), append(names, text(r.Run))
	}
	return jobs, names
}

// statusOf says what is stored of runs.
func statusOf(ctx context.Context, c conn, runs []ci.RunRef) ([]ci.RunStatus, error) {
	jobs, names := keysOf(runs)
	type stored struct {
		ci.RunStatus
		reason ci.Reason
	}
	known, err := list(ctx, c, func(row scanner) (v stored, err error) {
		err = row.Scan(&v.JobID, &v.Attempt, &v.Run, &v.State, &v.reason, &v.Next, &v.Closed)
		return v, err
	}, `SELECT a.job_id, a.number, a.run, a.state, a.reason, COALESCE(l.worker_next, 0), COALESCE(l.closed, FALSE)
		FROM attempts a LEFT JOIN logs l ON l.job_id = a.job_id AND l.attempt = a.number
		WHERE a.job_id {{ints $1}} AND a.run {{texts $2}}`, ids(jobs), texts(names))
	if err != nil {
		return nil, err
	}
	index := make(map[ci.RunRef]ci.RunStatus, len(known))
	for _, v := range known {
		v.Owned = v.Run != "" && v.reason != ci.ReasonWorkerLost
		v.Canceled = v.State == ci.Canceled
		index[v.RunRef] = v.RunStatus
	}
	answers := make([]ci.RunStatus, len(runs))
	for i, r := range runs {
		answers[i] = index[r]
		answers[i].RunRef = r
	}
	return answers, nil
}

// Workers returns all workers by name, but those that a later one in the same home has replaced.
func (s *Store) Workers(ctx context.Context) (all []ci.Worker, err error) {
	err = s.read(ctx, "list the workers", func(ctx context.Context, c conn) error {
		all, err = listWorkers(ctx, c, s.config.Lease.Microseconds())
		return err
	})
	return all, err
}

func listWorkers(ctx context.Context, c conn, lease int64) ([]ci.Worker, error) {
	return list(ctx, c, func(row scanner) (w ci.Worker, err error) {
		err = row.Scan(&w.ID, &w.Name, &w.Version, &w.Queue, &w.Slots, &w.Draining, &w.Trouble, &w.Executor, into(&w.FirstAt), into(&w.SeenAt), &w.Lost, &w.Busy)
		return w, err
	}, `SELECT w.id, w.name, w.version, w.queue, w.slots, w.draining, w.trouble, w.executor, w.first_at, w.seen_at, w.heard < h.counter - $1,
			(SELECT count(*) FROM attempts a WHERE a.worker_id = w.id AND a.state IN ('received', 'started'))
		FROM workers w JOIN hearing h ON h.id = 1 WHERE NOT w.replaced ORDER BY w.name, w.id`, lease)
}
