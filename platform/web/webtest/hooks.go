package webtest

import (
	"context"
	"fmt"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// HookSecrets are those of every repository.
func (d *Demo) HookSecrets(context.Context, int64) ([]ci.HookSecret, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]ci.HookSecret(nil), d.hookSecrets...), d.Fail
}

// RotateHookSecret puts a new one before the newest.
func (d *Demo) RotateHookSecret(context.Context, int64) ([]ci.HookSecret, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := ci.HookSecret{ID: fmt.Sprintf("hook-%d", len(d.hookSecrets)+1), Secret: "5ec4e7", Newest: true, CreatedAt: d.now}
	all := []ci.HookSecret{next}
	for _, v := range d.hookSecrets[:min(len(d.hookSecrets), 1)] {
		v.Newest = false
		all = append(all, v)
	}
	d.hookSecrets = all
	return all, d.Fail
}

// RemoveHookSecret removes one that is not the newest.
func (d *Demo) RemoveHookSecret(_ context.Context, _ int64, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, v := range d.hookSecrets {
		if v.ID == id && !v.Newest {
			d.hookSecrets = append(d.hookSecrets[:i], d.hookSecrets[i+1:]...)
			return nil
		}
	}
	return fault.New(fault.NotFound, "There is no such secret.")
}

// HookDeliveries are those of the repository.
func (d *Demo) HookDeliveries(_ context.Context, repoID int64, _ int) ([]ci.HookDelivery, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []ci.HookDelivery
	for _, v := range d.deliveries {
		if v.RepositoryID == repoID {
			all = append(all, v)
		}
	}
	return all, d.Fail
}

// sampleHooks makes a repository whose secret is being rotated.
func (d *Demo) sampleHooks(repo int64) {
	now := d.now
	d.hookSecrets = []ci.HookSecret{
		{ID: "hook-2", Secret: "b7e1d0c49f2a8365b7e1d0c49f2a8365b7e1d0c4", Newest: true, CreatedAt: now.Add(-20 * time.Minute)},
		{ID: "hook-1", Secret: "0f1e2d3c4b5a69780f1e2d3c4b5a69780f1e2d3c", CreatedAt: now.Add(-90 * 24 * time.Hour)},
	}
	pull := ci.Request{
		ID: 81, RepositoryID: repo, Event: ci.EventPullRequest, Branch: "main", State: ci.RequestFinished, Result: ci.RequestApproved,
		PullRequest: &ci.PullRequest{Number: 212, Title: "Cache: key by lock file"},
	}
	d.deliveries = []ci.HookDelivery{
		{RepositoryID: repo, Forge: ci.GitHub, Outcome: ci.HookAccepted, At: now.Add(-3 * time.Minute), Request: &pull},
		{RepositoryID: repo, Forge: ci.GitHub, Event: "issue_comment", Outcome: ci.HookUnused, At: now.Add(-8 * time.Minute), Reason: "Headrace does not use this event. Pushes and pull requests are enough."},
		{RepositoryID: repo, Forge: ci.GitHub, Event: "push", Outcome: ci.HookRefused, At: now.Add(-31 * time.Minute), Reason: "The signature is not one of the secrets of this repository. Copy the newest secret to the webhook."},
	}
}

// samplePull makes a build one of a pull request from a fork.
func (d *Demo) samplePull(number int64) {
	for _, b := range d.builds {
		if b.Number == number {
			b.Event, b.Trusted, b.CreatedByLogin, b.Sender, b.PullNumber, b.PullTitle = ci.EventPullRequest, false, "", "tomas", 212, "Cache: key by lock file, and by the version of the compiler"
			b.PullRequest = &ci.PullRequest{
				Number: 212, Title: b.PullTitle, Draft: true, HeadRef: "cache-keys", HeadSlug: "tomas/turbine-api", HeadSHA: b.Commit.SHA, URL: "https://git.mill.example/millworks/turbine-api/pull/212",
			}
		}
	}
}
