package webtest

import (
	"context"
	"slices"

	"github.com/headrace/headrace/platform/ci"
)

// Caches are those of the repository.
func (d *Demo) Caches(_ context.Context, f ci.CacheFilter) ([]ci.Cache, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []ci.Cache
	for _, x := range d.caches {
		if x.RepositoryID == f.RepositoryID && (f.ID == 0 || x.ID == f.ID) {
			all = append(all, x)
		}
	}
	return all, d.Fail
}

// DeleteCaches removes those of the filter.
func (d *Demo) DeleteCaches(ctx context.Context, f ci.CacheFilter) ([]ci.Cache, error) {
	gone, err := d.Caches(ctx, f)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.caches = slices.DeleteFunc(d.caches, func(x ci.Cache) bool { return slices.Contains(gone, x) })
	return gone, err
}
