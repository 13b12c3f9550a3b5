package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

const userColumns = "u.id, u.login, u.name, u.email, u.admin, u.created_at"

func scanUser(row scanner, more ...any) (ci.User, error) {
	var u ci.User
	err := row.Scan(append([]any{&u.ID, &u.Login, &u.Name, &u.Email, &u.Admin, into(&u.CreatedAt)}, more...)...)
	return u, err
}

var errNoUser = fault.New(fault.NotFound, "There is no such user.")

// found turns "no rows" into what is missing.
func found(err error, missing *fault.Error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return missing
	}
	return err
}

// CreateUser adds a user. [fault.Conflict] when the login is taken, in whatever case.
func (s *Store) CreateUser(ctx context.Context, n ci.NewUser) (u ci.User, err error) {
	err = s.write(ctx, "create a user", func(ctx context.Context, c conn) error {
		login := text(strings.TrimSpace(n.Login))
		var id int64
		err := c.row(ctx, `INSERT INTO users (login, login_key, name, email, admin, password_hash, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (login_key) DO NOTHING RETURNING id`,
			login, strings.ToLower(login), text(n.Name), text(n.Email), n.Admin, n.PasswordHash, at(s.Now())).Scan(&id)
		if err := found(err, fault.New(fault.Conflict, "There is a user named %s already.", login)); err != nil {
			return err
		}
		u, err = findUser(ctx, c, id)
		return err
	})
	return u, err
}

// CountUsers says how many users there are.
func (s *Store) CountUsers(ctx context.Context) (n int, err error) {
	err = s.read(ctx, "count the users", func(ctx context.Context, c conn) error {
		return c.row(ctx, "SELECT count(*) FROM users").Scan(&n)
	})
	return n, err
}

// User returns a user. [fault.NotFound] when there is none.
func (s *Store) User(ctx context.Context, id int64) (u ci.User, err error) {
	err = s.read(ctx, "find a user", func(ctx context.Context, c conn) error {
		u, err = findUser(ctx, c, id)
		return err
	})
	return u, err
}

func findUser(ctx context.Context, c conn, id int64) (ci.User, error) {
	u, err := scanUser(c.row(ctx, "SELECT "+userColumns+" FROM users u WHERE u.id = $1", id))
	return u, found(err, errNoUser)
}

// Users returns all users by login.
func (s *Store) Users(ctx context.Context) (all []ci.User, err error) {
	err = s.read(ctx, "list the users", func(ctx context.Context, c conn) error {
		all, err = list(ctx, c, func(row scanner) (ci.User, error) { return scanUser(row) },
			"SELECT "+userColumns+" FROM users u ORDER BY u.login_key")
		return err
	})
	return all, err
}

// UserByLogin returns a user and the hash of the password, empty where there is none. [fault.NotFound] when there is no such user.
func (s *Store) UserByLogin(ctx context.Context, login string) (u ci.User, passwordHash string, err error) {
	err = s.read(ctx, "find a user", func(ctx context.Context, c conn) error {
		u, err = scanUser(c.row(ctx, "SELECT "+userColumns+", u.password_hash FROM users u WHERE u.login_key = $1",
			strings.ToLower(text(strings.TrimSpace(login)))), &passwordHash)
		return found(err, errNoUser)
	})
	return u, passwordHash, err
}

// SetPassword stores the hash of a new password and begins a new epoch of sessions: all older ones are over.
func (s *Store) SetPassword(ctx context.Context, userID int64, hash string) error {
	return s.write(ctx, "set a password", func(ctx context.Context, c conn) error {
		changed, err := c.exec(ctx, "UPDATE users SET password_hash = $2, session_epoch = session_epoch + 1 WHERE id = $1", userID, hash)
		return missed(changed, err, errNoUser)
	})
}

// UserEpoch is the user's epoch of sessions: a session that began in another one is over.
func (s *Store) UserEpoch(ctx context.Context, id int64) (epoch int, err error) {
	err = s.read(ctx, "find a user", func(ctx context.Context, c conn) error {
		return found(c.row(ctx, "SELECT session_epoch FROM users WHERE id = $1", id).Scan(&epoch), errNoUser)
	})
	return epoch, err
}

// missed turns "no row was changed" into what is missing.
func missed(changed int64, err error, missing error) error {
	if err == nil && changed == 0 {
		return missing
	}
	return err
}
