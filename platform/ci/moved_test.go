package ci_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/headrace/headrace/platform/ci"
)

func TestChanges(t *testing.T) {
	t.Parallel()
	job := func(id, build int64, s ci.State) ci.Job {
		return ci.Job{ID: id, RepositoryID: 1, BuildID: build, Attempt: 2, State: s}
	}
	got := ci.Changes(
		ci.Moved{Job: job(10, 5, ci.Failed), BuildState: ci.Started, Dropped: []ci.Job{job(12, 5, ci.Canceled)}},
		ci.Moved{Job: job(30, 6, ci.Queued), BuildState: ci.Queued, Stale: true},
		ci.Moved{Job: job(11, 5, ci.Passed), BuildState: ci.Failed},
		ci.Moved{Job: job(20, 7, ci.Started), BuildState: ci.Started},
	)
	want := []ci.Change{
		{Kind: ci.ChangeJob, Repository: 1, Build: 5, Job: 10, Attempt: 2, State: "failed"},
		{Kind: ci.ChangeJob, Repository: 1, Build: 5, Job: 12, Attempt: 2, State: "canceled"},
		{Kind: ci.ChangeJob, Repository: 1, Build: 5, Job: 11, Attempt: 2, State: "passed"},
		{Kind: ci.ChangeJob, Repository: 1, Build: 7, Job: 20, Attempt: 2, State: "started"},
		{Kind: ci.ChangeBuild, Repository: 1, Build: 5, State: "failed"},
		{Kind: ci.ChangeBuild, Repository: 1, Build: 7, State: "started"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Changes (-want +got):\n%s", diff)
	}
}
