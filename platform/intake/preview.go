package intake

import (
	"context"
	"slices"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/travisyml"
)

// Preview says what a configuration that is in no repository would come to. Files that it imports are left out.
func (in *Intake) Preview(ctx context.Context, text []byte, as ci.ExpandAs) ci.Expansion {
	r := travisyml.Request{Type: string(as.Event), Branch: as.Branch, Tag: as.Tag}
	_, plan, err := travisyml.Load(ctx, travisyml.Input{Source: configFile, Text: text}, r, in.config.Limits)
	out := ci.Expansion{Messages: messages(plan.Messages), Skip: plan.Skip}
	if err != nil {
		out.Problem = describe(err)
		return out
	}
	for _, s := range plan.Stages {
		out.Stages = append(out.Stages, s.Name)
	}
	for _, j := range plan.Jobs {
		queue, _ := in.config.Queues.Choose("", j.Config)
		out.Jobs = append(out.Jobs, ci.NewJob{
			Name: j.Name, Stage: slices.Index(out.Stages, j.Stage), AllowFailure: j.AllowFailure, Queue: queue, Config: j.Config,
		})
	}
	return out
}
