package api

import (
	"context"

	"github.com/headrace/headrace/platform/ci"
)

func requestHref(r ci.Request) string { return "/repo/" + id(r.RepositoryID) + "/request/" + id(r.ID) }

// requestReason is the message of a request: why there is no build where there is none, else what the commit shall be called.
func requestReason(r ci.Request) any {
	if r.Reason != "" {
		return r.Reason
	}
	return orNull(r.Message)
}

func (v *view) minimalRequest(r ci.Request) *object {
	return v.object("request", requestHref(r), minimal).set("id", r.ID).set("state", r.State).set("result", orNull(r.Result)).
		set("message", requestReason(r)).set("pull_request_mergeable", nil)
}

// showRequest shows a request as standard.
func (v *view) showRequest(ctx context.Context, r ci.Request, slug string) (*object, error) {
	return v.within(requestHref(r), func() (*object, error) {
		repository, err := v.repositoryOf(ctx, "request.repository", r.RepositoryID, slug)
		if err != nil {
			return nil, err
		}
		builds, commit, err := v.buildsOf(ctx, r)
		if err != nil {
			return nil, err
		}
		messages, err := v.messagesOf(ctx, r)
		if err != nil {
			return nil, err
		}
		owner, err := v.creator(ctx, r.CreatedBy, r.CreatedByLogin, minimal)
		if err != nil {
			return nil, err
		}
		o := v.object("request", requestHref(r), standard).set("@permissions", permissions([]string{"read"}, nil))
		o.set("id", r.ID).set("state", r.State).set("result", orNull(r.Result)).set("message", requestReason(r)).set("pull_request_mergeable", nil)
		o.set("repository", repository).set("branch_name", orNull(r.Branch)).set("tag_name", orNull(r.Tag)).set("commit", commit).set("builds", builds)
		o.set("owner", owner).set("created_at", stamp(r.Created)).set("event_type", r.Event).set("base_commit", nil).set("head_commit", nil)
		o.set("messages", showMessages(messages)).set("config", nil).set("raw_configs", rawConfigs(r)).set("tries", r.Tries)
		return o.setIf(v.include["request.yaml_config"], "yaml_config", nil), nil
	})
}

// buildsOf shows the builds that a request made, and the commit of the first.
func (v *view) buildsOf(ctx context.Context, r ci.Request) (builds []*object, commit *object, err error) {
	builds = []*object{}
	for _, buildID := range r.BuildIDs {
		b, err := v.knownBuild(ctx, buildID)
		if err != nil {
			return nil, nil, err
		}
		if commit == nil {
			commit = showCommit(b.Commit, v.as("request.commit"))
		}
		shown, err := v.showBuild(ctx, b, v.as("request.builds"))
		if err != nil {
			return nil, nil, err
		}
		builds = append(builds, shown)
	}
	return builds, commit, nil
}

// messagesOf returns what was said about the configuration: with a request that made a build, the build keeps it.
func (v *view) messagesOf(ctx context.Context, r ci.Request) ([]ci.ConfigMessage, error) {
	if len(r.Messages) > 0 || len(r.BuildIDs) == 0 {
		return r.Messages, nil
	}
	b, err := v.knownBuild(ctx, r.BuildIDs[0])
	return b.Messages, err
}

// rawConfigs shows the configuration that came with the request.
func rawConfigs(r ci.Request) []*object {
	if r.Config == "" {
		return []*object{}
	}
	return []*object{new(object).set("config", r.Config).set("source", "api").set("merge_mode", orNull(r.MergeMode))}
}

func showMessages(list []ci.ConfigMessage) []*object {
	shown := make([]*object, len(list))
	for i, m := range list {
		args := m.Args
		if args == nil {
			args = map[string]any{}
		}
		shown[i] = newObject("message").set("@representation", standard).set("id", i+1).set("level", m.Level).set("key", m.Key).set("code", m.Code).
			set("args", args).set("src", orNull(m.Source)).set("line", orNull(m.Line)).set("column", orNull(m.Column)).set("text", m.Text)
	}
	return shown
}
