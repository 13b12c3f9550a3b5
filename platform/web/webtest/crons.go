package webtest

import (
	"context"
	"slices"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/web"
)

// crons are the demo as the room that builds branches at set times.
type crons struct{ *Demo }

// CronRoom is the demo as the room that builds branches at set times.
func (d *Demo) CronRoom() web.Crons { return crons{d} }

// Add adds a cron of any branch but "gone".
func (k crons) Add(_ context.Context, n ci.NewCron) (ci.Cron, error) {
	d := k.Demo
	d.mu.Lock()
	defer d.mu.Unlock()
	made, err := n.Begin(d.now)
	if err != nil {
		return made, err
	}
	if n.Branch == "gone" {
		return made, fault.Field("branch", "There is no branch %q.", n.Branch)
	}
	d.crons = slices.DeleteFunc(d.crons, func(o ci.Cron) bool { return o.RepositoryID == n.RepositoryID && o.Branch == n.Branch })
	d.nextID++
	made.ID, made.Slug = d.nextID, d.repo(n.RepositoryID).Slug
	d.crons = append(d.crons, made)
	return made, nil
}

// Crons are those of the repository.
func (d *Demo) Crons(_ context.Context, repoID int64, p ci.Page) ([]ci.Cron, int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []ci.Cron
	for _, k := range d.crons {
		if k.RepositoryID == repoID {
			all = append(all, k)
		}
	}
	return cut(all, p), len(all), d.Fail
}

// Cron finds one.
func (d *Demo) Cron(_ context.Context, id int64) (ci.Cron, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range d.crons {
		if k.ID == id {
			return k, nil
		}
	}
	return ci.Cron{}, fault.New(fault.NotFound, "There is no such cron.")
}

// DeleteCron removes one.
func (d *Demo) DeleteCron(_ context.Context, id int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crons = slices.DeleteFunc(d.crons, func(k ci.Cron) bool { return k.ID == id })
	return nil
}

// sampleCrons are one that built, one that was passed over, one that was stopped, and one that is new.
func (d *Demo) sampleCrons(r *repo) {
	ago := func(n time.Duration) time.Time { return d.now.Add(-n) }
	day := 24 * time.Hour
	add := func(k ci.Cron, last *ci.CronRun) {
		k.ID, k.RepositoryID, k.Slug, k.CreatedAt, k.Last = int64(len(d.crons)+1), r.ID, r.Slug, ago(30*day), last
		if rule, err := k.Rule(); err == nil {
			k.NextRun = rule.Next(d.now)
		}
		d.crons = append(d.crons, k)
	}
	add(ci.Cron{Branch: "cache-keys", Interval: "monthly", TimeZone: "UTC", First: ago(50 * day), Active: true},
		&ci.CronRun{At: ago(20 * day), Outcome: ci.CronRequested, Result: ci.RequestRejected, Reason: "There is no .travis.yml at this commit."})
	add(ci.Cron{Branch: "main", Schedule: "30 2 * * 1-5", TimeZone: "Europe/Berlin", SkipIfRecent: true, Active: true},
		&ci.CronRun{At: ago(10*time.Hour + 30*time.Minute), Outcome: ci.CronRequested, Result: ci.RequestApproved, BuildID: 1, BuildNumber: 1481, BuildState: ci.Failed})
	add(ci.Cron{Branch: "release-1.2", Interval: "daily", TimeZone: "UTC", First: ago(9 * day), Reason: "There is no branch \"release-1.2\" at git.mill.example/millworks/turbine-api."},
		&ci.CronRun{At: ago(3 * day), Outcome: ci.CronRequested, Result: ci.RequestRejected, Reason: "There is no branch \"release-1.2\" at git.mill.example/millworks/turbine-api."})
	add(ci.Cron{Branch: "sqlite-busy", Interval: "weekly", TimeZone: "America/New_York", First: d.now.Add(50 * time.Second), SkipIfRecent: true, Active: true}, nil)
}
