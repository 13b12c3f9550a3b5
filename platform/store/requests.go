package store

import (
	"context"
	"fmt"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

const (
	requestColumns = `q.id, q.repository_id, q.event, q.branch, q.tag, q.sha, q.message, q.config, q.merge_mode, q.created_by,
	COALESCE(u.login, ''), q.state, q.result,
	CASE WHEN q.state = 'pending' THEN q.last_error ELSE q.reason END, q.tries, q.until, q.owner <> '', q.created_at, q.finished_at, q.messages,
	COALESCE(b.id, 0), q.forge, q.delivery, q.sender, q.before_sha, q.compare_url, q.pull_request`
	requestTables = " FROM requests q LEFT JOIN users u ON u.id = q.created_by LEFT JOIN builds b ON b.request_id = q.id"
)

func scanRequest(row scanner) (ci.Request, error) {
	var (
		q        ci.Request
		messages []byte
		pull     []byte
		build    int64
		leased   bool
	)
	err := row.Scan(&q.ID, &q.RepositoryID, &q.Event, &q.Branch, &q.Tag, &q.SHA, &q.Message, &q.Config, &q.MergeMode, &q.CreatedBy,
		&q.CreatedByLogin, &q.State, &q.Result, &q.Reason, &q.Tries, into(&q.NextTry), &leased, into(&q.Created), into(&q.Finished), &messages, &build,
		&q.Hook.Forge, &q.Hook.Delivery, &q.Hook.Sender, &q.Hook.Before, &q.Hook.CompareURL, &pull)
	if err != nil {
		return q, err
	}
	if build != 0 {
		q.BuildIDs = []int64{build}
	}
	if q.State != ci.RequestPending || leased {
		q.NextTry = time.Time{}
	}
	if q.PullRequest, err = decodePull(pull); err != nil {
		return q, err
	}
	q.Messages, err = decodeMessages(messages)
	return q, err
}

var errNoRequest = fault.New(fault.NotFound, "There is no such request.")

// CreateRequest stores a request. The same key in the same repository gives the request that is there, and created is false.
func (s *Store) CreateRequest(ctx context.Context, n ci.NewRequest) (q ci.Request, created bool, err error) {
	var key any
	if n.Key != "" {
		key = text(n.Key)
	}
	pull, _, _, err := encodePull(n.PullRequest)
	if err != nil {
		return q, false, err
	}
	err = s.write(ctx, "store a request", func(ctx context.Context, c conn) error {
		ids, err := insertRequest(ctx, c, n, key, pull, s.Now())
		if err != nil {
			return err
		}
		if created = len(ids) == 1; created {
			q, err = findRequest(ctx, c, n.RepositoryID, ids[0])
			return err
		}
		if _, err := findRepository(ctx, c, n.RepositoryID, 0); err != nil {
			return err
		}
		q, err = scanRequest(c.row(ctx, "SELECT "+requestColumns+requestTables+
			" WHERE q.repository_id = $1 AND q.idempotency_key = $2", n.RepositoryID, key))
		return found(err, errNoRequest)
	})
	return q, created, err
}

// insertRequest returns the id of the new request, or none where there is no such repository or the key was used.
func insertRequest(ctx context.Context, c conn, n ci.NewRequest, key, pull any, now time.Time) ([]int64, error) {
	return list(ctx, c, scanID, insertRequestInto+` FROM repositories r WHERE r.id = $1
		ON CONFLICT (repository_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING RETURNING id`, requestArgs(n, key, pull, now)...)
}

// insertRequestInto begins a statement that inserts a request for the repository r; its arguments are requestArgs.
const insertRequestInto = `INSERT INTO requests (repository_id, idempotency_key, event, branch, tag, sha, message, config,
		merge_mode, created_by, state, result, reason, messages, until, created_at,
		forge, delivery, sender, before_sha, compare_url, pull_request)
	SELECT r.id, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'pending', '', '', '[]', $11, $11, $12, $13, $14, $15, $16, $17`

func requestArgs(n ci.NewRequest, key, pull any, now time.Time) []any {
	return []any{
		n.RepositoryID, key, n.Event, text(n.Branch), text(n.Tag), text(n.SHA), text(n.Message), text(n.Config), n.MergeMode, n.CreatedBy, at(now),
		n.Hook.Forge, text(n.Hook.Delivery), text(n.Hook.Sender), text(n.Hook.Before), text(n.Hook.CompareURL), pull,
	}
}

func scanID(row scanner) (id int64, err error) {
	err = row.Scan(&id)
	return id, err
}

func findRequest(ctx context.Context, c conn, repoID, id int64) (ci.Request, error) {
	q, err := scanRequest(c.row(ctx, "SELECT "+requestColumns+requestTables+
		" WHERE q.id = $1 AND q.repository_id = $2", id, repoID))
	return q, found(err, errNoRequest)
}

// Request returns a request of a repository. [fault.NotFound] when it has no such request.
func (s *Store) Request(ctx context.Context, repoID, id int64) (q ci.Request, err error) {
	err = s.read(ctx, "find a request", func(ctx context.Context, c conn) error {
		q, err = findRequest(ctx, c, repoID, id)
		return err
	})
	return q, err
}

// Requests returns a page of requests, the newest first, and how many there are in all.
func (s *Store) Requests(ctx context.Context, f ci.RequestFilter) (page []ci.Request, total int, err error) {
	err = s.read(ctx, "list requests", func(ctx context.Context, c conn) error {
		w := requestConditions(f)
		if err := c.row(ctx, "SELECT count(*) FROM requests q"+w.String(), w.args...).Scan(&total); err != nil {
			return err
		}
		statement := "SELECT " + requestColumns + requestTables + w.String() + " ORDER BY q.id DESC" + w.page(f.Page)
		page, err = list(ctx, c, scanRequest, statement, w.args...)
		return err
	})
	return page, total, err
}

func requestConditions(f ci.RequestFilter) *where {
	w := &where{}
	if f.RepositoryID != 0 {
		w.and("q.repository_id = ?", f.RepositoryID)
	}
	if f.State != "" {
		w.and("q.state = ?", f.State)
	}
	if f.Result != "" {
		w.and("q.result = ?", f.Result)
	}
	if f.WithoutBuilds {
		w.and("NOT EXISTS (SELECT 1 FROM builds x WHERE x.request_id = q.id)")
	}
	return w
}

// ClaimRequest gives the oldest pending request that is due to the owner for the time of the lease, and counts the try. A
// request whose owner does not finish it comes again when its lease has run out. ok is false when nothing is due.
func (s *Store) ClaimRequest(ctx context.Context, owner string, lease time.Duration) (q ci.Request, ok bool, err error) {
	err = s.write(ctx, "claim a request", func(ctx context.Context, c conn) error {
		now := s.Now()
		claimed, err := list(ctx, c, scanRepoAndID, `UPDATE requests SET tries = tries + 1, owner = $2, until = $3
			WHERE id = (SELECT id FROM requests WHERE state = 'pending' AND until <= $1
				ORDER BY id LIMIT 1 {{skip locked}}) RETURNING repository_id, id`, at(now), text(owner), at(now.Add(lease)))
		if ok = len(claimed) == 1; err != nil || !ok {
			return err
		}
		q, err = findRequest(ctx, c, claimed[0][0], claimed[0][1])
		return err
	})
	return q, ok, err
}

// RenewRequest prolongs the lease of a request. [fault.Conflict] when the try is not the current one.
func (s *Store) RenewRequest(ctx context.Context, id int64, tries int, lease time.Duration) error {
	return s.write(ctx, fmt.Sprintf("renew the lease of request %d", id), func(ctx context.Context, c conn) error {
		changed, err := c.exec(ctx, "UPDATE requests SET until = $3 WHERE id = $1 AND tries = $2 AND state = 'pending' AND owner <> ''",
			id, tries, at(s.Now().Add(lease)))
		return missed(changed, err, errLostRequest)
	})
}

// ReleaseRequests ends the leases of an owner that was started again: what it worked on before can be claimed at once.
func (s *Store) ReleaseRequests(ctx context.Context, owner string) error {
	return s.write(ctx, "release requests", func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, "UPDATE requests SET until = $2, owner = '' WHERE state = 'pending' AND owner = $1", text(owner), at(s.Now()))
		return err
	})
}

