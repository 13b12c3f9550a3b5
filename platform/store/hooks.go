package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
)

// mostHookSecrets of a repository are valid at a time: the one that its forge has, and the next one.
const mostHookSecrets = 2

// hookSecret is a row.
type hookSecret struct {
	ci.HookSecret
	repository, number int64
	sealed             string
}

func (v hookSecret) place() seal.Place {
	return seal.Place{Table: "hook_secrets", Row: v.ID, Column: "secret_sealed"}
}

const hookSecretColumns = "h.id, h.repository_id, h.number, h.created_at, h.secret_sealed"

func scanHookSecret(row scanner) (v hookSecret, err error) {
	err = row.Scan(&v.ID, &v.repository, &v.number, into(&v.CreatedAt), &v.sealed)
	return v, err
}

func (s *Store) openHookSecret(v *hookSecret) error {
	plain, err := s.config.Keys.Open(v.sealed, v.place())
	v.Secret = string(plain)
	return err
}

// HookSecrets returns the secrets that hooks of a repository may be signed with, the newest first.
func (s *Store) HookSecrets(ctx context.Context, repoID int64) (all []ci.HookSecret, err error) {
	err = s.read(ctx, "list the secrets of hooks", func(ctx context.Context, c conn) error {
		all, err = s.hookSecrets(ctx, c, repoID)
		return err
	})
	return all, err
}

func (s *Store) hookSecrets(ctx context.Context, c conn, repoID int64) ([]ci.HookSecret, error) {
	rows, err := list(ctx, c, scanHookSecret, "SELECT "+hookSecretColumns+" FROM hook_secrets h WHERE h.repository_id = $1 ORDER BY h.number DESC", repoID)
	if err != nil {
		return nil, err
	}
	var all []ci.HookSecret
	for i := range rows {
		if err := s.openHookSecret(&rows[i]); err != nil {
			return nil, fmt.Errorf("open the secret of a hook: %w", err)
		}
		rows[i].Newest = i == 0
		all = append(all, rows[i].HookSecret)
	}
	return all, nil
}

// RotateHookSecret makes a new secret for the hooks of a repository. The one before stays valid until it is removed; what was
// older is gone. It returns the secrets that are valid now, the newest first.
func (s *Store) RotateHookSecret(ctx context.Context, repoID int64) (all []ci.HookSecret, err error) {
	err = s.write(ctx, "make a secret for hooks", func(ctx context.Context, c conn) error {
		if err := lockRepository(ctx, c, repoID); err != nil {
			return err
		}
		if err := s.addHookSecret(ctx, c, repoID); err != nil {
			return err
		}
		_, err := c.exec(ctx, `DELETE FROM hook_secrets WHERE repository_id = $1
			AND number <= (SELECT max(number) FROM hook_secrets WHERE repository_id = $1) - $2`, repoID, mostHookSecrets)
		if err != nil {
			return err
		}
		all, err = s.hookSecrets(ctx, c, repoID)
		return err
	})
	return all, err
}

// addHookSecret adds the next secret of a repository, whose row is held.
func (s *Store) addHookSecret(ctx context.Context, c conn, repoID int64) error {
	var raw [20]byte
	_, _ = rand.Read(raw[:]) // never fails, see crypto/rand
	v := hookSecret{HookSecret: ci.HookSecret{ID: newUUID()}}
	sealed, err := s.config.Keys.Seal([]byte(hex.EncodeToString(raw[:])), v.place())
	if err != nil {
		return err
	}
	_, err = c.exec(ctx, `INSERT INTO hook_secrets (id, repository_id, number, secret_sealed, created_at)
		SELECT $1, $2, COALESCE(max(number), 0) + 1, $3, $4 FROM hook_secrets WHERE repository_id = $2`, v.ID, repoID, sealed, at(s.Now()))
	if err != nil {
		return err
	}
	return countHookChange(ctx, c, repoID)
}

func countHookChange(ctx context.Context, c conn, repoID int64) error {
	_, err := c.exec(ctx, "UPDATE repositories SET hook_version = hook_version + 1 WHERE id = $1", repoID)
	return err
}

