package api

import (
	"context"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// notMissing drops the error of a thing that is not there.
func notMissing(err error) error {
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// showBuild shows a build. As standard it shows the stages and jobs that the build brings along.
func (v *view) showBuild(ctx context.Context, b ci.Build, representation string) (*object, error) {
	href := "/build/" + id(b.ID)
	return v.within(href, func() (*object, error) {
		o := v.object("build", href, representation)
		o.setIf(representation == standard, "@permissions", permissions([]string{"read", "cancel", "restart", "prioritize"}, nil))
		o.set("id", b.ID).set("number", id(b.Number)).set("state", b.State).set("duration", seconds(b)).set("event_type", b.Event)
		o.set("previous_state", orNull(b.PreviousState)).set("pull_request_title", orNull(b.PullTitle)).set("pull_request_number", orNull(b.PullNumber))
		o.set("started_at", stamp(b.StartedAt)).set("finished_at", stamp(b.FinishedAt)).set("private", b.Private).set("priority", first(b))
		if representation == minimal {
			return o, nil
		}
		return v.wholeBuild(ctx, o, b)
	})
}

// seconds is how long a build took, null while it runs.
func seconds(b ci.Build) any {
	if b.FinishedAt.IsZero() || b.StartedAt.IsZero() {
		return nil
	}
	return int64(b.Duration(b.FinishedAt).Seconds())
}

func (v *view) wholeBuild(ctx context.Context, o *object, b ci.Build) (*object, error) {
	b, err := v.withJobs(ctx, b)
	if err != nil {
		return nil, err
	}
	repository, err := v.repositoryOf(ctx, "build.repository", b.RepositoryID, b.Slug)
	if err != nil {
		return nil, err
	}
	branch, err := v.branchOf(ctx, "build.branch", b.RepositoryID, b.Slug, b.Branch)
	if err != nil {
		return nil, err
	}
	jobs, err := v.jobsOf(ctx, b)
	if err != nil {
		return nil, err
	}
	by, err := v.creator(ctx, b.CreatedBy, b.CreatedByLogin, v.as("build.created_by"))
	if err != nil {
		return nil, err
	}
	o.set("repository", repository).set("branch", branch).set("tag", showTag(b)).set("commit", showCommit(b.Commit, v.as("build.commit")))
	o.set("jobs", jobs).set("stages", v.stagesOf(b, v.as("build.stages"))).set("created_by", by).set("updated_at", stampMilli(b.UpdatedAt))
	o.set("trusted", b.Trusted)
	if v.include["build.request"] {
		r, err := v.store.Request(ctx, b.RepositoryID, b.RequestID)
		if err != nil {
			return nil, err
		}
		o.set("request", v.minimalRequest(r))
	}
	if v.include["build.log_complete"] {
		complete, err := v.logsComplete(ctx, b.Jobs)
		if err != nil {
			return nil, err
		}
		o.set("log_complete", complete)
	}
	return o, nil
}

// withJobs returns the build with its stages and jobs, which lists of other things do not bring along.
func (v *view) withJobs(ctx context.Context, b ci.Build) (ci.Build, error) {
	if len(b.Jobs) == 0 {
		return v.knownBuild(ctx, b.ID)
	}
	if _, known := v.builds[b.ID]; !known {
		v.builds[b.ID] = b
	}
	return b, nil
}

// jobsOf shows the jobs of a build: named only, unless something of them is included.
func (v *view) jobsOf(ctx context.Context, b ci.Build) ([]*object, error) {
	full := v.include["build.jobs"]
	for _, field := range attributes("job") {
		full = full || v.include["job."+field]
	}
	list := make([]*object, len(b.Jobs))
	for i, j := range b.Jobs {
		if !full {
			list[i] = v.minimalJob(j)
			continue
		}
		var err error
		if list[i], err = v.showJob(ctx, j); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (v *view) logsComplete(ctx context.Context, jobs []ci.Job) (bool, error) {
	for _, j := range jobs {
		l, err := v.store.Log(ctx, j.ID, 0)
		if err != nil || !l.Closed {
			return false, notMissing(err)
		}
	}
	return true, nil
}

func showTag(b ci.Build) *object {
	if b.Tag == "" {
		return nil
	}
	return newObject("tag").set("@representation", minimal).set("repository_id", b.RepositoryID).set("name", b.Tag).set("last_build_id", b.ID)
}

func showCommit(c ci.Commit, representation string) *object {
	o := newObject("commit").set("@representation", representation).set("id", c.ID).set("sha", c.SHA).set("ref", orNull(c.Ref)).
		set("message", c.Message).set("compare_url", orNull(c.CompareURL)).set("committed_at", stamp(c.CommittedAt))
	if representation == standard {
		person := new(object).set("name", orNull(c.AuthorName)).set("avatar_url", nil)
		o.set("committer", person).set("author", person)
	}
	return o
}

// stagesOf shows the stages that a build brings along.
func (v *view) stagesOf(b ci.Build, representation string) []*object {
	list := make([]*object, len(b.Stages))
	for i, s := range b.Stages {
		list[i] = showStage(s, representation)
		if representation == minimal {
			continue
		}
		jobs := []*object{}
		for _, j := range b.Jobs {
			if j.StageID == s.ID {
				jobs = append(jobs, v.minimalJob(j))
			}
		}
		list[i].set("jobs", jobs)
	}
	return list
}

func showStage(s ci.Stage, representation string) *object {
	return newObject("stage").set("@representation", representation).set("id", s.ID).set("number", s.Number).set("name", s.Name).
		set("state", s.State).set("started_at", stamp(s.StartedAt)).set("finished_at", stamp(s.FinishedAt))
}
