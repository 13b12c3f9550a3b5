package store

import (
	"context"
	"strconv"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
)

func keyPlace(repoID int64) seal.Place {
	return seal.Place{Table: "repository_keys", Row: strconv.FormatInt(repoID, 10), Column: "private_sealed"}
}

var errNoKey = fault.New(fault.NotFound, "The repository has no key pair yet.")

// RepositoryKey returns the public key of a repository; the pair is made when it is first asked for.
func (s *Store) RepositoryKey(ctx context.Context, repoID int64) (k ci.RepositoryKey, err error) {
	err = s.read(ctx, "find the key of a repository", func(ctx context.Context, c conn) error {
		k, err = findKey(ctx, c, repoID)
		return err
	})
	if !fault.Is(err, fault.NotFound) {
		return k, err
	}
	pair, err := seal.NewPair() // takes a moment: not within a transaction
	if err != nil {
		return k, err
	}
	return s.saveKey(ctx, repoID, pair, "DO NOTHING")
}

// ReplaceRepositoryKey takes over a private key in PEM, such as the one that another installation had. What was encrypted
// for the key before can be read no more.
func (s *Store) ReplaceRepositoryKey(ctx context.Context, repoID int64, private []byte) (k ci.RepositoryKey, err error) {
	pair, err := seal.ParsePair(private)
	if err != nil {
		return k, err
	}
	return s.saveKey(ctx, repoID, pair, `DO UPDATE SET public_pem = excluded.public_pem, fingerprint = excluded.fingerprint,
		private_sealed = excluded.private_sealed, created_at = excluded.created_at`)
}

func (s *Store) saveKey(ctx context.Context, repoID int64, pair *seal.Pair, conflict string) (k ci.RepositoryKey, err error) {
	sealed, err := s.config.Keys.Seal(pair.Private(), keyPlace(repoID))
	if err != nil {
		return k, err
	}
	err = s.write(ctx, "keep the key of a repository", func(ctx context.Context, c conn) error {
		if err := lockRepository(ctx, c, repoID); err != nil {
			return err
		}
		_, err := c.exec(ctx, `INSERT INTO repository_keys (repository_id, public_pem, fingerprint, private_sealed, created_at)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT (repository_id) `+conflict, repoID, pair.Public(), pair.Fingerprint(), sealed, at(s.Now()))
		if err != nil {
			return err
		}
		k, err = findKey(ctx, c, repoID)
		return err
	})
	return k, err
}

func findKey(ctx context.Context, c conn, repoID int64) (k ci.RepositoryKey, err error) {
	k.RepositoryID = repoID
	err = c.row(ctx, "SELECT public_pem, fingerprint, created_at FROM repository_keys WHERE repository_id = $1", repoID).
		Scan(&k.Public, &k.Fingerprint, into(&k.CreatedAt))
	return k, found(err, errNoKey)
}

// pair opens the key pair of a repository; nil where it has none.
func (s *Store) pair(ctx context.Context, c conn, repoID int64) (*seal.Pair, error) {
	var sealed string
	err := found(c.row(ctx, "SELECT private_sealed FROM repository_keys WHERE repository_id = $1", repoID).Scan(&sealed), errNoKey)
	if fault.Is(err, fault.NotFound) {
		return nil, nil //nolint:nilnil // no pair is an answer
	}
	if err != nil {
		return nil, err
	}
	private, err := s.config.Keys.Open(sealed, keyPlace(repoID))
	if err != nil {
		return nil, err
	}
	return seal.ParsePair(private)
}

// opened are the encrypted values of a configuration that the key of the repository opens; the job's log names the others.
func (s *Store) opened(ctx context.Context, c conn, repoID int64, config ci.Config) ([]ci.EnvVar, error) {
	values := ci.SecureValues(config)
	if len(values) == 0 {
		return nil, nil
	}
	pair, err := s.pair(ctx, c, repoID)
	if err != nil || pair == nil {
		return nil, err
	}
	var all []ci.EnvVar
	for _, v := range values {
		if plain, err := pair.Decrypt(v); err == nil {
			all = append(all, ci.EnvVar{RepositoryID: repoID, Secure: v, Value: plain})
		}
	}
	return all, nil
}

// Reencrypt gives values that were encrypted for one repository as values that are encrypted for another; those that the
// first one's key does not open are left out.
func (s *Store) Reencrypt(ctx context.Context, from, to int64, values []string) (map[string]string, error) {
	key, err := s.RepositoryKey(ctx, to)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	err = s.read(ctx, "encrypt values for another repository", func(ctx context.Context, c conn) error {
		pair, err := s.pair(ctx, c, from)
		if err != nil || pair == nil {
			return err
		}
		for _, v := range values {
			plain, err := pair.Decrypt(v)
			if err != nil {
				continue
			}
			if out[v], err = seal.Encrypt(key.Public, plain); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}