// RemoveHookSecret ends the validity of a secret that is not the newest. [fault.Conflict] where it is.
func (s *Store) RemoveHookSecret(ctx context.Context, repoID int64, id string) error {
	return s.write(ctx, "remove a secret of hooks", func(ctx context.Context, c conn) error {
		if err := lockRepository(ctx, c, repoID); err != nil {
			return err
		}
		rows, err := list(ctx, c, scanHookSecret, "SELECT "+hookSecretColumns+" FROM hook_secrets h WHERE h.repository_id = $1 ORDER BY h.number DESC", repoID)
		if err != nil {
			return err
		}
		for i, v := range rows {
			switch {
			case v.ID != id:
			case i == 0:
				return fault.New(fault.Conflict, "This is the newest secret. Make a new one first; then this one can be removed.").Named("newest_hook_secret")
			default:
				if _, err := c.exec(ctx, "DELETE FROM hook_secrets WHERE id = $1", v.ID); err != nil {
					return err
				}
				return countHookChange(ctx, c, repoID)
			}
		}
		return fault.New(fault.NotFound, "There is no such secret.")
	})
}

// HookSources returns every repository that has secrets for its hooks. One whose secrets cannot be opened with this node's
// keys comes without them.
func (s *Store) HookSources(ctx context.Context) (all []ci.HookSource, err error) {
	err = s.read(ctx, "list the repositories for hooks", func(ctx context.Context, c conn) error {
		all, err = list(ctx, c, scanHookSource, `SELECT r.id, r.slug, r.source_url, r.active, r.forge, r.forge_id, r.hook_version
			FROM repositories r WHERE r.hook_version > 0 ORDER BY r.id`)
		if err != nil {
			return err
		}
		secrets, err := list(ctx, c, scanHookSecret, "SELECT "+hookSecretColumns+" FROM hook_secrets h ORDER BY h.repository_id, h.number DESC")
		if err != nil {
			return err
		}
		index := make(map[int64]*ci.HookSource, len(all))
		for i := range all {
			index[all[i].RepositoryID] = &all[i]
		}
		for _, v := range secrets {
			source := index[v.repository]
			if source == nil {
				continue
			}
			if err := s.openHookSecret(&v); err != nil {
				s.log.WarnContext(ctx, "the hooks of a repository cannot be verified on this node", "repo", source.Slug, "err", err)
				continue
			}
			source.Secrets = append(source.Secrets, v.Secret)
		}
		return nil
	})
	return all, err
}

func scanHookSource(row scanner) (v ci.HookSource, err error) {
	err = row.Scan(&v.RepositoryID, &v.Slug, &v.SourceURL, &v.Active, &v.Forge, &v.ForgeID, &v.Version)
	return v, err
}

// TakeHooks stores requests that hooks asked for, all in one transaction: what it returns is on disk. A delivery that came
// before gives the request that it made then.
func (s *Store) TakeHooks(ctx context.Context, hooks []ci.HookRequest) (taken []ci.HookTaken, err error) {
	err = s.write(ctx, "store hooks", func(ctx context.Context, c conn) error {
		taken = make([]ci.HookTaken, len(hooks))
		for i, h := range hooks {
			if taken[i], err = s.takeHook(ctx, c, h); err != nil {
				return err
			}
		}
		return nil
	})
	return taken, err
}

func (s *Store) takeHook(ctx context.Context, c conn, h ci.HookRequest) (ci.HookTaken, error) {
	pull, _, _, err := encodePull(h.PullRequest)
	if err != nil {
		return ci.HookTaken{}, err
	}
	row := c.row(ctx, insertHook, append(requestArgs(h.NewRequest, text(h.Key), pull, s.Now()), h.Version)...)
	var known string
	t := ci.HookTaken{Created: true}
	switch err := found(row.Scan(&t.RequestID, &known), errNoRequest); {
	case err == nil:
	case fault.Is(err, fault.NotFound):
		return whyNotTaken(ctx, c, h)
	default:
		return t, err
	}
	if known == "" && h.ForgeID != "" {
		_, err = c.exec(ctx, "UPDATE repositories SET forge = $2, forge_id = $3 WHERE id = $1 AND forge_id = ''", h.RepositoryID, text(h.Forge), text(h.ForgeID))
	}
	return t, err
}

