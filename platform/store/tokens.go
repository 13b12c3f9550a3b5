package store

import (
	"context"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

const (
	tokenColumns = "t.id, t.user_id, t.name, t.created_at, t.used_at"
	// noteTokenEvery bounds how often the use of a token is noted.
	noteTokenEvery = time.Minute
)

var errNoToken = fault.New(fault.NotFound, "There is no such token.")

func tokenFields(t *ci.Token) []any {
	return []any{&t.ID, &t.UserID, &t.Name, into(&t.CreatedAt), into(&t.UsedAt)}
}

func scanToken(row scanner) (t ci.Token, err error) {
	err = row.Scan(tokenFields(&t)...)
	return t, err
}

// CreateToken adds an API token, of which only the hash is known here.
func (s *Store) CreateToken(ctx context.Context, userID int64, name string, hash []byte) (t ci.Token, err error) {
	err = s.write(ctx, "create a token", func(ctx context.Context, c conn) error {
		if _, err := findUser(ctx, c, userID); err != nil {
			return err
		}
		var id int64
		err := c.row(ctx, "INSERT INTO tokens (user_id, name, hash, created_at) VALUES ($1, $2, $3, $4) RETURNING id",
			userID, text(name), hash, at(s.Now())).Scan(&id)
		if err != nil {
			return err
		}
		t, err = scanToken(c.row(ctx, "SELECT "+tokenColumns+" FROM tokens t WHERE t.id = $1", id))
		return err
	})
	return t, err
}

// Tokens returns the tokens of a user, the oldest first.
func (s *Store) Tokens(ctx context.Context, userID int64) (all []ci.Token, err error) {
	err = s.read(ctx, "list the tokens", func(ctx context.Context, c conn) error {
		all, err = list(ctx, c, scanToken, "SELECT "+tokenColumns+" FROM tokens t WHERE t.user_id = $1 ORDER BY t.id", userID)
		return err
	})
	return all, err
}

// DeleteToken removes a token of the user's. [fault.NotFound] when the user has no such token.
func (s *Store) DeleteToken(ctx context.Context, userID, tokenID int64) error {
	return s.write(ctx, "delete a token", func(ctx context.Context, c conn) error {
		changed, err := c.exec(ctx, "DELETE FROM tokens WHERE id = $1 AND user_id = $2", tokenID, userID)
		return missed(changed, err, errNoToken)
	})
}

// UserByToken returns whose token has the hash, and notes the use at most once a minute. [fault.NotFound] when there is none.
func (s *Store) UserByToken(ctx context.Context, hash []byte) (u ci.User, t ci.Token, err error) {
	err = s.read(ctx, "find a token", func(ctx context.Context, c conn) error {
		u, err = scanUser(c.row(ctx, "SELECT "+userColumns+", "+tokenColumns+
			" FROM tokens t JOIN users u ON u.id = t.user_id WHERE t.hash = $1", hash), tokenFields(&t)...)
		return found(err, errNoToken)
	})
	now := s.Now()
	if err != nil || now.Sub(t.UsedAt) < noteTokenEvery {
		return u, t, err
	}
	err = s.write(ctx, "note the use of a token", func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, "UPDATE tokens SET used_at = $2 WHERE id = $1", t.ID, now)
		return err
	})
	t.UsedAt = now
	return u, t, err
}
