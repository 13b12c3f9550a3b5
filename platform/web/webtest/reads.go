package webtest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// RepositoryBySlug finds one.
func (d *Demo) RepositoryBySlug(_ context.Context, slug string, _ int64) (ci.Repository, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Fail != nil {
		return ci.Repository{}, d.Fail
	}
	for _, r := range d.repos {
		if strings.EqualFold(r.Slug, slug) {
			return r.Repository, nil
		}
	}
	return ci.Repository{}, fault.New(fault.NotFound, "repository not found")
}

// Repositories lists them in the order they were added.
func (d *Demo) Repositories(_ context.Context, f ci.RepositoryFilter) ([]ci.RepositoryOverview, int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []ci.RepositoryOverview
	for _, r := range d.repos {
		if f.Text != "" && !strings.Contains(strings.ToLower(r.Slug), strings.ToLower(f.Text)) || f.Starred != nil && r.Starred != *f.Starred || f.Active != nil && r.Active != *f.Active {
			continue
		}
		o := ci.RepositoryOverview{Repository: r.Repository}
		for _, b := range d.ofRepo(r.ID) {
			if o.Last == nil {
				o.Last = b
			}
			if len(o.Recent) < f.Recent {
				o.Recent = append(o.Recent, ci.BuildBrief{ID: b.ID, Number: b.Number, State: b.State, Duration: b.Duration(d.now)})
			}
		}
		slices.Reverse(o.Recent)
		for i, q := range d.requests {
			if q.RepositoryID == r.ID && len(q.BuildIDs) == 0 && o.Last == nil {
				o.LastRequest = &d.requests[i]
				break
			}
		}
		all = append(all, o)
	}
	return cut(all, f.Page), len(all), d.Fail
}

// ofRepo lists builds, the newest first.
func (d *Demo) ofRepo(id int64) []*ci.Build {
	var found []*ci.Build
	for _, b := range slices.Backward(d.builds) {
		if b.RepositoryID == id {
			found = append(found, b)
		}
	}
	slices.SortStableFunc(found, func(a, b *ci.Build) int { return int(b.Number - a.Number) })
	return found
}

func cut[T any](all []T, p ci.Page) []T {
	p = p.Norm()
	if p.Offset >= len(all) {
		return nil
	}
	return all[p.Offset:min(p.Offset+p.Limit, len(all))]
}

func (d *Demo) repo(id int64) *repo {
	for _, r := range d.repos {
		if r.ID == id {
			return r
		}
	}
	return &repo{}
}

// SetActive switches building on or off.
func (d *Demo) SetActive(_ context.Context, id int64, on bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.repo(id).Active = on
	return nil
}

// SetStar stars one for everybody: there is one user.
func (d *Demo) SetStar(_ context.Context, _, id int64, on bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.repo(id).Starred = on
	return nil
}

// DeleteRepository removes it.
func (d *Demo) DeleteRepository(_ context.Context, id int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.repos = slices.DeleteFunc(d.repos, func(r *repo) bool { return r.ID == id })
	return nil
}

// Branches are those of the builds.
func (d *Demo) Branches(_ context.Context, id int64, p ci.Page) ([]ci.Branch, int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []ci.Branch
	for _, b := range d.ofRepo(id) {
		i := slices.IndexFunc(all, func(x ci.Branch) bool { return x.Name == b.Branch })
		if i < 0 {
			all = append(all, ci.Branch{RepositoryID: id, Name: b.Branch, Default: b.Branch == d.repo(id).DefaultBranch, Last: b})
			i = len(all) - 1
		}
		all[i].Recent = append([]ci.BuildBrief{{ID: b.ID, Number: b.Number, State: b.State, Duration: b.Duration(d.now)}}, all[i].Recent...)
	}
	return cut(all, p), len(all), d.Fail
}

// Requests lists those of a repository, the newest first.
func (d *Demo) Requests(_ context.Context, f ci.RequestFilter) ([]ci.Request, int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []ci.Request
	for _, r := range d.requests {
		if r.RepositoryID == f.RepositoryID {
			all = append(all, r)
		}
	}
	return cut(all, f.Page), len(all), d.Fail
}

// BuildByNumber finds one.
func (d *Demo) BuildByNumber(_ context.Context, repoID, number int64) (ci.Build, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.builds {
		if b.RepositoryID == repoID && b.Number == number {
			return *b, d.Fail
		}
	}
	return ci.Build{}, fault.New(fault.NotFound, "There is no build #%d in %s.", number, d.repo(repoID).Name())
}

// Build finds one.
func (d *Demo) Build(_ context.Context, id int64) (ci.Build, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.builds {
		if b.ID == id {
			return *b, d.Fail
		}
	}
	return ci.Build{}, fault.New(fault.NotFound, "build not found")
}

// Builds lists those of a repository, the newest first.
func (d *Demo) Builds(_ context.Context, f ci.BuildFilter) ([]ci.Build, int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []ci.Build
	for _, b := range d.ofRepo(f.RepositoryID) {
		if f.Branch != "" && b.Branch != f.Branch || len(f.States) > 0 && !slices.Contains(f.States, b.State) || len(f.CreatedBy) > 0 && !slices.Contains(f.CreatedBy, b.CreatedByLogin) {
			continue
		}
		all = append(all, *b)
	}
	return cut(all, f.Page), len(all), d.Fail
}

// Job finds one.
func (d *Demo) Job(_ context.Context, id int64) (ci.Job, error) {
	jobs, _, err := d.Jobs(context.Background(), ci.JobFilter{})
	for _, j := range jobs {
		if j.ID == id {
			return j, err
		}
	}
	return ci.Job{}, fault.New(fault.NotFound, "job not found")
}

// Jobs lists them, those of the newest build first.
func (d *Demo) Jobs(_ context.Context, f ci.JobFilter) ([]ci.Job, int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []ci.Job
	for _, b := range slices.Backward(d.builds) {
		for _, j := range b.Jobs {
			if f.BuildID != 0 && j.BuildID != f.BuildID || len(f.States) > 0 && !slices.Contains(f.States, j.State) {
				continue
			}
			all = append(all, j)
		}
	}
	return cut(all, f.Page), len(all), d.Fail
}

// Attempts are those that were put in by hand.
func (d *Demo) Attempts(_ context.Context, jobID int64) ([]ci.Attempt, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.attempts[jobID], d.Fail
}

// UsualDuration is the same for every branch.
func (d *Demo) UsualDuration(_ context.Context, repoID int64, _ string) (time.Duration, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.repo(repoID).usual, d.Fail
}
