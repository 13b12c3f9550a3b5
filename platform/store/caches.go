package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

const cacheColumns = "x.id, x.repository_id, x.branch, x.name, x.place, x.address, x.pin, x.blob, x.size, x.sha256, x.stored_at, x.used_at"

// mostCaches bounds how many are listed, and how many are removed at a time.
const mostCaches = 1000

var errNoCache = fault.New(fault.NotFound, "There is no such cache.")

func scanCache(row scanner) (x ci.Cache, err error) {
	err = row.Scan(&x.ID, &x.RepositoryID, &x.Branch, &x.Name, &x.Place, &x.Address, &x.Pin, &x.Blob, &x.Size, &x.SHA256, into(&x.Stored), into(&x.Used))
	return x, err
}

// Caches returns caches of a repository, by branch and name.
func (s *Store) Caches(ctx context.Context, f ci.CacheFilter) (all []ci.Cache, err error) {
	err = s.read(ctx, "list caches", func(ctx context.Context, c conn) error {
		all, err = listCaches(ctx, c, f)
		return err
	})
	return all, err
}

func listCaches(ctx context.Context, c conn, f ci.CacheFilter) ([]ci.Cache, error) {
	w := &where{}
	w.and("x.repository_id = ?", f.RepositoryID)
	if f.Branch != "" {
		w.and("x.branch = ?", text(f.Branch))
	}
	if f.ID != 0 {
		w.and("x.id = ?", f.ID)
	}
	if f.Match != "" {
		w.and(`lower(x.name) LIKE ? ESCAPE '\'`, "%"+likeText.Replace(strings.ToLower(text(f.Match)))+"%")
	}
	return list(ctx, c, scanCache, "SELECT "+cacheColumns+" FROM caches x"+w.String()+fmt.Sprintf(" ORDER BY x.branch, x.name LIMIT %d", mostCaches), w.args...)
}

// FindCache returns the cache of the name of the first of the branches that has one. [fault.NotFound] when there is none.
func (s *Store) FindCache(ctx context.Context, repoID int64, name string, branches []string) (x ci.Cache, err error) {
	err = s.read(ctx, "find a cache", func(ctx context.Context, c conn) error {
		for _, b := range branches {
			x, err = scanCache(c.row(ctx, "SELECT "+cacheColumns+" FROM caches x WHERE x.repository_id = $1 AND x.branch = $2 AND x.name = $3", repoID, text(b), text(name)))
			if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		return errNoCache
	})
	return x, err
}

// UseCache notes that a cache was used now: what was not used for longest is removed first.
func (s *Store) UseCache(ctx context.Context, id int64) error {
	return s.write(ctx, "use a cache", func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, "UPDATE caches SET used_at = $2 WHERE id = $1", id, at(s.Now()))
		return err
	})
}

// ReserveBlob notes bytes before they are written: unless a cache has them by the time, they are removed.
func (s *Store) ReserveBlob(ctx context.Context, place, blob string, until time.Time) error {
	return s.write(ctx, "reserve a cache", func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, "INSERT INTO cache_trash (blob, place, due_at) VALUES ($1, $2, $3)", blob, place, at(until))
		return err
	})
}

// PutCache puts a cache, whose bytes were reserved and are written, in the place of the one of its branch and name.
// [fault.NotFound] when its repository is gone or its bytes were removed meanwhile.
func (s *Store) PutCache(ctx context.Context, x ci.Cache) error {
	return s.write(ctx, "store a cache", func(ctx context.Context, c conn) error {
		if err := lockRepository(ctx, c, x.RepositoryID); err != nil {
			return err
		}
		reserved, err := c.exec(ctx, "DELETE FROM cache_trash WHERE blob = $1 AND place = $2", x.Blob, x.Place)
		if err := missed(reserved, err, errNoCache); err != nil {
			return err
		}
		if _, err := s.dropCaches(ctx, c, "x.repository_id = $1 AND x.branch = $2 AND x.name = $3", x.RepositoryID, text(x.Branch), text(x.Name)); err != nil {
			return err
		}
		_, err = c.exec(ctx, `INSERT INTO caches (repository_id, branch, name, place, address, pin, blob, size, sha256, stored_at, used_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)`,
			x.RepositoryID, text(x.Branch), text(x.Name), x.Place, x.Address, x.Pin, x.Blob, x.Size, x.SHA256, at(s.Now()))
		return err
	})
}

