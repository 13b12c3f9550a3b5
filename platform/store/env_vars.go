package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"slices"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
)

const envVarColumns = "e.id, e.repository_id, e.name, e.public, e.branch_key, e.created_at, e.updated_at, e.value_sealed"

var errNoEnvVar = fault.New(fault.NotFound, "There is no such variable.")

// envVar is a row: the variable without its value, and the value as it is kept.
type envVar struct {
	ci.EnvVar
	sealed string
}

func scanEnvVar(row scanner) (v envVar, err error) {
	err = row.Scan(&v.ID, &v.RepositoryID, &v.Name, &v.Public, &v.Branch, into(&v.CreatedAt), into(&v.UpdatedAt), &v.sealed)
	return v, err
}

// place binds a sealed value to its row.
func (v envVar) place() seal.Place {
	return seal.Place{Table: "env_vars", Row: v.ID, Column: "value_sealed"}
}

// open opens the value of the variable where it is public, or secrets are wanted.
func (s *Store) open(v envVar, secrets bool) (ci.EnvVar, error) {
	if !v.Public && !secrets {
		return v.EnvVar, nil
	}
	plain, err := s.config.Keys.Open(v.sealed, v.place())
	if err != nil {
		return v.EnvVar, fmt.Errorf("open the variable %s: %w", v.Name, err)
	}
	v.Value = string(plain)
	return v.EnvVar, nil
}

// EnvVars returns the variables of a repository by name; secret ones without their values.
func (s *Store) EnvVars(ctx context.Context, repoID int64) (all []ci.EnvVar, err error) {
	err = s.read(ctx, "list the variables", func(ctx context.Context, c conn) error {
		rows, err := envVarsOf(ctx, c, repoID)
		if err != nil {
			return err
		}
		all, err = s.openAll(rows, false)
		return err
	})
	return all, err
}

func envVarsOf(ctx context.Context, c conn, repoID int64) ([]envVar, error) {
	return list(ctx, c, scanEnvVar, "SELECT "+envVarColumns+" FROM env_vars e WHERE e.repository_id = $1 ORDER BY e.name, e.branch_key", repoID)
}