func scanRepoAndID(row scanner) (v [2]int64, err error) {
	err = row.Scan(&v[0], &v[1])
	return v, err
}

// errLostRequest is the answer to an owner whose lease ran out.
var errLostRequest = fault.New(fault.Conflict, "This request is worked on elsewhere, or was finished.")

// PostponeRequest notes why a try did not succeed and when the next one is due. [fault.Conflict] when the try is not the
// current one.
func (s *Store) PostponeRequest(ctx context.Context, id int64, tries int, after time.Duration, reason string) error {
	return s.write(ctx, fmt.Sprintf("postpone request %d", id), func(ctx context.Context, c conn) error {
		changed, err := c.exec(ctx, `UPDATE requests SET last_error = $3, until = $4, owner = ''
			WHERE id = $1 AND tries = $2 AND state = 'pending'`, id, tries, text(reason), at(s.Now().Add(after)))
		return missed(changed, err, errLostRequest)
	})
}

// RejectRequest finishes a request without a build. [fault.Conflict] when the try is not the current one.
func (s *Store) RejectRequest(ctx context.Context, id int64, tries int, reason string, messages []ci.ConfigMessage) error {
	encoded, err := encodeMessages(messages)
	if err != nil {
		return err
	}
	return s.write(ctx, fmt.Sprintf("reject request %d", id), func(ctx context.Context, c conn) error {
		changed, err := c.exec(ctx, `UPDATE requests SET state = 'finished', result = 'rejected', reason = $3, messages = $4,
			finished_at = $5, owner = '' WHERE id = $1 AND tries = $2 AND state = 'pending'`, id, tries, text(reason), encoded, at(s.Now()))
		return missed(changed, err, errLostRequest)
	})
}
