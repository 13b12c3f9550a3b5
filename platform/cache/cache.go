// Package cache owns what jobs keep for those after them: the bytes, on the disk of the node or in a bucket, the signed
// addresses at which jobs get and put them, and how much is kept for how long. Which caches there are is in the store.
//
// Nothing here may make a build fail, and no half cache may ever be given: bytes are taken whole, with their checksum, before
// they become a cache. The package must not know how scripts use the addresses.
package cache

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
)

// Blobs keeps bytes under names, which are paths with slashes of letters, digits, dots, dashes and underscores.
type Blobs interface {
	// Place names where the bytes are. Two that have the same bytes have the same place.
	Place() string
	// Put takes the bytes of a file, all of them or nothing. The file may be moved away.
	Put(ctx context.Context, name string, f File) error
	// Open gives the bytes from an offset on. [fault.NotFound] where there are none of the name.
	Open(ctx context.Context, name string, from int64) (io.ReadCloser, error)
	// Delete removes bytes. That there are none of the name is no error.
	Delete(ctx context.Context, name string) error
}

// File is what was taken of an upload.
type File struct {
	Path   string
	Size   int64
	SHA256 string // in hexadecimal
}

// Store is what the package needs of the database.
type Store interface {
	CacheJob(ctx context.Context, jobID int64) (ci.CacheJob, error)
	FindCache(ctx context.Context, repoID int64, name string, branches []string) (ci.Cache, error)
	UseCache(ctx context.Context, id int64) error
	ReserveBlob(ctx context.Context, place, blob string, until time.Time) error
	PutCache(ctx context.Context, x ci.Cache) error
	ForgetBlob(ctx context.Context, blob string) error
	CacheTrash(ctx context.Context, place string) ([]string, error)
	TrimCaches(ctx context.Context, place string, l ci.CacheLimits) (int, error)
}

// Config configures a [Cache].
type Config struct {
	// Dir is a folder for uploads that are not whole yet. It is emptied at the start.
	Dir string
	// Keys sign the addresses. Nil: jobs have no caches.
	Keys *seal.Keys
	// Address is how jobs reach this node, and Pin the key of its certificate where it made that itself, as curl has it.
	Address func() string
	Pin     string
	// For is how long an address is good: as long as a job may run, and more.
	For time.Duration
	// Most bounds a cache. Default 2 GiB.
	Most int64
	// Limits bound all caches of the place. Default of Total: 20 GiB.
	Limits ci.CacheLimits
	// Warn says that there are other nodes, which do not have what this one has.
	Warn bool
	// Every is how often bytes are looked for that can go. Default 1 min; limits are looked at each 60th time.
	Every time.Duration
	// Log takes what an operator should know. Default: nothing is logged.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Most <= 0 {
		c.Most = 2 << 30
	}
	if c.Limits.Total <= 0 {
		c.Limits.Total = 20 << 30
	}
	c.Most = min(c.Most, c.Limits.Total)
	if c.For <= 0 {
		c.For = 2 * time.Hour
	}
	if c.Every <= 0 {
		c.Every = time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Cache gives jobs their caches. It is safe for concurrent use.
type Cache struct {
	store  Store
	blobs  Blobs
	config Config
	log    *slog.Logger
	counts counts
}

// New returns a Cache whose bytes are in blobs. Nothing is removed before [Cache.Run].
func New(store Store, blobs Blobs, c Config) (*Cache, error) {
	c = c.withDefaults()
	if err := os.RemoveAll(c.Dir); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The folder %s of uploads that were broken off cannot be emptied.", c.Dir)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The folder %s for caches cannot be made.", c.Dir)
	}
	return &Cache{store: store, blobs: blobs, config: c, log: c.Log.With("component", "caches"), counts: newCounts()}, nil
}

// Collectors are what /metrics gives about caches.
func (c *Cache) Collectors() []prometheus.Collector {
	return []prometheus.Collector{c.counts.fetched, c.counts.stored}
}

// Run removes what nobody needs until ctx ends; it returns nil then. What fails is logged and tried again.
func (c *Cache) Run(ctx context.Context) error {
	const limitsEach = 60
	looks := 0
	err := run.Every(ctx, c.config.Every, nil, func(ctx context.Context) (bool, error) {
		if looks++; looks%limitsEach == 1 {
			c.try(ctx, "old caches could not be removed", c.trim)
			c.warn(ctx)
		}
		c.try(ctx, "the bytes of removed caches could not be removed", c.sweep)
		return false, nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (c *Cache) trim(ctx context.Context) error {
	removed, err := c.store.TrimCaches(ctx, c.blobs.Place(), c.config.Limits)
	if removed > 0 {
		c.log.InfoContext(ctx, "caches were removed: too many bytes, or not used for too long", "caches", removed)
	}
	return err
}

// sweep removes the bytes that no cache has.
func (c *Cache) sweep(ctx context.Context) error {
	for {
		trash, err := c.store.CacheTrash(ctx, c.blobs.Place())
		if err != nil || len(trash) == 0 {
			return err
		}
		for _, blob := range trash {
			if err := c.remove(ctx, blob); err != nil {
				return err
			}
		}
	}
}

// remove removes bytes and then the note of them.
func (c *Cache) remove(ctx context.Context, blob string) error {
	if err := c.blobs.Delete(ctx, blob); err != nil {
		return err
	}
	return c.store.ForgetBlob(ctx, blob)
}

func (c *Cache) warn(ctx context.Context) {
	if !c.config.Warn {
		return
	}
	found, asked := c.counts.rate()
	c.log.WarnContext(ctx, "caches are on the disk of each node: while a node is away, jobs do without what it has; set caches.s3.url to share them", "found", found, "asked", asked)
}

func (c *Cache) try(ctx context.Context, trouble string, f func(context.Context) error) {
	if err := run.Guard(func() error { return f(ctx) }); err != nil && ctx.Err() == nil {
		c.log.WarnContext(ctx, trouble, "err", err) //nolint:sloglint // the callers' messages are constants
	}
}

// Disk keeps bytes in files below a folder.
type Disk struct{ dir, place string }

// OpenDisk returns the bytes below a folder; node names whose disk it is. Uploads should be on the same disk.
func OpenDisk(dir, node string) (*Disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The folder %s for caches cannot be made.", dir)
	}
	return &Disk{dir: dir, place: node}, nil
}

// Place is the node.
func (d *Disk) Place() string { return d.place }

func (d *Disk) path(name string) (string, error) {
	if !filepath.IsLocal(name) {
		return "", fault.New(fault.Internal, "%q is no name of a cache.", name)
	}
	return filepath.Join(d.dir, filepath.FromSlash(name)), nil
}

// Put moves the file to its name. The folder of a name may be removed at the same time as the last file in it goes: then it is
// made again.
func (d *Disk) Put(_ context.Context, name string, f File) error {
	to, err := d.path(name)
	if err != nil {
		return err
	}
	const tries = 5
	for range tries {
		if err = os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if err = os.Rename(f.Path, to); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return err
}

// Open opens the file.
func (d *Disk) Open(_ context.Context, name string, from int64) (io.ReadCloser, error) {
	path, err := d.path(name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path) //nolint:gosec // below the folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoBytes
	}
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

var errNoBytes = fault.New(fault.NotFound, "The bytes of this cache are gone.")

// Delete removes the file, and the folders above it that are empty then.
func (d *Disk) Delete(_ context.Context, name string) error {
	path, err := d.path(name)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for dir := filepath.Dir(path); dir != d.dir && os.Remove(dir) == nil; dir = filepath.Dir(dir) {
	}
	return nil
}