func (s *Store) openAll(rows []envVar, secrets bool) ([]ci.EnvVar, error) {
	var all []ci.EnvVar
	for _, row := range rows {
		v, err := s.open(row, secrets)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// EnvVar returns a variable of a repository; a secret one without its value. [fault.NotFound] when there is none.
func (s *Store) EnvVar(ctx context.Context, repoID int64, id string) (v ci.EnvVar, err error) {
	err = s.read(ctx, "find a variable", func(ctx context.Context, c conn) error {
		row, err := findEnvVar(ctx, c, repoID, id)
		if err != nil {
			return err
		}
		v, err = s.open(row, false)
		return err
	})
	return v, err
}

func findEnvVar(ctx context.Context, c conn, repoID int64, id string) (envVar, error) {
	v, err := scanEnvVar(c.row(ctx, "SELECT "+envVarColumns+" FROM env_vars e WHERE e.repository_id = $1 AND e.id = $2", repoID, text(id)))
	return v, found(err, errNoEnvVar)
}

// CreateEnvVar adds a variable. [fault.Conflict] when the repository has one of that name for that branch.
func (s *Store) CreateEnvVar(ctx context.Context, n ci.NewEnvVar) (v ci.EnvVar, err error) {
	if err := n.Check(); err != nil {
		return v, err
	}
	made := envVar{EnvVar: ci.EnvVar{
		ID: newUUID(), RepositoryID: n.RepositoryID, Name: n.Name, Value: n.Value, Public: n.Public, Branch: n.Branch, CreatedAt: s.Now(), UpdatedAt: s.Now(),
	}}
	if made.sealed, err = s.config.Keys.Seal([]byte(n.Value), made.place()); err != nil {
		return v, err
	}
	err = s.write(ctx, "create a variable", func(ctx context.Context, c conn) error {
		if err := lockRepository(ctx, c, n.RepositoryID); err != nil {
			return err
		}
		var count int
		if err := c.row(ctx, "SELECT count(*) FROM env_vars WHERE repository_id = $1", n.RepositoryID).Scan(&count); err != nil {
			return err
		}
		if count >= ci.MaxEnvVars {
			return fault.New(fault.Invalid, "A repository has at most %d variables. Delete one that is not needed any more.", ci.MaxEnvVars)
		}
		changed, err := c.exec(ctx, `INSERT INTO env_vars (id, repository_id, name, value_sealed, public, branch, branch_key, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT DO NOTHING`,
			made.ID, made.RepositoryID, made.Name, made.sealed, made.Public, nullable(made.Branch), made.Branch, at(made.CreatedAt))
		return missed(changed, err, taken(n))
	})
	return shown(made.EnvVar), err
}

// UpdateEnvVar changes a variable. [fault.Conflict] when another one has that name for that branch.
func (s *Store) UpdateEnvVar(ctx context.Context, repoID int64, id string, change ci.EnvVarChange) (v ci.EnvVar, err error) {
	err = s.write(ctx, "change a variable", func(ctx context.Context, c conn) error {
		if err := lockRepository(ctx, c, repoID); err != nil {
			return err
		}
		row, err := findEnvVar(ctx, c, repoID, id)
		if err != nil {
			return err
		}
		if row.EnvVar, err = s.open(row, false); err != nil && change.Value == nil {
			return err
		}
		next, err := row.With(change)
		if err != nil {
			return err
		}
		if change.Value != nil {
			row.UpdatedAt = s.Now()
			if row.sealed, err = s.config.Keys.Seal([]byte(next.Value), row.place()); err != nil {
				return err
			}
		}
		row.Name, row.Value, row.Public, row.Branch = next.Name, next.Value, next.Public, next.Branch
		v = shown(row.EnvVar)
		return saveEnvVar(ctx, c, row, next)
	})
	return v, err
}

func saveEnvVar(ctx context.Context, c conn, row envVar, next ci.NewEnvVar) error {
	var others int
	err := c.row(ctx, "SELECT count(*) FROM env_vars WHERE repository_id = $1 AND name = $2 AND branch_key = $3 AND id <> $4",
		row.RepositoryID, row.Name, row.Branch, row.ID).Scan(&others)
	if err != nil {
		return err
	}
	if others > 0 {
		return taken(next)
	}
	_, err = c.exec(ctx, "UPDATE env_vars SET name = $2, value_sealed = $3, public = $4, branch = $5, branch_key = $6, updated_at = $7 WHERE id = $1",
		row.ID, row.Name, row.sealed, row.Public, nullable(row.Branch), row.Branch, at(row.UpdatedAt))
	return err
}

// DeleteEnvVar removes a variable. [fault.NotFound] when there is none.
func (s *Store) DeleteEnvVar(ctx context.Context, repoID int64, id string) error {
	return s.write(ctx, "delete a variable", func(ctx context.Context, c conn) error {
		changed, err := c.exec(ctx, "DELETE FROM env_vars WHERE repository_id = $1 AND id = $2", repoID, text(id))
		return missed(changed, err, errNoEnvVar)
	})
}

// Secrets returns the secret variables, with their values, that a job is given on its way to a worker, and what the encrypted
// values of its configuration stand for, and the SSH key of the repository; none where its build is not trusted.
func (s *Store) Secrets(ctx context.Context, jobID int64) (secrets []ci.EnvVar, err error) {
	err = s.read(ctx, "find the secrets of a job", func(ctx context.Context, c conn) error {
		var repoID int64
		var branch string
		var trusted bool
		var config ci.Config
		err := c.row(ctx, "SELECT b.repository_id, b.branch, b.trusted, j.config FROM jobs j JOIN builds b ON b.id = j.build_id WHERE j.id = $1", jobID).
			Scan(&repoID, &branch, &trusted, intoConfig(&config))
		if err := found(err, errNoJob); err != nil || !trusted {
			return err
		}
		rows, err := list(ctx, c, scanEnvVar, "SELECT "+envVarColumns+` FROM env_vars e
			WHERE e.repository_id = $1 AND e.branch_key IN ('', $2) ORDER BY e.name, e.branch_key`, repoID, branch)
		if err != nil {
			return err
		}
		all, err := s.openAll(rows, true)
		if err != nil {
			return err
		}
		secrets = slices.DeleteFunc(ci.OfBranch(all, branch, true), func(v ci.EnvVar) bool { return v.Public })
		more, err := s.opened(ctx, c, repoID, config)
		if err != nil {
			return err
		}
		key, err := s.sshKey(ctx, c, repoID)
		secrets = slices.Concat(secrets, more, key)
		return err
	})
	return secrets, err
}

// shown is the variable without what is secret.
func shown(v ci.EnvVar) ci.EnvVar {
	if !v.Public {
		v.Value = ""
	}
	return v
}

func taken(n ci.NewEnvVar) error {
	where := "all branches"
	if n.Branch != "" {
		where = "branch " + n.Branch
	}
	return fault.New(fault.Conflict, "There is a variable %s for %s already.", n.Name, where).Named("duplicate_resource")
}

// nullable is NULL for the empty text.
func nullable(s string) any { return sql.NullString{String: s, Valid: s != ""} }

// newUUID is a random one.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
