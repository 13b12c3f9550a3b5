package api

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/headrace/headrace/platform/ci"
)

func (v *view) minimalJob(j ci.Job) *object {
	return v.object("job", "/job/"+id(j.ID), minimal).set("id", j.ID)
}

func jobPermissions() *object {
	return permissions([]string{"read", "cancel", "restart", "delete_log", "view_log", "prioritize"}, []string{"debug"})
}

// showJob shows a job as standard.
func (v *view) showJob(ctx context.Context, j ci.Job) (*object, error) {
	href := "/job/" + id(j.ID)
	return v.within(href, func() (*object, error) {
		b, err := v.knownBuild(ctx, j.BuildID)
		if err != nil {
			return nil, err
		}
		build, err := v.showBuild(ctx, b, v.as("job.build"))
		if err != nil {
			return nil, err
		}
		repository, err := v.repositoryOf(ctx, "job.repository", j.RepositoryID, j.Slug)
		if err != nil {
			return nil, err
		}
		login, _ := ci.SplitSlug(j.Slug)
		who, err := v.knownOwner(ctx, login)
		if err != nil {
			return nil, err
		}
		o := v.object("job", href, standard).set("@permissions", jobPermissions())
		o.set("id", j.ID).set("allow_failure", j.AllowFailure).set("number", j.Number()).set("state", j.State)
		o.set("started_at", stamp(j.StartedAt)).set("finished_at", stamp(j.FinishedAt)).set("build", build).set("queue", orNull(j.Queue))
		o.set("repository", repository).set("commit", showCommit(b.Commit, v.as("job.commit"))).set("owner", v.showOwner(who, v.as("job.owner")))
		o.set("stage", v.stageOf(b, j)).set("created_at", stampMilli(j.CreatedAt)).set("updated_at", stampMilli(j.UpdatedAt)).set("private", j.Private)
		o.set("restarted_at", stamp(j.RestartedAt)).set("restarted_by", orNull(j.RestartedBy)).set("vm_size", nil)
		o.set("name", orNull(j.Name)).set("attempt", j.Attempt).set("worker", orNull(j.WorkerName)).set("exit_code", j.ExitCode)
		o.set("reason", orNull(j.Reason)).set("reason_text", orNull(j.Reason.Text()))
		wait, err := v.waitOf(ctx, b, j)
		if err != nil {
			return nil, err
		}
		o.set("waiting", wait).set("priority", j.Priority > 0)
		return v.jobExtras(ctx, o, j)
	})
}

// jobExtras adds the fields that are shown when they are asked for.
func (v *view) jobExtras(ctx context.Context, o *object, j ci.Job) (*object, error) {
	if v.include["job.config"] {
		config, err := withoutSecrets(j.Config)
		if err != nil {
			return nil, err
		}
		o.set("config", config)
	}
	if v.include["job.log_complete"] {
		complete, err := v.logsComplete(ctx, []ci.Job{j})
		if err != nil {
			return nil, err
		}
		o.set("log_complete", complete)
	}
	return o, nil
}

func (v *view) stageOf(b ci.Build, j ci.Job) *object {
	if j.StageNumber == 0 {
		return nil
	}
	for _, s := range b.Stages {
		if s.ID == j.StageID {
			return showStage(s, v.as("job.stage"))
		}
	}
	return showStage(ci.Stage{ID: j.StageID, Number: j.StageNumber, Name: j.StageName}, minimal)
}

// withoutSecrets puts [secure] where a configuration holds an encrypted value.
func withoutSecrets(config ci.Config) (any, error) {
	if len(config) == 0 {
		return new(object), nil
	}
	d := json.NewDecoder(bytes.NewReader(config))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return obfuscate(v), nil
}

func obfuscate(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if _, secret := v["secure"]; secret {
			return "[secure]"
		}
		for k := range v {
			v[k] = obfuscate(v[k])
		}
	case []any:
		for i := range v {
			v[i] = obfuscate(v[i])
		}
	}
	return v
}
