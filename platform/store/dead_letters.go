package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// Bounds of what is kept of messages that nothing could be made of.
const (
	mostDeadLetters = 1000
	mostDeadBytes   = 64 << 10 // of a body, and of headers
	mostDeadReason  = 2000
	// requeueLease is for how long a dead letter is given to the node that sends it again.
	requeueLease = 30 * time.Second
)

const deadColumns = "id, queue, type, content_type, headers, body, size, whole, reason, tries, first_at, last_at, requeue_at IS NOT NULL"

// AddDeadLetter keeps a message that nothing could be made of. Of one that is there already the reason, the time and the
// number of tries change. At most 1,000 are kept; those that were not seen for the longest time go.
func (s *Store) AddDeadLetter(ctx context.Context, d ci.DeadLetter) error {
	if len(d.Headers) == 0 {
		d.Headers = nil
	}
	headers, err := json.Marshal(d.Headers)
	if err != nil {
		return fmt.Errorf("encode the headers of a dead letter: %w", err)
	}
	print := fingerprint(d, headers)
	body, whole := d.Body, len(d.Body) <= mostDeadBytes
	if !whole {
		body = body[:mostDeadBytes]
	}
	if d.Headers == nil || len(headers) > mostDeadBytes {
		whole = whole && d.Headers == nil
		headers = []byte("{}")
	}
	if len(d.Reason) > mostDeadReason {
		d.Reason = d.Reason[:mostDeadReason]
	}
	return s.write(ctx, "keep a dead letter", func(ctx context.Context, c conn) error {
		now := at(s.Now())
		_, err := c.exec(ctx, `INSERT INTO dead_letters (fingerprint, queue, type, content_type, headers, body, size, whole, reason, first_at, last_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
			ON CONFLICT (fingerprint) DO UPDATE SET tries = dead_letters.tries + 1, reason = excluded.reason, last_at = excluded.last_at, requeue_at = NULL`,
			print, text(d.Queue), text(d.Type), text(d.ContentType), text(string(headers)), notNil(body), max(d.Size, len(d.Body)),
			whole && d.Size <= len(d.Body), text(d.Reason), now)
		if err != nil {
			return err
		}
		_, err = c.exec(ctx, `DELETE FROM dead_letters WHERE id IN
			(SELECT id FROM dead_letters ORDER BY last_at DESC, id DESC LIMIT 100 OFFSET $1)`, mostDeadLetters)
		return err
	})
}

// fingerprint is the same for the same message.
func fingerprint(d ci.DeadLetter, headers []byte) []byte {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(text(d.Queue)), []byte(text(d.Type)), headers, d.Body} {
		sum := sha256.Sum256(part)
		h.Write(sum[:])
	}
	return h.Sum(nil)
}

// DeadLetters returns a page of them without their bodies, those that were seen last first, and how many there are.
func (s *Store) DeadLetters(ctx context.Context, p ci.Page) (found []ci.DeadLetter, total int, err error) {
	err = s.read(ctx, "list dead letters", func(ctx context.Context, c conn) error {
		if err := c.row(ctx, "SELECT count(*) FROM dead_letters").Scan(&total); err != nil {
			return err
		}
		p = p.Norm()
		found, err = list(ctx, c, scanDeadLetter, "SELECT "+deadColumns+" FROM dead_letters ORDER BY last_at DESC, id DESC LIMIT $1 OFFSET $2", p.Limit, p.Offset)
		for i := range found {
			found[i].Body = nil
		}
		return err
	})
	return found, total, err
}

// DeadLetter returns one, with its body.
func (s *Store) DeadLetter(ctx context.Context, id int64) (d ci.DeadLetter, err error) {
	err = s.read(ctx, fmt.Sprintf("read dead letter %d", id), func(ctx context.Context, c conn) error {
		d, err = scanDeadLetter(c.row(ctx, "SELECT "+deadColumns+" FROM dead_letters WHERE id = $1", id))
		return noDeadLetter(id, err)
	})
	return d, err
}

