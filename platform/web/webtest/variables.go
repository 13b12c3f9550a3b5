package webtest

import (
	"context"
	"fmt"
	"slices"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// EnvVars are those of the repository.
func (d *Demo) EnvVars(_ context.Context, repoID int64) ([]ci.EnvVar, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []ci.EnvVar
	for _, v := range d.vars {
		if v.RepositoryID == repoID {
			all = append(all, v)
		}
	}
	return all, d.Fail
}

// CreateEnvVar adds one; the value of a secret one is forgotten.
func (d *Demo) CreateEnvVar(_ context.Context, n ci.NewEnvVar) (ci.EnvVar, error) {
	if err := n.Check(); err != nil {
		return ci.EnvVar{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range d.vars {
		if v.RepositoryID == n.RepositoryID && v.Name == n.Name && v.Branch == n.Branch {
			return ci.EnvVar{}, fault.New(fault.Conflict, "There is a variable %s already.", n.Name)
		}
	}
	v := ci.EnvVar{ID: fmt.Sprintf("var-%d", len(d.vars)+1), RepositoryID: n.RepositoryID, Name: n.Name, Public: n.Public, Branch: n.Branch, CreatedAt: d.now, UpdatedAt: d.now}
	if n.Public {
		v.Value = n.Value
	}
	d.vars = append(d.vars, v)
	return v, nil
}

// DeleteEnvVar removes one.
func (d *Demo) DeleteEnvVar(_ context.Context, repoID int64, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.vars = slices.DeleteFunc(d.vars, func(v ci.EnvVar) bool { return v.ID == id && v.RepositoryID == repoID })
	return nil
}
