package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/travisyml"
)

const (
	configFile    = ".travis.yml"
	requestSource = "the configuration of the request"
	// mostMessages bounds what one build keeps of what the language says.
	mostMessages = 500
)

// expanded is what the build language makes of a request.
type expanded struct {
	plan   travisyml.Plan
	config ci.Config
}

// expand runs the build language over the file and what the request lays over it. The error is a [fault.Error] that will
// not get better; messages come with it where there are any.
func (in *Intake) expand(ctx context.Context, repo ci.Repository, q ci.Request, c ci.Commit, text []byte) (expanded, error) {
	var over []travisyml.Fragment
	if q.Config != "" {
		d, _, err := travisyml.Parse(requestSource, []byte(q.Config), in.config.Limits)
		if err != nil {
			return expanded{}, permanent(err)
		}
		over = []travisyml.Fragment{{Document: d, Mode: q.MergeMode}}
	}
	whole := travisyml.Input{Source: configFile, Text: text, Overrides: over, Imports: &library{in: in, repo: repo, sha: c.SHA, others: map[string]ci.Repository{}}}
	config, plan, err := travisyml.Load(ctx, whole, seen(repo, q, c), in.config.Limits)
	if err != nil {
		return expanded{plan: plan}, unusable(err)
	}
	if plan.Skip != "" {
		return expanded{plan: plan}, fault.New(fault.Invalid, "%s", plan.Skip)
	}
	if len(plan.Jobs) == 0 {
		return expanded{plan: plan}, fault.New(fault.Invalid, "The configuration leads to no jobs.")
	}
	object, err := config.JSON()
	if err != nil {
		return expanded{plan: plan}, fmt.Errorf("encode the configuration of request %d: %w", q.ID, err)
	}
	return expanded{plan: plan, config: object}, nil
}

// seen is what conditions and filters see of a request.
func seen(repo ci.Repository, q ci.Request, c ci.Commit) travisyml.Request {
	r := travisyml.Request{
		Type: string(q.Event), Repo: repo.Slug, Branch: branchOf(q), Tag: q.Tag, CommitMessage: c.Message, Sender: cmp.Or(q.CreatedByLogin, q.Hook.Sender),
	}
	if p := q.PullRequest; p != nil {
		r.HeadRepo, r.HeadBranch, r.Fork, r.Draft = p.HeadSlug, p.HeadRef, p.Fork(), p.Draft
	}
	return r
}

// branchOf is the branch of the build; of a tag it is the tag's name, as the Travis API has it.
func branchOf(q ci.Request) string {
	if q.Branch == "" {
		return q.Tag
	}
	return q.Branch
}

// unusable says why a configuration makes no build. A file of another repository that cannot be had now is tried again.
func unusable(err error) error {
	if imported, ok := errors.AsType[*travisyml.ImportError](err); ok && imported.Unwrap() != nil && temporary(imported.Unwrap()) {
		return fault.Wrap(fault.Unavailable, err, "%s", describe(err))
	}
	return permanent(err)
}

func permanent(err error) error { return fault.Wrap(fault.Invalid, err, "%s", describe(err)) }

// describe says, for people, what is wrong with a configuration and where.
func describe(err error) string {
	if s, ok := errors.AsType[*travisyml.SyntaxError](err); ok {
		return strings.TrimRight(s.Error()+"\n"+s.Snippet, "\n")
	}
	return err.Error()
}

// files are what a configuration was made of beside .travis.yml.
func files(q ci.Request, list []travisyml.File) []ci.ConfigFile {
	var out []ci.ConfigFile
	if q.Config != "" {
		out = append(out, ci.ConfigFile{Source: requestSource, Mode: q.MergeMode, Text: q.Config})
	}
	for _, f := range list {
		if f.Source != configFile {
			out = append(out, ci.ConfigFile{Source: f.Source, Mode: f.Mode, Text: string(f.Text)})
		}
	}
	return out
}

// messages translates what the language says.
func messages(list []travisyml.Message) []ci.ConfigMessage {
	var out []ci.ConfigMessage
	for i, m := range list {
		if i == mostMessages {
			out = append(out, ci.ConfigMessage{
				Level: string(travisyml.Info), Key: "root", Code: "more_messages",
				Text: fmt.Sprintf("%d more messages are left out.", len(list)-i),
			})
			break
		}
		out = append(out, ci.ConfigMessage{
			Level: string(m.Level), Key: m.Key, Code: m.Code, Args: m.Args, Text: m.Text, Source: m.Source, Line: m.Line, Column: m.Column,
		})
	}
	return out
}

// build makes the build of a plan.
func (in *Intake) build(slug string, q ci.Request, c ci.Commit, text []byte, e expanded) ci.NewBuild {
	b := ci.NewBuild{
		RequestID: q.ID, RepositoryID: q.RepositoryID, Event: q.Event, Branch: branchOf(q), Tag: q.Tag, Commit: c,
		Trusted: q.Trusted(), Sender: q.Hook.Sender, PullRequest: q.PullRequest, FastFinish: e.plan.FastFinish, Config: e.config, ConfigText: string(text), ConfigFiles: files(q, e.plan.Files), Messages: messages(e.plan.Messages), CreatedBy: q.CreatedBy,
	}
	for _, s := range e.plan.Stages {
		b.Stages = append(b.Stages, s.Name)
	}
	refused := map[string]bool{}
	for _, j := range e.plan.Jobs {
		queue, not := in.config.Queues.Choose(slug, j.Config)
		if not != "" && !refused[not] {
			refused[not] = true
			b.Messages = append(b.Messages, queueRefused(not))
		}
		b.Jobs = append(b.Jobs, ci.NewJob{
			Name: j.Name, Stage: slices.Index(b.Stages, j.Stage), AllowFailure: j.AllowFailure, Queue: queue, Config: j.Config,
		})
	}
	return b
}

// queueRefused says that a configuration names a queue which it may not name.
func queueRefused(queue string) ci.ConfigMessage {
	return ci.ConfigMessage{
		Level: string(travisyml.Warn), Key: "queue", Code: "queue_not_open", Args: map[string]any{"queue": queue},
		Text: fmt.Sprintf("The queue %q is not open to be named here; the jobs go where the rules of this installation send them.", queue),
	}
}