// DeleteDeadLetter removes one.
func (s *Store) DeleteDeadLetter(ctx context.Context, id int64) error {
	return s.write(ctx, fmt.Sprintf("delete dead letter %d", id), func(ctx context.Context, c conn) error {
		n, err := c.exec(ctx, "DELETE FROM dead_letters WHERE id = $1", id)
		if err == nil && n == 0 {
			err = sql.ErrNoRows
		}
		return noDeadLetter(id, err)
	})
}

// DeleteDeadLetters removes all and says how many those were.
func (s *Store) DeleteDeadLetters(ctx context.Context) (n int, err error) {
	err = s.write(ctx, "delete dead letters", func(ctx context.Context, c conn) error {
		all, err := c.exec(ctx, "DELETE FROM dead_letters")
		n = int(all)
		return err
	})
	return n, err
}

// RequeueDeadLetter asks the nodes to send a message again. One that was cut cannot be sent.
func (s *Store) RequeueDeadLetter(ctx context.Context, id int64) error {
	return s.write(ctx, fmt.Sprintf("requeue dead letter %d", id), func(ctx context.Context, c conn) error {
		var whole bool
		err := c.row(ctx, "SELECT whole FROM dead_letters WHERE id = $1 {{lock}}", id).Scan(&whole)
		if err != nil {
			return noDeadLetter(id, err)
		}
		if !whole {
			return fault.New(fault.Conflict, "Dead letter %d cannot go back to its queue: it was too large to be kept whole.", id)
		}
		_, err = c.exec(ctx, "UPDATE dead_letters SET requeue_at = $2 WHERE id = $1 AND requeue_at IS NULL", id, at(s.Now()))
		return err
	})
}

// DeadLettersToSend returns the oldest of those that are to be sent again, and keeps them from other callers for 30 s.
func (s *Store) DeadLettersToSend(ctx context.Context, limit int) (due []ci.DeadLetter, err error) {
	any := false
	err = s.read(ctx, "look for dead letters to send", func(ctx context.Context, c conn) error {
		return c.row(ctx, "SELECT EXISTS (SELECT 1 FROM dead_letters WHERE requeue_at <= $1)", at(s.Now())).Scan(&any)
	})
	if err != nil || !any {
		return nil, err
	}
	err = s.write(ctx, "take dead letters to send", func(ctx context.Context, c conn) error {
		now := s.Now()
		taken, err := list(ctx, c, scanID, "SELECT id FROM dead_letters WHERE requeue_at <= $1 ORDER BY id LIMIT $2 {{skip locked}}", at(now), limit)
		if due = nil; err != nil || len(taken) == 0 {
			return err
		}
		due, err = list(ctx, c, scanDeadLetter, "UPDATE dead_letters SET requeue_at = $2 WHERE id {{ints $1}} RETURNING "+deadColumns,
			ids(taken), at(now.Add(requeueLease)))
		slices.SortFunc(due, func(a, b ci.DeadLetter) int { return cmp.Compare(a.ID, b.ID) })
		return err
	})
	return due, err
}

// DeadLetterSent removes one that was sent again. It stays when it has come back meanwhile.
func (s *Store) DeadLetterSent(ctx context.Context, id int64) error {
	return s.write(ctx, fmt.Sprintf("note dead letter %d as sent", id), func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, "DELETE FROM dead_letters WHERE id = $1 AND requeue_at IS NOT NULL", id)
		return err
	})
}

func scanDeadLetter(row scanner) (d ci.DeadLetter, err error) {
	var headers []byte
	err = row.Scan(&d.ID, &d.Queue, &d.Type, &d.ContentType, &headers, &d.Body, &d.Size, &d.Whole, &d.Reason, &d.Tries,
		into(&d.FirstAt), into(&d.LastAt), &d.Requeued)
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(headers, &d.Headers); err != nil {
		return d, fmt.Errorf("read the headers of dead letter %d: %w", d.ID, err)
	}
	if len(d.Headers) == 0 {
		d.Headers = nil
	}
	return d, nil
}

func noDeadLetter(id int64, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, "There is no dead letter %d.", id)
	}
	return err
}
