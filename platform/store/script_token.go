package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
)

// ScriptToken returns what workers that do not claim must show when they ask for the script of a job. It is made when it is
// first asked for, and the same on every node.
func (s *Store) ScriptToken(ctx context.Context) (token string, err error) {
	const find = "SELECT token FROM script_token WHERE id = 1"
	err = s.read(ctx, "find the script token", func(ctx context.Context, c conn) error {
		err := c.row(ctx, find).Scan(&token)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil || token != "" {
		return token, err
	}
	made := rand.Text()
	err = s.write(ctx, "make the script token", func(ctx context.Context, c conn) error {
		if _, err := c.exec(ctx, "INSERT INTO script_token (id, token) VALUES (1, $1) ON CONFLICT DO NOTHING", made); err != nil {
			return err
		}
		return c.row(ctx, find).Scan(&token)
	})
	return token, err
}