// DeleteCaches removes caches of a repository and returns them. Their bytes follow.
func (s *Store) DeleteCaches(ctx context.Context, f ci.CacheFilter) (gone []ci.Cache, err error) {
	err = s.write(ctx, "delete caches", func(ctx context.Context, c conn) error {
		if gone, err = listCaches(ctx, c, f); err != nil {
			return err
		}
		for _, x := range gone {
			if _, err := s.dropCaches(ctx, c, "x.id = $1", x.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return gone, err
}

// dropCaches removes the caches of a condition; their bytes are trash from now on.
func (s *Store) dropCaches(ctx context.Context, c conn, condition string, args ...any) (int, error) {
	gone, err := list(ctx, c, scanCache, "SELECT "+cacheColumns+" FROM caches x WHERE "+condition, args...)
	if err != nil {
		return 0, err
	}
	for _, x := range gone {
		if n, err := c.exec(ctx, "DELETE FROM caches WHERE id = $1", x.ID); err != nil || n == 0 {
			return 0, err // n = 0: another node does the same
		}
		if _, err := c.exec(ctx, "INSERT INTO cache_trash (blob, place, due_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", x.Blob, x.Place, at(s.Now())); err != nil {
			return 0, err
		}
	}
	return len(gone), nil
}

// TrimCaches removes caches of a place until it keeps the limits, those of deleted repositories, and returns how many.
func (s *Store) TrimCaches(ctx context.Context, place string, l ci.CacheLimits) (removed int, err error) {
	err = s.write(ctx, "trim the caches", func(ctx context.Context, c conn) error {
		removed, err = s.dropCaches(ctx, c, "x.place = $1 AND NOT EXISTS (SELECT 1 FROM repositories r WHERE r.id = x.repository_id)", place)
		if err != nil {
			return err
		}
		if l.Unused > 0 {
			n, err := s.dropCaches(ctx, c, "x.place = $1 AND x.used_at < $2", place, at(s.Now().Add(-l.Unused)))
			if err != nil {
				return err
			}
			removed += n
		}
		// Those that, with all used after them, are more than fits.
		n, err := s.dropCaches(ctx, c, `x.place = $1 AND x.id IN (SELECT id FROM (SELECT id, SUM(size) OVER (ORDER BY used_at DESC, id DESC) AS kept
			FROM caches WHERE place = $1) k WHERE k.kept > $2)`, place, l.Total)
		removed += n
		return err
	})
	return removed, err
}

// CacheTrash returns the names of bytes in a place that are to be removed.
func (s *Store) CacheTrash(ctx context.Context, place string) (blobs []string, err error) {
	err = s.read(ctx, "list the bytes of removed caches", func(ctx context.Context, c conn) error {
		blobs, err = list(ctx, c, func(row scanner) (b string, err error) { err = row.Scan(&b); return b, err },
			"SELECT blob FROM cache_trash WHERE place = $1 AND due_at <= $2 ORDER BY due_at, blob LIMIT $3", place, at(s.Now()), mostCaches)
		return err
	})
	return blobs, err
}

// ForgetBlob notes that bytes are removed.
func (s *Store) ForgetBlob(ctx context.Context, blob string) error {
	return s.write(ctx, "forget the bytes of a cache", func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, "DELETE FROM cache_trash WHERE blob = $1", blob)
		return err
	})
}

// CacheJob returns what decides which caches a job may have.
func (s *Store) CacheJob(ctx context.Context, jobID int64) (j ci.CacheJob, err error) {
	err = s.read(ctx, "find what a job may cache", func(ctx context.Context, c conn) error {
		var event ci.Event
		err := c.row(ctx, `SELECT b.repository_id, b.branch, r.default_branch, b.event, b.pull_number, b.trusted, j.config FROM jobs j
			JOIN builds b ON b.id = j.build_id JOIN repositories r ON r.id = b.repository_id WHERE j.id = $1`, jobID).
			Scan(&j.RepositoryID, &j.Branch, &j.DefaultBranch, &event, &j.PullRequest, &j.Trusted, intoConfig(&j.Config))
		if event != ci.EventPullRequest {
			j.PullRequest = 0
		}
		return found(err, errNoJob)
	})
	return j, err
}
