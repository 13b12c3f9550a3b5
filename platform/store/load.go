package store

import (
	"context"

	"github.com/headrace/headrace/platform/ci"
)

// load is what the messages of picked jobs are made of. None of it is changed by what goes on with the jobs, so it is read
// for all of them at once.
type load struct {
	builds       map[int64]ci.Build // without configuration and jobs
	repositories map[int64]ci.Repository
	variables    map[int64][]envVar // by repository
	configs      map[int64]ci.Config
}

func (s *Store) load(ctx context.Context, c conn, picked []candidate, builds []int64) (load, error) {
	l := load{builds: map[int64]ci.Build{}, repositories: map[int64]ci.Repository{}, variables: map[int64][]envVar{}, configs: map[int64]ci.Config{}}
	found, err := listBuilds(ctx, c, " WHERE b.id {{ints $1}}", ids(builds))
	if err != nil {
		return l, err
	}
	for _, b := range found {
		l.builds[b.ID] = b
		if _, known := l.repositories[b.RepositoryID]; known {
			continue
		}
		if l.repositories[b.RepositoryID], err = findRepository(ctx, c, b.RepositoryID, 0); err != nil {
			return l, err
		}
		if l.variables[b.RepositoryID], err = envVarsOf(ctx, c, b.RepositoryID); err != nil {
			return l, err
		}
	}
	var jobs []int64
	for _, p := range picked {
		jobs = append(jobs, p.job)
	}
	type config struct {
		job  int64
		text ci.Config
	}
	configs, err := list(ctx, c, func(row scanner) (v config, err error) {
		err = row.Scan(&v.job, intoConfig(&v.text))
		return v, err
	}, "SELECT id, config FROM jobs WHERE id {{ints $1}}", ids(jobs))
	for _, v := range configs {
		l.configs[v.job] = v.text
	}
	return l, err
}
