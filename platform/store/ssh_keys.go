package store

import (
	"context"
	"strconv"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
)

func sshKeyPlace(repoID int64) seal.Place {
	return seal.Place{Table: "repository_ssh_keys", Row: strconv.FormatInt(repoID, 10), Column: "private_sealed"}
}

var errNoSSHKey = fault.New(fault.NotFound, "The repository has no SSH key of its own.")

// SSHKey returns the public half of the key that jobs of a repository fetch with. [fault.NotFound] where it has none.
func (s *Store) SSHKey(ctx context.Context, repoID int64) (k ci.SSHKey, err error) {
	err = s.read(ctx, "find the SSH key of a repository", func(ctx context.Context, c conn) error {
		k, err = findSSHKey(ctx, c, repoID)
		return err
	})
	return k, err
}

// SaveSSHKey keeps the key that jobs of a repository fetch with, in place of the one before. An empty private key leaves that
// as it is; only the description changes.
func (s *Store) SaveSSHKey(ctx context.Context, repoID int64, description, private string) (k ci.SSHKey, err error) {
	if private == "" {
		return s.describeSSHKey(ctx, repoID, description)
	}
	parsed, private, err := ci.ParseSSHKey(private)
	if err != nil {
		return k, err
	}
	sealed, err := s.config.Keys.Seal([]byte(private), sshKeyPlace(repoID))
	if err != nil {
		return k, err
	}
	err = s.write(ctx, "keep the SSH key of a repository", func(ctx context.Context, c conn) error {
		if err := lockRepository(ctx, c, repoID); err != nil {
			return err
		}
		_, err := c.exec(ctx, `INSERT INTO repository_ssh_keys (repository_id, description, public_key, fingerprint, private_sealed, created_at)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (repository_id) DO UPDATE SET description = excluded.description,
			public_key = excluded.public_key, fingerprint = excluded.fingerprint, private_sealed = excluded.private_sealed, created_at = excluded.created_at`,
			repoID, text(description), parsed.Public, parsed.Fingerprint, sealed, at(s.Now()))
		if err != nil {
			return err
		}
		k, err = findSSHKey(ctx, c, repoID)
		return err
	})
	return k, err
}

func (s *Store) describeSSHKey(ctx context.Context, repoID int64, description string) (k ci.SSHKey, err error) {
	err = s.write(ctx, "describe the SSH key of a repository", func(ctx context.Context, c conn) error {
		changed, err := c.exec(ctx, "UPDATE repository_ssh_keys SET description = $2 WHERE repository_id = $1", repoID, text(description))
		if err := missed(changed, err, errNoSSHKey); err != nil {
			return err
		}
		k, err = findSSHKey(ctx, c, repoID)
		return err
	})
	return k, err
}

// DeleteSSHKey forgets the key. [fault.NotFound] where there is none.
func (s *Store) DeleteSSHKey(ctx context.Context, repoID int64) error {
	return s.write(ctx, "delete the SSH key of a repository", func(ctx context.Context, c conn) error {
		changed, err := c.exec(ctx, "DELETE FROM repository_ssh_keys WHERE repository_id = $1", repoID)
		return missed(changed, err, errNoSSHKey)
	})
}

func findSSHKey(ctx context.Context, c conn, repoID int64) (k ci.SSHKey, err error) {
	k.RepositoryID = repoID
	err = c.row(ctx, "SELECT description, public_key, fingerprint, created_at FROM repository_ssh_keys WHERE repository_id = $1", repoID).
		Scan(&k.Description, &k.Public, &k.Fingerprint, into(&k.CreatedAt))
	return k, found(err, errNoSSHKey)
}

// sshKey is the private key among the secrets of a job; none where the repository has none.
func (s *Store) sshKey(ctx context.Context, c conn, repoID int64) ([]ci.EnvVar, error) {
	var sealed string
	err := found(c.row(ctx, "SELECT private_sealed FROM repository_ssh_keys WHERE repository_id = $1", repoID).Scan(&sealed), errNoSSHKey)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	private, err := s.config.Keys.Open(sealed, sshKeyPlace(repoID))
	if err != nil {
		return nil, err
	}
	return []ci.EnvVar{{RepositoryID: repoID, SSHKey: true, Value: string(private)}}, nil
}
