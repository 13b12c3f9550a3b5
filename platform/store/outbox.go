package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// outboxLease is for how long messages are given to who asked for them.
const outboxLease = 30 * time.Second

// outgoing is a message that is to be stored.
type outgoing struct {
	job  ci.Job
	body []byte
}

// putOut stores messages in their order.
func (s *Store) putOut(ctx context.Context, c conn, out []outgoing) error {
	const columns = 6
	now := at(s.Now())
	for batch := range slices.Chunk(out, rowsPerInsert) {
		args := make([]any, 0, len(batch)*columns)
		for _, o := range batch {
			args = append(args, o.job.ID, o.job.Attempt, o.job.Queue, now, now, notNil(o.body))
		}
		_, err := c.exec(ctx, "INSERT INTO outbox (job_id, attempt, queue, created_at, until, body) VALUES "+tuples(len(batch), columns, 1), args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// Outbox returns messages that are due, the oldest first, and keeps them from other callers for 30 s.
func (s *Store) Outbox(ctx context.Context, limit int) (due []ci.OutMessage, err error) {
	err = s.write(ctx, "take messages out", func(ctx context.Context, c conn) error {
		now := s.Now()
		taken, err := list(ctx, c, scanID, "SELECT id FROM outbox WHERE sent_at IS NULL AND until <= $1 ORDER BY id LIMIT $2 {{skip locked}}",
			at(now), limit)
		if err != nil || len(taken) == 0 {
			due = nil
			return err
		}
		due, err = list(ctx, c, func(row scanner) (m ci.OutMessage, err error) {
			err = row.Scan(&m.ID, &m.Queue, &m.Body, &m.JobID, &m.Tries, &m.LastError, into(&m.CreatedAt))
			return m, err
		}, `UPDATE outbox SET until = $2 WHERE id {{ints $1}} RETURNING id, queue, body, job_id, tries, last_error, created_at`,
			ids(taken), at(now.Add(outboxLease)))
		slices.SortFunc(due, func(a, b ci.OutMessage) int { return cmp.Compare(a.ID, b.ID) })
		return err
	})
	return due, err
}

// OutboxSent notes that the broker has taken the messages.
func (s *Store) OutboxSent(ctx context.Context, sent []int64) error {
	return s.write(ctx, "note messages as sent", func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, "UPDATE outbox SET sent_at = $2 WHERE id {{ints $1}} AND sent_at IS NULL", ids(sent), at(s.Now()))
		return err
	})
}

// OutboxFailed notes that a message could not be published, and makes it due again after a time.
func (s *Store) OutboxFailed(ctx context.Context, id int64, reason string, again time.Duration) error {
	return s.write(ctx, fmt.Sprintf("note message %d as not sent", id), func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, "UPDATE outbox SET tries = tries + 1, last_error = $2, until = $3 WHERE id = $1 AND sent_at IS NULL",
			id, text(reason), at(s.Now().Add(again)))
		return err
	})
}

// patientRequeue is how much longer a message may lie on a queue of foreign workers: such a worker may hold a delivery for
// half a minute before it says so, and a double makes two of them run the job.
const patientRequeue = 20

// Requeue puts the message of every job out again that was sent longer ago than idle and not claimed since, although a
// worker is free or a job that was queued later on the same queue runs already: the broker may have lost it. It is the
// message of the same attempt, so that a double does no harm.
func (s *Store) Requeue(ctx context.Context, idle time.Duration) (n int, err error) {
	err = s.write(ctx, "put lost messages out again", func(ctx context.Context, c conn) error {
		n = 0
		free, err := s.freeQueues(ctx, c)
		if err != nil {
			return err
		}
		foreign, err := foreignQueues(ctx, c)
		if err != nil {
			return err
		}
		now := s.Now()
		old, err := list(ctx, c, scanID, `SELECT id FROM outbox WHERE sent_at IS NOT NULL AND sent_at <= $1
			AND (queue {{texts $2}} OR EXISTS (SELECT 1 FROM jobs j WHERE j.queue = outbox.queue AND j.state IN ('received', 'started')
				AND j.queued_at > outbox.sent_at))
			AND (sent_at <= $3 OR NOT (queue {{texts $4}})) ORDER BY id LIMIT 200 {{skip locked}}`,
			at(now.Add(-idle)), texts(free), at(now.Add(-patientRequeue*idle)), texts(foreign))
		if err != nil || len(old) == 0 {
			return err
		}
		// A new row each, so that who still holds the old one cannot mark the new one as sent. A message whose attempt waits
		// no more can be left over from a claim at the same moment; it goes.
		again, err := list(ctx, c, scanID, `INSERT INTO outbox (job_id, attempt, queue, created_at, until, body)
			SELECT o.job_id, o.attempt, o.queue, $2, $2, o.body FROM outbox o
			JOIN jobs j ON j.id = o.job_id AND j.attempt = o.attempt AND j.state = 'queued'
			WHERE o.id {{ints $1}} ORDER BY o.id RETURNING id`, ids(old), at(now))
		if err != nil {
			return err
		}
		n = len(again)
		_, err = c.exec(ctx, "DELETE FROM outbox WHERE id {{ints $1}}", ids(old))
		return err
	})
	return n, err
}

// freeQueues are the queues with a worker that could take a job at once.
func (s *Store) freeQueues(ctx context.Context, c conn) ([]string, error) {
	queues, err := list(ctx, c, scanQueue, selectQueues)
	if err != nil {
		return nil, err
	}
	err = s.countQueues(ctx, c, queues)
	var free []string
	for _, q := range queues {
		if q.FreeSlots > 0 {
			free = append(free, q.Queue)
		}
	}
	return free, err
}