// whyNotTaken says what a hook that was not inserted met: its own request from before, or a repository that does not take it.
func whyNotTaken(ctx context.Context, c conn, h ci.HookRequest) (ci.HookTaken, error) {
	var t ci.HookTaken
	err := found(c.row(ctx, "SELECT id FROM requests WHERE repository_id = $1 AND idempotency_key = $2", h.RepositoryID, text(h.Key)).Scan(&t.RequestID), errNoRequest)
	if !fault.Is(err, fault.NotFound) {
		return t, err
	}
	r, err := findRepository(ctx, c, h.RepositoryID, 0)
	switch {
	case fault.Is(err, fault.NotFound):
		t.Err = errNoRepository
	case err != nil:
		return t, err
	case !r.Active:
		t.Err = fault.New(fault.Conflict, "Builds are turned off for %s.", r.Slug).Named("repository_inactive")
	default:
		t.Err = fault.New(fault.Conflict, "The secrets of the repository were changed.").Named("hook_version")
	}
	return t, nil
}

// insertHook inserts a request where the repository builds and its secrets are those by which the hook was verified.
const insertHook = insertRequestInto + ` FROM repositories r WHERE r.id = $1 AND r.active AND ($18 = 0 OR r.hook_version = $18)
	ON CONFLICT (repository_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
	RETURNING id, (SELECT forge_id FROM repositories WHERE id = $1)`

// mostHookNotes is how many deliveries without a request are kept of a repository, for each outcome.
const mostHookNotes = 30

// NoteHook notes a delivery that made no request. Of each repository and outcome the last few are kept.
func (s *Store) NoteHook(ctx context.Context, d ci.HookDelivery) error {
	return s.write(ctx, "note a hook", func(ctx context.Context, c conn) error {
		added, err := list(ctx, c, scanID, `INSERT INTO hook_deliveries (repository_id, forge, event, delivery, outcome, reason, created_at)
			SELECT r.id, $2, $3, $4, $5, $6, $7 FROM repositories r WHERE r.id = $1 RETURNING id`,
			d.RepositoryID, d.Forge, text(d.Event), text(d.Delivery), d.Outcome, text(d.Reason), at(s.Now()))
		if err != nil || len(added) == 0 {
			return err
		}
		_, err = c.exec(ctx, `DELETE FROM hook_deliveries WHERE repository_id = $1 AND outcome = $2 AND id <=
			(SELECT id FROM hook_deliveries WHERE repository_id = $1 AND outcome = $2 ORDER BY id DESC LIMIT 1 OFFSET $3)`,
			d.RepositoryID, d.Outcome, mostHookNotes)
		return err
	})
}

// HookDeliveries returns the last deliveries for a repository, the newest first: those that made a request, and what is kept
// of the others.
func (s *Store) HookDeliveries(ctx context.Context, repoID int64, most int) (all []ci.HookDelivery, err error) {
	err = s.read(ctx, "list the deliveries of hooks", func(ctx context.Context, c conn) error {
		requests, err := list(ctx, c, scanRequest, "SELECT "+requestColumns+requestTables+
			" WHERE q.repository_id = $1 AND q.forge <> '' ORDER BY q.id DESC LIMIT $2", repoID, most)
		if err != nil {
			return err
		}
		notes, err := list(ctx, c, scanHookNote, `SELECT repository_id, forge, event, delivery, outcome, reason, created_at
			FROM hook_deliveries WHERE repository_id = $1 ORDER BY id DESC LIMIT $2`, repoID, most)
		if err != nil {
			return err
		}
		all = mergeDeliveries(requests, notes, most)
		return nil
	})
	return all, err
}

func scanHookNote(row scanner) (d ci.HookDelivery, err error) {
	err = row.Scan(&d.RepositoryID, &d.Forge, &d.Event, &d.Delivery, &d.Outcome, &d.Reason, into(&d.At))
	return d, err
}

// mergeDeliveries puts two lists, each with its newest first, into one.
func mergeDeliveries(requests []ci.Request, notes []ci.HookDelivery, most int) []ci.HookDelivery {
	var all []ci.HookDelivery
	for len(all) < most && len(requests)+len(notes) > 0 {
		if len(notes) > 0 && (len(requests) == 0 || notes[0].At.After(requests[0].Created)) {
			all, notes = append(all, notes[0]), notes[1:]
			continue
		}
		q := requests[0]
		requests = requests[1:]
		all = append(all, ci.HookDelivery{
			RepositoryID: q.RepositoryID, Forge: q.Hook.Forge, Event: string(q.Event), Delivery: q.Hook.Delivery, Outcome: ci.HookAccepted, At: q.Created, Request: &q,
		})
	}
	return all
}
