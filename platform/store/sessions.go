package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// FindCtx returns the data of a session that has not ended. The names of this method, [Store.CommitCtx] and
// [Store.DeleteCtx] are those that the session manager of package auth knows.
func (s *Store) FindCtx(ctx context.Context, token string) (data []byte, exists bool, err error) {
	err = s.read(ctx, "find a session", func(ctx context.Context, c conn) error {
		err := c.row(ctx, "SELECT data FROM sessions WHERE token = $1 AND expires_at > $2", token, s.Now()).Scan(&data)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		exists = err == nil
		return err
	})
	return data, exists, err
}

// CommitCtx stores a session over the one with the same token.
func (s *Store) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	return s.write(ctx, "store a session", func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, `INSERT INTO sessions (token, data, expires_at) VALUES ($1, $2, $3)
			ON CONFLICT (token) DO UPDATE SET data = excluded.data, expires_at = excluded.expires_at`,
			token, data, at(expiry.Truncate(time.Microsecond)))
		return err
	})
}

// DeleteCtx removes a session, if it is there.
func (s *Store) DeleteCtx(ctx context.Context, token string) error {
	return s.write(ctx, "end a session", func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, "DELETE FROM sessions WHERE token = $1", token)
		return err
	})
}

// SweepSessions removes the sessions that have ended.
func (s *Store) SweepSessions(ctx context.Context) error {
	return s.write(ctx, "remove old sessions", func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, "DELETE FROM sessions WHERE expires_at <= $1", s.Now())
		return err
	})
}
